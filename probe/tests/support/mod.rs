//! What the tests of the probe share: peers that misbehave on purpose, and the JSON Schema.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

pub mod peer;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use kms_probe::check::{self, Options, Report, Timeouts};
use kms_probe::report::json::{self, CheckJson};
use kms_probe::stage::Stage;
use kms_probe::target::Asked;
use serde_json::Value;

/// Ample on loopback; a test that waits this long fails for another reason.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// For stages that are meant to run out of time.
pub const IMPATIENCE: Duration = Duration::from_millis(250);

/// A check that asks nobody but the peers of the test.
pub fn options(depth: Stage) -> Options {
    Options { depth, timeouts: Timeouts::all(PATIENCE), ask_system: false, ..Options::default() }
}

/// Checks one address and returns its report as JSON, which has passed the schema.
pub fn check(address: SocketAddr, options: &Options) -> Value {
    let asked = Asked::parse(&address.to_string(), false).unwrap();
    let report = check::run(&[asked], options).unwrap();
    valid_json(&report)
}

/// The report as JSON, which has passed the schema and reads back from its text.
pub fn valid_json(report: &Report) -> Value {
    let mut text = Vec::new();
    json::write(&CheckJson(report), &mut text).unwrap();
    let value: Value = serde_json::from_slice(&text).unwrap();
    assert_valid(&value);
    value
}

/// Fails unless `report` is what the JSON Schema in the repository describes.
#[track_caller]
pub fn assert_valid(report: &Value) {
    assert_follows("check.schema.json", report);
}

/// Fails unless `report` is what this file of `docs/schema` describes.
#[track_caller]
pub fn assert_follows(schema: &str, report: &Value) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let schema = std::fs::read(root.join("docs/schema").join(schema)).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{report:#}");
}

/// The verdict of the only entry.
#[track_caller]
pub fn verdict(report: &Value) -> &str {
    let entries = report["targets"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{report:#}");
    entries.first().unwrap()["verdict"].as_str().unwrap()
}

/// The facts of a stage of the only entry.
#[track_caller]
pub fn facts<'a>(report: &'a Value, stage: &str) -> &'a Value {
    let stages = report["targets"][0]["stages"].as_array().unwrap();
    let found = stages.iter().find(|s| s["stage"] == stage);
    &found.unwrap_or_else(|| panic!("no stage {stage}: {report:#}"))["facts"]
}
