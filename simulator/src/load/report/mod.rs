//! A run as text, JSON, CSV by second, an HdrHistogram log, and a page.

pub mod csv;
pub mod hlog;
mod html;
mod json;
pub mod live;
mod text;

pub use html::page;
pub use json::{Interval, Intervals, intervals, json};
pub use text::{duration, text};

use super::capacity::Search;
use super::compare::Difference;
use super::plan::{Demand, Depth, Plan};
use super::run::Record;
use super::slo::Outcome;

/// Everything that a report says.
#[derive(Debug)]
pub struct Report<'a> {
    /// What was to be done.
    pub plan: &'a Plan,
    /// What came of it.
    pub record: &'a Record,
    /// Why it says nothing about the target; empty when it is valid.
    pub invalid: Vec<String>,
    /// What to know beside the figures.
    pub notes: Vec<String>,
    /// Objectives, where there were any.
    pub outcomes: Vec<Outcome>,
    /// What has changed since another run.
    pub differences: Vec<Difference>,
    /// The search for the capacity, where it was one.
    pub search: Option<&'a Search>,
}

impl Depth {
    /// As flags and reports name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Bind => "bind",
            Self::Rpc => "rpc",
            Self::Kms => "kms",
        }
    }
}

/// What a run does, in a sentence.
#[must_use]
pub fn description(plan: &Plan) -> String {
    let transport = &plan.transport;
    let connections = match plan.calls_per_connection() {
        None if transport.reconnect_share > 0.0 => format!(
            "{} connections, {:.1}% of the exchanges on a new one",
            transport.connections,
            transport.reconnect_share * 100.0
        ),
        None => format!("{} kept connections", transport.connections),
        Some(1) => format!("a new connection each, at most {} at once", transport.connections),
        Some(calls) => {
            let share = match transport.reconnect_share {
                0.0 => String::new(),
                share => format!(", {:.1}% of them on a new one besides", share * 100.0),
            };
            format!("{calls} exchanges a connection, {} at once{share}", transport.connections)
        }
    };
    let demand = match (&plan.demand, plan.asked_rate()) {
        (Demand::Closed { users, think }, _) if think.is_zero() => {
            format!("closed loop of {users} users")
        }
        (Demand::Closed { users, think }, _) => {
            format!("closed loop of {users} users, thinking {}", duration(think.as_micros() as u64))
        }
        (Demand::Open(_, spacing), rate) => {
            let spacing = match spacing {
                super::Spacing::Constant => "evenly spaced",
                super::Spacing::Poisson => "as Poisson arrivals",
            };
            format!("open loop of {:.1}/s, {spacing}", rate.unwrap_or(0.0))
        }
    };
    format!(
        "{}, depth {}, {demand}, {connections}, {} workers, {:.1} s after {:.1} s of warm-up, seed {}",
        plan.target,
        plan.depth.name(),
        plan.workers,
        plan.duration.as_secs_f64(),
        plan.warm_up.as_secs_f64(),
        plan.identity.seed
    )
}
