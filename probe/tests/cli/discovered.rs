//! Checks and discoveries through the lab's DNS server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;

use kms_simulator::dns::{DnsServer, Fault, HostRecord, Options, Zone};
use kms_simulator::serve::{ServeConfig, Server};
use serde_json::{Value, json};

use super::{code, run, stderr, stdout};
use crate::support::assert_valid;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ANY_PORT: SocketAddr = SocketAddr::new(LOOPBACK, 0);

fn kms_host() -> (Server, u16) {
    let config = ServeConfig {
        listen: vec![ANY_PORT],
        workers: NonZeroUsize::MIN,
        ..ServeConfig::default()
    };
    let server = Server::start(config).unwrap();
    let port = server.addresses().first().unwrap().port();
    (server, port)
}

fn dns(zone: Zone) -> DnsServer {
    DnsServer::start(ANY_PORT, zone).unwrap()
}

fn zone() -> Zone {
    Zone::new("corp.test").unwrap()
}

fn record(name: &str, port: u16) -> HostRecord {
    HostRecord { port, ..HostRecord::new(name, [LOOPBACK]) }
}

/// A check through `resolver`, as JSON, with its exit code.
fn check(resolver: SocketAddr, arguments: &[&str]) -> (i32, Value) {
    let resolver = resolver.to_string();
    let mut all = vec!["check"];
    all.extend(arguments);
    all.extend(["--resolver", &resolver, "--format", "json"]);
    let output = run(&all);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
    assert_valid(&report);
    (code(&output), report)
}

fn verdicts(report: &Value) -> Vec<&str> {
    let entries = report["targets"].as_array().unwrap();
    entries.iter().map(|entry| entry["verdict"].as_str().unwrap()).collect()
}

