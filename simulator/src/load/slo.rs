//! Objectives of a run, such as `p99=20ms,errors=0.1%`. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

use super::run::Record;
use super::tally::percentile;

/// What a run must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Objectives(Vec<Objective>);

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// A percentile of the latency from the intended start, in microseconds.
    Latency {
        /// From 0 to 100; 100 is the maximum.
        percent: f64,
        /// At most.
        limit_us: u64,
    },
    /// Failed exchanges as a part of all.
    Errors(f64),
}

/// An objective and what was measured; `None` was not, which misses it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// What was asked.
    pub objective: Objective,
    /// Microseconds, or a share.
    pub measured: Option<f64>,
}

impl Objectives {
    /// Every objective with its outcome.
    #[must_use]
    pub fn judge(&self, record: &Record) -> Vec<Outcome> {
        let outcome = |objective: &Objective| Outcome {
            objective: *objective,
            measured: match objective {
                Objective::Latency { percent, .. } => {
                    percentile(&record.total.latencies.intended, *percent).map(|us| us as f64)
                }
                Objective::Errors(_) => record.error_share(),
            },
        };
        self.0.iter().map(outcome).collect()
    }
}

impl Outcome {
    /// Whether it was held.
    #[must_use]
    pub fn is_met(&self) -> bool {
        let limit = match self.objective {
            Objective::Latency { limit_us, .. } => limit_us as f64,
            Objective::Errors(share) => share,
        };
        self.measured.is_some_and(|measured| measured <= limit)
    }
}

impl FromStr for Objectives {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |part: &str| {
            objective(part).ok_or_else(|| {
                "not objectives such as `p99=20ms,errors=0.1%`: p50, p90, p99, p999 or max with a \
                 time, errors with a percentage"
                    .to_owned()
            })
        };
        text.split(',').map(one).collect::<Result<_, _>>().map(Self)
    }
}

fn objective(text: &str) -> Option<Objective> {
    let (name, limit) = text.trim().split_once('=')?;
    if name == "errors" {
        let share = limit.strip_suffix('%')?.parse::<f64>().ok()? / 100.0;
        return (0.0..=1.0).contains(&share).then_some(Objective::Errors(share));
    }
    let percent = PERCENTILES.iter().find(|(known, _)| *known == name)?.1;
    let limit: Duration = limit.parse::<SignedDuration>().ok()?.try_into().ok()?;
    let limit_us = u64::try_from(limit.as_micros()).ok().filter(|limit| *limit > 0)?;
    Some(Objective::Latency { percent, limit_us })
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency { percent, limit_us } => {
                let known = PERCENTILES.iter().find(|(_, at)| (at - percent).abs() < 1e-9);
                let name = known.map_or("latency", |(name, _)| name);
                write!(f, "{name}={}ms", *limit_us as f64 / 1000.0)
            }
            Self::Errors(share) => write!(f, "errors={}%", share * 100.0),
        }
    }
}

const PERCENTILES: [(&str, f64); 5] =
    [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p999", 99.9), ("max", 100.0)];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::load::Verdict;

    #[test]
    fn objectives_are_read_and_judged() {
        let objectives: Objectives = "p99=20ms,errors=10%,max=1s".parse().unwrap();
        let mut record = Record::default();
        assert!(objectives.judge(&record).iter().all(|o| !o.is_met()), "nothing was measured");
        record.total.counts.answered = 9;
        record.total.counts.fail(Verdict::RpcTimeout);
        record.total.latencies.intended.saturating_record_n(19_000, 9);
        assert!(objectives.judge(&record).iter().all(Outcome::is_met));
        record.total.latencies.intended.saturating_record(2_000_000);
        let met: Vec<bool> = objectives.judge(&record).iter().map(Outcome::is_met).collect();
        assert_eq!(met, [false, true, false]);
    }

    #[test]
    fn what_is_no_objective_is_refused() {
        for text in ["", "p99", "p99=", "p99=20", "p98=1ms", "errors=1", "errors=-1%", "p99=0ms"] {
            assert!(text.parse::<Objectives>().is_err(), "{text}");
        }
    }
}
