//! A latency that is wanted: `p99=20ms`, or of one stage `tcp:p99=20ms`. Pure.

use std::fmt;
use std::time::Duration;

use super::record::Record;
use super::sample::{Span, micros};
use crate::stage::Stage;
use crate::verdict::judge;

/// A percentile and the latency that it must not exceed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    span: Span,
    percent: f64,
    limit: Duration,
}

/// What became of an objective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The objective.
    pub objective: Objective,
    /// The percentile as measured, in microseconds; `None` where nothing was measured.
    pub actual_us: Option<u64>,
}

impl Objective {
    /// `percent` of the latencies of `span` are wanted within `limit`; `None` for a percentage that
    /// is not over 0 and at most 100.
    #[must_use]
    pub fn new(span: Span, percent: f64, limit: Duration) -> Option<Self> {
        (percent > 0.0 && percent <= 100.0).then_some(Self { span, percent, limit })
    }

    /// Compares it with what was measured.
    #[must_use]
    pub fn outcome(&self, record: &Record) -> Outcome {
        let span = record.span(self.span);
        let actual_us = span.and_then(|span| span.distribution.percentile_us(self.percent));
        Outcome { objective: *self, actual_us }
    }

    /// Whether its stage is among those up to `depth`.
    #[must_use]
    pub fn is_measured_at(&self, depth: Stage) -> bool {
        Span::up_to(depth).any(|span| span == self.span)
    }

    /// Whose latency is meant.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.span
    }

    /// The limit in microseconds.
    #[must_use]
    pub fn limit_us(&self) -> u64 {
        micros(self.limit)
    }
}

impl Outcome {
    /// Whether it is met. What was not measured is not.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.actual_us.is_some_and(|actual| actual <= self.objective.limit_us())
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.span != Span::Total {
            write!(f, "{}:", self.span.name())?;
        }
        let limit = judge::duration(self.limit).replace(' ', "");
        write!(f, "p{}={limit}", self.percent)
    }
}
