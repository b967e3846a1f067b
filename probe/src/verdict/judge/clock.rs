//! What a clock means. KMS tolerates four hours, Kerberos five minutes; a verdict claims no more
//! than the measurement's uncertainty allows.

use std::time::Duration;

use super::Endpoint;
use super::words::{duration, readable};
use crate::stage::clock::{ClockFacts, ClockSource, Reading, Unknown};
use crate::verdict::table::clock as table;
use crate::verdict::{Finding, Verdict};

/// Whose clock it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockOf {
    /// The KMS host's.
    Host,
    /// That of a time server, which says only how right this machine's clock is.
    TimeServer,
}

/// Judges the clock of `endpoint`. `reference` is what a time server says of this machine's clock,
/// where one was asked: it tells which of two clocks is wrong.
#[must_use]
pub fn clock(
    endpoint: &Endpoint,
    of: ClockOf,
    facts: &ClockFacts,
    reference: Option<&Reading>,
) -> Verdict {
    let mut values = endpoint.values();
    let clock = match (of, facts.server) {
        (ClockOf::Host, _) => endpoint.host.clone(),
        (ClockOf::TimeServer, Some(_)) => format!("time server {endpoint}"),
        (ClockOf::TimeServer, None) => format!("time server {}", endpoint.host),
    };
    let other = match facts.source {
        ClockSource::Ntlm => "sntp",
        ClockSource::Sntp => "ntlm",
    };
    values.extend([("clock", clock), ("other_clock", other.to_owned())]);
    let Some(reading) = &facts.reading else {
        let timeout = Duration::from_millis(facts.timeout_ms);
        values.push(("why_unknown", why(facts.unknown.as_ref(), facts, timeout)));
        return Verdict::of(&table::UNKNOWN, &values);
    };
    values.push(("offset", offset(reading)));
    values.push(("uncertainty", duration(reading.uncertainty())));
    let (whose, wrong) = blame(endpoint, of, reading, reference);
    values.extend([("whose", whose), ("wrong_clock", wrong)]);
    let (row, near) = match Distance::of(reading) {
        distance if distance.proves(SKEWED_OVER) => (&table::SKEWED, None),
        distance if distance.proves(DRIFTING_OVER) => {
            (&table::DRIFTING, distance.allows(SKEWED_OVER).then_some("4 hours"))
        }
        distance => (&table::OK, distance.allows(DRIFTING_OVER).then_some("5 minutes")),
    };
    let near = near.map(|limit| format!(", and within that it may be more than {limit}"));
    values.push(("near", near.unwrap_or_default()));
    Verdict::of(row, &values)
}

/// A clock's verdict beside that of the conversation.
#[must_use]
pub fn clock_finding(verdict: Verdict, facts: &ClockFacts) -> Finding {
    let mut shown = serde_json::Map::new();
    let mut show = |name: &str, value: String| shown.insert(name.to_owned(), value.into());
    show("source", source_name(facts.source).to_owned());
    if let Some(server) = facts.server {
        show("server", server.to_string());
    }
    if let Some(reading) = &facts.reading {
        show("offset_us", reading.offset_us.to_string());
        show("uncertainty_us", reading.uncertainty_us.to_string());
    }
    Finding { verdict, facts: shown.into() }
}

/// `NTLM` or `SNTP`, in small letters as the flag has them.
const fn source_name(source: ClockSource) -> &'static str {
    match source {
        ClockSource::Ntlm => "ntlm",
        ClockSource::Sntp => "sntp",
    }
}

/// `12 ms ahead of`, `5 h 3 min behind`, as words before "this machine's".
pub(crate) fn offset(reading: &Reading) -> String {
    let direction = if reading.offset_us < 0 { "behind" } else { "ahead of" };
    format!("{} {direction}", long_duration(reading.distance()))
}

