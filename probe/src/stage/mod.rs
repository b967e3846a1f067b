//! The stages of a check, in order. Each takes what it needs, waits no longer than its own
//! deadline, and returns facts; none prints, sleeps or calls the next.

pub mod bind;
pub mod call;
pub mod channel;
pub mod clock;
pub mod connect;
pub mod deadline;
pub mod echo;
pub mod guess;
pub mod kms;
pub mod resolve;
pub mod tls;

use serde::Serialize;

/// A stage. Up to `kms` it is also a depth: a check of depth `rpc` runs all stages up to `rpc`. The
/// later ones run on request, beside them.
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
    /// The clock of the host, or of a time server.
    Clock,
    /// The TLS handshake of an endpoint for online activation.
    Tls,
}

impl Stage {
    /// Every stage, in the order in which they run.
    pub const ALL: [Self; 7] =
        [Self::Dns, Self::Tcp, Self::Bind, Self::Rpc, Self::Kms, Self::Clock, Self::Tls];

    /// The name in verdict codes and reports, and in `--depth` where it is one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Bind => "bind",
            Self::Rpc => "rpc",
            Self::Kms => "kms",
            Self::Clock => "clock",
            Self::Tls => "tls",
        }
    }
}
