//! The clock of a simulated host: real, offset, frozen, accelerated, and moved while it runs.

use std::fmt;
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::fmt::friendly::SpanPrinter;
use kms_protocol::filetime::FileTime;

/// How a clock shows time: a straight line over the machine's clock. Pure; the machine's time is a
/// parameter wherever it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// A time of the machine's clock …
    machine: FileTime,
    /// … and what this clock showed then.
    shown: FileTime,
    rate: Rate,
}

/// How many seconds a clock shows for each second of the machine's, in millionths: 0 stands still,
/// 1,000,000 is ordinary time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

/// A rate that is negative, no number, or over [`Rate::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRate;

/// How far to move a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// To a later time.
    Forward(Duration),
    /// To an earlier time; not before 1601.
    Back(Duration),
}

/// A change of a running clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Move it.
    Step(Shift),
    /// Let it show this time.
    Set(FileTime),
    /// Let it go at another rate from now on.
    Rate(Rate),
}

/// The clock of a running host, which everything there goes by: expiry of client ids, the clock
/// rule, windows of fault rules. It can be moved from any thread.
#[derive(Debug)]
pub struct HostClock(RwLock<Clock>);

impl Clock {
    /// The machine's own clock.
    pub const REAL: Self = Self::ahead_by(Duration::ZERO);

    /// A clock that shows a later time than the machine's.
    #[must_use]
    pub const fn ahead_by(offset: Duration) -> Self {
        let shown = FileTime::from_ticks(ticks(offset));
        Self { machine: FileTime::from_ticks(0), shown, rate: Rate::REAL }
    }

    /// A clock that shows an earlier time than the machine's.
    #[must_use]
    pub const fn behind_by(offset: Duration) -> Self {
        let machine = FileTime::from_ticks(ticks(offset));
        Self { machine, shown: FileTime::from_ticks(0), rate: Rate::REAL }
    }

    /// What this clock shows when the machine's shows `machine`. Before the time at which it was
    /// last set it stands still: a machine's clock that is set back moves no client into the past.
    #[must_use]
    pub fn at(&self, machine: FileTime) -> FileTime {
        let passed = u128::from(machine.ticks().saturating_sub(self.machine.ticks()));
        let shown = passed * u128::from(self.rate.0) / u128::from(Rate::REAL.0);
        let shown = u64::try_from(shown).unwrap_or(u64::MAX);
        FileTime::from_ticks(self.shown.ticks().saturating_add(shown))
    }

    /// This clock, going on from what it shows at `machine` with another rate.
    #[must_use]
    pub fn with_rate(&self, machine: FileTime, rate: Rate) -> Self {
        Self { machine, shown: self.at(machine), rate }
    }

    /// This clock, moved at `machine`.
    #[must_use]
    pub fn shifted(&self, machine: FileTime, shift: Shift) -> Self {
        let shown = match shift {
            Shift::Forward(time) => self.at(machine).saturating_add(time),
            Shift::Back(time) => self.at(machine).saturating_sub(time),
        };
        self.set(machine, shown)
    }

    /// This clock, showing `shown` when the machine's shows `machine`.
    #[must_use]
    pub const fn set(&self, machine: FileTime, shown: FileTime) -> Self {
        Self { machine, shown, rate: self.rate }
    }

    /// How fast it goes.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// The time that this clock shows now.
    #[must_use]
    pub fn now(&self) -> FileTime {
        self.at(machine_time())
    }
}

impl HostClock {
    /// A clock that goes as `clock` says.
    #[must_use]
    pub const fn new(clock: Clock) -> Self {
        Self(RwLock::new(clock))
    }

    /// The time that it shows now.
    #[must_use]
    pub fn now(&self) -> FileTime {
        self.clock().now()
    }

    /// How it goes at present.
    #[must_use]
    pub fn clock(&self) -> Clock {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how it goes, and tells what it shows then.
    pub fn change(&self, change: Change) -> FileTime {
        let mut clock = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let machine = machine_time();
        *clock = match change {
            Change::Step(shift) => clock.shifted(machine, shift),
            Change::Set(shown) => clock.set(machine, shown),
            Change::Rate(rate) => clock.with_rate(machine, rate),
        };
        clock.at(machine)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: Duration| SpanPrinter::new().unsigned_duration_to_string(&time);
        match self {
            Self::Step(Shift::Forward(by)) => write!(f, "moved forward by {}", time(*by)),
            Self::Step(Shift::Back(by)) => write!(f, "moved back by {}", time(*by)),
            Self::Set(shown) => write!(f, "set to {shown}"),
            Self::Rate(Rate::FROZEN) => f.write_str("frozen"),
            Self::Rate(rate) => write!(f, "goes at {rate} times ordinary time"),
        }
    }
}

impl Rate {
    /// Stands still.
    pub const FROZEN: Self = Self(0);
    /// Ordinary time.
    pub const REAL: Self = Self(1_000_000);
    /// The fastest: a million seconds each second, eleven days.
    pub const MAX: Self = Self(1_000_000_000_000);

    /// A rate in millionths.
    ///
    /// # Errors
    /// [`BadRate`] over [`Rate::MAX`].
    pub const fn from_millionths(millionths: u64) -> Result<Self, BadRate> {
        if millionths > Self::MAX.0 { Err(BadRate) } else { Ok(Self(millionths)) }
    }

    /// The rate in millionths.
    #[must_use]
    pub const fn millionths(self) -> u64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = BadRate;

