//! How long DNS, TCP, bind and call take to an endpoint, how much that varies, and how much is
//! lost.
//!
//! Exchanges begin at a constant rate, each on a connection of its own unless one is kept. They do
//! not wait for each other ([`schedule`]; open loop), so that a slow answer hides nothing. Latencies
//! count from the actual start of each stage; where the tool itself began late, that is said
//! beside. Pure: [`schedule`], [`record`] and what it is made of, [`conclude`]. At the edge:
//! `exchange` makes one exchange, `drive` makes them at their times.
//!
//! An exchange is lost when it ends before its last stage was answered. A percentile is the nearest
//! rank, to three significant digits; what was not measured is null, never 0.

pub mod conclude;
pub mod distribution;
mod drive;
mod entry;
mod exchange;
pub mod hlog;
pub mod html;
pub mod interval;
pub mod json;
pub mod live;
pub mod loss;
mod objective;
mod plan;
pub mod record;
pub mod sample;
pub mod schedule;
pub mod slowest;
pub mod stop;
pub mod text;

pub use entry::{Entry, Measured, Report, run};
pub use objective::Objective;

use crate::check;
use crate::stage::Stage;
use schedule::Schedule;

/// How to measure.
#[derive(Clone)]
pub struct Options {
    /// When exchanges begin, and how many.
    pub schedule: Schedule,
    /// Whether one connection is kept, on which the call is repeated.
    pub keep_alive: bool,
    /// The part of exchanges that may be lost, in percent.
    pub max_loss_percent: f64,
    /// Latencies that are wanted.
    pub objectives: Vec<Objective>,
    /// Depth, timeouts, resolvers and lab key, as for a check.
    pub check: check::Options,
}

impl Options {
    /// Whether a measurement makes sense and stays within its bounds.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn validate(&self) -> Result<(), String> {
        self.schedule.validate()?;
        if self.keep_alive && self.check.depth < Stage::Rpc {
            return Err("--keep-alive repeats calls, so it needs --depth rpc or kms".to_owned());
        }
        if self.objectives.len() > OBJECTIVES_MAX {
            return Err(format!("more than {OBJECTIVES_MAX} objectives"));
        }
        match self.objectives.iter().find(|objective| !objective.is_measured_at(self.check.depth)) {
            Some(objective) => Err(format!(
                "--slo `{objective}` is about a stage beyond --depth {}",
                self.check.depth.name()
            )),
            None => Ok(()),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            schedule: Schedule::default(),
            keep_alive: false,
            max_loss_percent: 0.0,
            objectives: Vec::new(),
            check: check::Options::default(),
        }
    }
}

/// Exchanges under way at the same time, at most.
pub const IN_FLIGHT_MAX: u64 = 64;

/// Endpoints measured in one run, at most; one after the other.
pub const PATHS_MAX: usize = 16;

/// Objectives at most.
pub const OBJECTIVES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_with_the_flag() {
        assert_eq!(Options::default().validate(), Ok(()));
        let mut options = Options { keep_alive: true, ..Options::default() };
        assert_eq!(options.validate(), Ok(()));
        options.check.depth = Stage::Bind;
        assert!(options.validate().is_err_and(|error| error.contains("--keep-alive")));
        options.keep_alive = false;
        let objective = |stage, percent| {
            let limit = Duration::from_millis(20);
            Objective::new(sample::Span::Stage(stage), percent, limit)
        };
        options.objectives = objective(Stage::Rpc, 99.0).into_iter().collect();
        assert!(options.validate().is_err_and(|error| error.contains("`rpc:p99=20ms`")));
        options.objectives = objective(Stage::Tcp, 99.9).into_iter().collect();
        assert_eq!(options.validate(), Ok(()));
        options.objectives = options.objectives.repeat(OBJECTIVES_MAX + 1);
        assert!(options.validate().is_err());
    }
}
