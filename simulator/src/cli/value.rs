//! Values of flags and of the configuration file: one parser each, whichever they come from.

use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, fmt::friendly};
use kms_protocol::guid::Guid;
use kms_protocol::kms::product::{OFFICE_APP_ID, PRODUCTS, WINDOWS_APP_ID};

use crate::dns::name::{self, NameError};
use crate::journal::RETAINED_ROWS_MIN;
use crate::serve::Clock;

/// `ADDR:PORT`, with brackets around an IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint(pub(super) SocketAddr);

/// A domain name that has been checked label by label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DomainName(pub(super) String);

/// A length of time that is not zero, such as `30s` or `5m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) Duration);

/// How long something is kept: whole hours or days, such as `36h` or `90d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Age(pub(super) Duration);

/// A number of rows that leaves enough to restart from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RetainedRows(pub(super) NonZeroU64);

/// How far a clock is off, such as `5h` or `-90m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClockOffset(pub(super) Clock);

/// A number of bytes that is not zero, such as `4096` or `256MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) NonZeroUsize);

/// A number that is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub(super) NonZeroUsize);

/// A number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Threads(pub(super) NonZeroUsize);

/// `APP=N`: an application of the catalogue and the clients that it starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InitialCount {
    pub(super) app_id: Guid,
    pub(super) clients: u32,
}

/// Why a value was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused(String);

impl FromStr for Endpoint {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        text.parse().map(Self).map_err(|_| {
            refused(
                "not ADDR:PORT, such as `127.0.0.1:1688` or `[::1]:1688`, with a port up to 65535",
            )
        })
    }
}

impl FromStr for DomainName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        name::parse(text).map(|name| Self(name.to_ascii()))
    }
}

impl FromStr for Time {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let time = text.parse::<SignedDuration>().ok().and_then(|time| time.try_into().ok());
        match time {
            Some(time) if (TIME_MIN..=TIME_MAX).contains(&time) => Ok(Self(time)),
            _ => Err(refused("not a time from 1ms to 30 days, such as `500ms`, `30s` or `5m`")),
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&friendly::SpanPrinter::new().unsigned_duration_to_string(&self.0))
    }
}

impl FromStr for Age {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let hours = match text.strip_suffix('d') {
            Some(days) => days.parse::<u64>().ok().and_then(|days| days.checked_mul(24)),
            None => text.strip_suffix('h').and_then(|hours| hours.parse().ok()),
        };
        match hours {
            Some(hours) if (1..=AGE_HOURS_MAX).contains(&hours) => {
                Ok(Self(Duration::from_secs(hours * 3600)))
            }
            _ => Err(refused("not an age from 1h to 36500d, such as `36h` or `90d`")),
        }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.0.as_secs() / 3600;
        if hours.is_multiple_of(24) { write!(f, "{}d", hours / 24) } else { write!(f, "{hours}h") }
    }
}

impl FromStr for RetainedRows {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        match text.parse::<NonZeroU64>() {
            Ok(rows) if rows.get() >= RETAINED_ROWS_MIN => Ok(Self(rows)),
            _ => Err(Refused(format!("not a number of rows from {RETAINED_ROWS_MIN} up"))),
        }
    }
}

impl FromStr for ClockOffset {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        match text.parse::<SignedDuration>() {
            Ok(offset) if offset.is_negative() => Ok(Self(Clock::behind_by(offset.unsigned_abs()))),
            Ok(offset) => Ok(Self(Clock::ahead_by(offset.unsigned_abs()))),
            Err(_) => Err(refused("not a time to move the clock by, such as `5h` or `-90m`")),
        }
    }
}

impl FromStr for Bytes {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let (digits, factor) = UNITS
            .iter()
            .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
            .unwrap_or((text, 1));
        let bytes = digits.trim_end().parse::<usize>().ok().and_then(|n| n.checked_mul(factor));
        bytes
            .and_then(NonZeroUsize::new)
            .map(Self)
            .ok_or_else(|| refused("not a number of bytes, such as `65536`, `64KiB` or `256MiB`"))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.get();
        let unit = UNITS.iter().find(|(_, factor)| bytes.is_multiple_of(*factor));
        match unit {
            Some((unit, factor)) => write!(f, "{}{unit}", bytes / factor),
            None => write!(f, "{bytes}"),
        }
    }
}

