//! The embedded DNS server, asked by BIND's `dig`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../tests/src/skip.rs"]
mod skip;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;

use kms_simulator::dns::{DnsServer, ExtendedError, Fault, HostRecord, Options, Zone};
use skip::Need;

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const SERVICE: &str = "_vlmcs._tcp.lab.test";

#[test]
fn dig_sees_srv_with_addresses() {
    let Some(answer) = dig("dig_sees_srv_with_addresses", zone(), &["SRV", SERVICE]) else {
        return;
    };
    assert_eq!(answer.status(), "NOERROR");
    assert_eq!(answer.flags(), "qr aa rd", "authoritative, recursion not available");
    assert_eq!(
        answer.section("ANSWER"),
        [
            "_vlmcs._tcp.lab.test. 60 IN SRV 0 75 1688 kms1.lab.test.",
            "_vlmcs._tcp.lab.test. 60 IN SRV 10 25 1689 kms2.lab.test.",
        ]
    );
    assert_eq!(
        answer.section("ADDITIONAL"),
        [
            "kms1.lab.test. 60 IN A 192.0.2.1",
            "kms1.lab.test. 60 IN AAAA 2001:db8::1",
            "kms2.lab.test. 60 IN A 192.0.2.2",
        ]
    );
    assert!(answer.contains("EDNS: version: 0, flags:; udp: 1232"));
}

#[test]
fn dig_sees_each_address_family() {
    let test = "dig_sees_each_address_family";
    let Some(answer) = dig(test, zone(), &["A", "kms1.lab.test"]) else { return };
    assert_eq!(answer.section("ANSWER"), ["kms1.lab.test. 60 IN A 192.0.2.1"]);
    let Some(answer) = dig(test, zone(), &["AAAA", "kms1.lab.test"]) else { return };
    assert_eq!(answer.section("ANSWER"), ["kms1.lab.test. 60 IN AAAA 2001:db8::1"]);
}

#[test]
fn dig_tells_nxdomain_from_nodata() {
    let test = "dig_tells_nxdomain_from_nodata";
    let soa = "lab.test. 10 IN SOA ns.lab.test. hostmaster.lab.test. 1 3600 600 86400 10";
    for (name, status) in [
        ("nothere.lab.test", "NXDOMAIN"),
        ("_tcp.lab.test", "NOERROR"),
        ("kms1.lab.test", "NOERROR"),
    ] {
        let Some(answer) = dig(test, zone(), &["SRV", name]) else { return };
        assert_eq!((answer.status(), answer.flags()), (status, "qr aa rd"), "{name}");
        assert!(answer.section("ANSWER").is_empty());
        assert_eq!(answer.section("AUTHORITY"), [soa], "{name}");
    }
}

#[test]
fn dig_is_answered_over_tcp() {
    let test = "dig_is_answered_over_tcp";
    let Some(answer) = dig(test, zone(), &["+tcp", "SRV", SERVICE]) else { return };
    assert_eq!(answer.section("ANSWER").len(), 2);
    assert!(answer.contains("(TCP)"), "{}", answer.0);
    let Some(answer) = dig(test, zone(), &["ANY", "lab.test"]) else { return };
    assert_eq!(answer.section("ANSWER").len(), 2, "SOA and NS");
}

#[test]
fn dig_goes_to_tcp_for_120_records() {
    let test = "dig_goes_to_tcp_for_120_records";
    let Some(answer) = dig(test, large_zone(), &["+ignore", "SRV", SERVICE]) else { return };
    assert_eq!(answer.flags(), "qr aa tc rd");
    assert!(answer.section("ANSWER").len() < 120);
    let Some(answer) = dig(test, large_zone(), &["SRV", SERVICE]) else { return };
    assert!(answer.contains("Truncated, retrying in TCP mode."));
    assert_eq!(answer.section("ANSWER").len(), 120);
    assert_eq!(answer.section("ADDITIONAL").len(), 120);
}

