//! `measure` on loopback, against a simulated host, its DNS and peers that fail on purpose.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use kms_simulator::dns::{DnsServer, HostRecord, Zone};
use kms_simulator::serve::{ServeConfig, Server};
use serde_json::Value;

use super::{code, run, stderr, stdout};
use crate::support::assert_follows;
use crate::support::peer::End;

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn kms_host() -> Server {
    let workers = NonZeroUsize::MIN;
    Server::start(ServeConfig { listen: vec![ANY_PORT], workers, ..ServeConfig::default() })
        .unwrap()
}

fn address(server: &Server) -> String {
    server.addresses().first().unwrap().to_string()
}

/// A measurement as JSON, which has passed the schema, with its exit code.
fn measure(arguments: &[&str]) -> (i32, Value) {
    let output = run(&[&["measure", "--format", "json", "--rate", "200/s"], arguments].concat());
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
    assert_follows("measure.schema.json", &report);
    (code(&output), report)
}

/// The measurement of the only entry.
#[track_caller]
fn only(report: &Value) -> &Value {
    let entries = report["targets"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{report:#}");
    &entries.first().unwrap()["measurement"]
}

#[track_caller]
fn stage<'a>(measurement: &'a Value, name: &str) -> &'a Value {
    let stages = measurement["stages"].as_array().unwrap();
    stages.iter().find(|stage| stage["stage"] == name).unwrap()
}

fn counts(measurement: &Value) -> Vec<(&str, u64)> {
    let stages = measurement["stages"].as_array().unwrap();
    stages.iter().map(|s| (s["stage"].as_str().unwrap(), s["count"].as_u64().unwrap())).collect()
}

