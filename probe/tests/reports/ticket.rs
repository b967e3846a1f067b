//! Tickets: what they say, and that the rules and records in them are accepted by the programs
//! that would take them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use kms_probe::check::{
    self, Beside, Entry, Options, Report, StageFacts, StageReport, TcpFacts, Timeouts,
};
use kms_probe::platform::{IcmpError, IcmpVersion};
use kms_probe::stage::Stage;
use kms_probe::stage::bind::BindFacts;
use kms_probe::stage::channel::{Broken, BrokenHow};
use kms_probe::stage::connect::{ConnectFacts, ConnectOutcome, ErrorKind, SocketError};
use kms_probe::target::Asked;
use kms_probe::ticket;
use kms_probe::verdict::judge::{self, Endpoint};
use kms_simulator::dns::{DnsServer, Fault, HostRecord, Zone};

use super::fixture::{assert_accepted, fed, hostile_report};
use super::skip::{self, Need};
use crate::support::{IMPATIENCE, options};

const V4: [&str; 2] = ["192.0.2.10:1688", "198.51.100.7:49152"];
const V6: [&str; 2] = ["[2001:db8::10]:1688", "[2001:db8:1::7]:49152"];

/// An entry whose connect gave these facts.
fn connect(ends: [&str; 2], facts: ConnectFacts) -> Entry {
    let [address, source] = ends.map(|end| end.parse::<SocketAddr>().unwrap());
    let facts = ConnectFacts { source: Some(source), ..facts };
    let host = "kms1.corp.test".to_owned();
    let endpoint = Endpoint { host: host.clone(), address, source: Some(source.ip()) };
    let verdict = judge::tcp(&endpoint, &facts);
    let elapsed = Duration::from_micros(4_000_120);
    let state = verdict.row.port_state;
    let stage = StageReport {
        stage: Stage::Tcp,
        verdict: verdict.row.code,
        elapsed,
        facts: StageFacts::Tcp(TcpFacts { state, connect: facts }),
    };
    Entry {
        target: "kms1.corp.test:1688".to_owned(),
        host: Some(host),
        port: Some(address.port()),
        address: Some(address.ip()),
        stages: vec![stage],
        verdict,
        findings: Vec::new(),
        beside: Beside::default(),
    }
}

fn silence() -> ConnectFacts {
    ConnectFacts {
        outcome: ConnectOutcome::TimedOut,
        source: None,
        syns_sent: Some(3),
        error: None,
        icmp: None,
        timeout_ms: 4_000,
        origin: None,
    }
}

fn prohibited() -> ConnectFacts {
    let from = Some("2001:db8:ffff::1".parse().unwrap());
    ConnectFacts {
        outcome: ConnectOutcome::Failed,
        syns_sent: Some(1),
        error: Some(SocketError { errno: Some(13), kind: ErrorKind::PermissionDenied }),
        icmp: Some(IcmpError { version: IcmpVersion::Icmpv6, kind: 1, code: 1, from }),
        ..silence()
    }
}

/// The handshake passes and the bind is reset.
fn inspected() -> Entry {
    let connected = ConnectFacts { outcome: ConnectOutcome::Connected, ..silence() };
    let mut entry = connect(V4, ConnectFacts { syns_sent: Some(1), ..connected });
    let [address, source] = V4.map(|end| end.parse::<SocketAddr>().unwrap());
    let endpoint =
        Endpoint { host: "kms1.corp.test".to_owned(), address, source: Some(source.ip()) };
    let broken = Broken {
        how: BrokenHow::Reset,
        detail: None,
        guess: None,
        received_bytes: 0,
        first_bytes: String::new(),
        error: None,
    };
    let facts =
        BindFacts { answer: None, broken: Some(broken), retransmissions: None, timeout_ms: 4_000 };
    entry.verdict = judge::bind(&endpoint, &facts);
    entry.stages.push(StageReport {
        stage: Stage::Bind,
        verdict: entry.verdict.row.code,
        elapsed: Duration::from_millis(2),
        facts: StageFacts::Bind(facts),
    });
    entry
}

fn report(entries: Vec<Entry>) -> Report {
    Report { started: "2026-11-24T10:47:49.320036595Z".to_owned(), entries }
}

/// A check of the domain through a server with these records.
fn dns_report(zone: Zone, fault: Option<Fault>) -> Report {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let dns = DnsServer::start(loopback, zone).unwrap();
    dns.set_fault(fault);
    let options = Options { resolvers: vec![dns.address()], ..options(Stage::Dns) };
    check::run(&[Asked::parse("corp.test", false).unwrap()], &options).unwrap()
}

/// A DNS server that never answers.
fn silent_dns() -> Report {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let dns = DnsServer::start(loopback, zone()).unwrap();
    dns.set_fault(Some(Fault::Drop));
    let timeouts = Timeouts::all(IMPATIENCE);
    let options = Options { resolvers: vec![dns.address()], timeouts, ..options(Stage::Dns) };
    check::run(&[Asked::parse("corp.test", false).unwrap()], &options).unwrap()
}

fn zone() -> Zone {
    Zone::new("corp.test").unwrap()
}

/// Records that need correction: a dangling target, an alias, port 0.
fn wrong_records() -> Report {
    let address = IpAddr::from([192, 0, 2, 10]);
    let zone = zone()
        .host(HostRecord { port: 1688, ..HostRecord::new("kms1", [address]) })
        .unwrap()
        .alias("kms", "kms1.corp.test")
        .unwrap()
        .service(10, 0, 1688, "kms.corp.test")
        .unwrap()
        .service(20, 0, 1688, "gone.corp.test")
        .unwrap()
        .service(30, 5, 0, "kms1.corp.test")
        .unwrap();
    dns_report(zone, None)
}