#[test]
fn dig_gets_no_more_bytes_than_it_asked_for() {
    let test = "dig_gets_no_more_bytes_than_it_asked_for";
    for (size, limit) in
        [("+noedns", 512), ("+bufsize=512", 512), ("+bufsize=900", 900), ("+bufsize=4096", 1_232)]
    {
        let query = [size, "+ignore", "SRV", SERVICE];
        let Some(answer) = dig(test, large_zone(), &query) else { return };
        assert!(answer.size_bytes() <= limit, "{} bytes with {size}", answer.size_bytes());
        assert!(answer.size_bytes() > limit - 60, "{} bytes with {size}", answer.size_bytes());
        assert_eq!(answer.flags(), "qr aa tc rd");
        assert_eq!(answer.contains("EDNS: version: 0"), size != "+noedns");
    }
}

#[test]
fn dig_sees_badvers_for_a_later_edns() {
    let query = ["+edns=1", "+noednsnegotiation", "SRV", SERVICE];
    let Some(answer) = dig("dig_sees_badvers_for_a_later_edns", zone(), &query) else { return };
    assert_eq!(answer.status(), "BADVERS");
    assert!(answer.section("ANSWER").is_empty());
    assert!(answer.contains("EDNS: version: 0"));
}

#[test]
fn dig_without_rd_gets_none_back() {
    let query = ["+norec", "SRV", SERVICE];
    let Some(answer) = dig("dig_without_rd_gets_none_back", zone(), &query) else { return };
    assert_eq!(answer.flags(), "qr aa");
    assert_eq!(answer.section("ANSWER").len(), 2);
}

#[test]
fn dig_keeps_the_case_it_asked_in() {
    let query = ["SRV", "_VLMCS._tcp.LAB.test"];
    let Some(answer) = dig("dig_keeps_the_case_it_asked_in", zone(), &query) else { return };
    let answers = answer.section("ANSWER");
    assert_eq!(answers.len(), 2);
    assert!(answers.iter().all(|line| line.starts_with("_VLMCS._tcp.LAB.test. ")), "{answers:?}");
}

#[test]
fn dig_is_refused_what_the_zone_does_not_hold() {
    let test = "dig_is_refused_what_the_zone_does_not_hold";
    for query in [
        ["A", "example.com"].as_slice(),
        &["-c", "CH", "TXT", "version.bind"],
        &["+tcp", "IXFR=1", "lab.test"],
    ] {
        let Some(answer) = dig(test, zone(), query) else { return };
        assert!(
            answer.contains("status: REFUSED") || answer.contains("Transfer failed."),
            "{query:?}: {}",
            answer.0
        );
    }
    let Some(answer) = dig(test, zone(), &["AXFR", "lab.test"]) else { return };
    assert!(answer.contains("Transfer failed."), "{}", answer.0);
    let Some(answer) = dig(test, zone(), &["+opcode=STATUS", "SOA", "lab.test"]) else { return };
    assert_eq!(answer.status(), "NOTIMP");
}

#[test]
fn dig_sees_what_each_fault_says_it_does() {
    let test = "dig_sees_what_each_fault_says_it_does";
    let blocked = ExtendedError { code: 15, text: "Blocked by policy".to_owned() };
    for (fault, status) in [
        (Fault::NxDomain, "NXDOMAIN"),
        (Fault::NoData, "NOERROR"),
        (Fault::Refused, "REFUSED"),
        (Fault::ServFail(Some(blocked)), "SERVFAIL"),
    ] {
        let Some(answer) = dig_faulty(test, fault.clone(), &["SRV", SERVICE]) else { return };
        assert_eq!(answer.status(), status, "{fault:?}");
        let has_reason = answer.contains("EDE: 15 (Blocked): (Blocked by policy)");
        assert_eq!(has_reason, status == "SERVFAIL", "{}", answer.0);
    }
    let Some(answer) = dig_faulty(test, Fault::Drop, &["+timeout=1", "SRV", SERVICE]) else {
        return;
    };
    assert!(answer.contains("timed out"), "{}", answer.0);
    let Some(answer) = dig_faulty(test, Fault::Malformed, &["SRV", SERVICE]) else { return };
    assert!(answer.contains("malformed message packet"), "{}", answer.0);
    let Some(answer) = dig_faulty(test, Fault::Truncate, &["SRV", SERVICE]) else { return };
    assert!(answer.contains("Truncated, retrying in TCP mode."));
    assert_eq!(answer.section("ANSWER").len(), 2);
}

