//! The main job from end to end: a real DNS server leads the probe to hosts of the simulator, and
//! the report in JSON is what its schema says.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;

use kms_probe::check::{self, Options};
use kms_probe::report::json::{self, CheckJson};
use kms_probe::stage::Stage;
use kms_probe::target::Asked;
use kms_protocol::kms::product;
use kms_tests::harness::child::Running;
use kms_tests::harness::server::{LabServer, until};
use kms_tests::skip::{self, Need};
use serde_json::{Value, json};

#[test]
fn srv_records_of_dnsmasq_lead_to_every_host_and_each_gets_its_verdict() {
    let test = "srv_records_of_dnsmasq_lead_to_every_host_and_each_gets_its_verdict";
    if !skip::require(test, &[Need::Tool("dnsmasq")]) {
        return;
    }
    // One host has seen enough clients, one has seen none, and nobody listens at the third.
    let full = LabServer::with(|config| {
        config.initial_counts = vec![(product::WINDOWS_APP_ID, 30)];
    });
    let empty = LabServer::start();
    let closed = closed_port();
    let (_dnsmasq, resolver) = dnsmasq(&[
        ("full", full.address().port(), 0, 75),
        ("empty", empty.address().port(), 0, 25),
        ("closed", closed, 10, 0),
    ]);

    let report = check("corp.test", resolver);
    let rows: Vec<Value> = report["targets"].as_array().unwrap().iter().map(row).collect();
    let reached = |last| json!(["dns.ok", "tcp.ok", "bind.ok", "rpc.ok", last]);
    let (full_port, empty_port) = (full.address().port(), empty.address().port());
    assert_eq!(
        rows,
        [
            json!(["full.corp.test", full_port, "kms.ok", reached("kms.ok")]),
            json!(["empty.corp.test", empty_port, "kms.count_low", reached("kms.count_low")]),
            json!(["closed.corp.test", closed, "tcp.refused", ["dns.ok", "tcp.refused"]]),
        ]
    );
    assert_eq!(report["verdict"], "tcp.refused");
    let shares: Vec<_> = report["targets"].as_array().unwrap().iter().map(share).collect();
    assert_eq!(shares, [0.75, 0.25, 0.0]);
    let answer = |entry: usize| &report["targets"][entry]["stages"][4]["facts"]["answer"];
    // The probe itself is counted, once.
    assert_eq!(answer(0)["count"], 31);
    assert_eq!(answer(1)["count"], 1);
    let again = check("corp.test", resolver);
    assert_eq!(again["targets"][0]["stages"][4]["facts"]["answer"]["count"], 31);
}

#[test]
fn names_that_dnsmasq_does_not_have_are_told_apart() {
    let test = "names_that_dnsmasq_does_not_have_are_told_apart";
    if !skip::require(test, &[Need::Tool("dnsmasq")]) {
        return;
    }
    let (_dnsmasq, resolver) = dnsmasq(&[("full", 1688, 0, 0)]);
    for (domain, verdict) in
        [("elsewhere.corp.test", "dns.nxdomain"), ("full.corp.test", "dns.nxdomain")]
    {
        let report = check(domain, resolver);
        assert_eq!(report["verdict"], verdict, "{domain}");
        assert_eq!(report["targets"][0]["stages"].as_array().unwrap().len(), 1);
    }
}

/// Checks a domain at depth kms with this resolver alone; the JSON has passed its schema.
fn check(domain: &str, resolver: SocketAddr) -> Value {
    let options = Options {
        depth: Stage::Kms,
        resolvers: vec![resolver],
        ask_system: false,
        ..Options::default()
    };
    let report = check::run(&[Asked::parse(domain, false).unwrap()], &options).unwrap();
    let mut text = Vec::new();
    json::write(&CheckJson(&report), &mut text).unwrap();
    let report: Value = serde_json::from_slice(&text).unwrap();
    let schema = fs::read(skip::workspace_root().join("docs/schema/check.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    report
}

/// Host, port, verdict and the verdicts of its stages.
fn row(entry: &Value) -> Value {
    let stages: Vec<_> =
        entry["stages"].as_array().unwrap().iter().map(|stage| &stage["verdict"]).collect();
    json!([entry["host"], entry["port"], entry["verdict"], stages])
}

/// Which part of the clients the target of an entry gets.
fn share(entry: &Value) -> f64 {
    entry["stages"][0]["facts"]["endpoint"]["share"].as_f64().unwrap()
}

/// dnsmasq with a zone: host name, port, priority and weight of each SRV record.
fn dnsmasq(records: &[(&str, u16, u16, u16)]) -> (Running, SocketAddr) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_dns_port()));
    let mut command = Command::new(skip::tool("dnsmasq").unwrap());
    command.args([
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--log-facility=-",
        "--pid-file=",
    ]);
    command.args(["--no-resolv", "--no-hosts", "--bind-interfaces", "--local=/corp.test/"]);
    command
        .args([format!("--listen-address={}", address.ip()), format!("--port={}", address.port())]);
    for (name, port, priority, weight) in records {
        let host = format!("{name}.corp.test");
        command.arg(format!("--host-record={host},127.0.0.1"));
        command.arg(format!("--srv-host=_vlmcs._tcp.corp.test,{host},{port},{priority},{weight}"));
    }
    let running = Running::start(&mut command);
    running.wait_for_line("started");
    (running, address)
}

/// A port that is free for UDP and TCP. Another process may take it before dnsmasq does; dnsmasq
/// then says so and the test fails, which is rare.
fn free_dns_port() -> u16 {
    let mut port = 0;
    until("a port that is free for UDP and TCP", || {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        port = udp.local_addr().unwrap().port();
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
    port
}

/// A port at which nobody listens.
fn closed_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
