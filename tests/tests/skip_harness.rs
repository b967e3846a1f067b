//! The skip harness itself: a skip is counted, and refused where tools are required.
//!
//! Both need other environment variables than this process has, so a test runs this very test
//! binary again, for itself alone and with `INNER` set.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::env;
use std::process::{Command, Output};

use kms_tests::skip::{self, Need};

#[test]
fn a_skip_is_printed_and_appended_to_the_log() {
    const NAME: &str = "a_skip_is_printed_and_appended_to_the_log";
    if is_inner() {
        assert!(!skip::require(NAME, &[Need::Tool("kms-no-such-program")]));
        return;
    }
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = run_inner(NAME, "0", log.path());
    assert!(output.status.success());
    let expected = format!("SKIPPED: {NAME}: program `kms-no-such-program` is absent\n");
    assert_eq!(std::fs::read_to_string(log.path()).unwrap(), expected);
    assert!(String::from_utf8(output.stderr).unwrap().contains(&expected));
}

#[test]
fn a_skip_fails_where_tools_are_required() {
    const NAME: &str = "a_skip_fails_where_tools_are_required";
    if is_inner() {
        assert!(skip::require(NAME, &[Need::Tool("kms-no-such-program")]));
        return;
    }
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = run_inner(NAME, "1", log.path());
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("nothing may be skipped"));
    assert!(std::fs::read_to_string(log.path()).unwrap().is_empty());
}

#[test]
fn a_need_that_is_met_skips_nothing() {
    assert!(skip::require("a_need_that_is_met_skips_nothing", &[Need::Tool("sh")]));
}

const INNER: &str = "KMS_TESTS_SKIP_HARNESS_INNER";

fn is_inner() -> bool {
    env::var_os(INNER).is_some()
}

fn run_inner(test: &str, require_tools: &str, log: &std::path::Path) -> Output {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", test])
        .env(INNER, "1")
        .env("KMS_TESTS_REQUIRE_TOOLS", require_tools)
        .env("KMS_TESTS_SKIP_LOG", log)
        .output()
        .unwrap()
}
