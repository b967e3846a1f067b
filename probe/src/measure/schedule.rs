//! When each exchange is due: a constant rate from the start, whatever became of the exchanges
//! before (open loop). Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A constant rate: so many exchanges in each unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    exchanges: u32,
    unit: Unit,
}

/// What a rate counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
}

/// When the exchanges of a measurement are due, and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// How often.
    pub rate: Rate,
    /// The number of exchanges, where one was asked for.
    pub count: Option<u64>,
    /// The time after which none begins, where one was asked for.
    pub duration: Option<Duration>,
}

impl Schedule {
    /// When exchange `index` is due, from the start; `None` once the measurement is over.
    #[must_use]
    pub fn due(&self, index: u64) -> Option<Duration> {
        let due = self.rate.time_of(index);
        let over = self.count.is_some_and(|count| index >= count)
            || self.duration.is_some_and(|duration| due >= duration);
        (!over).then_some(due)
    }

    /// Exchanges planned.
    #[must_use]
    pub fn total(&self) -> u64 {
        let by_time = self.duration.map(|duration| self.rate.exchanges_before(duration));
        let limits = [self.count, by_time];
        limits.into_iter().flatten().min().unwrap_or(0)
    }

    /// From the start until the last exchange has had its place in the rate.
    #[must_use]
    pub fn expected(&self) -> Duration {
        self.rate.time_of(self.total())
    }

    /// Whether the schedule stays within its bounds.
    ///
    /// # Errors
    /// What is too much, in words.
    pub fn validate(&self) -> Result<(), String> {
        match self.total() {
            0 => Err("nothing to measure: the count is 0".to_owned()),
            total if total > COUNT_MAX => Err(format!(
                "too many exchanges: {total} at {}, and at most {COUNT_MAX} are made",
                self.rate
            )),
            _ => Ok(()),
        }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self { rate: RATE_DEFAULT, count: Some(COUNT_DEFAULT), duration: None }
    }
}

impl Rate {
    /// `exchanges` in each second.
    #[must_use]
    pub const fn per_second(exchanges: u32) -> Self {
        Self { exchanges, unit: Unit::Second }
    }

    /// The rate as a number, in exchanges per second.
    #[must_use]
    pub fn hertz(&self) -> f64 {
        f64::from(self.exchanges) / self.unit.duration().as_secs_f64()
    }

    /// From one exchange to the next.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.time_of(1)
    }

    fn time_of(&self, index: u64) -> Duration {
        let nanos = u128::from(index) * self.unit.duration().as_nanos();
        let nanos = nanos.checked_div(u128::from(self.exchanges)).unwrap_or(u128::MAX);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many exchanges are due before `end`.
    fn exchanges_before(&self, end: Duration) -> u64 {
        let product = end.as_nanos() * u128::from(self.exchanges);
        u64::try_from(product.div_ceil(self.unit.duration().as_nanos())).unwrap_or(u64::MAX)
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a rate with its unit is wanted, as `10/s`, `30/min` or `60/h`".to_owned();
        let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
        let digits_only = number.bytes().all(|byte| byte.is_ascii_digit());
        let exchanges: u32 = number.parse().ok().filter(|_| digits_only).ok_or_else(wrong)?;
        let unit = match unit {
            "s" => Unit::Second,
            "m" | "min" => Unit::Minute,
            "h" => Unit::Hour,
            _ => return Err(wrong()),
        };
        let rate = Self { exchanges, unit };
        match exchanges {
            0 => Err("at least 1/h is wanted".to_owned()),
            _ if rate.hertz() > f64::from(RATE_MAX) => {
                Err(format!("at most {RATE_MAX}/s is wanted"))
            }
            _ => Ok(rate),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Second => "s",
            Unit::Minute => "min",
            Unit::Hour => "h",
        };
        write!(f, "{}/{unit}", self.exchanges)
    }
}

impl Unit {
    const fn duration(self) -> Duration {
        match self {
            Self::Second => Duration::from_secs(1),
            Self::Minute => Duration::from_secs(60),
            Self::Hour => Duration::from_secs(3600),
        }
    }
}

