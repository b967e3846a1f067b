//! Times as logs write them.

use std::fmt;

/// Milliseconds since 1970-01-01 UTC, or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl Moment {
    /// No time is known. It sorts before all others.
    pub const UNKNOWN: Self = Self(i64::MIN);

    /// A time; outside of the years 1601 to 9999 it is unknown.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        if millis < MILLIS_MIN || millis > MILLIS_MAX { Self::UNKNOWN } else { Self(millis) }
    }

    /// Milliseconds since 1970, if known.
    #[must_use]
    pub const fn millis(self) -> Option<i64> {
        if self.0 == i64::MIN { None } else { Some(self.0) }
    }

    /// Whether it is known.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.0 != i64::MIN
    }

    /// Milliseconds from `earlier` to this, if both are known.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<i64> {
        Some(self.millis()? - earlier.millis()?)
    }

    /// The minute it lies in, which is what events tell of a client's clock.
    #[must_use]
    pub fn minute(self) -> Option<i64> {
        self.millis().map(|millis| millis.div_euclid(MINUTE))
    }

    /// RFC 3339, in UTC.
    #[must_use]
    pub fn rfc3339(self) -> Option<String> {
        let time = jiff::Timestamp::from_millisecond(self.millis()?).ok()?;
        Some(time.to_string())
    }

    /// Reads a time in any of the forms that Windows, its scripts and our own reports use. A time
    /// without zone is taken as UTC. `1/14/2006` is month first unless that cannot be.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_matches(|c: char| ('\u{200e}'..='\u{200f}').contains(&c));
        let (date, rest) = split_date(text)?;
        let (clock, zone_minutes) = parse_clock(rest)?;
        let days = days_from_civil(date);
        let millis = days * DAY + clock - zone_minutes * MINUTE;
        let moment = Self::from_millis(millis);
        moment.is_known().then_some(moment)
    }
}

impl fmt::Display for Moment {
    /// `2026-11-24 10:47:49`, UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(millis) = self.millis() else { return f.pad("unknown time") };
        let Ok(time) = jiff::Timestamp::from_second(millis.div_euclid(SECOND)) else {
            return f.pad("unknown time");
        };
        let text = time.to_string();
        f.pad(&text.trim_end_matches('Z').replacen('T', " ", 1))
    }
}

/// Year, month, day.
type Date = (i64, i64, i64);

/// The date at the start of a text, and what follows it.
fn split_date(text: &str) -> Option<(Date, &str)> {
    let (first, separator, rest) = number(text)?;
    let (second, other, rest) = number(rest)?;
    if separator != other || !matches!(separator, '-' | '/' | '.') {
        return None;
    }
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (third, rest) = rest.split_at_checked(end)?;
    let third: i64 = if third.len() <= 4 { third.parse().ok()? } else { return None };
    let date = match (first > 31, separator) {
        (true, _) => (first, second, third),
        (false, '.' | '-') => (third, second, first),
        (false, _) if first > 12 => (third, second, first),
        (false, _) => (third, first, second),
    };
    let (year, month, day) = date;
    let is_date =
        (1601..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    is_date.then_some((date, rest))
}

/// A number of at most four digits, the character after it, and the rest.
fn number(text: &str) -> Option<(i64, char, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, rest) = text.split_at_checked(end)?;
    if digits.is_empty() || digits.len() > 4 {
        return None;
    }
    let separator = rest.chars().next()?;
    Some((digits.parse().ok()?, separator, rest.get(separator.len_utf8()..)?))
}

/// Milliseconds of the day, and minutes that the zone is ahead of UTC.
fn parse_clock(text: &str) -> Option<(i64, i64)> {
    let text = text.trim_start_matches(['T', ' ', ',']).trim();
    if text.is_empty() {
        return Some((0, 0));
    }
    let (hour, separator, rest) = number(text)?;
    if separator != ':' {
        return None;
    }
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (minute, mut rest) = rest.split_at_checked(end)?;
    let minute: i64 = if minute.len() == 2 { minute.parse().ok()? } else { return None };
    let mut millis = 0;
    if let Some(after) = rest.strip_prefix(':') {
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (second, after) = after.split_at_checked(end)?;
        let second: i64 = if second.len() <= 2 { second.parse().ok()? } else { return None };
        millis += second.min(59) * SECOND;
        rest = after;
        if let Some(after) = after.strip_prefix('.') {
            let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            let (fraction, after) = after.split_at_checked(end)?;
            let scaled: String = fraction.chars().chain("000".chars()).take(3).collect();
            millis += scaled.parse::<i64>().ok()?;
            rest = after;
        }
    }
    let rest = rest.trim();
    let (hour, zone) = match rest {
        "" | "Z" | "z" | "UTC" => (hour, 0),
        "AM" | "am" | "a.m." => (hour % 12, 0),
        "PM" | "pm" | "p.m." => (hour % 12 + 12, 0),
        zone => (hour, zone_minutes(zone)?),
    };
    let is_clock = (0..24).contains(&hour) && (0..60).contains(&minute);
    is_clock.then_some((hour * HOUR + minute * MINUTE + millis, zone))
}

/// `+01:00`.
fn zone_minutes(text: &str) -> Option<i64> {
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..=14).contains(&hours) && (0..60).contains(&minutes))
        .then_some(sign * (hours * 60 + minutes))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn days_from_civil((year, month, day): Date) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// A second, minute, hour and day in milliseconds.
pub const SECOND: i64 = 1_000;
/// A minute in milliseconds.
pub const MINUTE: i64 = 60 * SECOND;
/// An hour in milliseconds.
pub const HOUR: i64 = 60 * MINUTE;
/// A day in milliseconds.
pub const DAY: i64 = 24 * HOUR;

/// 1601-01-01 and the end of 9999.
const MILLIS_MIN: i64 = -11_644_473_600_000;
const MILLIS_MAX: i64 = 253_402_300_799_999;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_documented_form_is_read() {
        for (text, expected) in [
            ("2010/09/29 17:52", "2010-09-29 17:52:00"),
            ("2010/9/29 21:46", "2010-09-29 21:46:00"),
            ("2006/1/14 2:30", "2006-01-14 02:30:00"),
            ("1/14/2006 2:30", "2006-01-14 02:30:00"),
            ("14/1/2006 2:30", "2006-01-14 02:30:00"),
            ("11/24/2026 1:05:09 PM", "2026-11-24 13:05:09"),
            ("11/24/2026 12:05:09 AM", "2026-11-24 00:05:09"),
            ("24.11.2026 10:47:49", "2026-11-24 10:47:49"),
            ("2026-11-24T10:47:49.1234567Z", "2026-11-24 10:47:49"),
            ("2026-11-24T10:47:49.123456700+01:00", "2026-11-24 09:47:49"),
            ("2026-11-24 10:47:49", "2026-11-24 10:47:49"),
            ("2024-02-29", "2024-02-29 00:00:00"),
            ("1601-01-01 00:00:00", "1601-01-01 00:00:00"),
        ] {
            assert_eq!(Moment::parse(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "x", "12", "2026-13-01 1:00", "2026-11-24 25:00", "1/2", "99999/1/1 0:0"] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
