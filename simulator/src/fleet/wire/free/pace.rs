//! One scaled clock for everybody, and how late whoever goes by it is.

use std::time::Duration;

use kms_protocol::filetime::FileTime;

use crate::fleet::scenario::Seconds;
use crate::serve::{Clock, Rate, machine_time};

/// The scenario's time over the machine's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    clock: Clock,
    start: FileTime,
    scale: u32,
}

/// This machine was too slow for the scale: the run would be another one than the scenario's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the run is invalid and its result is not shown: this machine could not keep up with \
     --time-scale {scale}: {what} came {late_s} simulated seconds late at {at}, and at most \
     {LATE_S_MAX} are borne; try --time-scale {advised}, or fewer clients"
)]
pub struct Late {
    /// The scale that was asked for.
    pub scale: u32,
    /// What was late.
    pub what: String,
    /// When, by the scenario.
    pub at: Seconds,
    /// By how much, in simulated seconds.
    pub late_s: u32,
    /// A scale at which so long a delay would have been borne.
    pub advised: u32,
}

impl Pace {
    /// A clock that shows `start` until `lead` from now and goes `scale` times as fast from then on.
    pub(super) fn new(start: FileTime, scale: u32, lead: Duration) -> anyhow::Result<Self> {
        let rate = Rate::from_millionths(u64::from(scale) * Rate::REAL.millionths());
        let rate = rate.map_err(|error| anyhow::anyhow!("{error}"))?;
        let machine = machine_time().saturating_add(lead);
        let clock = Clock::REAL.with_rate(machine, rate).set(machine, start);
        Ok(Self { clock, start, scale })
    }

    pub(super) const fn clock(&self) -> Clock {
        self.clock
    }

    pub(super) fn now(&self) -> FileTime {
        self.clock.now()
    }

    /// The time so many seconds after the scenario's start.
    pub(super) fn time(&self, at: u32) -> FileTime {
        self.start.saturating_add(Seconds(at).duration())
    }

    /// Whole seconds from the scenario's start to `time`.
    pub(super) fn seconds(&self, time: FileTime) -> u32 {
        let ticks = time.ticks().saturating_sub(self.start.ticks());
        u32::try_from(ticks / TICKS_PER_SECOND).unwrap_or(u32::MAX)
    }

    /// Waits until the clock shows `due`, and tells how late it is then.
    pub(super) async fn until(&self, due: FileTime, what: &str) -> Result<u32, Late> {
        loop {
            let now = self.now();
            if now >= due {
                return self.check(due, now, what);
            }
            let ticks = due.ticks().saturating_sub(now.ticks()) / u64::from(self.scale.max(1));
            // The clock stands still before its start.
            tokio::time::sleep(Duration::from_micros(ticks / 10 + 1).min(WAIT_MAX)).await;
        }
    }

    /// Whether what was due at `due` and came at `now` is not too late; the seconds if so.
    pub(super) fn check(&self, due: FileTime, now: FileTime, what: &str) -> Result<u32, Late> {
        let late_s = self.seconds(now).saturating_sub(self.seconds(due));
        if late_s <= LATE_S_MAX {
            return Ok(late_s);
        }
        let advised = u64::from(self.scale) * u64::from(LATE_S_MAX) / u64::from(late_s) / 2;
        Err(Late {
            scale: self.scale,
            what: what.to_owned(),
            at: Seconds(self.seconds(due)),
            late_s,
            advised: u32::try_from(advised).unwrap_or(1).max(1),
        })
    }
}

/// Simulated seconds that anything may come late: the shortest interval that a host can tell.
pub const LATE_S_MAX: u32 = 15 * 60;
/// The clock of the machine is looked at again after so long.
const WAIT_MAX: Duration = Duration::from_secs(1);
const TICKS_PER_SECOND: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_quarter_of_an_hour_late_is_borne_and_a_second_more_is_not() {
        let start = FileTime::from_unix(1_767_571_200, 0).unwrap();
        let pace = Pace::new(start, 7200, Duration::ZERO).unwrap();
        let check = |late| pace.check(pace.time(60), pace.time(60 + late), "client `pc-1`");
        assert_eq!(check(LATE_S_MAX), Ok(LATE_S_MAX));
        let late = check(LATE_S_MAX + 1).unwrap_err();
        assert_eq!((late.at, late.late_s, late.advised), (Seconds(60), 901, 3596));
        assert!(late.to_string().contains("invalid"), "{late}");
        assert_eq!(pace.check(pace.time(60), pace.time(30), "x"), Ok(0));
    }
}
