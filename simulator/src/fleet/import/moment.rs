//! Times as logs and inventories have them. Without a zone they are taken as UTC; `1/2/2026` is month
//! first unless that cannot be.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};

/// A time of one of the known forms.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim().trim_end_matches(" UTC");
    if text.len() > CHARS_MAX {
        return None;
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let mut words = text.split([' ', ',', 'T']).filter(|word| !word.is_empty());
    let day = date(words.next()?)?;
    let time = match words.next() {
        None => Time::midnight(),
        Some(clock) => time(clock, words.next())?,
    };
    let moment = DateTime::from_parts(day, time).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    words.next().is_none().then(|| moment.timestamp())
}

fn date(text: &str) -> Option<Date> {
    let parts: Vec<i16> =
        text.split(['/', '-', '.']).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [one, two, three] = parts.as_slice() else { return None };
    let (year, month, day) = match (one, two, three) {
        (year @ 1000.., month, day) => (*year, *month, *day),
        // German dates have dots, and the day first.
        (day, month, year) if text.contains('.') || *month <= 12 && *day > 12 => {
            (*year, *month, *day)
        }
        (month, day, year) => (*year, *month, *day),
    };
    if year < 1000 {
        return None;
    }
    Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()
}

fn time(clock: &str, half: Option<&str>) -> Option<Time> {
    let clock = clock.split('.').next()?;
    let parts: Vec<i8> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] => (*hour, *minute, 0),
        [hour, minute, second] => (*hour, *minute, *second),
        _ => return None,
    };
    let hour = match (half.map(str::to_ascii_lowercase).as_deref(), hour) {
        (None, hour) => hour,
        (Some("am"), 12) => 0,
        (Some("am"), 1..12) | (Some("pm"), 12) => hour,
        (Some("pm"), 1..12) => hour + 12,
        _ => return None,
    };
    Time::new(hour, minute, second, 0).ok()
}

const CHARS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_forms_that_logs_and_inventories_have() {
        for (text, read) in [
            ("2026-11-24T10:47:49.1234567Z", "2026-11-24T10:47:49.1234567Z"),
            ("2026-11-24T10:47:49+02:00", "2026-11-24T08:47:49Z"),
            ("2026-11-24 10:47:49", "2026-11-24T10:47:49Z"),
            ("2026-11-24 10:47:49.5", "2026-11-24T10:47:49Z"),
            ("2026/1/4 2:05", "2026-01-04T02:05:00Z"),
            ("2026-11-24", "2026-11-24T00:00:00Z"),
            ("11/24/2026 9:05:06 PM", "2026-11-24T21:05:06Z"),
            ("1/2/2026, 12:05 AM", "2026-01-02T00:05:00Z"),
            ("24/11/2026 10:00", "2026-11-24T10:00:00Z"),
            ("24.11.2026 10:00:01", "2026-11-24T10:00:01Z"),
        ] {
            assert_eq!(parse(text).map(|at| at.to_string()).as_deref(), Some(read), "{text}");
        }
        for text in [
            "",
            "soon",
            "24/13/2026",
            "1/2/26",
            "2026-11-24 25:00",
            "2026-11-24 13:00 PM",
            &"1".repeat(65),
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
