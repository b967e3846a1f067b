//! `kms-sim load` as a process, and its report.

use std::process::Output;

use serde_json::Value;

use super::sim::{Sim, kms_sim};

pub(crate) fn load(target: &str, flags: &[&str]) -> Output {
    let mut command = kms_sim();
    command.args(["load", target, "--quiet", "--format", "json"]).args(flags);
    command.output().unwrap()
}

/// The report, which must follow the schema.
pub(crate) fn report(output: &Output) -> Value {
    let shown = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{shown}"));
    let schema: Value =
        serde_json::from_str(include_str!("../../../docs/schema/load.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&report).map(|e| e.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{report:#}");
    report
}

/// A short run whose lateness is nobody's business: the machine may do other things.
pub(crate) const SHORT: [&str; 6] = ["--warm-up", "0s", "--max-late", "100%", "--seed", "7"];

pub(crate) fn target(sim: &Sim) -> String {
    sim.address.to_string()
}
