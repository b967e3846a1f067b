//! The skip harness itself: a skip is counted, and refused where tools are required.
//!
//! Both need other environment variables than this process has, so each test runs this very test
//! binary again, for the one test that skips.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use kms_tests::skip::{self, Need};

#[test]
#[ignore = "run by the other tests in this file"]
fn needs_an_absent_program() {
    assert!(!skip::require("needs_an_absent_program", &[Need::Tool("kms-no-such-program")]));
}

#[test]
fn a_skip_is_printed_and_appended_to_the_log() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = run_the_skipping_test("0", log.path().as_os_str());
    assert!(output.status.success());
    let expected = "SKIPPED: needs_an_absent_program: program `kms-no-such-program` is absent\n";
    assert_eq!(std::fs::read_to_string(log.path()).unwrap(), expected);
    assert!(String::from_utf8(output.stderr).unwrap().contains(expected));
}

#[test]
fn a_skip_fails_where_tools_are_required() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = run_the_skipping_test("1", log.path().as_os_str());
    assert!(!output.status.success());
    assert!(std::fs::read_to_string(log.path()).unwrap().is_empty());
}

#[test]
fn a_need_that_is_met_skips_nothing() {
    assert!(skip::require("a_need_that_is_met_skips_nothing", &[Need::Tool("sh")]));
}

fn run_the_skipping_test(require_tools: &str, log: &std::ffi::OsStr) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "needs_an_absent_program", "--ignored"])
        .env("KMS_TESTS_REQUIRE_TOOLS", require_tools)
        .env("KMS_TESTS_SKIP_LOG", log)
        .output()
        .unwrap()
}
