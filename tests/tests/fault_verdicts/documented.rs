//! The table in the documentation is the one that is run.

use std::fmt::Write as _;
use std::fs;

use kms_tests::skip;

use super::cases::{DNS, HOST};

#[test]
fn the_documented_verdicts_are_the_ones_that_are_run() {
    let path = skip::workspace_root().join("docs/faults.md");
    let text = fs::read_to_string(&path).unwrap();
    let mut expected = String::from("| rule | `check` to depth | verdict |\n|---|---|---|\n");
    for case in HOST.iter().chain(DNS) {
        let rules: Vec<_> = case.rules.iter().map(|rule| format!("`{rule}`")).collect();
        let rules = if rules.is_empty() { "none".to_owned() } else { rules.join(" and ") };
        let verdicts: Vec<_> = case.expected.iter().map(|code| format!("`{code}`")).collect();
        let depth = case.depth.name();
        let version = match case.version {
            kms_protocol::kms::Version::V6 => String::new(),
            version => format!(", version {version}"),
        };
        writeln!(expected, "| {rules} | {depth}{version} | {} |", verdicts.join(" or ")).unwrap();
    }
    let missing = "docs/faults.md does not hold this table";
    assert!(text.contains(&expected), "{missing}:\n{expected}");
}
