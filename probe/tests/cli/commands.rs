//! Commands that need no network but loopback.

use std::io::Read as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{code, run, stderr, stdout};
use crate::support::assert_valid;

#[test]
fn the_lab_gives_every_expected_verdict_and_ends_by_itself() {
    let output = run(&["lab"]);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{text}{}", stderr(&output));
    for expected in [
        "OK kms.ok  lab.test -> kms1.lab.test:",
        "filled to 25 beforehand",
        "CRITICAL tcp.refused",
        "CRITICAL bind.timeout",
        "CRITICAL dns.nxdomain",
        "CRITICAL bind.not_rpc",
        "0xC004F06C",
        "WARNING kms.count_low",
        "0x8007232B",
        "7 of 7 verdicts as expected.",
    ] {
        assert!(text.contains(expected), "no {expected:?} in:\n{text}");
    }
    assert!(!text.contains("NOT as expected"));
    assert!(!text.contains('\u{1b}'), "no colour in a pipe");
}

#[test]
fn the_lab_as_json_holds_valid_reports() {
    let output = run(&["lab", "--format", "json"]);
    assert_eq!(code(&output), 0);
    let tour: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(tour["as_expected"], true);
    let steps = tour["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 7);
    for step in steps {
        assert_valid(&step["check"]);
        assert_eq!(step["expected"], step["got"]);
        assert_eq!(step["check"]["verdict"], step["got"]);
    }
}

#[test]
fn a_code_explains_itself_in_every_form_and_a_negative_one_is_no_flag() {
    for text in ["0xC004F074", "C004F074", "-1073418124", "SL_E_VL_BINDING_SERVICE_UNAVAILABLE"] {
        let output = run(&["explain", text]);
        assert_eq!(code(&output), 0, "{text}");
        assert!(stdout(&output).starts_with("0xC004F074  SL_E_VL_BINDING_SERVICE_UNAVAILABLE"));
    }
    let output = run(&["explain", "0x1C010002"]);
    assert!(stdout(&output).contains("nca_s_op_rng_error"));
    let output = run(&["explain", "TCP.timeout"]);
    assert!(stdout(&output).contains("filtered"), "{}", stdout(&output));
    assert!(stdout(&output).contains("0x800706BA in event 12288"));
}

#[test]
fn an_unknown_code_says_so_takes_the_number_apart_and_exits_1() {
    let output = run(&["explain", "0x80070002"]);
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("in no table here"));
    assert!(stdout(&output).contains("Win32 error 2"));
    assert_eq!(code(&run(&["explain", "no.such_verdict"])), 1);
}

#[test]
fn an_explanation_as_json_carries_the_same() {
    let output = run(&["explain", "1722", "--format", "json"]);
    assert_eq!(code(&output), 0);
    let explanation: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(explanation["schema_version"], 1);
    assert_eq!(explanation["number"], "0x000006BA");
    assert_eq!(explanation["matches"][0]["code"], "0x800706BA");
    let output = run(&["explain", "0xC0041234", "--format", "json"]);
    assert_eq!(code(&output), 1);
    let explanation: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(explanation["matches"], serde_json::json!([]));
    assert_eq!(explanation["decoded"]["is_failure"], true);
}

#[test]
fn help_shows_worked_examples_for_every_command() {
    for command in ["check", "measure", "discover", "explain", "lab", "completions", "man"] {
        let output = run(&[command, "--help"]);
        assert_eq!(code(&output), 0);
        let examples = stdout(&output).split_once("Examples:").unwrap().1;
        let count = examples.matches(&format!("kms-probe {command}")).count();
        assert!(count >= 2, "{command}: {examples}");
    }
    assert_eq!(
        stdout(&run(&["--version"])),
        concat!("kms-probe ", env!("CARGO_PKG_VERSION"), "\n")
    );
    let output = run(&[]);
    assert_eq!(code(&output), 2, "no command is a mistake");
    assert!(stderr(&output).contains("Usage:"));
}

#[test]
fn completions_and_manual_pages_are_generated() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).contains("--resolver") || stdout(&output).contains("resolver"));
    }
    let output = run(&["man"]);
    assert!(stdout(&output).contains(".TH kms-probe 1"));
    let output = run(&["man", "check"]);
    assert!(stdout(&output).contains(".TH kms-probe-check 1"), "{}", stdout(&output));
    assert!(stdout(&output).contains("\\-\\-lab\\-key"));
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kms-probe"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(errors, "");
}

#[test]
fn the_help_keeps_options_of_depth_kms_apart_from_those_of_every_check() {
    let output = run(&["check", "--help"]);
    let (every_check, depth_kms) = stdout(&output).split_once("Options of --depth kms:").unwrap();
    for option in ["--depth", "--resolver", "--timeout", "--fail-on", "--format"] {
        assert!(every_check.contains(&format!("{option} <")), "{option}");
    }
    for option in ["--lab-key", "--expect-lab", "--kms-version", "--product"] {
        assert!(depth_kms.contains(option), "{option}");
    }
}
