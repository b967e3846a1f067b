//! Whether payload passes where the SYN does: an RPC bind over a connection of its own, sent only
//! once a trace has reached the port.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use crate::platform::origin::Origin;
use crate::stage::bind;
use crate::stage::channel::BrokenHow;
use crate::stage::connect;
use crate::verdict::judge::duration;

/// What came of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PayloadFacts {
    /// What came back.
    pub outcome: PayloadOutcome,
    /// From the bind to the outcome, in microseconds.
    pub elapsed_us: u64,
    /// How long it was allowed to take, in milliseconds.
    pub timeout_ms: u64,
}

/// What came back to the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadOutcome {
    /// An answer in RPC.
    Answered,
    /// An answer in another protocol: whatever it is, it is no KMS host.
    NotRpc,
    /// The end of the connection without a byte.
    Closed,
    /// A reset.
    Reset,
    /// Nothing before the deadline.
    TimedOut,
}

/// Sends an RPC bind to `address`. `None` where no connection came about this time.
///
/// # Errors
/// Only this program's own failure: no descriptors.
pub fn send(
    origin: Origin,
    address: SocketAddr,
    timeout: Duration,
) -> anyhow::Result<Option<PayloadFacts>> {
    let (_, _, stream) = connect::connect_from(origin, address, timeout)
        .with_context(|| format!("cannot open a socket for `{address}`"))?;
    let Some(stream) = stream else { return Ok(None) };
    let (facts, elapsed, _) = bind::bind(stream, timeout).context("cannot encode the bind")?;
    let outcome = match facts.broken.map(|broken| broken.how) {
        Some(BrokenHow::TimedOut) => PayloadOutcome::TimedOut,
        Some(BrokenHow::Reset) => PayloadOutcome::Reset,
        Some(BrokenHow::Closed) => PayloadOutcome::Closed,
        Some(BrokenHow::NotRpc) => PayloadOutcome::NotRpc,
        Some(BrokenHow::CallIdMismatch | BrokenHow::Malformed) | None => PayloadOutcome::Answered,
    };
    let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    Ok(Some(PayloadFacts { outcome, elapsed_us, timeout_ms: facts.timeout_ms }))
}

impl PayloadFacts {
    /// How the payload was stopped, in words that go on from "an RPC bind"; `None` where it passed,
    /// or where the other end may have closed as it likes.
    pub(super) fn stopped(&self) -> Option<String> {
        match self.outcome {
            PayloadOutcome::TimedOut => {
                let timeout = duration(Duration::from_millis(self.timeout_ms));
                Some(format!("got no answer within {timeout}"))
            }
            PayloadOutcome::Reset => Some("was answered with a reset".to_owned()),
            PayloadOutcome::Answered | PayloadOutcome::NotRpc | PayloadOutcome::Closed => None,
        }
    }
}