impl FromStr for Count {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        text.parse().map(Self).map_err(|_| refused("not a whole number from 1 up"))
    }
}

impl FromStr for Threads {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        match text.parse() {
            Ok(threads) if threads <= THREADS_MAX => Ok(Self(threads)),
            _ => Err(Refused(format!("not a number of threads from 1 to {THREADS_MAX}"))),
        }
    }
}

impl FromStr for InitialCount {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let (app, clients) = text
            .split_once('=')
            .ok_or_else(|| refused("not APP=N, such as `windows=24` or `office=4`"))?;
        let clients = clients
            .parse()
            .ok()
            .filter(|clients| *clients <= CLIENTS_MAX)
            .ok_or_else(|| refused("the number after `=` is not from 0 to 50"))?;
        Ok(Self { app_id: app_id(app)?, clients })
    }
}

fn app_id(text: &str) -> Result<Guid, Refused> {
    match text {
        "windows" => return Ok(WINDOWS_APP_ID),
        "office" => return Ok(OFFICE_APP_ID),
        _ => {}
    }
    let app_id = text.parse::<Guid>().map_err(|error| {
        Refused(format!(
            "the application before `=` is neither `windows` nor `office`, and {error}"
        ))
    })?;
    if PRODUCTS.iter().any(|product| product.app_id == app_id) {
        Ok(app_id)
    } else {
        Err(refused("no product of the catalogue has that application id"))
    }
}

fn refused(reason: &str) -> Refused {
    Refused(reason.to_owned())
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// Largest first.
const UNITS: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

const TIME_MIN: Duration = Duration::from_millis(1);
const TIME_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

const AGE_HOURS_MAX: u64 = 36_500 * 24;

/// More threads than any machine has use for.
const THREADS_MAX: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// A host remembers no more.
const CLIENTS_MAX: u32 = crate::model::client_cache::CAPACITY_MAX as u32;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn endpoints_need_an_address_and_a_port() {
        for text in ["127.0.0.1:1688", "[::]:0", "[::1]:65535"] {
            assert!(text.parse::<Endpoint>().is_ok(), "{text}");
        }
        for text in ["", "1688", ":1688", "127.0.0.1", "::1:1688x", "127.0.0.1:65536", "host:1688"]
        {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_read_and_written_the_same() {
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000)]
        {
            let time: Time = text.parse().unwrap();
            assert_eq!(time.0, Duration::from_millis(millis));
            assert_eq!(time.to_string(), text);
        }
        for text in ["", "0s", "30", "-5s", "31d", "5 parsecs", "999999999999h"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn clocks_are_moved_either_way() {
        let hours = |count: u64| Duration::from_secs(count * 3600);
        assert_eq!("5h".parse(), Ok(ClockOffset(Clock::ahead_by(hours(5)))));
        assert_eq!("-5h".parse(), Ok(ClockOffset(Clock::behind_by(hours(5)))));
        assert!("yesterday".parse::<ClockOffset>().is_err());
    }

    #[test]
    fn bytes_are_read_and_written_the_same() {
        for (text, bytes) in
            [("1", 1), ("4352KiB", 4_456_448), ("256MiB", 1 << 28), ("2GiB", 1 << 31)]
        {
            let value: Bytes = text.parse().unwrap();
            assert_eq!((value.0.get(), value.to_string().as_str()), (bytes, text));
        }
        for text in ["", "0", "-1", "1.5MiB", "MiB", "10MB", "99999999999999999999"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn initial_counts_name_an_application_of_the_catalogue() {
        let windows = InitialCount { app_id: WINDOWS_APP_ID, clients: 24 };
        assert_eq!("windows=24".parse(), Ok(windows));
        assert_eq!(format!("{WINDOWS_APP_ID}=24").parse(), Ok(windows));
        assert_eq!("office=0".parse::<InitialCount>().unwrap().app_id, OFFICE_APP_ID);
        for text in ["windows", "windows=51", "windows=-1", "=5", "dos=5", "not-a-guid=5"] {
            assert!(text.parse::<InitialCount>().is_err(), "{text}");
        }
        let unknown = format!("{}=5", Guid::from_bytes([7; 16])).parse::<InitialCount>();
        assert_eq!(unknown, Err(refused("no product of the catalogue has that application id")));
    }
}
