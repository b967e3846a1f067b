//! The last minutes, second by second: how much, how quick, and the counts.

use std::collections::VecDeque;

use serde::Serialize;
use utoipa::ToSchema;

/// What happened in one second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub(super) struct Second {
    /// Seconds since 1970-01-01 UTC.
    pub(super) time_s: i64,
    /// Requests answered with a count.
    pub(super) accepted: u32,
    /// Requests answered otherwise.
    pub(super) refused: u32,
    /// Answers that a fault changed or withheld.
    pub(super) faults: u32,
    /// Median time from a request's arrival to its answer, in microseconds; null without requests.
    pub(super) service_p50_us: Option<u64>,
    /// The same, 99th percentile.
    pub(super) service_p99_us: Option<u64>,
    /// Connections open at the end of the second.
    pub(super) connections: u32,
    /// Count of each application at the end of the second, in the order of the state's list.
    pub(super) counts: Vec<u32>,
}

/// A bounded history.
#[derive(Debug, Default)]
pub(super) struct History {
    seconds: VecDeque<Second>,
}

impl History {
    /// Takes in the second that has just ended.
    pub(super) fn add(&mut self, second: Second) {
        if self.seconds.len() >= SECONDS_MAX {
            self.seconds.pop_front();
        }
        self.seconds.push_back(second);
    }

    /// The seconds after `time_s`, oldest first.
    pub(super) fn since(&self, time_s: i64) -> Vec<Second> {
        self.seconds.iter().filter(|second| second.time_s > time_s).cloned().collect()
    }
}

/// Ten minutes.
pub(super) const SECONDS_MAX: usize = 600;

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn it_holds_ten_minutes_and_gives_what_is_new() {
        let mut history = History::default();
        (0..700).for_each(|time_s| history.add(Second { time_s, ..Second::default() }));
        assert_eq!(history.since(-1).len(), SECONDS_MAX);
        assert_eq!(history.since(-1)[0].time_s, 100);
        assert_eq!(history.since(697).len(), 2);
    }
}
