//! FILETIME: 100-nanosecond ticks since 1601-01-01 UTC, [MS-DTYP] 2.3.3.

use core::fmt;
use core::time::Duration;

/// Ticks of 100 ns since 1601-01-01 UTC. A peer's value may be anything: all maths is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime(u64);

impl FileTime {
    /// A time from its ticks.
    #[must_use]
    pub const fn from_ticks(ticks: u64) -> Self {
        Self(ticks)
    }

    /// Ticks of 100 ns since 1601-01-01 UTC.
    #[must_use]
    pub const fn ticks(self) -> u64 {
        self.0
    }

    /// The time `seconds` and `nanos` after (before, when negative) 1970-01-01 UTC; `None` outside
    /// what 64-bit ticks can say.
    #[must_use]
    pub fn from_unix(seconds: i64, nanos: u32) -> Option<Self> {
        let ticks = i128::from(seconds)
            .checked_mul(i128::from(TICKS_PER_SECOND))?
            .checked_add(i128::from(nanos / 100))?
            .checked_add(i128::from(UNIX_EPOCH_TICKS))?;
        u64::try_from(ticks).ok().map(Self)
    }

    /// Seconds and nanoseconds since 1970-01-01 UTC; seconds are negative before it.
    #[must_use]
    pub fn to_unix(self) -> (i64, u32) {
        let ticks = i128::from(self.0) - i128::from(UNIX_EPOCH_TICKS);
        let per_second = i128::from(TICKS_PER_SECOND);
        let seconds = i64::try_from(ticks.div_euclid(per_second)).unwrap_or(i64::MAX);
        let nanos = u32::try_from(ticks.rem_euclid(per_second) * 100).unwrap_or(0);
        (seconds, nanos)
    }

    /// Distance between two times, whichever is later.
    #[must_use]
    pub const fn abs_diff(self, other: Self) -> Duration {
        let ticks = self.0.abs_diff(other.0);
        let nanos = (ticks % TICKS_PER_SECOND) * 100;
        #[allow(clippy::cast_possible_truncation, reason = "below 1,000,000,000 by the remainder")]
        Duration::new(ticks / TICKS_PER_SECOND, nanos as u32)
    }

    /// This time moved forward; held at the largest representable time.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(ticks_of(duration)))
    }

    /// This time moved back; held at 1601-01-01.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(ticks_of(duration)))
    }
}

fn ticks_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos() / 100).unwrap_or(u64::MAX)
}

impl fmt::Display for FileTime {
    /// `YYYY-MM-DD hh:mm:ss` in UTC (proleptic Gregorian).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / TICKS_PER_SECOND;
        let (year, month, day) = civil_from_days_since_1601(seconds / 86_400);
        let second_of_day = seconds % 86_400;
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
            second_of_day / 3600,
            second_of_day / 60 % 60,
            second_of_day % 60
        )
    }
}

/// Year, month and day of a count of days since 1601-01-01, which begins a 400-year cycle.
fn civil_from_days_since_1601(days: u64) -> (u64, u64, u64) {
    // Years are counted from March, so that the leap day is the last day of its year.
    let days = days + 306;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = 1600 + era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

const TICKS_PER_SECOND: u64 = 10_000_000;
const UNIX_EPOCH_TICKS: u64 = 116_444_736_000_000_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn known_dates_print_as_the_calendar_says() {
        for (seconds, text) in [
            (-11_644_473_600, "1601-01-01 00:00:00"),
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_800, "2000-03-01 00:00:00"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (1_785_369_600, "2026-07-30 00:00:00"),
        ] {
            assert_eq!(FileTime::from_unix(seconds, 0).unwrap().to_string(), text);
        }
    }

    #[test]
    fn unix_times_survive_and_impossible_ones_are_none() {
        let time = FileTime::from_unix(1_234_567_890, 123_456_700).unwrap();
        assert_eq!(time.to_unix(), (1_234_567_890, 123_456_700));
        assert_eq!(FileTime::from_unix(-11_644_473_601, 0), None);
        assert_eq!(FileTime::from_unix(i64::MAX, 0), None);
        let _printable = FileTime::from_ticks(u64::MAX).to_string();
    }

    #[test]
    fn distance_is_the_same_both_ways_and_moves_saturate() {
        let early = FileTime::from_ticks(5);
        let late = early.saturating_add(Duration::from_secs(4 * 3600));
        assert_eq!(early.abs_diff(late), Duration::from_secs(4 * 3600));
        assert_eq!(late.abs_diff(early), early.abs_diff(late));
        assert_eq!(early.saturating_sub(Duration::from_secs(1)), FileTime::from_ticks(0));
    }
}
