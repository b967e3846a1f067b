//! What a full-size, lab-keyed KMS exchange can show.

use super::{NO_HOST_DERIVED, NOT_ENABLED};
use crate::stage::Stage;
use crate::verdict::{Row, Seen, Severity};

/// The answer verifies and the count suffices.
pub static OK: Row = Row {
    code: "kms.ok",
    stage: Stage::Kms,
    severity: Severity::Ok,
    port_state: None,
    cause: "{endpoint} answered a full KMS request under the lab key, and its count suffices: \
            {count}, where {product} needs {threshold}.",
    remedy: None,
    client_sees: &[],
    client_note: None,
};

/// The host does not share this key.
pub static FOREIGN_KEY: Row = Row {
    code: "kms.foreign_key",
    stage: Stage::Kms,
    severity: Severity::Info,
    port_state: None,
    cause: "A full-size exchange with {endpoint} passed in both directions, and {payload}: it does \
            not share this lab key, as is expected of a genuine KMS host or another lab.",
    remedy: Some(
        "Nothing has to be done for a genuine host; if this should be your own simulator, give \
         both tools the same --lab-key.",
    ),
    client_sees: &[],
    client_note: Some("nothing follows for a client, which uses other keys"),
};

/// Any other HRESULT.
pub static HRESULT: Row = Row {
    code: "kms.hresult",
    stage: Stage::Kms,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} answered the KMS request with {hresult}: {hresult_meaning}.",
    remedy: Some("Act on the code the host gave: {hresult_remedy}."),
    client_sees: &[],
    client_note: None,
};

/// Right shape, wrong proof.
pub static MAC_MISMATCH: Row = Row {
    code: "kms.mac_mismatch",
    stage: Stage::Kms,
    severity: Severity::Critical,
    port_state: None,
    cause: "The answer of {endpoint} has the right lengths and version under this lab key, but its \
            {mac} does not verify: it was altered on the way, or the simulator has a fault rule \
            that corrupts it.",
    remedy: Some(
        "Look for fault rules on the simulator and for devices on the path that rewrite payload, \
         and repeat the check from a machine next to the host.",
    ),
    client_sees: &[],
    client_note: None,
};

/// The answer belongs to another request.
pub static ECHO_MISMATCH: Row = Row {
    code: "kms.echo_mismatch",
    stage: Stage::Kms,
    severity: Severity::Critical,
    port_state: None,
    cause: "The answer of {endpoint} verifies but does not repeat {echo}, so it answers another \
            request: a client refuses it.",
    remedy: Some(
        "Look for fault rules on the simulator, and for anything on the path that caches or shares \
         connections.",
    ),
    client_sees: &[],
    client_note: None,
};

/// Works, and too few clients are known.
pub static COUNT_LOW: Row = Row {
    code: "kms.count_low",
    stage: Stage::Kms,
    severity: Severity::Warning,
    port_state: None,
    cause: "{endpoint} works, but its count of {count} is below the {threshold} that {product} \
            needs before it activates.",
    remedy: Some(
        "Let more machines with their own client machine id contact this host (25 for Windows \
         clients, 5 for servers and Office), do not spread few clients over many hosts, and look \
         for cloned images that count as one.",
    ),
    client_sees: &[Seen {
        code: 0xC004_F038,
        place: "slmgr /ato",
        source: "Microsoft, Troubleshoot Windows activation error codes: 0xC004F038",
    }],
    client_note: None,
};

/// An RPC fault instead of an answer.
pub static FAULT: Row = Row {
    code: "kms.fault",
    stage: Stage::Kms,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} refused the KMS request at the RPC level with {fault}, so the service never \
            read it.",
    remedy: Some(
        "Read the fault (`kms-probe explain CODE`): bad stub data means that the encoding was \
         altered or not understood, access denied means RPC restrictions, too busy means load.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// End of stream instead of an answer.
pub static CLOSED: Row = Row {
    code: "kms.closed",
    stage: Stage::Kms,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} took small RPC calls and closed the connection without a byte of answer when the KMS \
            request arrived: the service gave up on it, or a device on the path ends it.",
    remedy: Some(
        "Look at the Key Management Service log of the host at this time: without an event 12290 \
         the request never arrived, and the path is at fault.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// A reset instead of an answer.
pub static RESET: Row = Row {
    code: "kms.reset",
    stage: Stage::Kms,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} took small RPC calls and the connection was reset when the KMS request was \
            sent: a device on the path recognises and forbids it, or the service aborted.",
    remedy: Some(
        "Look at the Key Management Service log of the host at this time (event 12290), and for \
         intrusion prevention on the path that matches KMS payload.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// Small calls were answered and the request was not.
pub static TIMEOUT: Row = Row {
    code: "kms.timeout",
    stage: Stage::Kms,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} took small RPC calls and gave no complete answer to the KMS request within \
            {timeout}: a device on the path drops it, or the service hangs.",
    remedy: Some(
        "Look at the Key Management Service log of the host at this time: with an event 12290 the \
         answer was lost on the way back, without one the request was.",
    ),
    client_sees: &[NO_HOST_DERIVED, NOT_ENABLED],
    client_note: None,
};

/// An answer that is not a KMS response.
pub static MALFORMED: Row = Row {
    code: "kms.malformed",
    stage: Stage::Kms,
    severity: Severity::Critical,
    port_state: None,
    cause: "The answer of {endpoint} to the KMS request is damaged, cut or not a KMS response \
            ({detail}).",
    remedy: Some(
        "Capture TCP {port} on both sides and compare: a device on the path alters the payload, or \
         the service there is not a KMS host.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// All rows of the stage.
pub static ROWS: &[&Row] = &[
    &OK,
    &FOREIGN_KEY,
    &HRESULT,
    &MAC_MISMATCH,
    &ECHO_MISMATCH,
    &COUNT_LOW,
    &FAULT,
    &CLOSED,
    &RESET,
    &TIMEOUT,
    &MALFORMED,
];
