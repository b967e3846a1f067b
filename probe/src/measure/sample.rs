//! One exchange as it was seen.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::stage::Stage;
use crate::verdict::Verdict;

/// What a latency is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// One stage.
    Stage(Stage),
    /// The stages of an exchange together. On a connection that is kept, without those that opened
    /// it.
    Total,
}

/// One exchange, in the time of its measurement: from the start of the first.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its number, from 0.
    pub index: u64,
    /// When it should have begun.
    pub due: Duration,
    /// When it began.
    pub begun: Duration,
    /// When it had ended.
    pub ended: Duration,
    /// What happened.
    pub exchange: Exchange,
}

/// What happened in one exchange.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The stages that were answered, in order.
    pub stages: Vec<StageTime>,
    /// All of them together, where the exchange was answered to its end.
    pub total: Option<Duration>,
    /// The last verdict.
    pub verdict: Verdict,
    /// Packets, as far as the kernel counts them.
    pub packets: Packets,
    /// Whether DNS answered without naming the endpoint that is measured.
    pub endpoint_missing: bool,
}

/// A stage that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageTime {
    /// Which one.
    pub stage: Stage,
    /// How long it took.
    pub elapsed: Duration,
    /// SYNs beyond the first, or segments sent again, as far as the kernel counts them.
    pub resent: u32,
}

/// Packets of one exchange, as far as the kernel counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packets {
    /// SYNs sent, where one was and the kernel tells.
    pub syns: Option<u32>,
    /// Whether anything came back to the SYN.
    pub syn_answered: bool,
    /// Segments with data sent for the first time, in stages where the kernel tells of repetitions:
    /// one for each PDU.
    pub segments: u32,
    /// Segments sent again.
    pub resent: u32,
}

impl Exchange {
    /// Whether it was lost: it ended before its last stage was answered.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.total.is_none()
    }
}

impl Span {
    /// Every span up to a depth, in order.
    pub fn up_to(depth: Stage) -> impl Iterator<Item = Self> {
        let stages = Stage::ALL.into_iter().filter(move |stage| *stage <= depth);
        stages.map(Self::Stage).chain([Self::Total])
    }

    /// The name in reports: that of the stage, or `total`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stage(stage) => stage.name(),
            Self::Total => "total",
        }
    }

    /// The span of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::up_to(Stage::Kms).find(|span| span.name() == name)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Whole microseconds.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
