//! What a connect means. ICMP type and code decide before the errno does: the kernel maps several
//! of them to the same errno, and differently for IPv4 and IPv6.

use std::net::IpAddr;
use std::time::Duration;

use super::Endpoint;
use super::words::{count, duration};
use crate::platform::origin::Origin;
use crate::platform::{IcmpError, IcmpVersion};
use crate::stage::connect::{ConnectFacts, ConnectOutcome, ErrorKind};
use crate::verdict::table::{bind, tcp as table};
use crate::verdict::{Finding, Row, Severity, Verdict};

/// Judges a connect to `endpoint`.
#[must_use]
pub fn tcp(endpoint: &Endpoint, facts: &ConnectFacts) -> Verdict {
    let mut values = endpoint.values();
    values.push(("timeout", duration(Duration::from_millis(facts.timeout_ms))));
    values.push(("syns", unanswered(facts.syns_sent)));
    if let Some(error) = facts.error {
        values.push(("error", error.kind.words().to_owned()));
        values.push(("route_hint", route_hint(endpoint, error.kind)));
        values.extend(facts.origin.map(|origin| ("source_hint", source_hint(endpoint, origin))));
    }
    if let Some(icmp) = facts.icmp {
        values.push(("icmp", icmp.words()));
        values.push(("icmp_sender", sender(endpoint, icmp.from)));
        values.push(("icmp_device", device(endpoint, icmp.from)));
        values.push(("unreachable_why", unreachable_why(endpoint, icmp.from).to_owned()));
    }
    Verdict::of(row(facts), &values)
}

/// Judges a second port of `endpoint` that should be closed and opened, beside the codes of the
/// stages that ran. `None` where the port that matters does not open itself.
///
/// An answer to the bind shows that the host is reached all the same, and the severity then is
/// warning; where the bind fails it is critical.
#[must_use]
pub fn accepts_all(endpoint: &Endpoint, closed_port: u16, stages: &[&str]) -> Option<Finding> {
    let ran = |code: &str| stages.contains(&code);
    if !ran(table::OK.code) {
        return None;
    }
    let bound = stages.iter().any(|code| code.starts_with("bind."));
    let (severity, evidence) = match (bound, ran(bind::OK.code)) {
        (_, true) => (
            Severity::Warning,
            "but the RPC bind was answered and shows that the KMS service is reached all the same",
        ),
        (true, false) => (
            Severity::Critical,
            "and the RPC bind, which would, did not get the answer of a KMS host",
        ),
        (false, false) => (Severity::Warning, "and only an answer to the RPC bind would"),
    };
    let mut values = endpoint.values();
    values.push(("closed_port", closed_port.to_string()));
    values.push(("bind_evidence", evidence.to_owned()));
    let verdict = Verdict { severity, ..Verdict::of(&table::ACCEPTS_ALL, &values) };
    Some(Finding { verdict, facts: serde_json::json!({ "closed_port": closed_port.to_string() }) })
}

fn row(facts: &ConnectFacts) -> &'static Row {
    match (facts.outcome, facts.icmp.and_then(|icmp| row_of_icmp(&icmp)), facts.error) {
        (ConnectOutcome::Connected, ..) => &table::OK,
        (_, Some(row), _) => row,
        (ConnectOutcome::TimedOut, None, _) | (ConnectOutcome::Failed, None, None) => {
            &table::TIMEOUT
        }
        (ConnectOutcome::Failed, None, Some(error)) => row_of_error(error.kind, facts),
    }
}

/// `None` for errors that do not end a connection attempt, such as "packet too big".
fn row_of_icmp(icmp: &IcmpError) -> Option<&'static Row> {
    Some(match (icmp.version, icmp.kind, icmp.code) {
        (IcmpVersion::Icmp, 3, 2 | 3) | (IcmpVersion::Icmpv6, 1, 4) => &table::PORT_UNREACHABLE,
        (IcmpVersion::Icmp, 3, 1 | 7 | 8 | 12) | (IcmpVersion::Icmpv6, 1, 3) => {
            &table::HOST_UNREACHABLE
        }
        (IcmpVersion::Icmp, 3, 0 | 5 | 6 | 11) | (IcmpVersion::Icmpv6, 1, 0 | 2 | 7) => {
            &table::NET_UNREACHABLE
        }
        (IcmpVersion::Icmp, 3, 9 | 10 | 13 | 14 | 15) | (IcmpVersion::Icmpv6, 1, 1 | 5 | 6) => {
            &table::PROHIBITED
        }
        (IcmpVersion::Icmp, 11, _) | (IcmpVersion::Icmpv6, 3, _) => &table::LOOP,
        _ => return None,
    })
}

