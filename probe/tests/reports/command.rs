//! `check --format` and `--output` as scripts and monitoring use them.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;

pub(crate) fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kms-probe")).args(arguments).output().unwrap()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_format_is_written_and_exits_as_the_check_does() {
    for (format, start) in [
        ("text", "CRITICAL tcp.refused"),
        ("json", "{\n  \"schema_version\": 1"),
        ("ndjson", "{\"schema_version\":1"),
        ("junit", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites"),
        ("html", "<!DOCTYPE html>"),
        ("prometheus", "# HELP kms_probe_info"),
    ] {
        let output = run(&["check", "127.0.0.1:1", "--format", format]);
        assert_eq!(code(&output), 1, "{format}");
        assert!(stdout(&output).starts_with(start), "{format}: {}", stdout(&output));
        assert!(output.stderr.is_empty());
    }
    let output = run(&["check", "127.0.0.1:1", "--format", "nagios"]);
    assert_eq!(code(&output), 2, "critical");
    assert!(stdout(&output).starts_with("KMS CRITICAL - tcp.refused 127.0.0.1:1: "));
    assert!(stdout(&output).contains("|tcp_time=0."), "{}", stdout(&output));
}

#[test]
fn a_plugin_that_cannot_check_is_unknown_on_standard_output() {
    for arguments in [
        &["check", "kms1:0", "--format", "nagios"][..],
        &["check", "--fast", "--format=nagios"],
        &["check", "127.0.0.1:1", "--timeout", "soon", "--format=nagios"],
    ] {
        let output = run(arguments);
        assert_eq!(code(&output), 3, "{arguments:?}");
        assert!(stdout(&output).starts_with("KMS UNKNOWN - "), "{}", stdout(&output));
        assert_eq!(stdout(&output).lines().count(), 1);
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn a_report_in_a_file_is_there_whole_and_alone() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("kms.prom");
    std::fs::write(&place, "old").unwrap();
    let path = place.to_str().unwrap();
    let output = run(&["check", "127.0.0.1:1", "--format", "prometheus", "--output", path]);
    assert_eq!(code(&output), 1);
    assert_eq!(stdout(&output), "");
    let written = std::fs::read_to_string(&place).unwrap();
    assert!(written.starts_with("# HELP kms_probe_info") && written.ends_with('\n'));
    assert_eq!(names(folder.path()), ["kms.prom"]);
}

#[test]
fn a_place_that_cannot_be_written_is_known_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing/kms.prom");
    // Nobody answers there: a check that began would take its timeout.
    let target = ["check", "192.0.2.1", "--timeout", "1h"];
    for place in [missing.as_path(), folder.path()] {
        let output = run(&[&target[..], &["--output", place.to_str().unwrap()]].concat());
        assert_eq!(code(&output), 2);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(errors.starts_with("error: --output: cannot write `"), "{errors}");
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_device_is_written_to_and_not_replaced() {
    let output = run(&["check", "127.0.0.1:1", "--output", "/dev/null"]);
    assert_eq!(code(&output), 1);
    use std::os::unix::fs::FileTypeExt as _;
    assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}