    /// A decimal number with at most six places: `60`, `0.5`, `0`.
    fn from_str(text: &str) -> Result<Self, BadRate> {
        let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(places) || places.len() > 6 {
            return Err(BadRate);
        }
        let whole: u64 = whole.parse().map_err(|_| BadRate)?;
        let places: u64 = format!("{places:0<6}").parse().map_err(|_| BadRate)?;
        let millionths = whole.checked_mul(Self::REAL.0).and_then(|n| n.checked_add(places));
        Self::from_millionths(millionths.ok_or(BadRate)?)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, places) = (self.0 / Self::REAL.0, self.0 % Self::REAL.0);
        match places {
            0 => write!(f, "{whole}"),
            _ => f.write_str(format!("{whole}.{places:06}").trim_end_matches('0')),
        }
    }
}

impl fmt::Display for BadRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a number from 0 to 1000000, such as `60` or `0.5`")
    }
}

impl std::error::Error for BadRate {}

impl Default for Clock {
    fn default() -> Self {
        Self::REAL
    }
}

impl Default for HostClock {
    fn default() -> Self {
        Self::new(Clock::REAL)
    }
}

/// What the machine's clock shows.
#[must_use]
pub fn machine_time() -> FileTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH_FILETIME.saturating_add(since_1970)
}

#[allow(clippy::cast_possible_truncation, reason = "held at the largest number of ticks before")]
const fn ticks(time: Duration) -> u64 {
    let ticks = time.as_nanos() / 100;
    if ticks > u64::MAX as u128 { u64::MAX } else { ticks as u64 }
}

/// 1970-01-01 UTC.
const UNIX_EPOCH_FILETIME: FileTime = FileTime::from_ticks(116_444_736_000_000_000);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    const fn hours(count: u64) -> Duration {
        Duration::from_secs(count * 3600)
    }

    fn noon() -> FileTime {
        UNIX_EPOCH_FILETIME.saturating_add(Duration::from_secs(1_785_369_600))
    }

    #[test]
    fn the_offset_moves_the_time_either_way() {
        for (clock, text) in [
            (Clock::REAL, "2026-07-30 00:00:00"),
            (Clock::default(), "2026-07-30 00:00:00"),
            (Clock::ahead_by(hours(5)), "2026-07-30 05:00:00"),
            (Clock::behind_by(hours(5)), "2026-07-29 19:00:00"),
            (Clock::behind_by(Duration::MAX), "1601-01-01 00:00:00"),
        ] {
            assert_eq!(clock.at(noon()).to_string(), text);
        }
    }

    #[test]
    fn a_frozen_clock_stands_and_goes_on_from_there() {
        let frozen = Clock::REAL.with_rate(noon(), Rate::FROZEN);
        let later = noon().saturating_add(hours(100));
        assert_eq!(frozen.at(later), noon());
        let fast = frozen.with_rate(later, "24".parse().unwrap());
        assert_eq!(fast.at(later.saturating_add(hours(1))), noon().saturating_add(hours(24)));
    }

    #[test]
    fn a_running_clock_can_be_moved_from_outside() {
        let clock = HostClock::default();
        clock.change(Change::Rate(Rate::FROZEN));
        let step = |shift| clock.change(Change::Step(shift));
        assert_eq!(clock.change(Change::Set(noon())), noon());
        assert_eq!(step(Shift::Forward(hours(5))), noon().saturating_add(hours(5)));
        assert_eq!(step(Shift::Back(hours(7))), noon().saturating_sub(hours(2)));
        assert_eq!(Change::Step(Shift::Back(hours(7))).to_string(), "moved back by 7h");
        assert_eq!(clock.now(), noon().saturating_sub(hours(2)));
        assert_eq!(clock.clock().rate(), Rate::FROZEN);
    }

    #[test]
    fn rates_are_read_and_written_the_same() {
        for (text, millionths) in [
            ("0", 0),
            ("1", 1_000_000),
            ("60", 60_000_000),
            ("0.5", 500_000),
            ("1.000001", 1_000_001),
            ("1000000", 1_000_000_000_000),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.millionths(), rate.to_string().as_str()), (millionths, text));
        }
        for text in ["", "-1", "1e3", ".5", "1.", "1000000.1", "0.0000001", "99999999999999999999"]
        {
            assert_eq!(text.parse::<Rate>(), Err(BadRate), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_change_makes_a_clock_jump_but_a_shift_does_exactly(start: u64, passed in 0u64..1 << 50, later in 0u64..1 << 50, millionths in 0..=Rate::MAX.0, shift_s in 0u64..1 << 33) {
            let at = FileTime::from_ticks;
            let clock = Clock::REAL.set(at(start), at(start / 2));
            let rate = Rate::from_millionths(millionths).unwrap();
            let machine = at(start.saturating_add(passed));
            let changed = clock.with_rate(machine, rate);
            prop_assert_eq!(changed.at(machine), clock.at(machine));
            let after = at(machine.ticks().saturating_add(later));
            prop_assert!(changed.at(after) >= changed.at(machine), "it never goes back by itself");
            let shift = Duration::from_secs(shift_s);
            let moved = changed.shifted(after, Shift::Forward(shift));
            prop_assert_eq!(moved.at(after), changed.at(after).saturating_add(shift));
            let back = changed.shifted(after, Shift::Back(shift));
            prop_assert_eq!(back.at(after), changed.at(after).saturating_sub(shift));
        }

        #[test]
        fn an_accelerated_clock_shows_the_rate_times_what_passed(passed in 0u64..1 << 40, rate in 0u64..1_000) {
            let clock = Clock::REAL.set(FileTime::from_ticks(1 << 50), FileTime::from_ticks(7)).with_rate(FileTime::from_ticks(1 << 50), Rate::from_millionths(rate * 1_000_000).unwrap());
            prop_assert_eq!(clock.at(FileTime::from_ticks((1 << 50) + passed)).ticks(), 7 + passed * rate);
        }
    }
}