/// Without ICMP, an unreachable comes from this machine's own routing table.
fn row_of_error(kind: ErrorKind, facts: &ConnectFacts) -> &'static Row {
    match kind {
        ErrorKind::ConnectionRefused => &table::REFUSED,
        ErrorKind::ConnectionReset => &table::RESET,
        ErrorKind::TimedOut => &table::TIMEOUT,
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::PermissionDenied
        | ErrorKind::InvalidInput
        | ErrorKind::NoAddressFamily => &table::NO_ROUTE,
        ErrorKind::AddressNotAvailable => &table::SOURCE_UNAVAILABLE,
        // An ICMP error of an unusual type ended it, or something else did.
        ErrorKind::Other if facts.icmp.is_some() => &table::HOST_UNREACHABLE,
        ErrorKind::Other if facts.source.is_some() => &table::RESET,
        ErrorKind::Other => &table::SOURCE_UNAVAILABLE,
    }
}

fn unanswered(syns_sent: Option<u32>) -> String {
    match syns_sent {
        Some(syns) => {
            let syns = count(u64::from(syns), "SYN", "SYNs");
            format!("with {syns} unanswered")
        }
        None => "the SYN and its retransmissions unanswered".to_owned(),
    }
}

fn is_self(endpoint: &Endpoint, from: Option<IpAddr>) -> bool {
    from.is_some() && from == endpoint.source
}

fn sender(endpoint: &Endpoint, from: Option<IpAddr>) -> String {
    match from {
        None => "A device on the path".to_owned(),
        Some(from) if is_self(endpoint, Some(from)) => format!("This machine itself ({from})"),
        Some(from) if from == endpoint.address.ip() => format!("The host itself ({from})"),
        Some(from) => format!("The device {from} on the path"),
    }
}

fn device(endpoint: &Endpoint, from: Option<IpAddr>) -> String {
    match from {
        None => "the device that sent it".to_owned(),
        Some(from) if is_self(endpoint, Some(from)) => "this machine".to_owned(),
        Some(from) => from.to_string(),
    }
}

fn unreachable_why(endpoint: &Endpoint, from: Option<IpAddr>) -> &'static str {
    if is_self(endpoint, from) {
        "nobody on the local link answers for the next hop, or a rule on this machine rejects it"
    } else if from == Some(endpoint.address.ip()) {
        "the host is up and its own packet filter answers in this way"
    } else {
        "the router before the host gets no answer for this address, or a filter there answers in \
         this way"
    }
}

fn source_hint(endpoint: &Endpoint, origin: Origin) -> String {
    let family = if endpoint.address.is_ipv6() { "IPv6" } else { "IPv4" };
    let ip = if endpoint.address.is_ipv6() { "ip -6 address" } else { "ip -4 address" };
    match (origin.source, origin.interface) {
        (Some(source), None) => format!(
            "{source}, from which it was to leave, is not among its addresses (see `{ip}`) or has \
             no port left"
        ),
        (Some(source), Some(interface)) => format!(
            "{source} and interface {interface}, from which it was to leave, do not go together \
             (see `{ip}`) or have no port left"
        ),
        (None, Some(interface)) => format!(
            "interface {interface}, by which it was to leave, has no {family} address (see `{ip}`) \
             or no port left"
        ),
        (None, None) => "wait for old connections to leave TIME_WAIT".to_owned(),
    }
}

