//! Time in a scenario: whole seconds since its start.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whole seconds, as a length or since the scenario's start: up to 136 years.
///
/// Written as `90s`, `15m`, `2h`, `30d`, `2w`, or several of them, largest first: `1d 12h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(pub u32);

impl Seconds {
    /// So many days.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        Self(days.saturating_mul(86_400))
    }

    /// So many hours.
    #[must_use]
    pub const fn hours(hours: u32) -> Self {
        Self(hours.saturating_mul(3600))
    }

    /// The same length for everybody else.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0))
    }
}

impl FromStr for Seconds {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        let mut total = 0_u32;
        let mut last_unit = u32::MAX;
        for part in text.split_ascii_whitespace() {
            let (number, unit) =
                part.split_at(part.find(|c: char| !c.is_ascii_digit()).ok_or(BadTime)?);
            let unit =
                UNITS.iter().find(|(name, _)| *name == unit).map(|(_, s)| *s).ok_or(BadTime)?;
            if unit >= last_unit {
                return Err(BadTime);
            }
            last_unit = unit;
            let number: u32 = number.parse().map_err(|_| BadTime)?;
            total = number.checked_mul(unit).and_then(|s| total.checked_add(s)).ok_or(BadTime)?;
        }
        if last_unit == u32::MAX { Err(BadTime) } else { Ok(Self(total)) }
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0;
        let mut separator = "";
        for (name, seconds) in UNITS.iter().skip(1) {
            if left >= *seconds {
                write!(f, "{separator}{}{name}", left / seconds)?;
                left %= seconds;
                separator = " ";
            }
        }
        if separator.is_empty() { f.write_str("0s") } else { Ok(()) }
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Not a length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadTime;

impl fmt::Display for BadTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a time such as `90s`, `15m`, `2h`, `30d` or `1d 12h`, up to 136 years")
    }
}

impl std::error::Error for BadTime {}

const UNITS: [(&str, u32); 5] = [("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_in_the_usual_units_and_nothing_else() {
        for (text, seconds) in
            [("0s", 0), ("90s", 90), ("15m", 900), ("1d 12h", 129_600), ("2w", 1_209_600)]
        {
            assert_eq!(text.parse(), Ok(Seconds(seconds)), "{text}");
        }
        for text in ["", " ", "5", "d", "-1d", "1h 1d", "1d 1d", "1.5h", "50000d", "1 d", "3x"] {
            assert_eq!(text.parse::<Seconds>(), Err(BadTime), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(seconds: u32) {
            let time = Seconds(seconds);
            prop_assert_eq!(time.to_string().parse::<Seconds>().unwrap(), time);
        }
    }
}
