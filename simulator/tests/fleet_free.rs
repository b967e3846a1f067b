//! `kms-sim fleet run --wire --time-scale`: as a command.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::sim::{assert_refused, kms_sim};
use serde_json::Value;

/// Six clients that are activated and renew twice.
const PLAN: &str = r#"
name = "small"
title = "Six clients"
duration = "5h"

[[site]]
name = "office"

[[host]]
name = "kms-1"
site = "office"
remembers_windows = 30
renewal_interval = "2h"

[[group]]
name = "pc"
site = "office"
count = 6
product = "Windows 10/11 Enterprise"
first_start_within = "30m"

[[expect]]
metric = "share"
at = "5h"
states = ["licensed"]
at_least = 1
"#;

#[test]
fn a_valid_run_agrees_with_virtual_time_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    fs::write(&plan, PLAN).unwrap();
    // A machine that is too slow says so, and time goes slower.
    for scale in ["7200", "1800", "600"] {
        let run = kms_sim()
            .args(["fleet", "run", "--wire", "--format", "json", "--time-scale", scale])
            .args(["--trace", "pc-1", "--host-events"])
            .arg(folder.path().join("events"))
            .arg(&plan)
            .output()
            .unwrap();
        let said = String::from_utf8(run.stderr.clone()).unwrap();
        if run.status.code() == Some(2) {
            assert_refused(&run, "the run is invalid");
            continue;
        }
        assert_eq!(run.status.code(), Some(0), "{said}");
        assert!(said.contains(": valid, at most "), "{said}");
        assert!(said.contains("clients as in virtual time: 6, "), "{said}");
        let run: Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(run["requests_total"], 18);
        assert_eq!(run["states_final"]["licensed"], 6);
        assert_eq!(fs::read_to_string(folder.path().join("events")).unwrap().lines().count(), 3);
        return;
    }
    panic!("this machine is too slow even for a scale of 600");
}

#[test]
fn a_scale_goes_with_the_wire_and_with_nothing_that_stands_still() {
    for (arguments, named) in [
        (&["--time-scale", "10"][..], "--wire"),
        (&["--wire", "--time-scale", "0"], "0 is not in 1..=100000"),
        (&["--wire", "--time-scale", "100001"], "100001 is not in 1..=100000"),
        (&["--wire", "--time-scale", "10", "--shard", "0/2"], "--shard"),
        (&["--wire", "--time-scale", "10", "--look", "pc-1@1h"], "--look"),
        (&["--wire", "--time-scale", "10", "--trace", "nobody"], "`nobody`"),
    ] {
        let run =
            kms_sim().args(["fleet", "run", "first-rollout"]).args(arguments).output().unwrap();
        assert_refused(&run, named);
    }
}
