//! The clock stage: how far another machine's clock is from this one's, by NTLM on the KMS port or
//! by SNTP. KMS itself only echoes the client's time.

pub mod ntlm;
pub mod sntp;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kms_protocol::filetime::FileTime;
use serde::Serialize;

/// What was seen of a clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClockFacts {
    /// How it was asked.
    pub source: ClockSource,
    /// Who was asked; `None` where its name has no address.
    pub server: Option<SocketAddr>,
    /// The clock; `None` where it did not show.
    pub reading: Option<Reading>,
    /// Why it did not show.
    pub unknown: Option<Unknown>,
    /// What else an NTLM challenge says.
    pub ntlm: Option<ntlm::ChallengeFacts>,
    /// What else an SNTP server says.
    pub sntp: Option<sntp::ServerFacts>,
    /// How long the stage was allowed to take, in milliseconds.
    pub timeout_ms: u64,
}

/// How a clock is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockSource {
    /// The time in the challenge that an RPC server sends before authentication.
    Ntlm,
    /// The Network Time Protocol's simple form, RFC 5905 section 14.
    Sntp,
}

/// A clock beside this machine's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// The other clock when it was read, in UTC.
    pub time: String,
    /// How far the other clock is ahead of this machine's, in microseconds; negative when behind.
    pub offset_us: i64,
    /// Half the round trip: the offset may be wrong by this much either way, in microseconds.
    pub uncertainty_us: u64,
}

/// Why a clock did not show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Unknown {
    /// The name of the time server has no address.
    NotResolved {
        /// What DNS says.
        detail: String,
    },
    /// No connection, no socket, or an ICMP error in place of an answer.
    NotReached {
        /// The socket's error, in words.
        detail: &'static str,
    },
    /// Nothing listens on the time server's UDP port.
    NotListening,
    /// No answer, or no whole one, in time.
    Silent,
    /// The connection was closed when the bind arrived.
    Closed,
    /// The connection was reset when the bind arrived.
    Reset,
    /// The answer is not RPC, or is cut.
    Foreign {
        /// How it begins, in hexadecimal.
        first_bytes: String,
    },
    /// bind_nak.
    Refused {
        /// The reason's number; 8 says that NTLM is not known there.
        reason: u16,
        /// Its name.
        reason_name: String,
    },
    /// The offer of NTLM was passed over.
    NotOffered,
    /// The answer breaks the format.
    Malformed {
        /// Where and how.
        detail: String,
    },
    /// An NTLM challenge without a time.
    NoTime,
    /// The times in the answer contradict each other.
    Contradiction,
    /// The time server says that it has no time to give.
    NotSynchronised,
    /// The time server refuses to serve this client: the kiss of death.
    KissOfDeath {
        /// Its code, in words.
        detail: String,
    },
    /// This machine's own clock is before 1970.
    OwnClock,
}

impl Reading {
    /// The clock that showed `time` in the middle of a round trip that began at `sent` by this
    /// machine's clock.
    #[must_use]
    pub fn of_round_trip(time: FileTime, sent: FileTime, round_trip: Duration) -> Self {
        let half = round_trip / 2;
        let here = sent.saturating_add(half);
        let ticks = i128::from(time.ticks()) - i128::from(here.ticks());
        Self::new(time, i64::try_from(ticks / TICKS_PER_MICROSECOND).unwrap_or(0), half)
    }

    fn new(time: FileTime, offset_us: i64, uncertainty: Duration) -> Self {
        let uncertainty_us = u64::try_from(uncertainty.as_micros()).unwrap_or(u64::MAX);
        Self { time: format!("{time}Z").replacen(' ', "T", 1), offset_us, uncertainty_us }
    }

    /// The distance between the clocks, whichever is ahead.
    #[must_use]
    pub const fn distance(&self) -> Duration {
        Duration::from_micros(self.offset_us.unsigned_abs())
    }

    /// The uncertainty.
    #[must_use]
    pub const fn uncertainty(&self) -> Duration {
        Duration::from_micros(self.uncertainty_us)
    }
}

impl ClockFacts {
    /// Nothing known yet.
    pub(crate) fn new(source: ClockSource, server: Option<SocketAddr>, timeout: Duration) -> Self {
        Self {
            source,
            server,
            reading: None,
            unknown: None,
            ntlm: None,
            sntp: None,
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// The same without a clock, for this reason.
    pub(crate) fn without_reading(self, why: Unknown) -> Self {
        Self { unknown: Some(why), ..self }
    }
}

/// This machine's clock; `None` outside what a FILETIME can say.
pub(crate) fn file_time(time: SystemTime) -> Option<FileTime> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    FileTime::from_unix(i64::try_from(since.as_secs()).ok()?, since.subsec_nanos())
}

const TICKS_PER_MICROSECOND: i128 = 10;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn at(seconds: i64) -> FileTime {
        FileTime::from_unix(1_785_369_600 + seconds, 0).unwrap()
    }

    #[test]
    fn the_offset_counts_from_the_middle_of_the_round_trip() {
        let reading = Reading::of_round_trip(at(11), at(0), Duration::from_secs(2));
        assert_eq!(reading.offset_us, 10_000_000, "ahead");
        assert_eq!(reading.uncertainty_us, 1_000_000);
        assert_eq!(reading.time, "2026-07-30T00:00:11Z");
        let behind = Reading::of_round_trip(at(-11), at(0), Duration::from_secs(2));
        assert_eq!(behind.offset_us, -12_000_000);
        assert_eq!(behind.distance(), Duration::from_secs(12));
    }

    #[test]
    fn no_time_that_a_peer_can_send_is_too_far_away() {
        for ticks in [0, 1, u64::MAX] {
            let time = FileTime::from_ticks(ticks);
            let reading = Reading::of_round_trip(time, at(0), Duration::ZERO);
            assert!(reading.distance() > Duration::from_secs(4 * 3600), "{reading:?}");
        }
    }
}
