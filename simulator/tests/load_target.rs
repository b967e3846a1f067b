//! Whom `kms-sim load` loads, how hard at most, and what it leaves behind when it does not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../tests/src/skip.rs"]
mod skip;

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin;
use common::load::{SHORT, load, report, target};
use common::sim::{Sim, assert_refused, kms_sim};
use serde_json::Value;
use skip::Need;

fn notes(report: &Value) -> String {
    let notes = report["notes"].as_array().unwrap();
    notes.iter().map(|note| note.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_name_is_looked_up_once_and_what_counts_is_its_address() {
    let test = "a_name_is_looked_up_once_and_what_counts_is_its_address";
    if !skip::require(test, &[Need::Root, Need::Tool("unshare")]) {
        return;
    }
    let sim = Sim::start(&["--log-level", "error"]);
    let folder = tempfile::tempdir().unwrap();
    let hosts = "127.0.0.1 one.lab.test\n127.0.0.1 two.lab.test\n127.0.0.2 two.lab.test\n\
                 192.0.2.7 far.lab.test\n::1 six.lab.test\n";
    fs::write(folder.path().join("hosts"), hosts).unwrap();
    // Nobody listens there, so that a name which the file has not is found nowhere, at once.
    fs::write(folder.path().join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
    let to = |name: &str, flags: &[&str]| {
        let target = format!("{name}.lab.test:{}", sim.address.port());
        let flags = [&SHORT[..], &["--closed", "2", "--count", "20"], flags].concat();
        load_in(folder.path(), &target, &flags)
    };
    let one = report(&to("one", &[]));
    assert_eq!(one["target"], sim.address.to_string());
    assert_eq!(one["answered"], 20, "{one:#}");
    assert!(notes(&one).contains("`one.lab.test` is 127.0.0.1"), "{one:#}");
    let two = report(&to("two", &["--depth", "kms"]));
    let said = notes(&two);
    assert!(
        said.contains("has 2 addresses") && said.contains("is loaded and not 127.0.0."),
        "{said}"
    );
    assert_refused(&to("far", &[]), "`far.lab.test` is 192.0.2.7, which is not on loopback");
    assert_refused(&to("none", &[]), "cannot look up `none.lab.test`");
    assert_refused(&to("six", &["--source", "127.0.0.1"]), "the family of --source");
}

/// With a hosts file and a resolver of its own.
fn load_in(folder: &Path, target: &str, flags: &[&str]) -> Output {
    let mounted = "mount --bind \"$0/hosts\" /etc/hosts && \
                   mount --bind \"$0/resolv.conf\" /etc/resolv.conf && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", mounted]).arg(folder).arg(cargo_bin("kms-sim"));
    command.args(["load", target, "--quiet", "--format", "json"]).args(flags);
    command.output().unwrap()
}

#[test]
fn a_process_that_is_not_the_target_is_told_from_the_one_that_is() {
    let sim = Sim::start(&["--log-level", "error"]);
    let search = [&SHORT[..], &["--find-capacity", "--slo", "max=1h", "--trial", "100ms"]].concat();
    let with = |pid: &str| {
        let flags = [&search[..], &["--rate", "20", "--max-rate", "20", "--target-pid", pid]];
        load(&target(&sim), &flags.concat())
    };
    let me = std::process::id().to_string();
    let (listens, said) = (sim.child.id(), notes(&report(&with(&me))));
    assert!(said.contains(&format!("process {me} (`")), "{said}");
    assert!(said.contains(&format!("process {listens} (`kms-sim`) does")), "{said}");
    let right = notes(&report(&with(&listens.to_string())));
    assert!(!right.contains("does not listen"), "{right}");
    assert_refused(&with("1073741824"), "there is no process 1073741824");
}

#[test]
fn a_closed_loop_goes_no_faster_than_the_ceiling() {
    let sim = Sim::start(&["--log-level", "error"]);
    let bound = ["--closed", "8", "--workers", "2", "--max-rate", "100", "--duration", "1s"];
    let report = report(&load(&target(&sim), &[&SHORT[..], &bound].concat()));
    let requests = report["requests"].as_u64().unwrap();
    assert!((1..=100).contains(&requests), "{requests}");
}

#[test]
fn a_run_that_could_not_begin_leaves_no_file_and_no_older_one_changed() {
    let sim = Sim::start(&["--log-level", "error"]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (csv, hlog, html, older) = (path("a.csv"), path("a.hlog"), path("a.html"), path("older"));
    fs::write(&older, "kept").unwrap();
    let foreign = ["--depth", "kms", "--lab-key", "00000000000000000000000000000001"];
    let files = ["--csv", &csv, "--hlog", &hlog, "--html", &html];
    assert_refused(&load(&target(&sim), &[&foreign[..], &files].concat()), "lab key");
    let files = ["--csv", &older, "--hlog", &hlog, "--html", &older];
    assert_refused(&load(&target(&sim), &[&foreign[..], &files].concat()), "lab key");
    let missing = path("none/x");
    let files = ["--csv", &csv, "--hlog", &older, "--html", &missing];
    assert_refused(&load(&target(&sim), &files), "--html");
    let too_many = ["--reconnect", "--rate", "40000", "--duration", "5m", "--csv", &csv];
    assert_refused(&load(&target(&sim), &too_many), "source addresses");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(fs::read_to_string(&older).unwrap(), "kept");
    let run = [&SHORT[..], &["--closed", "1", "--count", "3", "--csv", &older]].concat();
    assert_eq!(report(&load(&target(&sim), &run))["answered"], 3);
    assert!(fs::read_to_string(&older).unwrap().starts_with("second,"), "begun with the run");
}

#[test]
fn the_request_times_of_a_fleet_are_played_again() {
    let sim = Sim::start(&["--log-level", "error"]);
    let folder = tempfile::tempdir().unwrap();
    let times = folder.path().join("times.csv").display().to_string();
    let mut fleet = kms_sim();
    fleet.args(["fleet", "run", "first-rollout", "--trace", "*", "--request-times", &times]);
    assert!(fleet.output().unwrap().status.success());
    let text = fs::read_to_string(&times).unwrap();
    let last: f64 = text.lines().last().unwrap().split(',').next().unwrap().parse().unwrap();
    let speed = format!("{:.0}", last / 1.5);
    let flags = ["--depth", "kms", "--replay", &times, "--replay-speed", &speed];
    let flags = [&SHORT[..], &flags, &["--duration", "1m"]].concat();
    let report = report(&load(&target(&sim), &flags));
    assert!(text.lines().count() > 100, "{text}");
    assert_eq!(report["answered"], text.lines().count(), "{report:#}");
    assert_eq!(report["unsent"], 0);
}
