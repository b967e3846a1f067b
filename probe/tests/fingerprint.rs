//! Fingerprints of real servers: the simulator, Samba, impacket, and things that are not RPC.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "fingerprint/servers.rs"]
mod servers;
#[path = "../../tests/src/skip.rs"]
mod skip;
mod support;

use std::net::SocketAddr;
use std::process::{Command, Output};

use serde_json::Value;

use self::servers::{Impacket, KMS, OTHER, Samba, kms_sim};
use self::skip::{Need, require};
use self::support::assert_follows;
use self::support::peer::Peer;

/// The entry of a fingerprint that something was observed for.
#[track_caller]
fn observed(output: &Output) -> Value {
    let entry = entry(output);
    assert_eq!(output.status.code(), Some(0), "{entry:#}");
    assert_eq!((&entry["failure"], &entry["connections"]), (&Value::Null, &Value::from(7)));
    entry
}

#[track_caller]
fn entry(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    assert_follows("fingerprint.schema.json", &report);
    report["targets"].as_array().unwrap().first().unwrap().clone()
}

fn probe(target: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kms-probe"))
        .args(["fingerprint", target])
        .args(arguments)
        .env("KMS_PROBE_CONFIG", "")
        .output()
        .unwrap()
}

fn json(address: SocketAddr) -> Output {
    probe(&address.to_string(), &["--format", "json", "--timeout", "20s"])
}

/// Fails unless every trait of `candidate` that rests on tests was seen, or the server has no such
/// side; whatever was seen must be like the candidate.
#[track_caller]
fn assert_all_like(entry: &Value, candidate: &str) {
    let candidates = entry["candidates"].as_array().unwrap();
    let fit = candidates.iter().find(|fit| fit["candidate"] == candidate).unwrap();
    assert_eq!(fit["contradicts"], serde_json::json!([]), "{entry:#}");
    assert_eq!(fit["score"], fit["attainable"]);
    assert!(fit["attainable"].as_u64().unwrap() > 20, "{fit:#}");
}

#[test]
fn the_simulator_is_consistent_with_itself_alone_by_its_mark_and_counts_nothing() {
    let (server, address) = kms_sim();
    let entry = observed(&json(address));
    assert_eq!(entry["consistent_with"], serde_json::json!(["kms_sim"]), "{entry:#}");
    assert_all_like(&entry, "kms_sim");
    assert_eq!(entry["observations"].as_array().unwrap().len(), 16);
    let windows = entry["candidates"].as_array().unwrap().iter();
    let windows = windows.clone().find(|fit| fit["candidate"] == "windows").unwrap();
    assert_eq!(windows["contradicts"], serde_json::json!(["groups"]), "only the mark tells them");
    let totals = server.totals();
    assert_eq!((totals.requests, totals.foreign_keys), (0, 0), "no KMS request was made");
}

#[test]
fn an_impacket_server_is_told_from_all_others_with_and_without_the_kms_interface() {
    let test = "an_impacket_server_is_told_from_all_others_with_and_without_the_kms_interface";
    if !require(test, &[Need::Python("impacket")]) {
        return;
    }
    for (interface, is_kms) in [(KMS, true), (OTHER, false)] {
        let server = Impacket::start(interface);
        let entry = observed(&json(server.address));
        assert_eq!(entry["consistent_with"], serde_json::json!(["impacket"]), "{entry:#}");
        assert_all_like(&entry, "impacket");
        let caveats = entry["caveats"].to_string();
        assert_eq!(caveats.contains("this is not a KMS host"), !is_kms, "{caveats}");
    }
}

#[test]
fn sambas_rpc_server_is_recognised_and_windows_cannot_be_excluded() {
    let test = "sambas_rpc_server_is_recognised_and_windows_cannot_be_excluded";
    let Some(samba) = Samba::start(test) else { return };
    let output = samba.fingerprint(&["--format", "json", "--timeout", "20s"]);
    let entry = observed(&output);
    assert_eq!(entry["consistent_with"], serde_json::json!(["samba", "windows"]), "{entry:#}");
    assert_all_like(&entry, "samba");
    let caveats = entry["caveats"].to_string();
    assert!(caveats.contains("this is not a KMS host"), "{caveats}");
}

#[test]
fn what_is_not_rpc_or_not_there_tells_nothing_and_exits_1() {
    let http = Peer::new(|mut end| {
        end.pdu();
        end.send(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        end.close();
    });
    let mute = Peer::new(|mut end| while !end.pdu().is_empty() {});
    let closing = Peer::new(|mut end| {
        end.pdu();
        end.close();
    });
    let closed: SocketAddr = "127.0.0.1:1".parse().unwrap();
    for (address, timeout, part) in [
        (http.address, "20s", "no RPC: 48 54 54 50"),
        (mute.address, "300ms", "no answer in time"),
        (closing.address, "20s", "the connection was closed"),
        (closed, "20s", "answered the SYN with a reset"),
    ] {
        let arguments = ["--format", "json", "--timeout", timeout];
        let output = probe(&address.to_string(), &arguments);
        let entry = entry(&output);
        assert_eq!(output.status.code(), Some(1), "{entry:#}");
        assert_eq!(entry["observations"], serde_json::json!([]));
        assert_eq!(entry["consistent_with"], serde_json::json!([]));
        let failure = entry["failure"].as_str().unwrap();
        assert!(failure.contains(part), "{failure}");
    }
}

#[test]
fn the_text_lists_what_was_sent_what_came_back_and_how_it_weighs() {
    let (_server, address) = kms_sim();
    let output = probe(&address.to_string(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let heading = format!("{address}  consistent with kms-sim\n");
    assert!(text.starts_with(&heading), "{text}");
    for part in [
        "  sent  bind: KMS in NDR32 and bind-time features 1, flags 0x43, fragments 3199/3199\n",
        "  back  bind_ack, flags 0x03, fragments 3192/3192, group 0x1AB",
        "flag maybe              0x03: like Windows RPC runtime (strong), kms-sim (fair)",
        "  kms-sim                 consistent, 29 of 29 points\n",
        "  Windows RPC runtime     contradicted, 41 of 49 points; against it: association groups\n",
        "is not the same as is",
    ] {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
}

#[test]
fn a_target_that_cannot_be_is_refused_before_anything_is_sent() {
    for (target, arguments) in [("kms1:0", &[][..]), ("::1", &["-4"]), ("127.0.0.1", &["-6"])] {
        let output = probe(target, arguments);
        assert_eq!(output.status.code(), Some(2), "{target}");
        assert!(output.stdout.is_empty());
    }
}
