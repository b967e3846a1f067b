//! When each target is checked: at its interval, each time a little later, by a share that the seed
//! decides, so that hundreds of targets do not ask at the same moment.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::config::Pace;
use super::moment::Moment;

/// The checks of one watchpoint. They never pile up: what is late is made once.
#[derive(Debug)]
pub struct Schedule {
    random: ChaCha8Rng,
    /// The next regular check without its jitter.
    base: Moment,
    due: Moment,
}

impl Schedule {
    /// Begins at `now`; the first check comes within the jitter of one interval.
    #[must_use]
    pub fn new(seed: u32, watchpoint: usize, now: Moment, pace: &Pace) -> Self {
        let stream = u64::try_from(watchpoint).unwrap_or(u64::MAX);
        let mut random = ChaCha8Rng::seed_from_u64(u64::from(seed));
        random.set_stream(stream);
        let mut schedule = Self { random, base: now, due: now };
        schedule.due = schedule.jittered(pace);
        schedule
    }

    /// When the next check is due.
    #[must_use]
    pub const fn due(&self) -> Moment {
        self.due
    }

    /// A check has been made at `now`: the next comes after the interval, or sooner where a change
    /// is waiting to be confirmed.
    pub fn checked(&mut self, now: Moment, is_uncertain: bool, pace: &Pace) {
        if is_uncertain && pace.confirm_interval < pace.interval {
            self.base = now.after(pace.confirm_interval);
            self.due = self.base;
            return;
        }
        let next = self.base.after(pace.interval);
        // Late by more than an interval, or a clock that jumped: the rhythm begins anew.
        let is_near = next > now && next <= now.after(pace.interval);
        self.base = if is_near { next } else { now.after(pace.interval) };
        self.due = self.jittered(pace);
    }

    fn jittered(&mut self, pace: &Pace) -> Moment {
        let range = pace.interval * u32::from(pace.jitter_percent) / 100;
        let millis = u64::try_from(range.as_millis()).unwrap_or(u64::MAX);
        let late = self.random.random_range(0..=millis);
        self.base.after(std::time::Duration::from_millis(late))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PACE: Pace = Pace {
        interval: Duration::from_secs(300),
        confirm_interval: Duration::from_secs(30),
        jitter_percent: 10,
    };

    fn dues(seed: u32, watchpoint: usize) -> Vec<i64> {
        let mut schedule = Schedule::new(seed, watchpoint, Moment(0), &PACE);
        let next = |schedule: &mut Schedule| {
            let due = schedule.due();
            schedule.checked(due, false, &PACE);
            due.0
        };
        (0..50).map(|_| next(&mut schedule)).collect()
    }

    #[test]
    fn checks_keep_their_rhythm_within_the_jitter_that_the_seed_decides() {
        let checks = dues(7, 3);
        for (number, due) in (0..).zip(&checks) {
            let late = due - number * 300_000;
            assert!((0..=30_000).contains(&late), "check {number} is {late} ms late");
        }
        assert_eq!(checks, dues(7, 3));
        assert_ne!(checks, dues(8, 3));
        assert_ne!(checks, dues(7, 4));
    }

    #[test]
    fn late_checks_do_not_pile_up_and_uncertain_ones_come_soon() {
        let mut schedule = Schedule::new(1, 0, Moment(0), &PACE);
        schedule.checked(Moment(5_000_000), false, &PACE);
        assert!((5_300_000..=5_330_000).contains(&schedule.due().0));
        schedule.checked(Moment(5_310_000), true, &PACE);
        assert_eq!(schedule.due(), Moment(5_340_000));
        // A clock that is set back does not stop the checks.
        schedule.checked(Moment(1000), false, &PACE);
        assert!((301_000..=331_000).contains(&schedule.due().0));
    }
}
