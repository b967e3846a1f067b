//! The program as people and scripts use it: output, exit codes, messages.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "cli/commands.rs"]
mod commands;
#[path = "cli/config.rs"]
mod config;
#[path = "cli/discovered.rs"]
mod discovered;
#[path = "cli/measure.rs"]
mod measure;
#[path = "cli/output.rs"]
mod output;

use std::process::Output;

use assert_cmd::Command;

/// A run of the program.
fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kms-probe"))
        .args(arguments)
        .env_remove("NO_COLOR")
        // No test depends on a file of whoever runs it.
        .env("KMS_PROBE_CONFIG", "")
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}
