//! Processor time: whether the generator or the target was at its limit.

use std::time::Duration;

use nix::time::ClockId;
use nix::unistd::Pid;

use super::run::Record;

/// What limits a rate that cannot be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// This program.
    Generator,
    /// The server's processors.
    Target,
    /// Neither: the search ended at the highest rate that it was allowed.
    Ceiling,
    /// Neither is known to be busy: network, locks, or a server elsewhere.
    Unknown,
}

impl Limit {
    /// As reports name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Generator => "generator",
            Self::Target => "target",
            Self::Ceiling => "ceiling",
            Self::Unknown => "unknown",
        }
    }

    /// From the share of one processor that the busiest worker used, and the share that the target
    /// used of those it may use.
    #[must_use]
    pub fn of(generator: f64, target: Option<f64>) -> Self {
        match target {
            Some(target) if target >= BUSY && target >= generator => Self::Target,
            _ if generator >= BUSY => Self::Generator,
            Some(target) if target >= BUSY => Self::Target,
            _ => Self::Unknown,
        }
    }
}

/// Processor time that a process of this machine has used.
#[must_use]
pub fn of_process(pid: i32) -> Option<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid)).ok()?;
    Some(clock.now().ok()?.into())
}

/// Processors that a process can keep busy: as many as it has threads or this machine processors.
#[must_use]
pub fn processors_of(pid: i32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(1, Iterator::count);
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    threads.clamp(1, processors) as f64
}

/// Share of one processor that the busiest worker used.
#[must_use]
pub fn busiest_worker(record: &Record, ran: Duration) -> f64 {
    let most = record.workers.iter().map(|counts| counts.cpu_ns).max().unwrap_or(0);
    most as f64 / 1e9 / ran.as_secs_f64().max(1e-3)
}

/// A processor that is used for so much of the time has no more to give.
const BUSY: f64 = 0.85;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busier_side_is_the_limit_and_nobody_is_blamed_without_evidence() {
        assert_eq!(Limit::of(0.5, Some(0.95)), Limit::Target);
        assert_eq!(Limit::of(0.99, Some(0.4)), Limit::Generator);
        assert_eq!(Limit::of(0.9, Some(0.95)), Limit::Target);
        assert_eq!(Limit::of(0.3, Some(0.3)), Limit::Unknown);
        assert_eq!(Limit::of(0.3, None), Limit::Unknown);
        assert!(of_process(std::process::id() as i32).is_some_and(|time| !time.is_zero()));
    }
}