/// A duration with its two largest units, from a minute up.
fn long_duration(time: Duration) -> String {
    // To the nearest second: a microsecond short of five hours is five hours.
    let seconds = time.saturating_add(Duration::from_millis(500)).as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => duration(time),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A distance with its uncertainty.
struct Distance {
    at_least: Duration,
    at_most: Duration,
}

impl Distance {
    fn of(reading: &Reading) -> Self {
        let (distance, uncertainty) = (reading.distance(), reading.uncertainty());
        Self {
            at_least: distance.saturating_sub(uncertainty),
            at_most: distance.saturating_add(uncertainty),
        }
    }

    /// It is more than `limit`, whatever the uncertainty.
    fn proves(&self, limit: Duration) -> bool {
        self.at_least > limit
    }

    /// It may be more than `limit`.
    fn allows(&self, limit: Duration) -> bool {
        self.at_most > limit
    }
}

/// Which clock is wrong, as the end of a cause and as the object of a remedy.
fn blame(
    endpoint: &Endpoint,
    of: ClockOf,
    reading: &Reading,
    reference: Option<&Reading>,
) -> (String, String) {
    let host = format!("the clock of {}", endpoint.host);
    match (of, reference) {
        (ClockOf::TimeServer, _) => (String::new(), "this machine's clock".to_owned()),
        (ClockOf::Host, None) => {
            (String::new(), format!("whichever of {host} and this machine's is wrong"))
        }
        (ClockOf::Host, Some(reference)) => {
            let between = reading.offset_us.saturating_sub(reference.offset_us).unsigned_abs();
            let host_is_right = Duration::from_micros(between) <= DRIFTING_OVER;
            match (host_is_right, reference.distance() <= DRIFTING_OVER) {
                (true, _) => (
                    "; the time server agrees with the host, so this machine's clock is the wrong one".to_owned(),
                    "this machine's clock".to_owned(),
                ),
                (false, true) => (
                    "; the time server agrees with this machine, so the host's clock is the wrong one".to_owned(),
                    host,
                ),
                (false, false) => (
                    "; the time server agrees with neither".to_owned(),
                    format!("{host} and this machine's"),
                ),
            }
        }
    }
}

fn why(unknown: Option<&Unknown>, facts: &ClockFacts, timeout: Duration) -> String {
    let asked = match facts.source {
        ClockSource::Ntlm => "a bind that offers NTLM".to_owned(),
        ClockSource::Sntp => {
            format!("queries to UDP {}", facts.server.map_or(SNTP_PORT, |server| server.port()))
        }
    };
    let Some(unknown) = unknown else { return "it was not asked".to_owned() };
    match unknown {
        Unknown::NotResolved { detail } => format!("its name has no address ({detail})"),
        Unknown::NotReached { detail } => format!("{asked} did not get through ({detail})"),
        Unknown::NotListening => "nothing listens on that UDP port there".to_owned(),
        Unknown::Silent => format!("{asked} got no whole answer within {}", duration(timeout)),
        Unknown::Closed => format!("{asked} made it close the connection"),
        Unknown::Reset => format!("{asked} was answered with a reset"),
        Unknown::Foreign { first_bytes } => {
            let start = readable(first_bytes);
            format!("the answer to {asked} is not RPC, or is cut, and begins with {start}")
        }
        Unknown::Refused { reason: 8, reason_name } => {
            format!("it takes no NTLM on this port (bind_nak, reason 8, `{reason_name}`)")
        }
        Unknown::Refused { reason, reason_name } => {
            format!("it refuses {asked} (bind_nak, reason {reason}, `{reason_name}`)")
        }
        Unknown::NotOffered => "it accepts the bind and passes over the offer of NTLM".to_owned(),
        Unknown::Malformed { detail } => format!("the answer to {asked} is damaged ({detail})"),
        Unknown::NoTime => "its NTLM challenge carries no time".to_owned(),
        Unknown::Contradiction => "the times in its answer contradict each other".to_owned(),
        Unknown::NotSynchronised => "it says that its own clock is not synchronised".to_owned(),
        Unknown::KissOfDeath { detail } => {
            format!("it refuses to serve this client (kiss of death: {detail})")
        }
        Unknown::OwnClock => "this machine's own clock is before 1970".to_owned(),
    }
}

/// What a KMS host tolerates between itself and a client; beyond, strictly, it refuses.
const SKEWED_OVER: Duration = Duration::from_secs(4 * 3600);
/// What Kerberos tolerates by default.
const DRIFTING_OVER: Duration = Duration::from_secs(5 * 60);

const SNTP_PORT: u16 = 123;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const SECOND: i64 = 1_000_000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;

    fn endpoint() -> Endpoint {
        let address = "192.0.2.10:1688".parse().unwrap();
        Endpoint { host: "kms1.corp.test".to_owned(), address, source: None }
    }

    fn reading(offset_us: i64, uncertainty_us: i64) -> Reading {
        let uncertainty_us = uncertainty_us.unsigned_abs();
        Reading { time: "2026-07-30T00:00:00Z".to_owned(), offset_us, uncertainty_us }
    }

    fn facts(reading: Option<Reading>, unknown: Option<Unknown>) -> ClockFacts {
        ClockFacts {
            source: ClockSource::Ntlm,
            server: Some("192.0.2.10:1688".parse().unwrap()),
            reading,
            unknown,
            ntlm: None,
            sntp: None,
            timeout_ms: 4000,
        }
    }

    fn judged(offset_us: i64, uncertainty_us: i64) -> Verdict {
        let facts = facts(Some(reading(offset_us, uncertainty_us)), None);
        clock(&endpoint(), ClockOf::Host, &facts, None)
    }

    #[test]
    fn four_hours_and_five_minutes_are_tolerated_and_not_a_microsecond_more() {
        for sign in [1, -1] {
            for (offset, code) in [
                (0, "clock.ok"),
                (5 * MINUTE, "clock.ok"),
                (5 * MINUTE + 1, "clock.drifting"),
                (4 * HOUR, "clock.drifting"),
                (4 * HOUR + 1, "clock.skewed"),
            ] {
                assert_eq!(judged(sign * offset, 0).row.code, code, "{sign} {offset}");
            }
        }
    }

    #[test]
    fn a_verdict_claims_no_more_than_the_uncertainty_allows() {
        let near = judged(4 * HOUR + SECOND, SECOND);
        assert_eq!(near.row.code, "clock.drifting");
        assert!(near.cause.contains("within that it may be more than 4 hours"), "{}", near.cause);
        let near = judged(5 * MINUTE - SECOND, 2 * SECOND);
        assert_eq!(near.row.code, "clock.ok");
        assert!(near.cause.contains("within that it may be more than 5 minutes"), "{}", near.cause);
        assert!(!judged(MINUTE, SECOND).cause.contains("it may be"));
    }

    #[test]
    fn the_sentence_says_how_far_and_which_way() {
        let cause = judged(-(5 * HOUR + 3 * MINUTE), 1500).cause;
        let expected = "The clock of kms1.corp.test is 5 h 3 min behind this machine's, give or \
                        take 1.5 ms";
        assert!(cause.starts_with(expected), "{cause}");
        assert!(judged(49 * HOUR, 0).cause.contains("2 d 1 h ahead of"));
        assert!(judged(90 * SECOND, 0).cause.contains("1 min 30 s ahead of"));
        assert!(judged(5 * HOUR - 40, 0).cause.contains("5 h 0 min ahead of"));
        assert!(judged(12_300, 0).cause.contains("12.3 ms ahead of"));
    }

    #[test]
    fn skewed_shows_as_microsoft_documents_it() {
        let verdict = judged(5 * HOUR, 0);
        let seen: Vec<_> = verdict.client_sees.iter().map(|seen| seen.code).collect();
        assert_eq!(seen, [0xC004_F074, 0xC004_F06C]);
        assert!(verdict.cause.contains("0xC004F06C"));
    }

    #[test]
    fn a_time_server_tells_which_clock_is_wrong() {
        let of_host = facts(Some(reading(5 * HOUR, 0)), None);
        let told = |reference| {
            let reference = reading(reference, 0);
            let verdict = clock(&endpoint(), ClockOf::Host, &of_host, Some(&reference));
            (verdict.cause, verdict.remedy.unwrap())
        };
        let (cause, remedy) = told(5 * HOUR + SECOND);
        assert!(cause.contains("this machine's clock is the wrong one"), "{cause}");
        assert!(remedy.starts_with("Correct this machine's clock"), "{remedy}");
        let (cause, remedy) = told(SECOND);
        assert!(cause.contains("the host's clock is the wrong one"), "{cause}");
        assert!(remedy.starts_with("Correct the clock of kms1.corp.test"), "{remedy}");
        assert!(told(-2 * HOUR).0.contains("agrees with neither"));
    }

    #[test]
    fn an_unknown_clock_says_why_and_names_the_other_way() {
        let refused = Unknown::Refused { reason: 8, reason_name: "no such type".to_owned() };
        let verdict = clock(&endpoint(), ClockOf::Host, &facts(None, Some(refused)), None);
        assert_eq!(verdict.row.code, "clock.unknown");
        assert!(verdict.cause.contains("it takes no NTLM on this port (bind_nak, reason 8"));
        assert!(verdict.remedy.unwrap().contains("`--clock sntp`"));
        let silent = clock(&endpoint(), ClockOf::Host, &facts(None, Some(Unknown::Silent)), None);
        assert!(silent.cause.contains("no whole answer within 4 s"), "{}", silent.cause);
    }
}