#[test]
fn every_host_of_a_domain_is_checked_best_priority_first_with_its_share() {
    let (_first, one) = kms_host();
    let (_second, two) = kms_host();
    let (_third, three) = kms_host();
    let dns = dns(zone()
        .host(HostRecord { priority: 20, ..record("backup", three) })
        .unwrap()
        .host(HostRecord { priority: 10, weight: 75, ..record("kms1", one) })
        .unwrap()
        .host(HostRecord { priority: 10, weight: 25, ..record("kms2", two) })
        .unwrap());
    let (code, report) = check(dns.address(), &["corp.test"]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(verdicts(&report), ["rpc.ok"; 3]);
    let entries = report["targets"].as_array().unwrap();
    let shares: Vec<_> = entries
        .iter()
        .map(|entry| {
            let endpoint = &entry["stages"][0]["facts"]["endpoint"];
            (entry["host"].as_str().unwrap(), endpoint["share"].as_f64().unwrap())
        })
        .collect();
    let expected = [("kms1.corp.test", 0.75), ("kms2.corp.test", 0.25), ("backup.corp.test", 0.0)];
    assert_eq!(shares, expected);
    let views: Vec<_> =
        entries.iter().map(|e| e["stages"][0]["facts"]["views"].is_array()).collect();
    assert_eq!(views, [true, false, false], "the whole answer is given once");
}

#[test]
fn one_dead_host_among_good_ones_makes_the_check_fail_and_is_named() {
    let (_server, port) = kms_host();
    let dns = dns(zone()
        .host(record("kms1", port))
        .unwrap()
        .host(record("dead", 1))
        .unwrap()
        .service(0, 0, 1688, "gone.corp.test")
        .unwrap()
        .service(0, 0, 0, "kms1.corp.test")
        .unwrap());
    let (code, report) = check(dns.address(), &["corp.test"]);
    assert_eq!(code, 1);
    let mut verdicts = verdicts(&report);
    verdicts.sort_unstable();
    let expected = ["dns.port_zero", "dns.target_unresolved", "rpc.ok", "tcp.refused"];
    assert_eq!(verdicts, expected, "{report:#}");
    let entries = report["targets"].as_array().unwrap();
    let gone = entries.iter().find(|e| e["verdict"] == "dns.target_unresolved").unwrap();
    assert_eq!((&gone["host"], &gone["port"]), (&json!("gone.corp.test"), &json!(1688)));
    assert_eq!(gone["address"], Value::Null);
    assert!(gone["cause"].as_str().unwrap().contains("gone.corp.test"));
}

#[test]
fn what_a_domain_lacks_is_told_apart_and_what_windows_shows_is_named() {
    let nothing = dns(zone());
    let (code, report) = check(nothing.address(), &["corp.test"]);
    assert_eq!((code, verdicts(&report)), (1, vec!["dns.nxdomain"]));
    assert_eq!(report["targets"][0]["client_sees"], json!(["0x8007232B"]));

    let aliased = dns(zone().service(0, 0, 0, ".").unwrap());
    let (_, report) = check(aliased.address(), &["corp.test"]);
    assert_eq!(verdicts(&report), ["dns.no_service"]);

    for (fault, expected, sees) in [
        (Fault::NoData, "dns.nodata", json!(["0x8007251D"])),
        (Fault::ServFail(None), "dns.servfail", json!([])),
        (Fault::Refused, "dns.refused", json!([])),
    ] {
        let dns = dns(zone());
        dns.set_fault(Some(fault));
        let (code, report) = check(dns.address(), &["corp.test"]);
        assert_eq!((code, verdicts(&report)), (1, vec![expected]));
        assert_eq!(report["targets"][0]["client_sees"], sees);
    }
}

#[test]
fn a_domain_without_service_whose_name_has_an_address_can_be_tested_as_a_host() {
    let (_server, port) = kms_host();
    let dns = dns(zone().address("kms1", LOOPBACK).unwrap());
    let (_, report) = check(dns.address(), &["kms1.corp.test"]);
    assert_eq!(verdicts(&report), ["dns.nxdomain"], "the DNS verdict stands");
    let remedy = report["targets"][0]["remedy"].as_str().unwrap();
    assert!(remedy.contains("--host"), "{remedy}");
    let (code, report) = check(dns.address(), &[&format!("kms1.corp.test:{port}")]);
    assert_eq!((code, verdicts(&report)), (0, vec!["rpc.ok"]));
    let (code, report) = check(dns.address(), &["kms1.corp.test", "--host", "--depth", "dns"]);
    assert_eq!((code, verdicts(&report)), (0, vec!["dns.ok"]));
    assert_eq!(report["targets"][0]["port"], 1688);
    let (_, report) = check(dns.address(), &["gone.corp.test:1688"]);
    assert_eq!(verdicts(&report), ["dns.nxdomain"]);
    assert_eq!(report["targets"][0]["client_sees"], json!([]), "documented for SRV only");
}

#[test]
fn an_alias_is_a_finding_beside_a_healthy_verdict() {
    let (_server, port) = kms_host();
    let dns = dns(zone()
        .address("kms1", LOOPBACK)
        .unwrap()
        .alias("kms", "kms1.corp.test")
        .unwrap()
        .service(0, 0, port, "kms.corp.test")
        .unwrap());
    let (code, report) = check(dns.address(), &["corp.test"]);
    assert_eq!(verdicts(&report), ["rpc.ok"]);
    let finding = &report["targets"][0]["findings"][0];
    assert_eq!(
        (&finding["code"], &finding["severity"]),
        (&json!("dns.cname_target"), &json!("warning"))
    );
    assert_eq!(report["verdict"], "dns.cname_target", "the worst, findings included");
    assert_eq!(code, 1);
    let (code, _) = check(dns.address(), &["corp.test", "--fail-on", "critical"]);
    assert_eq!(code, 0);
}

#[test]
fn a_family_that_a_host_lacks_is_no_usable_address() {
    let dns = dns(zone().host(record("kms1", 1688)).unwrap());
    let (code, report) = check(dns.address(), &["corp.test", "-6"]);
    assert_eq!((code, verdicts(&report)), (1, vec!["dns.target_unresolved"]));
    let cause = report["targets"][0]["cause"].as_str().unwrap();
    assert!(cause.contains("no IPv6 address"), "{cause}");
}

#[test]
fn a_second_resolver_that_fails_is_a_finding_and_no_catastrophe() {
    let (_server, port) = kms_host();
    let good = dns(zone().host(record("kms1", port)).unwrap());
    let bad = DnsServer::start_with(ANY_PORT, zone(), Options::default()).unwrap();
    bad.set_fault(Some(Fault::Refused));
    let (code, report) =
        check(good.address(), &["corp.test", "--resolver", &bad.address().to_string()]);
    assert_eq!(verdicts(&report), ["rpc.ok"]);
    let finding = &report["targets"][0]["findings"][0];
    assert_eq!(
        (&finding["code"], &finding["severity"]),
        (&json!("dns.refused"), &json!("warning"))
    );
    assert_eq!(code, 1);
}

#[test]
fn the_text_report_names_the_route_every_stage_and_the_client_view() {
    let (_server, port) = kms_host();
    let dns = dns(zone().host(record("kms1", port)).unwrap());
    let output = run(&["check", "corp.test", "--resolver", &dns.address().to_string()]);
    assert_eq!(code(&output), 0);
    let text = stdout(&output);
    let heading = format!("OK rpc.ok  corp.test -> kms1.corp.test:{port} (127.0.0.1)\n");
    assert!(text.starts_with(&heading), "{text}");
    for stage in ["  dns      ok", "  tcp      ok", "  bind     ok", "  rpc      ok"] {
        assert!(text.contains(stage), "{text}");
    }
    assert!(text.contains("carries the kms-sim mark"), "{text}");
    assert!(!text.contains("kms      "), "a stage that was not run is not shown: {text}");
    assert!(!text.contains("Windows"), "nothing is wrong: {text}");
}

#[test]
fn discover_shows_the_records_and_exits_1_without_any() {
    let dns = dns(zone().host(record("kms1", 1688)).unwrap());
    let output = run(&["discover", "corp.test", "--resolver", &dns.address().to_string()]);
    assert_eq!(code(&output), 0);
    assert!(stdout(&output).contains("kms1.corp.test"), "{}", stdout(&output));
    let arguments =
        ["discover", "corp.test", "--resolver", &dns.address().to_string(), "--format", "json"];
    let discovery: Value = serde_json::from_slice(&run(&arguments).stdout).unwrap();
    assert_eq!(discovery["schema_version"], 1);
    let other = dns_of_another_view();
    let (first, second) = (dns.address().to_string(), other.address().to_string());
    let ask = ["discover", "corp.test", "--resolver", &first, "--resolver", &second];
    let split = run(&ask);
    assert!(stdout(&split).contains("dns.split_view"), "{}", stdout(&split));
    assert_eq!(code(&split), 1, "a warning, as for check");
    let also_absent = ["discover", "corp.test", "none.corp.test", "--resolver", &first];
    assert_eq!(code(&run(&also_absent)), 1, "each domain that is named must lead to a host");
    dns.set_zone(zone());
    assert_eq!(code(&run(&arguments)), 1);
}

fn dns_of_another_view() -> DnsServer {
    dns(zone().host(record("kms2", 1688)).unwrap())
}
