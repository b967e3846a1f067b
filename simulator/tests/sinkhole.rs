//! A host that refuses everybody and remembers who still asks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use common::sim::{Sim, assert_refused, kms_sim};
use common::{Reply, request};
use kms_protocol::kms::crypto::LabKey;
use kms_protocol::kms::{Request, Version};

#[test]
fn a_sinkhole_refuses_everybody_counts_nobody_and_tells_who_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("asked.journal");
    let file = file.to_str().unwrap();
    // A journal in which clients have been counted before.
    let sim = Sim::start(&["--journal", file, "--durability", "full"]);
    assert_eq!(sim.bind().ask(&request(1)).count(), 1);
    sim.stop();

    let flags = ["--sinkhole", "--admin", "127.0.0.1:0", "--journal", file, "--durability", "full"];
    let mut sim = Sim::start(&flags);
    let admin = admin_address(&mut sim);
    for version in Version::ALL {
        let asked = Request { version, ..request(2) };
        assert!(matches!(sim.bind().ask(&asked), Reply::Error(0xC004_F041)), "{version}");
        // As a real client: under a key that this lab does not have.
        let mut real = sim.bind();
        real.use_key(&LabKey::from_bytes([9; 16]));
        assert!(matches!(real.ask(&asked), Reply::Error(0xC004_F041)), "{version}");
    }
    let state = get(admin, "/api/v1/state");
    assert_eq!(state["sinkhole"], true);
    assert_eq!(state["requests"]["accepted"], 0);
    assert_eq!(get(admin, "/api/v1/config")["sinkhole"], true);
    let counts: Vec<_> = state["applications"].as_array().unwrap().iter().collect();
    assert_eq!(counts.iter().filter(|app| app["count"] == 1).count(), 1, "as it was before");
    let log = sim.stop();
    assert!(log.contains("sinkhole: every request is refused with 0xC004F041"), "{log}");
    let of_real_clients = log.lines().filter(|line| line.contains("foreign key: a real client"));
    for line in of_real_clients.clone() {
        assert!(line.contains("result=\"0xC004F041\"") && line.contains("127.0.0.1:"), "{line}");
    }
    assert_eq!(of_real_clients.count(), Version::ALL.len());

    let report = |arguments: &[&str]| {
        let output =
            kms_sim().args(["journal", "sinkhole", file]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let hresult = ["--hresult", "0xC004F041"];
    let json = report(&[&hresult[..], &["--format", "json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let asker = &json["addresses"][0];
    assert_eq!((&asker["address"], &asker["names"][0]), (&"127.0.0.1".into(), &"LAB-PC".into()));
    assert_eq!((&asker["requests"], &asker["foreign_key"]), (&6.into(), &3.into()));
    let csv = report(&["--format", "csv"]);
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("address,hour,requests,foreign_key"));
    // The requests may fall on both sides of an hour.
    let requests = lines.map(|line| line.split(',').nth(2).unwrap().parse::<u32>().unwrap());
    assert_eq!(requests.sum::<u32>(), 7);
    let text = report(&[]);
    assert!(text.starts_with("addresses  1\nrequests   7\n"), "{text}");
    assert!(text.contains("127.0.0.1 (LAB-PC)"), "{text}");
    assert_eq!(report(&["--to", "2020-01-01"]), "nobody has asked\n");
}

#[test]
fn no_fault_rule_makes_a_sinkhole_answer_anything_usable() {
    for rule in
        ["count count=50", "hresult code=0x00000000", "clock-offset offset=5h", "split bytes=16"]
    {
        let sim = Sim::start(&["--sinkhole", "--fault", rule]);
        let reply = sim.bind().ask(&request(1));
        assert!(matches!(reply, Reply::Error(_)), "{rule}: {reply:?}");
        let log = sim.stop();
        assert!(log.contains("without --journal only the log says who asks"), "{log}");
    }
}

#[test]
fn the_report_of_a_file_that_is_no_journal_is_refused() {
    let output = kms_sim().args(["journal", "sinkhole", "/nonexistent"]).output().unwrap();
    assert_refused(&output, "no such file");
}

fn admin_address(sim: &mut Sim) -> SocketAddr {
    sim.ready_text("admin listening on http://").trim_end_matches('/').parse().unwrap()
}

fn get(admin: SocketAddr, path: &str) -> serde_json::Value {
    let mut stream = TcpStream::connect(admin).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}
