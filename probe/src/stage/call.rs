//! A call of an operation that does not exist, with an empty stub: an RPC runtime refuses it
//! before any service code runs, so it proves calls in both directions and changes nothing.

use std::time::Duration;

use kms_protocol::client::Event;
use kms_protocol::rpc::{PfcFlags, Status};
use kms_protocol::wire::Misuse;
use serde::Serialize;

use super::channel::{Broken, Channel};
use super::deadline::Deadline;

/// What the call saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallFacts {
    /// Operation number called.
    pub opnum: u16,
    /// Context id it was called on.
    pub context_id: u16,
    /// The fault that answered.
    pub fault: Option<FaultFacts>,
    /// Bytes of results, when it was answered as if it existed.
    pub response_bytes: Option<usize>,
    /// What happened instead of an answer.
    pub broken: Option<Broken>,
    /// Segments that this end sent again; `None` where the system does not tell.
    pub retransmissions: Option<u32>,
    /// How long the stage was allowed to take, in milliseconds.
    pub timeout_ms: u64,
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultFacts {
    /// Status, in hexadecimal.
    pub status: String,
    /// Its symbol, where it is known.
    pub name: Option<&'static str>,
    /// Whether the server says that nothing was executed.
    pub did_not_execute: bool,
}

/// Calls operation 0xFFFF on the first accepted context within `timeout`.
///
/// # Errors
/// [`Misuse`] would be a defect of this program.
pub fn call(channel: &mut Channel, timeout: Duration) -> Result<(CallFacts, Duration), Misuse> {
    let deadline = Deadline::after(timeout);
    let context_id = channel.client.accepted_contexts().next().map_or(0, |(id, _)| id);
    channel.client.call(context_id, NO_SUCH_OPNUM, &[])?;
    let mut facts = CallFacts {
        opnum: NO_SUCH_OPNUM,
        context_id,
        fault: None,
        response_bytes: None,
        broken: None,
        retransmissions: None,
        timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
    };
    let result = channel.wait(&deadline, |event| match event {
        Event::Response { stub, .. } => {
            facts.response_bytes = Some(stub.len());
            Some(())
        }
        Event::Fault { status, flags, .. } => {
            facts.fault = Some(FaultFacts::new(status, flags));
            Some(())
        }
        _ => None,
    });
    let elapsed = deadline.elapsed();
    facts.broken = result.err();
    facts.retransmissions = channel.take_retransmissions();
    Ok((facts, elapsed))
}

impl FaultFacts {
    pub(super) fn new(status: Status, flags: PfcFlags) -> Self {
        Self {
            status: format!("0x{:08X}", status.0),
            name: status.name(),
            did_not_execute: flags.contains(PfcFlags::DID_NOT_EXECUTE),
        }
    }

    /// Whether it is the fault for an operation that does not exist.
    #[must_use]
    pub fn is_op_range_error(&self) -> bool {
        self.name.is_some() && self.name == Status::OP_RANGE_ERROR.name()
    }
}

/// No interface has this many operations.
const NO_SUCH_OPNUM: u16 = 0xFFFF;