#[test]
fn every_host_of_a_domain_is_measured_with_a_look_up_and_a_connection_for_each_exchange() {
    let (one, two) = (kms_host(), kms_host());
    let port = |server: &Server| server.addresses().first().unwrap().port();
    let record = |name: &str, port| HostRecord {
        port,
        ..HostRecord::new(name, [Ipv4Addr::LOCALHOST.into()])
    };
    let zone = Zone::new("corp.test").unwrap();
    let zone = zone.host(record("kms1", port(&one))).unwrap();
    let zone = zone.host(record("kms2", port(&two))).unwrap();
    let dns = DnsServer::start(ANY_PORT, zone).unwrap();
    let resolver = dns.address().to_string();
    let (code, report) = measure(&["corp.test", "--resolver", &resolver, "--count", "20"]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["verdict"], "rpc.ok");
    let entries = report["targets"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    for entry in entries {
        let measurement = &entry["measurement"];
        assert_eq!(entry["target"], "corp.test");
        assert_eq!(entry["passed"], true);
        let expected = [("dns", 20), ("tcp", 20), ("bind", 20), ("rpc", 20), ("total", 20)];
        assert_eq!(counts(measurement), expected);
        assert_eq!(measurement["dns"]["asked_in_each_exchange"], true);
        assert_eq!(measurement["dns"]["answers_without_endpoint"], 0);
        assert_eq!(
            (&measurement["loss"]["lost"], &measurement["loss"]["of"]),
            (&0.into(), &20.into())
        );
        assert_eq!(measurement["packets"]["first_syns_unanswered"]["of"], 20);
    }
    assert_eq!(one.shutdown().connections, 20);
    assert_eq!(two.shutdown().connections, 20);
}

#[test]
fn figures_hang_together() {
    let server = kms_host();
    let (_, report) = measure(&[&address(&server), "--count", "100"]);
    let measurement = only(&report);
    for stage in measurement["stages"].as_array().unwrap() {
        if stage["count"] == 0 {
            assert_eq!(stage["stage"], "dns", "an address needs no look-up");
            assert!(stage["min_us"].is_null() && stage["jitter_us"].is_null(), "{stage}");
            continue;
        }
        let figures = ["min_us", "median_us", "p90_us", "p99_us", "p999_us", "max_us"];
        let figures = figures.map(|name| stage[name].as_u64().unwrap());
        assert!(figures.is_sorted() && figures[0] > 0, "{stage}");
        let buckets = stage["histogram"].as_array().unwrap();
        let in_buckets: u64 = buckets.iter().map(|b| b["count"].as_u64().unwrap()).sum();
        assert_eq!(in_buckets, 100);
    }
    let slices = measurement["intervals"]["found"].as_array().unwrap();
    let answered: u64 = slices.iter().map(|slice| slice["answered"].as_u64().unwrap()).sum();
    assert_eq!(answered, 100);
    let total = stage(measurement, "total")["min_us"].as_u64().unwrap();
    assert!(total > stage(measurement, "tcp")["min_us"].as_u64().unwrap());
}

#[test]
fn a_kept_connection_is_opened_once_and_carries_every_call() {
    let server = kms_host();
    let arguments = [&address(&server), "--keep-alive", "--count", "30"];
    let (code, report) = measure(&arguments);
    assert_eq!(code, 0, "{report:#}");
    let expected = [("dns", 0), ("tcp", 1), ("bind", 1), ("rpc", 30), ("total", 30)];
    assert_eq!(counts(only(&report)), expected);
    assert_eq!(only(&report)["asked"]["connection"], "kept");
    // 29 calls without the handshake, and one with it that does not count for the total.
    let worst = |name: &str| stage(only(&report), name)["max_us"].as_u64().unwrap();
    assert_eq!(worst("total"), worst("rpc"));
    assert_eq!(server.shutdown().connections, 1);
}

#[test]
fn a_closed_port_loses_everything_and_has_no_latency() {
    let closed = "127.0.0.1:1";
    let (code, report) = measure(&[closed, "--count", "5"]);
    assert_eq!(code, 1);
    assert_eq!(report["verdict"], "tcp.refused");
    let measurement = only(&report);
    assert_eq!(measurement["loss"]["percent"], 100.0);
    let low = measurement["loss"]["low_percent"].as_f64().unwrap();
    assert!((50.0..60.0).contains(&low), "{low}");
    assert!(stage(measurement, "tcp")["median_us"].is_null());
    assert_eq!(measurement["packets"]["first_syns_unanswered"]["lost"], 0, "a reset is an answer");
    let ended = &measurement["verdicts"][0];
    assert_eq!((&ended["verdict"], &ended["count"]), (&"tcp.refused".into(), &5.into()));
    assert!(ended["first"]["cause"].as_str().unwrap().contains(closed));
    let (code, report) = measure(&[closed, "--count", "5", "--max-loss", "100"]);
    assert_eq!((code, &report["targets"][0]["passed"]), (0, &true.into()));
}

#[test]
fn a_host_that_hangs_up_on_every_second_client_loses_half() {
    let listener = TcpListener::bind(ANY_PORT).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = thread::spawn(move || {
        for number in 0..10 {
            let (stream, _) = listener.accept().unwrap();
            let mut end = End(stream);
            if number % 2 == 0 {
                end.accept_bind();
                end.refuse_call();
            }
        }
    });
    let (code, report) = measure(&[&address, "--count", "10", "--max-loss", "49.9"]);
    serving.join().unwrap();
    assert_eq!(code, 1);
    let loss = &only(&report)["loss"];
    assert_eq!((&loss["lost"], &loss["percent"]), (&5.into(), &50.0.into()), "{report:#}");
    assert_eq!(stage(only(&report), "tcp")["count"], 10, "the stages before still count");
    assert_eq!(stage(only(&report), "rpc")["count"], 5);
    let verdict = report["verdict"].as_str().unwrap();
    assert!(["bind.closed", "bind.reset"].contains(&verdict), "{verdict}");
}

#[test]
fn an_answer_with_a_warning_is_an_answer() {
    let server = kms_host();
    let arguments = [&address(&server), "--depth", "kms", "--count", "3"];
    let (code, report) = measure(&arguments);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["verdict"], "kms.count_low", "one client, however often it asks");
    assert_eq!(only(&report)["loss"]["lost"], 0);
    assert_eq!(stage(only(&report), "kms")["count"], 3);
}