/// A rate that no host in production notices.
pub const RATE_DEFAULT: Rate = Rate::per_second(10);

/// Exchanges a second at most. Whoever wants more wants a load test of a lab: `kms-sim load`.
pub const RATE_MAX: u32 = 1000;

/// Exchanges unless asked otherwise.
pub const COUNT_DEFAULT: u64 = 100;

/// Exchanges at most: more than eleven days at one a second.
pub const COUNT_MAX: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    fn schedule(rate: &str, count: Option<u64>, duration: Option<Duration>) -> Schedule {
        Schedule { rate: rate.parse().unwrap(), count, duration }
    }

    #[test]
    fn exchanges_are_due_at_absolute_times_without_drift() {
        let thirds = schedule("3/s", Some(1_000_000), None);
        assert_eq!(thirds.due(0), Some(Duration::ZERO));
        assert_eq!(thirds.due(1), Some(Duration::from_nanos(333_333_333)));
        assert_eq!(thirds.due(3), Some(Duration::from_secs(1)));
        assert_eq!(thirds.due(999_999), Some(Duration::from_secs(333_333)));
        assert_eq!(thirds.due(1_000_000), None);
    }

    #[test]
    fn the_end_is_whichever_comes_first() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(schedule("10/s", None, second).total(), 10);
        assert_eq!(schedule("10/s", Some(4), second).total(), 4);
        assert_eq!(schedule("10/s", Some(40), second).total(), 10);
        assert_eq!(schedule("10/s", Some(4), None).expected(), Duration::from_millis(400));
        assert_eq!(schedule("1/h", None, second).total(), 1, "one is due at the start");
    }

    #[test]
    fn a_schedule_stops_at_its_bounds() {
        assert_eq!(schedule("1000/s", Some(COUNT_MAX), None).validate(), Ok(()));
        let error = schedule("1000/s", Some(COUNT_MAX + 1), None).validate().unwrap_err();
        assert!(error.contains("1000001 at 1000/s, and at most 1000000"), "{error}");
        let hour = Some(Duration::from_secs(3600));
        assert!(schedule("1000/s", None, hour).validate().is_err());
        assert!(schedule("10/s", Some(0), None).validate().is_err());
    }

    #[test]
    fn rates_carry_a_unit() {
        for text in ["10/s", "30/min", "60/h", "1000/s"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert_eq!("30/m".parse::<Rate>().unwrap().period(), Duration::from_secs(2));
        for text in ["", "10", "/s", "-1/s", "+1/s", "1.5/s", "10/d", "10 /s", "9999999999/s"] {
            let error = text.parse::<Rate>().unwrap_err();
            assert!(error.contains("`10/s`"), "{text}: {error}");
        }
        assert!("0/s".parse::<Rate>().unwrap_err().contains("at least"));
        assert!("1001/s".parse::<Rate>().unwrap_err().contains("at most 1000/s"));
        assert!("60001/min".parse::<Rate>().unwrap_err().contains("at most"));
    }

    proptest! {
        #[test]
        fn the_total_counts_exactly_the_exchanges_that_are_due(
            exchanges in 1u32..=1000,
            count in proptest::option::of(1u64..500),
            millis in 1u64..2000,
        ) {
            let duration = Some(Duration::from_millis(millis));
            let schedule = Schedule { rate: Rate::per_second(exchanges), count, duration };
            let due = (0..).take_while(|index| schedule.due(*index).is_some()).count();
            prop_assert_eq!(due as u64, schedule.total());
        }

        #[test]
        fn due_times_never_go_back_and_stay_within_a_nanosecond_of_the_rate(
            exchanges in 1u32..=1000,
            index in 0u64..COUNT_MAX,
        ) {
            let rate = Rate::per_second(exchanges);
            let (this, next) = (rate.time_of(index), rate.time_of(index + 1));
            prop_assert!(this <= next);
            let exact = index as f64 / rate.hertz();
            prop_assert!((this.as_secs_f64() - exact).abs() <= 1e-9 * exact.max(1.0));
        }
    }
}
