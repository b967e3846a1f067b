//! `kms-sim load` against a real `kms-sim serve`, and what it refuses.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;

use common::load::{SHORT, load, report, target};
use common::sim::{Sim, assert_refused, kms_sim};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

#[test]
fn every_depth_and_transport_is_counted_to_the_last_exchange() {
    let sim = Sim::start(&["--log-level", "error"]);
    for flags in [
        &["--depth", "tcp"][..],
        &["--depth", "bind"],
        &["--depth", "rpc"],
        &["--depth", "kms", "--kms-version", "4=1,5=1,6=1", "--ndr", "32=1,64=1"],
        &["--depth", "kms", "--reconnect", "--close", "rst", "--source", "127.0.0.2,127.0.0.3"],
        &["--depth", "rpc", "--pipeline", "8", "--connections", "2"],
        &["--depth", "rpc", "--calls-per-connection", "5", "--closed", "4", "--think", "1ms"],
        &["--depth", "rpc", "--steps", "500:100ms,1000:1s", "--arrivals", "poisson"],
        &["--depth", "rpc", "--ramp", "500..1000:1s"],
        &["--depth", "kms", "--reconnect-share", "0.3", "--close", "rst", "--connections", "4"],
        &["--reconnect-share", "20%", "--closed", "4", "--calls-per-connection", "50"],
        &["--reconnect-share", "0.1", "--pipeline", "8", "--connections", "2"],
    ] {
        let mut flags = flags.to_vec();
        if !flags.iter().any(|f| ["--closed", "--steps", "--ramp"].contains(f)) {
            flags.extend(["--rate", "1000"]);
        }
        flags.extend(SHORT);
        flags.extend(["--count", "300"]);
        let output = load(&target(&sim), &flags);
        let report = report(&output);
        assert_eq!(output.status.code(), Some(0), "{flags:?} {report:#}");
        assert_eq!(report["requests"], 300, "{flags:?} {report:#}");
        assert_eq!(report["errors"], json!({"connect": {}, "bind": {}, "call": {}}), "{report:#}");
        assert!(report["latency_us"]["intended"]["p99"].is_u64());
        assert_eq!(report["valid"], true);
    }
}

#[test]
fn files_are_written_by_second_and_agree_with_the_report() {
    let sim = Sim::start(&["--log-level", "error"]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (csv, hlog, html, times) = (path("a.csv"), path("a.hlog"), path("a.html"), path("times"));
    std::fs::write(&times, "# s\n0\n0.1\n0.9\n1.1\n1.2\n").unwrap();
    let mut flags = vec!["--replay", &times, "--csv", &csv, "--hlog", &hlog, "--html", &html];
    flags.extend(SHORT);
    flags.extend(["--duration", "3s", "--slo", "max=1h,errors=0%"]);
    let output = load(&target(&sim), &flags);
    let report = report(&output);
    assert_eq!((output.status.code(), &report["requests"]), (Some(0), &json!(5)), "{report:#}");
    let rows = std::fs::read_to_string(&csv).unwrap();
    let requests = rows.lines().skip(1).map(|row| row.split(',').nth(2).unwrap());
    assert_eq!(requests.map(|n| n.parse::<u64>().unwrap()).sum::<u64>(), 5, "{rows}");
    let log = std::fs::read_to_string(&hlog).unwrap();
    assert!(log.starts_with("#[Histogram log format version 1.3]"), "{log}");
    assert!(log.lines().filter(|line| line.starts_with("Tag=intended,")).count() >= 2, "{log}");
    assert!(std::fs::read_to_string(&html).unwrap().contains("Percentiles"));
}

#[test]
fn a_missed_objective_is_exit_code_1_and_runs_are_compared() {
    let sim = Sim::start(&["--log-level", "error"]);
    let mut flags = SHORT.to_vec();
    flags.extend(["--closed", "2", "--count", "500", "--slo", "p50=1us"]);
    let output = load(&target(&sim), &flags);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(report(&output)["objectives"][0]["met"], false);
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base.json").display().to_string();
    std::fs::write(&base, &output.stdout).unwrap();
    let mut flags = SHORT.to_vec();
    flags.extend(["--closed", "2", "--count", "500", "--compare", &base]);
    let compared = report(&load(&target(&sim), &flags));
    let share = compared["differences"].as_array().unwrap();
    let share = share.iter().find(|one| one["figure"] == "error_share").unwrap();
    assert_eq!(share["differs"], false, "{share}");
}

#[test]
fn a_search_for_the_capacity_ends_at_its_bound_where_nothing_stands_in_the_way() {
    let sim = Sim::start(&["--log-level", "error"]);
    let mut flags = SHORT.to_vec();
    flags.extend(["--find-capacity", "--slo", "max=1h", "--rate", "100", "--max-rate", "200"]);
    flags.extend(["--trial", "1s"]);
    let report = report(&load(&target(&sim), &flags));
    let trials = report["capacity"]["trials"].as_array().unwrap();
    // The target's process was found by its socket, so that its processor time is known.
    assert!(trials.len() >= 3 && trials.iter().all(|t| t["target_cpu"].is_f64()), "{report:#}");
    // A machine that is busy otherwise may not hold even these rates; what held is told then too.
    if trials.iter().all(|trial| trial["holds"] == true) {
        assert_eq!(report["capacity"]["rate"], 200.0);
        assert_eq!(report["capacity"]["limit"], "ceiling");
    }
}

#[test]
fn a_signal_in_the_middle_ends_with_a_report_that_has_lost_nothing() {
    let sim = Sim::start(&["--log-level", "error"]);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut command = kms_sim();
        command.args(["load", &target(&sim), "--closed", "4", "--duration", "5m"]);
        command.args(["--format", "json"]).args(SHORT);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        assert!(first.contains("/s of -/s"), "{first}");
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        lines.for_each(drop);
        let report = report(&child.wait_with_output().unwrap());
        assert!(report["requests"].as_u64().unwrap() > 0);
        assert_eq!(report["requests"], report["answered"], "{report:#}");
        assert!(report["notes"][0].as_str().unwrap().contains("cut short"));
    }
}

