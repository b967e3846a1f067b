//! What differs from an earlier check. Both are compared as their JSON says them, so that every
//! stage that a report has is compared.

mod compare;
mod pair;
mod snapshot;

use serde::Serialize;

pub use compare::compare;
pub use snapshot::{BASELINE_BYTES_MAX, Snapshot};

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The target as it was given.
    pub target: String,
    /// The host; none where the change concerns the whole target.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// Its address.
    pub address: Option<String>,
    /// What differs.
    pub what: What,
    /// Of what: a stage, a record, a fact.
    pub subject: String,
    /// How it was; none where it is new.
    pub before: Option<String>,
    /// How it is; none where it is gone.
    pub now: Option<String>,
    /// Whether that is worse or better.
    pub direction: Direction,
}

/// What can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A host, or a reason why there is none, that came or went.
    Entry,
    /// The verdict of an entry.
    Verdict,
    /// Port or address of a host.
    Address,
    /// An SRV record.
    Record,
    /// The time to live of a record, where both answers were authoritative: caches count it down.
    Ttl,
    /// The time of a stage, beyond noise: more than threefold and more than 20 ms.
    Latency,
    /// Another fact, such as the hop that objects.
    Fact,
    /// A finding.
    Finding,
}

/// Whether a change is for the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Somebody should look.
    Worse,
    /// Something was repaired.
    Better,
    /// Neither.
    Neutral,
}

impl What {
    /// The word in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Verdict => "verdict",
            Self::Address => "address",
            Self::Record => "record",
            Self::Ttl => "ttl",
            Self::Latency => "latency",
            Self::Fact => "fact",
            Self::Finding => "finding",
        }
    }
}

impl Direction {
    /// The word in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Neutral => "changed",
        }
    }
}
