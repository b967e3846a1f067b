//! SNTP, through the `rsntp` crate: a UDP query or two, and the server's clock in the middle of the
//! round trip.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use rsntp::{
    Config, KissCode, LeapIndicator, ProtocolError, SntpClient, SynchronizationError,
    SynchronizationResult,
};
use serde::Serialize;

use super::{ClockFacts, ClockSource, Reading, Unknown, file_time};
use crate::dns::name::escape_text;
use crate::stage::connect::{ErrorKind, SocketError};
use crate::stage::deadline::Deadline;

/// What a time server says beside the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerFacts {
    /// Steps between the server and a reference clock, 1 to 15.
    pub stratum: u8,
    /// Whom the server follows: a kind of clock, an address, or a hash of one.
    pub reference: String,
    /// Leap second announced for the end of the month: `none`, `+1 s` or `-1 s`.
    pub leap: &'static str,
    /// Queries sent.
    pub queries: u32,
}

/// Asks `server` from `source`, or from whichever address the system chooses. Returns the facts and
/// how long it took.
#[must_use]
pub fn ask(
    server: SocketAddr,
    source: Option<IpAddr>,
    timeout: Duration,
) -> (ClockFacts, Duration) {
    let deadline = Deadline::after(timeout);
    let facts = ClockFacts::new(ClockSource::Sntp, Some(server), timeout);
    if file_time(SystemTime::now()).is_none() {
        return (facts.without_reading(Unknown::OwnClock), deadline.elapsed());
    }
    for queries in 1..=QUERIES_MAX {
        let Some(remaining) = deadline.remaining() else { break };
        let patience = remaining / (QUERIES_MAX + 1 - queries);
        let client = SntpClient::with_config(config(server, source, patience.max(PATIENCE_MIN)));
        let sent = Instant::now();
        let result = client.synchronize(server);
        match result {
            Ok(result) => {
                let facts = read(facts, &result, sent.elapsed(), queries);
                return (facts, deadline.elapsed());
            }
            Err(error) if is_silence(&error) => {}
            Err(error) => return (facts.without_reading(why(error)), deadline.elapsed()),
        }
    }
    (facts.without_reading(Unknown::Silent), deadline.elapsed())
}

fn config(server: SocketAddr, source: Option<IpAddr>, patience: Duration) -> Config {
    let any = match server {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let source = source.filter(|own| own.is_ipv4() == server.is_ipv4()).unwrap_or(any);
    Config::default().bind_address(SocketAddr::new(source, 0)).timeout(patience)
}

fn read(
    facts: ClockFacts,
    result: &SynchronizationResult,
    elapsed: Duration,
    queries: u32,
) -> ClockFacts {
    let sntp = Some(ServerFacts {
        stratum: result.stratum(),
        reference: escape_text(&result.reference_identifier().to_string(), REFERENCE_CHARS_MAX),
        leap: match result.leap_indicator() {
            LeapIndicator::LastMinuteHas61Seconds => "+1 s",
            LeapIndicator::LastMinuteHas59Seconds => "-1 s",
            LeapIndicator::NoWarning | LeapIndicator::AlarmCondition => "none",
        },
        queries,
    });
    let facts = ClockFacts { sntp, ..facts };
    // What the server says of the time it took is subtracted, and cannot be more than there was.
    let delay = result.round_trip_delay().as_secs_f64();
    if !(-CLOCK_GRAIN_S..=elapsed.as_secs_f64() + CLOCK_GRAIN_S).contains(&delay) {
        return facts.without_reading(Unknown::Contradiction);
    }
    let (Some(now), offset) = (file_time(SystemTime::now()), result.clock_offset().as_secs_f64())
    else {
        return facts.without_reading(Unknown::OwnClock);
    };
    let distance = Duration::try_from_secs_f64(offset.abs()).unwrap_or(Duration::MAX);
    let micros = i64::try_from(distance.as_micros()).unwrap_or(i64::MAX);
    let (time, offset_us) = match offset < 0.0 {
        true => (now.saturating_sub(distance), micros.saturating_neg()),
        false => (now.saturating_add(distance), micros),
    };
    let half = Duration::try_from_secs_f64(delay.max(0.0) / 2.0).unwrap_or(elapsed / 2);
    ClockFacts { reading: Some(Reading::new(time, offset_us, half)), ..facts }
}

fn is_silence(error: &SynchronizationError) -> bool {
    let SynchronizationError::IOError(error) = error else { return false };
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn why(error: SynchronizationError) -> Unknown {
    match error {
        SynchronizationError::IOError(error) => match SocketError::of(&error).kind {
            ErrorKind::ConnectionRefused => Unknown::NotListening,
            kind => Unknown::NotReached { detail: kind.words() },
        },
        // Stratum 0 without a code that is known says no more than "no time here".
        SynchronizationError::ProtocolError(
            ProtocolError::ServerNotSynchronized
            | ProtocolError::KissODeath(KissCode::Unknown | KissCode::AssociationNotYetSynchronized),
        ) => Unknown::NotSynchronised,
        SynchronizationError::ProtocolError(ProtocolError::KissODeath(code)) => {
            Unknown::KissOfDeath { detail: code.to_string() }
        }
        SynchronizationError::ProtocolError(error) => {
            Unknown::Malformed { detail: error.to_string() }
        }
    }
}

/// Queries before silence counts as silence: at 0, 1/3 and 2/3 of the time.
const QUERIES_MAX: u32 = 3;

/// A socket timeout of zero would mean no timeout.
const PATIENCE_MIN: Duration = Duration::from_millis(1);

/// A server's clock may be read this coarsely, so that a delay may come out a little below zero.
const CLOCK_GRAIN_S: f64 = 0.02;

const REFERENCE_CHARS_MAX: usize = 64;