#[test]
fn a_foreign_target_and_a_host_with_another_key_are_left_alone() {
    let foreign = load("192.0.2.1", &[]);
    assert_refused(&foreign, "--i-own-this-target");
    let sim = Sim::start(&["--log-level", "error"]);
    let other_key = "00000000000000000000000000000001";
    let refused = load(&target(&sim), &["--depth", "kms", "--lab-key", other_key]);
    assert_refused(&refused, "loads only a simulator that answers under this lab key");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let silent = listener.local_addr().unwrap().to_string();
    let refused = load(&silent, &["--depth", "kms", "--timeout", "100ms"]);
    assert_refused(&refused, "no answer within");
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none/x").display().to_string();
    let words = folder.path().join("words").display().to_string();
    std::fs::write(Path::new(&words), "1\nsoon\n").unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["--rate", "0"], "--rate"),
        (&["--rate", "-5"], "-5"),
        (&["--rate", "nan"], "--rate"),
        (&["--rate", "60000"], "--max-rate"),
        (&["--closed", "0"], "users"),
        (&["--rate", "5", "--closed", "5"], "--closed"),
        (&["--duration", "0s"], "--duration"),
        (&["--duration", "1h"], "--max-duration"),
        (&["--count", "0"], "count"),
        (&["--kms-version", "4=0,6=0"], "sum to nothing"),
        (&["--kms-version", "7"], "--kms-version"),
        (&["--ndr", "16"], "--ndr"),
        (&["--pipeline", "17"], "pipeline"),
        (&["--workers", "65"], "--workers"),
        (&["--source", "::1"], "family"),
        (&["--source", "here"], "--source"),
        (&["--slo", "fast"], "--slo"),
        (&["--reconnect-share", "1.5"], "--reconnect-share"),
        (&["--reconnect-share", "0.5", "--depth", "tcp"], "--reconnect-share"),
        (&["--reconnect-share", "0.5", "--reconnect"], "--reconnect"),
        (&["--replay-speed", "2"], "--replay"),
        (&["--target-pid", "1"], "--find-capacity"),
        (&["--find-capacity", "--slo", "p99=1s", "--trial", "1h"], "--trial"),
        (&["--find-capacity", "--slo", "p99=1s", "--trial", "0s"], "--trial"),
        (&["--find-capacity"], "--slo"),
        (&["--closed", "5", "--arrivals", "poisson"], "poisson"),
        (&["--replay", &missing], "--replay"),
        (&["--replay", &words], "line 2: `soon`"),
        (&["--compare", &words], "not a report"),
        (&["--csv", &missing], "--csv"),
        (&["--html", &missing], "--html"),
        (&["--connections", "100001"], "connections"),
    ];
    for (flags, word) in cases {
        assert_refused(&load("127.0.0.1:9", flags), word);
    }
}
