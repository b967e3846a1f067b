//! JUnit of `kms-sim fleet`, as the schema that pipelines go by wants it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../tests/src/skip.rs"]
mod skip;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin;
use skip::Need;

/// One expectation holds, three are broken; titles have what XML and a schema could trip over.
const PLAN: &str = r##"
name = "hostile"
title = "a < b & \"c\" ]]> é 漢"
duration = "1d"

[[site]]
name = "office"
[[host]]
name = "kms-1"
site = "office"
[[group]]
name = "pc"
site = "office"
count = 30
product = "Windows 10/11 Enterprise"

[[expect]]
title = "holds <b>&amp;</b> ]]>"
metric = "clients"
at = "1d"
states = ["licensed"]
at_least = 30
[[expect]]
title = "is broken \"'<![CDATA[ "
metric = "clients"
at = "1d"
states = ["licensed"]
at_most = 0
[[expect]]
metric = "requests"
host = "kms-1"
from = "0s"
until = "1d"
at_most = 1
[[expect]]
metric = "time-to-first-activation"
percentile = 100
at = "1d"
at_least = 1e9
"##;

#[test]
fn junit_is_valid_and_its_failures_are_those_of_the_exit_code() {
    if !skip::require("fleet_junit_is_valid", &[Need::Tool("xmllint")]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    fs::write(&plan, PLAN).unwrap();
    let schema = skip::workspace_root().join("probe/tests/reports/junit.xsd");
    let validated = |xml: &Path| {
        Command::new("xmllint")
            .arg("--noout")
            .arg("--schema")
            .arg(&schema)
            .arg(xml)
            .output()
            .unwrap()
    };
    let count = |xml: &Path, path: &str| {
        let output = Command::new("xmllint").args(["--xpath", path]).arg(xml).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let builtin = Path::new("first-rollout");
    for (source, cases, failures) in [(plan.as_path(), "4", "3"), (builtin, "4", "0")] {
        let xml = folder.path().join("fleet.xml");
        let ran: Output = Command::new(cargo_bin("kms-sim"))
            .args(["fleet", "run", "--junit"])
            .arg(&xml)
            .arg(source)
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(i32::from(failures != "0")), "{source:?}");
        let result = validated(&xml);
        let text = fs::read_to_string(&xml).unwrap();
        assert!(result.status.success(), "{}\n{text}", String::from_utf8_lossy(&result.stderr));
        assert_eq!(count(&xml, "count(//testcase)"), cases, "{text}");
        assert_eq!(count(&xml, "count(//failure)"), failures, "{text}");
        assert_eq!(count(&xml, "string(/testsuites/@failures)"), failures, "{text}");
    }
    let bad = folder.path().join("bad.xml");
    fs::write(&bad, "<testsuites><testcase/></testsuites>").unwrap();
    assert!(!validated(&bad).status.success(), "the schema refuses what it should");
}
