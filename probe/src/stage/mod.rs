//! The stages of a check, in order. Each takes what it needs, waits no longer than its own
//! deadline, and returns facts; none prints, sleeps or calls the next.

pub mod bind;
pub mod call;
pub mod channel;
pub mod connect;
pub mod deadline;
pub mod echo;
pub mod guess;
pub mod kms;
pub mod resolve;

use serde::Serialize;

/// A stage, which is also a depth: a check of depth `rpc` runs all stages up to `rpc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// SRV and address look-ups.
    Dns,
    /// TCP connect.
    Tcp,
    /// RPC bind to the KMS interface.
    Bind,
    /// A call that an RPC runtime refuses before any service code runs.
    Rpc,
    /// A full-size, lab-keyed KMS exchange.
    Kms,
}

impl Stage {
    /// Every stage, in the order in which they run.
    pub const ALL: [Self; 5] = [Self::Dns, Self::Tcp, Self::Bind, Self::Rpc, Self::Kms];

    /// The name in verdict codes, reports and `--depth`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Bind => "bind",
            Self::Rpc => "rpc",
            Self::Kms => "kms",
        }
    }
}
