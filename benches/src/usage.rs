//! What one run of a program takes: time from spawn to exit, processor time, and memory at its peak.
//!
//! The kernel keeps the peak of the largest child only, so each run has a parent of its own: this
//! harness again, in the role [`measure_command`].

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// From spawn to exit.
    pub elapsed: Duration,
    /// Processor time, of the program and of the kernel for it.
    pub processor: Duration,
    /// Resident memory at its peak, in bytes.
    pub peak_bytes: u64,
    /// The exit code.
    pub code: i64,
}

/// Runs `command` and returns what it took. Its output is dropped.
///
/// # Errors
/// When it cannot be run, or is killed.
pub fn of(command: &Command) -> Result<Usage> {
    let mut parent = Command::new(std::env::current_exe()?);
    parent.arg("measure-command").arg(command.get_program()).args(command.get_args());
    let output = parent.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{command:?} cannot be measured: {}", output.status);
    parse(&output.stdout).with_context(|| format!("{command:?}"))
}

fn parse(report: &[u8]) -> Result<Usage> {
    let report: Value = serde_json::from_slice(report)?;
    let number = |name: &str| report[name].as_u64().with_context(|| format!("no {name}"));
    Ok(Usage {
        elapsed: Duration::from_micros(number("elapsed_us")?),
        processor: Duration::from_micros(number("processor_us")?),
        peak_bytes: number("peak_bytes")?,
        code: report["code"].as_i64().context("killed by a signal")?,
    })
}

/// The role of a parent of one command: runs it and prints what it took.
///
/// # Errors
/// When it cannot be run.
pub fn measure_command(command: &[OsString]) -> Result<()> {
    let (program, arguments) = command.split_first().context("no command")?;
    let begin = Instant::now();
    let mut child = Command::new(program);
    child.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = child.status().with_context(|| format!("{child:?}"))?;
    let elapsed = begin.elapsed();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    let report = json!({
        "elapsed_us": u64::try_from(elapsed.as_micros())?,
        "processor_us": micros(usage.user_time()) + micros(usage.system_time()),
        // Linux counts in kibibytes, getrusage(2).
        "peak_bytes": usage.max_rss() * 1024,
        "code": status.code(),
    });
    writeln!(io::stdout(), "{report}").context("write the result")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_report_reads_back_and_a_killed_run_is_none() {
        let report = br#"{"elapsed_us": 7, "processor_us": 5, "peak_bytes": 4096, "code": 1}"#;
        let usage = parse(report).unwrap();
        assert_eq!((usage.elapsed.as_micros(), usage.peak_bytes, usage.code), (7, 4096, 1));
        let killed = br#"{"elapsed_us": 7, "processor_us": 5, "peak_bytes": 4096, "code": null}"#;
        assert!(parse(killed).unwrap_err().to_string().contains("signal"));
    }
}