fn route_hint(endpoint: &Endpoint, kind: ErrorKind) -> String {
    let address = endpoint.address.ip();
    match (address, kind) {
        (IpAddr::V6(v6), ErrorKind::InvalidInput) if v6.is_unicast_link_local() => {
            format!("a link-local address needs its interface, as in `{address}%eth0`")
        }
        // A route from elsewhere, or another IP version, is no help to a link-local address.
        (IpAddr::V6(v6), _) if v6.is_unicast_link_local() => {
            "look whether the interface of this link-local address is up and has a link-local address \
             of its own (`ip -6 address show scope link`)"
                .to_owned()
        }
        (IpAddr::V6(_), ErrorKind::NoAddressFamily) => {
            "IPv6 is switched off here, so enable it or check over IPv4 with -4".to_owned()
        }
        (IpAddr::V6(_), _) => format!(
            "look at its IPv6 address and default route (`ip -6 route get {address}`), or check \
             over IPv4 with -4"
        ),
        (IpAddr::V4(_), _) => {
            format!("look at its address, default gateway and VPN (`ip route get {address}`)")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::stage::connect::SocketError;
    use crate::verdict::PortState;

    const ROUTER: &str = "192.0.2.254";

    fn endpoint() -> Endpoint {
        Endpoint {
            host: "kms1.corp.test".to_owned(),
            address: "192.0.2.10:1688".parse().unwrap(),
            source: Some("192.0.2.77".parse().unwrap()),
        }
    }

    fn failed(icmp: Option<(IcmpVersion, u8, u8)>, kind: ErrorKind) -> ConnectFacts {
        let from = Some(ROUTER.parse().unwrap());
        ConnectFacts {
            outcome: ConnectOutcome::Failed,
            source: None,
            syns_sent: Some(1),
            error: Some(SocketError { errno: None, kind }),
            icmp: icmp.map(|(version, kind, code)| IcmpError { version, kind, code, from }),
            origin: None,
            timeout_ms: 4000,
        }
    }

    #[test]
    fn icmp_is_classified_by_type_and_code_whatever_the_errno_says() {
        use IcmpVersion::{Icmp, Icmpv6};
        for (version, kind, code, expected) in [
            (Icmp, 3, 0, "tcp.net_unreachable"),
            (Icmp, 3, 1, "tcp.host_unreachable"),
            (Icmp, 3, 3, "tcp.port_unreachable"),
            (Icmp, 3, 9, "tcp.prohibited"),
            (Icmp, 3, 10, "tcp.prohibited"),
            (Icmp, 3, 13, "tcp.prohibited"),
            (Icmp, 11, 0, "tcp.loop"),
            (Icmpv6, 1, 0, "tcp.net_unreachable"),
            (Icmpv6, 1, 1, "tcp.prohibited"),
            (Icmpv6, 1, 3, "tcp.host_unreachable"),
            (Icmpv6, 1, 4, "tcp.port_unreachable"),
            (Icmpv6, 1, 5, "tcp.prohibited"),
            (Icmpv6, 1, 6, "tcp.prohibited"),
            (Icmpv6, 3, 0, "tcp.loop"),
        ] {
            for errno in [ErrorKind::HostUnreachable, ErrorKind::PermissionDenied] {
                let verdict = tcp(&endpoint(), &failed(Some((version, kind, code)), errno));
                assert_eq!(verdict.row.code, expected, "{version:?} {kind}/{code}");
                assert!(verdict.cause.contains(ROUTER), "{}", verdict.cause);
                assert!(verdict.cause.contains(&format!("({kind}/{code})")), "{}", verdict.cause);
            }
        }
    }

    #[test]
    fn without_icmp_the_errno_decides() {
        for (kind, expected) in [
            (ErrorKind::ConnectionRefused, "tcp.refused"),
            (ErrorKind::ConnectionReset, "tcp.reset"),
            (ErrorKind::TimedOut, "tcp.timeout"),
            (ErrorKind::NetworkUnreachable, "tcp.no_route"),
            (ErrorKind::NoAddressFamily, "tcp.no_route"),
            (ErrorKind::AddressNotAvailable, "tcp.source_unavailable"),
        ] {
            assert_eq!(tcp(&endpoint(), &failed(None, kind)).row.code, expected);
        }
    }

    #[test]
    fn an_icmp_error_that_ends_nothing_leaves_the_timeout() {
        let mut facts = failed(Some((IcmpVersion::Icmp, 3, 4)), ErrorKind::Other);
        facts.outcome = ConnectOutcome::TimedOut;
        facts.error = None;
        assert_eq!(tcp(&endpoint(), &facts).row.code, "tcp.timeout");
    }

    #[test]
    fn a_timeout_says_how_many_syns_went_unanswered() {
        let mut facts = failed(None, ErrorKind::Other);
        (facts.outcome, facts.error, facts.syns_sent) = (ConnectOutcome::TimedOut, None, Some(4));
        let verdict = tcp(&endpoint(), &facts);
        assert!(verdict.cause.contains("4 SYNs unanswered"), "{}", verdict.cause);
        assert_eq!(verdict.row.port_state, Some(PortState::Filtered));
        facts.syns_sent = None;
        assert!(!tcp(&endpoint(), &facts).cause.contains("4 SYNs"));
    }

    #[test]
    fn an_icmp_error_from_this_machine_or_the_host_is_said_to_be_theirs() {
        let mut facts = failed(Some((IcmpVersion::Icmp, 3, 1)), ErrorKind::HostUnreachable);
        let mut sent_by = |from: &str| {
            if let Some(icmp) = facts.icmp.as_mut() {
                icmp.from = Some(from.parse().unwrap());
            }
            tcp(&endpoint(), &facts).cause
        };
        assert!(sent_by("192.0.2.77").contains("local link"));
        assert!(sent_by("192.0.2.10").contains("host is up"));
        assert!(sent_by("192.0.2.1").contains("router before the host"));
    }
}
