//! What an RPC bind can show.

use super::{NO_HOST_DERIVED, NOT_ENABLED};
use crate::stage::Stage;
use crate::verdict::{Row, Severity};

/// The KMS interface was accepted.
pub static OK: Row = Row {
    code: "bind.ok",
    stage: Stage::Bind,
    severity: Severity::Ok,
    port_state: None,
    cause: "{endpoint} speaks RPC and offers the KMS interface with {syntax}: RPC passes the path \
            in both directions.",
    remedy: None,
    client_sees: &[],
    client_note: None,
};

/// End of stream instead of an answer.
pub static CLOSED: Row = Row {
    code: "bind.closed",
    stage: Stage::Bind,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} accepted the connection and closed it without a byte of answer when the RPC bind \
            arrived: the service there is not RPC or has reached a limit, or a proxy or inspecting \
            firewall ends what it does not know.",
    remedy: Some(
        "See which process owns TCP {port} on the host (`netstat -abno`), and exempt TCP {port} \
         from proxying and application inspection on the path.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// A reset after the handshake.
pub static RESET: Row = Row {
    code: "bind.reset",
    stage: Stage::Bind,
    severity: Severity::Critical,
    port_state: None,
    cause: "The handshake with {endpoint} succeeded and the connection was reset when the RPC bind \
            was sent: a deep-inspection device on the path (a firewall that looks into the payload) \
            forbids it, or the service there aborts what it does not know.",
    remedy: Some(
        "Allow RPC on TCP {port} on the deep-inspection firewalls between {source} and {address} (a \
         rule for another application on this port passes the handshake only), and see which \
         process owns the port on the host.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// Connected, then silence.
pub static TIMEOUT: Row = Row {
    code: "bind.timeout",
    stage: Stage::Bind,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} accepted the connection and gave no complete answer to the RPC bind within \
            {timeout}{icmp_note}: a deep-inspection device on the path (a firewall that looks into \
            the payload) passes the handshake and drops the rest, something in between accepts \
            connections in the host's name, or the service hangs.",
    remedy: Some(
        "Allow the RPC payload and not only the port on the deep-inspection firewalls and proxies \
         between {source} and {address}, and restart the Software Protection service if a check next to the host fails \
         as well.",
    ),
    client_sees: &[NO_HOST_DERIVED, NOT_ENABLED],
    client_note: None,
};

/// Another protocol answered.
pub static NOT_RPC: Row = Row {
    code: "bind.not_rpc",
    stage: Stage::Bind,
    severity: Severity::Critical,
    port_state: None,
    cause: "What answers at {endpoint} does not speak RPC: {guess}.",
    remedy: Some(
        "Correct the port or host in the SRV record or registry of the clients, or move the other \
         service or proxy away from TCP {port}.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// RPC that breaks its own format.
pub static MALFORMED: Row = Row {
    code: "bind.malformed",
    stage: Stage::Bind,
    severity: Severity::Critical,
    port_state: None,
    cause: "The answer of {endpoint} to the RPC bind is damaged or cut ({detail}).",
    remedy: Some(
        "Capture TCP {port} on both sides and compare: a device on the path alters the payload, or \
         the service there is not a conforming RPC runtime.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// bind_nak.
pub static NAK: Row = Row {
    code: "bind.nak",
    stage: Stage::Bind,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} speaks RPC and refused the whole bind (bind_nak; {nak_reason}).",
    remedy: Some("Act on the reason it gave: {nak_remedy}."),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// The interface was refused.
pub static NOT_KMS: Row = Row {
    code: "bind.not_kms",
    stage: Stage::Bind,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} speaks RPC but does not offer the KMS interface \
            (51c82175-844e-4750-b0d8-ec255555bc06): another RPC service listens there.",
    remedy: Some(
        "Take the port from `slmgr /dlv` on the KMS host and correct the SRV record, the client's \
         setting or the port forwarding that leads here.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// The interface is known, and no encoding was agreed.
pub static NO_SYNTAX: Row = Row {
    code: "bind.no_syntax",
    stage: Stage::Bind,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} speaks RPC but accepted the KMS interface with neither NDR32 nor NDR64 \
            ({results}), so no call can be encoded.",
    remedy: Some(
        "Look for an RPC-aware firewall or proxy that strips transfer syntaxes, and bring the host up \
         to date.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// The answer belongs to another call.
pub static CALL_ID_MISMATCH: Row = Row {
    code: "bind.call_id_mismatch",
    stage: Stage::Bind,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} answered the bind under another call id ({detail}): it is not a conforming \
            RPC runtime, or a device mixes connections up.",
    remedy: Some(
        "See which process owns TCP {port} on the host, and take out any proxy or connection \
         sharing between {source} and {address}.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// All rows of the stage.
pub static ROWS: &[&Row] = &[
    &OK,
    &CLOSED,
    &RESET,
    &TIMEOUT,
    &NOT_RPC,
    &MALFORMED,
    &NAK,
    &NOT_KMS,
    &NO_SYNTAX,
    &CALL_ID_MISMATCH,
];
