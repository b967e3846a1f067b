//! `discover`: the tree, the JSON, and records that do create what was missing.

use std::io::Write;
use std::process::{Command, Stdio};

use kms_probe::discover::{self, Discovery, records};
use kms_probe::stage::resolve::DnsCode;

use crate::skip::{self, Need};
use crate::{daemon, fake, name, options};

async fn discover(server: std::net::SocketAddr, domain: &str) -> Discovery {
    let options =
        discover::Options { domains: vec![name(domain)], resolve: options(&[server]), seed: 1 };
    discover::run(&options).await.unwrap()
}

#[tokio::test]
async fn the_tree_shows_shares_priorities_and_addresses() {
    let service = "_vlmcs._tcp.corp.test";
    let server = fake::with_records(vec![
        fake::srv(service, 90, 0, 1688, "backup.corp.test"),
        fake::srv(service, 10, 75, 1688, "kms1.corp.test"),
        fake::srv(service, 10, 25, 1688, "kms2.corp.test"),
        fake::address("kms1.corp.test", "192.0.2.1"),
        fake::address("kms2.corp.test", "2001:db8::2"),
        fake::address("backup.corp.test", "192.0.2.3"),
    ])
    .await;
    let discovery = discover(server, "corp.test").await;
    let text = discover::text(&discovery);
    for line in [
        "corp.test  dns.ok",
        "priority 10  (tried first)",
        " 75.0%  kms1.corp.test:1688  weight 75  ttl 300",
        " 25.0%  kms2.corp.test:1688  weight 25  ttl 300",
        "2001:db8::2  ttl 300",
        "priority 90  (only when all above have failed)",
        "100.0%  backup.corp.test:1688  weight 0  ttl 300",
        "one client's order (drawn with seed 1)",
    ] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
    let json = serde_json::to_value(&discovery).unwrap();
    let domain = &json["domains"][0];
    assert_eq!(domain["code"], "dns.ok");
    assert_eq!(domain["facts"]["views"][0]["records"][0]["target"], "kms1.corp.test");
    assert_eq!(domain["to_create"], serde_json::json!([]));
}

#[tokio::test]
async fn names_of_the_network_reach_text_and_json_escaped() {
    let service = "_vlmcs._tcp.corp.test";
    let server = fake::answering(move |query, answer| {
        if fake::asked(query) == service {
            let mut record = fake::srv(service, 0, 0, 1688, "x.test");
            let labels = vec![&b"\x1b[31m$(reboot)"[..], b"test"];
            let target = hickory_proto::rr::Name::from_labels(labels).unwrap();
            let data = hickory_proto::rr::rdata::SRV::new(0, 0, 1688, target);
            record.data = hickory_proto::rr::RData::SRV(data);
            answer.add_answer(record);
        } else {
            fake::deny(answer, hickory_proto::op::ResponseCode::NXDomain, "test");
        }
    })
    .await;
    let discovery = discover(server, "corp.test").await;
    let domain = &discovery.domains[0];
    assert_eq!(domain.resolved.code, DnsCode::TargetUnresolved);
    assert!(domain.to_create.is_empty(), "no command may hold that name");
    let text = discover::text(&discovery);
    assert!(text.contains(r"\027[31m\$\(reboot\).test:1688"), "{text}");
    let json = serde_json::to_string(&discovery).unwrap();
    assert!(!text.contains('\u{1b}') && !json.contains("\\u001b"));
}

#[tokio::test]
async fn the_zone_that_denies_is_the_zone_to_change() {
    let denied_by = async |zone: &'static str| {
        let server = fake::answering(move |_, answer| {
            fake::deny(answer, hickory_proto::op::ResponseCode::NXDomain, zone);
        })
        .await;
        discover(server, "eu.corp.test").await.domains[0].to_create[0].clone()
    };
    let inside = denied_by("corp.test").await;
    assert!(inside.windows.contains("-ZoneName 'corp.test' -Name '_vlmcs._tcp.eu'"), "{inside:?}");
    for zone in ["test", "other.test"] {
        let beyond = denied_by(zone).await;
        assert!(
            beyond.windows.contains("-ZoneName 'eu.corp.test' -Name '_vlmcs._tcp'"),
            "{beyond:?}"
        );
    }
}

