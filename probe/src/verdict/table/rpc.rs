//! What a call shows that an RPC runtime must refuse before any service code runs.

use super::{NO_HOST_DERIVED, NOT_ENABLED};
use crate::stage::Stage;
use crate::verdict::{Row, Severity};

/// Refused as it must be.
pub static OK: Row = Row {
    code: "rpc.ok",
    stage: Stage::Rpc,
    severity: Severity::Ok,
    port_state: None,
    cause: "Path, port and RPC are in order up to the KMS service of {endpoint}: it refused \
            an operation that does not exist, as an RPC runtime must.",
    remedy: None,
    client_sees: &[],
    client_note: None,
};

/// Answered although there is no such operation.
pub static EXECUTED: Row = Row {
    code: "rpc.executed",
    stage: Stage::Rpc,
    severity: Severity::Warning,
    port_state: None,
    cause: "The path is in order, but {endpoint} answered an operation that the KMS interface does \
            not have ({result_bytes}): it is not a genuine KMS host.",
    remedy: Some(
        "Find out who runs this service (KMS emulators behave so) and point DNS and clients at \
         your own KMS host.",
    ),
    client_sees: &[],
    client_note: None,
};

/// Another fault than the expected one.
pub static FAULT: Row = Row {
    code: "rpc.fault",
    stage: Stage::Rpc,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} accepted the KMS interface and refused the call with {fault} instead of \
            nca_s_op_rng_error.",
    remedy: Some(
        "Read the fault (`kms-probe explain CODE`): access denied means RPC restrictions on the \
         host, too busy means load, a protocol error means that something on the path alters the \
         payload.",
    ),
    client_sees: &[],
    client_note: None,
};

/// End of stream instead of an answer.
pub static CLOSED: Row = Row {
    code: "rpc.closed",
    stage: Stage::Rpc,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} accepted the RPC bind and closed the connection without a byte of answer when the call \
            arrived: the service or a device on the path ends calls.",
    remedy: Some(
        "Look at the Application log of the host at this time (sppsvc may have stopped), and \
         exempt TCP {port} from application inspection on the path.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// A reset instead of an answer.
pub static RESET: Row = Row {
    code: "rpc.reset",
    stage: Stage::Rpc,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} accepted the RPC bind and the connection was reset when the call was sent: \
            a device on the path that knows RPC forbids the call, or the service aborted.",
    remedy: Some(
        "Allow calls to the KMS interface on firewalls that inspect RPC, and look at the \
         Application log of the host at this time.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// The bind was answered and the call was not.
pub static TIMEOUT: Row = Row {
    code: "rpc.timeout",
    stage: Stage::Rpc,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} accepted the RPC bind and gave no complete answer to the call within \
            {timeout}: a device on the path drops calls, or the service hangs.",
    remedy: Some(
        "Check from a machine next to the host: if it answers there, look for RPC inspection on \
         the path, otherwise restart the Software Protection service.",
    ),
    client_sees: &[NO_HOST_DERIVED, NOT_ENABLED],
    client_note: None,
};

/// An answer that breaks the format.
pub static MALFORMED: Row = Row {
    code: "rpc.malformed",
    stage: Stage::Rpc,
    severity: Severity::Critical,
    port_state: None,
    cause: "The answer of {endpoint} to the call is damaged, cut or out of turn ({detail}).",
    remedy: Some(
        "Capture TCP {port} on both sides and compare: a device on the path alters the payload, or \
         the service there is not a conforming RPC runtime.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// All rows of the stage.
pub static ROWS: &[&Row] = &[&OK, &EXECUTED, &FAULT, &CLOSED, &RESET, &TIMEOUT, &MALFORMED];
