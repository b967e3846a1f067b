//! One run of `check` on the client, and what its report says.

use serde_json::{Value, json};

use crate::support::{assert_valid, facts, verdict};
use crate::world::World;

/// What a run of the probe gave: a report that has passed the schema.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) report: Value,
}

/// Runs `kms-probe check` as nobody on the client.
pub(crate) fn check(world: &World, arguments: &[&str]) -> Run {
    let output = world.probe(&[&["check", "--format", "json"], arguments].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    assert_valid(&report);
    Run { code: output.status.code().unwrap(), report }
}

impl Run {
    /// Fails unless the only entry has this verdict, and the exit code follows from it.
    #[track_caller]
    pub(crate) fn shows(&self, expected: &str) {
        let entry = &self.report["targets"][0];
        assert_eq!(verdict(&self.report), expected, "{:#}", self.report);
        let healthy = entry["severity"] == "ok" && entry["findings"] == json!([]);
        assert_eq!(self.code, i32::from(!healthy), "{:#}", self.report);
    }

    /// Fails unless the connect was answered by this ICMP error, and the cause names it.
    #[track_caller]
    pub(crate) fn shows_icmp(&self, expected: &str, icmp: (&str, u8, u8), from: &str) {
        self.shows(expected);
        let (version, kind, code) = icmp;
        let found = &self.facts("tcp")["icmp"];
        assert_eq!(*found, json!({ "version": version, "type": kind, "code": code, "from": from }));
        let cause = self.cause();
        assert!(cause.contains(from) && cause.contains(&format!("({kind}/{code})")), "{cause}");
    }

    /// The facts of a stage of the only entry.
    #[track_caller]
    pub(crate) fn facts(&self, stage: &str) -> &Value {
        facts(&self.report, stage)
    }

    /// The cause of the only entry.
    pub(crate) fn cause(&self) -> &str {
        self.report["targets"][0]["cause"].as_str().unwrap()
    }
}