#[test]
fn dig_is_refused_tcp_where_there_is_none() {
    let test = "dig_is_refused_tcp_where_there_is_none";
    if !skip::require(test, &[Need::Tool("dig")]) {
        return;
    }
    let options = Options { tcp: false, ..Options::default() };
    let server = DnsServer::start_with(LOOPBACK, large_zone(), options).unwrap();
    let answer = ask(server.address(), &["SRV", SERVICE]);
    assert!(answer.contains("connection refused"), "{}", answer.0);
}

#[test]
fn dig_reaches_the_server_over_ipv6() {
    let test = "dig_reaches_the_server_over_ipv6";
    if !skip::require(test, &[Need::Tool("dig"), Need::Ipv6Loopback]) {
        return;
    }
    let loopback = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0);
    let server = DnsServer::start(loopback, zone()).unwrap();
    assert_eq!(ask(server.address(), &["SRV", SERVICE]).section("ANSWER").len(), 2);
    let answer = ask(server.address(), &["NS", "lab.test"]);
    assert_eq!(answer.section("ADDITIONAL"), ["ns.lab.test. 60 IN AAAA ::1"]);
}

/// What dig printed.
struct Answer(String);

impl Answer {
    fn contains(&self, text: &str) -> bool {
        self.0.contains(text)
    }

    fn status(&self) -> &str {
        self.between("status: ", ",")
    }

    fn flags(&self) -> &str {
        self.between(";; flags: ", ";")
    }

    fn size_bytes(&self) -> usize {
        self.between("MSG SIZE  rcvd: ", "\n").parse().unwrap()
    }

    fn between(&self, start: &str, end: &str) -> &str {
        let found = self.0.split_once(start).and_then(|(_, rest)| rest.split_once(end));
        found.unwrap_or_else(|| panic!("no `{start}` in: {}", self.0)).0
    }

    /// The records of a section, with single spaces between their fields.
    fn section(&self, name: &str) -> Vec<String> {
        let lines = self.0.lines().skip_while(|line| *line != format!(";; {name} SECTION:"));
        let records = lines.skip(1).take_while(|line| !line.is_empty() && !line.starts_with(';'));
        records.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }
}

fn dig(test: &str, zone: Zone, query: &[&str]) -> Option<Answer> {
    if !skip::require(test, &[Need::Tool("dig")]) {
        return None;
    }
    let server = DnsServer::start(LOOPBACK, zone).unwrap();
    Some(ask(server.address(), query))
}

fn dig_faulty(test: &str, fault: Fault, query: &[&str]) -> Option<Answer> {
    if !skip::require(test, &[Need::Tool("dig")]) {
        return None;
    }
    let server = DnsServer::start(LOOPBACK, zone()).unwrap();
    server.set_fault(Some(fault));
    Some(ask(server.address(), query))
}

fn ask(server: SocketAddr, query: &[&str]) -> Answer {
    let output = Command::new(skip::tool("dig").unwrap())
        .arg("-r") // Not the caller's ~/.digrc.
        .args([format!("@{}", server.ip()), "-p".to_owned(), server.port().to_string()])
        .args(["+tries=1", "+timeout=10"])
        .args(query)
        .output()
        .unwrap();
    Answer(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn zone() -> Zone {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let kms1 = HostRecord::new("kms1", [address("192.0.2.1"), address("2001:db8::1")]);
    let kms2 = HostRecord::new("kms2", [address("192.0.2.2")]);
    Zone::new("lab.test")
        .and_then(|zone| zone.host(HostRecord { weight: 75, ..kms1 }))
        .and_then(|zone| zone.host(HostRecord { priority: 10, weight: 25, port: 1689, ..kms2 }))
        .unwrap()
}

fn large_zone() -> Zone {
    let host =
        |n: u8| HostRecord::new(format!("kms{n:03}"), [IpAddr::V4(Ipv4Addr::new(192, 0, 2, n))]);
    (0..120).try_fold(Zone::new("lab.test").unwrap(), |zone, n| zone.host(host(n))).unwrap()
}