#[tokio::test]
async fn the_nsupdate_script_and_the_zone_line_create_the_record_in_bind() {
    let needs = [Need::Tool("named"), Need::Tool("nsupdate"), Need::Tool("named-checkzone")];
    let test = "the_nsupdate_script_and_the_zone_line_create_the_record_in_bind";
    if !skip::require(test, &needs) {
        return;
    }
    let zones = "zone \"corp.test\" { type primary; file \"corp.zone\"; \
                 allow-update { 127.0.0.1; }; };";
    let server = daemon::bind("recursion no;", zones, "_vlmcs._tcp.corp.test").await;
    let missing = discover(server.address, "new.corp.test").await;
    assert_eq!(missing.domains[0].resolved.code, DnsCode::NxDomain);
    let creation = &missing.domains[0].to_create[0];
    assert_zone_takes(&creation.zone_line);
    update(&server, &creation.nsupdate);

    // Now the example host has no address yet, and that record is offered too.
    let dangling = discover(server.address, "new.corp.test").await;
    assert_eq!(dangling.domains[0].resolved.code, DnsCode::TargetUnresolved);
    assert_zone_takes(&dangling.domains[0].to_create[0].zone_line);
    update(&server, &dangling.domains[0].to_create[0].nsupdate);
    let whole = discover(server.address, "new.corp.test").await;
    assert_eq!(whole.domains[0].resolved.code, DnsCode::Ok);
    assert_eq!(whole.domains[0].resolved.endpoints[0].host, name("kms.new.corp.test"));

    let by_line = &discover(server.address, "line.corp.test").await.domains[0].to_create[0];
    update(&server, &format!("update add {}\nsend\n", by_line.zone_line));
    let created = discover(server.address, "line.corp.test").await;
    assert_eq!(created.domains[0].resolved.code, DnsCode::TargetUnresolved);
}

/// In a domain that is no zone of its own, whose records do not tell the zone.
#[tokio::test]
async fn the_nsupdate_script_replaces_a_record_below_the_top_of_a_zone() {
    let test = "the_nsupdate_script_replaces_a_record_below_the_top_of_a_zone";
    if !skip::require(test, &[Need::Tool("named"), Need::Tool("nsupdate")]) {
        return;
    }
    let zones = "zone \"corp.test\" { type primary; file \"corp.zone\"; \
                 allow-update { 127.0.0.1; }; };";
    let server = daemon::bind("recursion no;", zones, "_vlmcs._tcp.corp.test").await;
    let records = "update add _vlmcs._tcp.eu.corp.test. 60 IN SRV 0 0 0 kms.eu.corp.test.\n\
                   update add kms.eu.corp.test. 60 IN A 192.0.2.10\nsend\n";
    update(&server, records);
    let wrong = &discover(server.address, "eu.corp.test").await.domains[0];
    let corrections = records::corrected(&wrong.resolved, DnsCode::PortZero);
    update(&server, &corrections[0].nsupdate);
    let right = &discover(server.address, "eu.corp.test").await.domains[0];
    assert_eq!(right.resolved.code, DnsCode::Ok);
    assert_eq!(right.resolved.endpoints.len(), 1);
    assert_eq!(right.resolved.endpoints[0].port, 1688);
}

#[tokio::test]
async fn the_dnsmasq_lines_create_the_records() {
    let test = "the_dnsmasq_lines_create_the_records";
    if !skip::require(test, &[Need::Tool("dnsmasq")]) {
        return;
    }
    let ready = "_vlmcs._tcp.corp.test";
    let mut lines = String::new();
    for expected in [DnsCode::NxDomain, DnsCode::TargetUnresolved] {
        let server = daemon::dnsmasq(&lines, ready).await;
        let domain = &discover(server.address, "corp.test").await.domains[0];
        assert_eq!(domain.resolved.code, expected);
        lines.push_str(&domain.to_create[0].dnsmasq);
        lines.push('\n');
    }
    let server = daemon::dnsmasq(&lines, ready).await;
    let domain = &discover(server.address, "corp.test").await.domains[0];
    assert_eq!(domain.resolved.code, DnsCode::Ok);
}

/// The zone with one line more is one that BIND loads.
fn assert_zone_takes(line: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("zone");
    std::fs::write(&file, format!("{}{line}\n", daemon::zone())).unwrap();
    let mut command = Command::new(skip::tool("named-checkzone").unwrap());
    let output = command.args(["-D", "corp.test"]).arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{line}: {text}");
    let words: Vec<&str> = line.split(' ').collect();
    let owner = words.first().unwrap();
    let loaded = text.lines().find(|it| it.starts_with(owner)).unwrap();
    assert_eq!(loaded.split_whitespace().collect::<Vec<_>>(), words);
}

fn update(server: &daemon::Daemon, script: &str) {
    let (ip, port) = (server.address.ip(), server.address.port());
    let mut child = Command::new("nsupdate").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    write!(stdin, "server {ip} {port}\n{script}").unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success(), "{script}");
}
