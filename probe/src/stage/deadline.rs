//! One deadline for a whole stage, so that a peer that drips bytes cannot stretch it.

use std::time::{Duration, Instant};

/// When a stage began and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    start: Instant,
    limit: Duration,
}

impl Deadline {
    /// A deadline `limit` from now.
    #[must_use]
    pub fn after(limit: Duration) -> Self {
        Self { start: Instant::now(), limit }
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The whole time allowed.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// Time left; `None` once it is over.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.limit.checked_sub(self.elapsed()).filter(|left| !left.is_zero())
    }
}