/// The text of a ticket, with what differs from run to run made equal.
fn assert_golden(name: &str, mut report: Report) {
    "2026-11-24T10:47:49.320036595Z".clone_into(&mut report.started);
    for stage in report.entries.iter_mut().flat_map(|entry| &mut entry.stages) {
        if stage.stage == Stage::Dns {
            stage.elapsed = Duration::from_micros(1_250);
        }
    }
    let mut text = ticket::text(&report);
    if let Some(dns) = report.entries.first().and_then(Entry::dns) {
        let resolver = dns.resolved.facts.decided_by.unwrap();
        text = text.replace(&resolver.to_string(), "127.0.0.1:PORT");
    }
    insta::with_settings!({ prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn a_silent_drop_asks_for_a_rule_and_names_the_trace_that_finds_the_hop() {
    assert_golden("ticket_tcp_timeout", report(vec![connect(V4, silence())]));
}

#[test]
fn a_filter_that_answers_is_named() {
    assert_golden("ticket_tcp_prohibited", report(vec![connect(V6, prohibited())]));
}

#[test]
fn a_device_that_lets_only_the_handshake_pass_is_asked_not_to_inspect() {
    assert_golden("ticket_bind_reset", report(vec![inspected()]));
}

#[test]
fn missing_and_wrong_records_come_as_records_to_add() {
    assert_golden("ticket_dns_nxdomain", dns_report(zone(), None));
    assert_golden("ticket_dns_records", wrong_records());
}

#[test]
fn a_server_that_refuses_is_a_matter_of_its_owner() {
    let report = dns_report(zone(), Some(Fault::Refused));
    let requests = ticket::requests(&report);
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].owner, ticket::Owner::Dns);
    assert!(requests[0].rules.is_empty() && requests[0].records.is_empty());
}

#[test]
fn a_healthy_check_asks_for_nothing() {
    let address = IpAddr::from([192, 0, 2, 10]);
    let healthy = dns_report(zone().host(HostRecord::new("kms1", [address])).unwrap(), None);
    assert!(ticket::text(&healthy).starts_with("Nothing to ask for: every check of 2"));
}

#[test]
fn hostile_names_reach_no_command_and_no_terminal() {
    let text = ticket::text(&hostile_report());
    assert!(!text.chars().any(|c| c != '\n' && kms_page::text::is_dangerous(c)));
    let commands = text.lines().filter(|line| line.starts_with("    ") && !line.contains("  \\"));
    for command in commands.filter(|line| COMMANDS.iter().any(|c| line.trim().starts_with(c))) {
        assert!(!command.contains("script"), "{command}");
    }
}

/// Lines of a ticket that a person would paste.
fn commands(reports: &[Report], start: &str) -> Vec<String> {
    let texts = reports.iter().map(ticket::text).collect::<String>();
    let lines = texts.lines().map(str::trim).filter(|line| line.starts_with(start));
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    assert!(!lines.is_empty(), "no line begins with `{start}` in\n{texts}");
    lines
}

const COMMANDS: [&str; 4] = ["nft ", "aws ", "az ", "kms-probe "];

fn all_reports() -> Vec<Report> {
    vec![
        report(vec![connect(V4, silence())]),
        report(vec![connect(V6, prohibited())]),
        report(vec![inspected()]),
        silent_dns(),
    ]
}

#[test]
fn nft_accepts_every_rule() {
    if !skip::require("nft_accepts_every_rule", &[Need::Tool("nft"), Need::NetworkNamespace]) {
        return;
    }
    let rules = commands(&all_reports(), "nft ");
    assert_eq!(rules.len(), 4, "{rules:#?}");
    let mut script = "add table inet filter\n\
                      add chain inet filter forward { type filter hook forward priority 0; }\n"
        .to_owned();
    for rule in &rules {
        script.push_str(rule.strip_prefix("nft ").unwrap());
        script.push('\n');
    }
    let nft = skip::tool("nft").unwrap();
    let arguments = ["--net", nft.to_str().unwrap(), "-c", "-f", "-"];
    assert_accepted(&fed("unshare", &arguments, script.as_bytes()), &script);
    let wrong = script.replace(" accept", " perhaps");
    assert!(!fed("unshare", &arguments, wrong.as_bytes()).status.success());
}

#[test]
fn every_command_is_quoted_for_a_shell() {
    let reports = all_reports();
    for start in COMMANDS {
        for command in commands(&reports, start) {
            assert_accepted(&fed("bash", &["-n"], command.as_bytes()), &command);
            assert!(!command.contains(['$', '`', ';', '&', '|', '<', '>', '\\']), "{command}");
        }
    }
}

#[test]
fn named_accepts_every_record() {
    if !skip::require("named_accepts_every_record", &[Need::Tool("named-checkzone")]) {
        return;
    }
    let reports = [dns_report(zone(), None), wrong_records()];
    let texts = reports.iter().map(ticket::text).collect::<String>();
    let is_record = |line: &&str| line.contains(". 3600 IN ") && !line.starts_with("update");
    let records: Vec<&str> = texts.lines().map(str::trim).filter(is_record).collect();
    assert!(records.len() >= 4, "{records:#?}");
    let zone = format!(
        "$ORIGIN corp.test.\n@ 3600 IN SOA ns hostmaster 1 3600 900 604800 300\n@ 3600 IN NS ns\n\
         ns 3600 IN A 192.0.2.53\nkms1 3600 IN A 192.0.2.10\nkms 3600 IN A 192.0.2.11\n{}\n",
        records.join("\n")
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("zone");
    std::fs::write(&file, &zone).unwrap();
    let arguments = ["corp.test", file.to_str().unwrap()];
    assert_accepted(&fed("named-checkzone", &arguments, b""), &zone);
}