#[test]
fn objectives_decide_the_exit_code() {
    let server = kms_host();
    let address = address(&server);
    let wanted = [&*address, "--count", "5", "--slo", "p99=1h", "--slo", "tcp:p50=1h"];
    let (code, report) = measure(&wanted);
    assert_eq!(code, 0, "{report:#}");
    let (code, report) =
        measure(&[&*address, "--count", "5", "--slo", "p99=1h", "--slo", "p50=0us"]);
    assert_eq!(code, 1);
    let met: Vec<_> =
        only(&report)["objectives"].as_array().unwrap().iter().map(|o| &o["met"]).collect();
    assert_eq!(met, [true, false]);
    let (code, report) =
        measure(&["127.0.0.1:1", "--count", "2", "--max-loss", "100", "--slo", "p50=1h"]);
    assert_eq!(code, 1, "what was not measured is not met");
    assert!(only(&report)["objectives"][0]["actual_us"].is_null());
}

#[test]
fn an_interval_log_reads_back_with_every_latency_under_its_stage() {
    let server = kms_host();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kms.hlog");
    let arguments = [&*address(&server), "--count", "150", "--hlog", path.to_str().unwrap()];
    let (code, report) = measure(&arguments);
    assert_eq!(code, 0);
    let log = std::fs::read_to_string(&path).unwrap();
    assert!(log.starts_with("#[Histogram log format version 1.3]\n"), "{log}");
    for tag in ["tcp", "bind", "rpc", "total"] {
        let merged = merged(&log, tag);
        let stage = stage(only(&report), tag);
        assert_eq!(merged.len(), stage["count"].as_u64().unwrap(), "{tag}");
        for (percentile, name) in [(50.0, "median_us"), (99.0, "p99_us"), (100.0, "max_us")] {
            let (logged, shown) =
                (merged.value_at_percentile(percentile), stage[name].as_u64().unwrap());
            assert!(logged.abs_diff(shown) <= shown / 1000 + 1, "{tag} {name}: {logged} {shown}");
        }
    }
    assert_eq!(merged(&log, "dns").len(), 0);
}

/// All intervals of a tag, as another program would add them up.
fn merged(log: &str, tag: &str) -> Histogram<u64> {
    let mut merged = Histogram::new(3).unwrap();
    let (mut starts, mut last) = (0, std::time::Duration::ZERO);
    for entry in IntervalLogIterator::new(log.as_bytes()) {
        match entry.unwrap() {
            LogEntry::StartTime(_) | LogEntry::BaseTime(_) => starts += 1,
            LogEntry::Interval(interval) => {
                assert!(interval.start_timestamp() >= last, "intervals are in order");
                last = interval.start_timestamp();
                if interval.tag().unwrap().as_str() == tag {
                    let encoded = base64(interval.encoded_histogram());
                    let one: Histogram<u64> =
                        Deserializer::new().deserialize(&mut encoded.as_slice()).unwrap();
                    let millis = one.max() as f64 / 1000.0;
                    assert!((interval.max() - millis).abs() < 0.001, "{}", interval.max());
                    merged.add(&one).unwrap();
                }
            }
        }
    }
    assert_eq!(starts, 2, "start and base time");
    merged
}

/// RFC 4648 section 4.
fn base64(text: &str) -> Vec<u8> {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let values = text.trim_end_matches('=').bytes();
    let values = values.map(|byte| digits.iter().position(|digit| *digit == byte).unwrap());
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0usize, 0);
    for value in values {
        (bits, held) = ((bits << 6 | value) & 0xFFFF, held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xFF).unwrap());
        }
    }
    bytes
}

