//! Load: exchanges at stated times, and how long they took, against a simulator or any RPC endpoint.
//!
//! One direction: `schedule`, `mix`, `verdict`, `tally` (pure) <- `worker` (sockets, one thread each)
//! <- [`Run`] (starts, collects, can be stopped and rescaled) <- `judge`, `report` and the rest,
//! which look at a finished [`Record`]. Workers share nothing but a few words that they read
//! ([`Control`]); every second each hands its counts over.

pub mod capacity;
pub mod compare;
pub mod cpu;
pub mod judge;
mod mix;
pub mod owner;
mod plan;
pub mod report;
mod run;
mod schedule;
pub mod slo;
mod tally;
mod verdict;
mod worker;

#[cfg(test)]
mod tests;

pub use mix::{IDENTITIES_DEFAULT, IDENTITIES_MAX, Mix, Weighted, first_request};
pub use plan::{
    CONNECTIONS_MAX, Close, DURATION_MAX, Demand, Depth, Identity, PIPELINE_MAX, Plan, PlanError,
    Room, Transport, WORKERS_MAX,
};
pub use run::{Control, Delta, Record, Run, RunError, Second};
pub use schedule::{Offsets, Profile, RATE_MAX, REPLAY_MAX, ScheduleError, Spacing};
pub use tally::{Counts, LATE_US, Latencies, Tally, VALUE_MAX_US, histogram, percentile};
pub use verdict::{Phase, Verdict};
