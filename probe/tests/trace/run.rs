//! One run of the command, and what its report says.

use std::path::Path;

use serde_json::Value;

use crate::skip::workspace_root;
use crate::world::World;

/// What a run gave: one entry of a report that has passed the schema.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) entry: Value,
}

/// Traces `target` from the client. The timeout is long enough for every answer on a busy machine,
/// and what a silent path costs.
pub(crate) fn trace(world: &World, target: &str) -> Run {
    trace_with(world, &[target, "--timeout", "1500ms"])
}

/// Traces with arguments of its own.
pub(crate) fn trace_with(world: &World, arguments: &[&str]) -> Run {
    let all = [&["trace", "--format", "json"], arguments].concat();
    let output = world.probe(&all);
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    assert_valid(&report);
    let entries = report["targets"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{report:#}");
    Run { code: output.status.code().unwrap(), entry: entries[0].clone() }
}

/// The text of a run, for people.
pub(crate) fn text(world: &World, arguments: &[&str]) -> String {
    let output = world.probe(&[&["trace"], arguments].concat());
    String::from_utf8(output.stdout).unwrap()
}

impl Run {
    /// Fails unless the verdict is this, with every part in its cause.
    #[track_caller]
    pub(crate) fn shows(&self, verdict: &str, parts: &[&str]) {
        assert_eq!(self.entry["verdict"], verdict, "{:#}", self.entry);
        let healthy = self.entry["severity"] == "ok";
        assert_eq!(self.code, i32::from(!healthy), "{:#}", self.entry);
        let cause = self.entry["cause"].as_str().unwrap();
        for part in parts {
            assert!(cause.contains(part), "`{part}` is missing: {cause}");
        }
    }

    /// Address and TTL of the last hop that was passed.
    #[track_caller]
    pub(crate) fn is_after(&self, router: &str, ttl: u8) {
        let after = &self.entry["trace"]["place"]["after"];
        assert_eq!(after["ttl"], ttl, "{:#}", self.entry);
        assert_eq!(after["addresses"], serde_json::json!([router]), "{:#}", self.entry);
    }

    /// Who sent the ICMP error.
    pub(crate) fn sender(&self) -> &Value {
        &self.entry["trace"]["sender"]
    }

    /// How a port ended.
    #[track_caller]
    pub(crate) fn end(&self, port: u16) -> &Value {
        let ports = self.entry["trace"]["ports"].as_array().unwrap();
        &ports.iter().find(|path| path["port"] == port).unwrap()["end"]
    }

    /// The names of what cannot be known.
    pub(crate) fn caveats(&self) -> Vec<&str> {
        let caveats = self.entry["trace"]["caveats"].as_array().unwrap();
        caveats.iter().map(|caveat| caveat["code"].as_str().unwrap()).collect()
    }
}

/// Fails unless `report` is what the JSON Schema in the repository describes.
#[track_caller]
fn assert_valid(report: &Value) {
    let path: &Path = &workspace_root().join("docs/schema/trace.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{report:#}");
}