#[test]
fn a_report_can_go_to_a_file_whole_and_leaves_nothing_beside() {
    let server = kms_host();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kms.json");
    let address = address(&server);
    let file = path.to_str().unwrap();
    let output = run(&["measure", &address, "--count", "3", "--format", "json", "--output", file]);
    assert_eq!((code(&output), stdout(&output)), (0, ""));
    let report: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_follows("measure.schema.json", &report);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_page_holds_figures_and_plots_or_why_there_are_none() {
    let server = kms_host();
    let address = address(&server);
    let page = |arguments: &[&str]| {
        let all = ["measure", "--format", "html", "--rate", "100/s", "--count", "20"];
        stdout(&run(&[&all, arguments].concat())).to_owned()
    };
    let healthy = page(&[&address, "--slo", "p99=1h"]);
    assert!(healthy.starts_with("<!DOCTYPE html>"));
    let parts = ["Percentiles", "Whole exchange over time", "Distribution of rpc", "p99=3600s"];
    for part in parts.into_iter().chain(["0 of 20 exchanges", "met"]) {
        assert!(healthy.contains(part), "{part}");
    }
    assert!(healthy.matches("<svg").count() >= 6 && !healthy.contains("<script"));
    let lost = page(&["127.0.0.1:1"]);
    assert!(lost.contains("How exchanges were lost") && lost.contains("tcp.refused"));
    assert!(lost.contains("No stage was answered"));
}

#[test]
fn text_in_a_pipe_is_plain_and_has_a_row_for_each_stage() {
    let server = kms_host();
    let output = run(&["measure", &address(&server), "--count", "5", "--rate", "100/s"]);
    let text = stdout(&output);
    assert_eq!((code(&output), stderr(&output)), (0, ""), "no progress in a pipe");
    assert!(text.starts_with("OK rpc.ok  127.0.0.1:"), "{text}");
    assert!(text.contains("0 of 5 exchanges (0%; 95% confidence 0% to 43.4%)"), "{text}");
    for row in ["tcp ", "bind ", "rpc ", "total "] {
        assert!(text.lines().any(|line| line.trim_start().starts_with(row)), "{row}: {text}");
    }
    assert!(!text.lines().any(|line| line.trim_start().starts_with("dns")), "{text}");
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn an_interruption_ends_early_and_reports_what_was_measured() {
    for signal in ["-INT", "-TERM"] {
        let listener = TcpListener::bind(ANY_PORT).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut child = Command::new(env!("CARGO_BIN_EXE_kms-probe"))
            .args(["measure", &address, "--rate", "100/s", "--count", "1000000"])
            .args(["--max-loss", "100", "--format", "json"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // By the third connection one of the exchanges before may not have ended, so a few more.
        for _ in 0..20 {
            drop(listener.accept().unwrap());
        }
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        // Whoever connects meanwhile is let go as well.
        let accepting = thread::spawn(move || {
            listener.set_nonblocking(true).unwrap();
            while let Ok((stream, _)) = listener.accept() {
                drop(stream);
            }
        });
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{text}");
        accepting.join().unwrap();
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_follows("measure.schema.json", &report);
        assert_eq!(only(&report)["interrupted"], true);
        assert!(only(&report)["loss"]["of"].as_u64().unwrap() > 0);
    }
}

#[test]
fn a_target_without_an_address_is_said_and_not_measured() {
    let zone = Zone::new("corp.test").unwrap();
    let dns = DnsServer::start(ANY_PORT, zone).unwrap();
    let resolver = dns.address().to_string();
    let (code, report) = measure(&["nowhere.corp.test", "--resolver", &resolver]);
    assert_eq!(code, 1);
    assert_eq!(report["verdict"], "dns.nxdomain");
    assert!(only(&report).is_null());
}

#[test]
fn input_that_makes_no_sense_is_refused_before_anything_is_sent() {
    for (arguments, part) in [
        (&["--rate", "10"][..], "`10/s`"),
        (&["--rate", "1001/s"], "at most 1000/s"),
        (&["--count", "0"], "--count"),
        (&["--count", "1000001"], "1000000"),
        (&["--duration", "10"], "`4s`"),
        (&["--duration", "1h", "--rate", "1000/s"], "at most 1000000"),
        (&["--keep-alive", "--depth", "bind"], "--keep-alive"),
        (&["--max-loss", "-1"], "0 to 100"),
        (&["--slo", "p99"], "`p99=20ms`"),
        (&["--slo", "kms:p99=1s"], "beyond --depth rpc"),
        (&["--output", "/nowhere/at/all.json"], "--output: cannot write `/nowhere/at/all.json`"),
        (&["--hlog", "/"], "--hlog: cannot write `/`"),
        (&["--format", "yaml"], "text, json, html"),
        (&["--depth", "dns"], "needs no DNS"),
    ] {
        let output = run(&[&["measure", "127.0.0.1:1"], arguments].concat());
        assert_eq!((code(&output), stdout(&output)), (2, ""), "{arguments:?}");
        assert!(stderr(&output).contains(part), "{arguments:?}: {}", stderr(&output));
    }
    assert_eq!(code(&run(&["measure"])), 2, "a target is wanted");
}

#[test]
fn the_schema_is_a_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let schema = std::fs::read(root.join("docs/schema/measure.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
}
