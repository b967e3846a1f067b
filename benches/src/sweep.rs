//! `kms-probe sweep` beside `nmap -sT` on the same list: a third of the targets drop the SYN.
//!
//! Both look at the TCP handshake. They differ in patience: `sweep` waits the whole timeout, twice
//! for what is silent; nmap learns from the answers how long a wait makes sense, at least 100 ms. So
//! the list is also swept with a timeout of 100 ms.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::child::Server;
use crate::network::{Network, write_targets};
use crate::suite::median;
use crate::usage::{self, Usage};

/// One way of looking at the list.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// As printed.
    pub name: &'static str,
    /// Which program.
    pub tool: Tool,
    /// Its options, beside those that every run has.
    pub options: &'static [&'static str],
    /// The time that is aimed at for 10,000 targets, at most, in seconds.
    pub bar_s: Option<f64>,
}

/// A program that looks at a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// `kms-probe sweep`.
    Sweep,
    /// `nmap -sT -Pn -n -p1688 --max-retries 1`.
    Nmap,
}

/// What the ways took.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Targets of the list.
    pub targets: usize,
    /// Of these, how many answer.
    pub open: usize,
    /// Each way with its runs.
    pub ways: Vec<(Way, Vec<Usage>)>,
}

impl Sweep {
    /// Median time of a way, in seconds; not a number where it was not run.
    #[must_use]
    pub fn seconds(&self, name: &str) -> f64 {
        let found = self.ways.iter().find(|(way, _)| way.name == name);
        median(found.into_iter().flat_map(|(_, runs)| runs).map(|run| run.elapsed.as_secs_f64()))
    }
}

/// Memory at its peak over all runs of a way, in MiB.
#[must_use]
pub fn peak_mib(runs: &[Usage]) -> f64 {
    runs.iter().map(|run| run.peak_bytes).max().unwrap_or(0) as f64 / (1024.0 * 1024.0)
}

/// Looks at a list of `targets` addresses in every way, `rounds` times.
///
/// # Errors
/// When there is no network namespace to be had, or a tool counts wrongly: then its time means
/// nothing.
pub fn measure(
    kms_sim: &Path,
    kms_probe: &Path,
    targets: usize,
    rounds: usize,
    progress: &mut dyn FnMut(&str),
) -> Result<Sweep> {
    let network = Network::new().context("a network namespace with a filter")?;
    let folder = tempfile::tempdir()?;
    let list = folder.path().join("targets.txt");
    let open = write_targets(&list, targets)?;
    let everywhere = "0.0.0.0:1688".parse()?;
    let server = || Server::kms_sim_at(kms_sim, everywhere, &["--log-level", "warn"], None);
    let _server = network.inside(server)?;
    let has_nmap = Command::new("nmap").arg("--version").output().is_ok();
    let ways = WAYS.iter().filter(|way| way.tool == Tool::Sweep || has_nmap);
    let mut ways: Vec<(Way, Vec<Usage>)> = ways.map(|way| (*way, Vec::new())).collect();
    for round in 0..rounds {
        for (way, runs) in &mut ways {
            progress(&format!("sweep, round {} of {rounds}: {}", round + 1, way.name));
            let output = folder.path().join("output");
            let command = command(way, kms_probe, &list, &output);
            let usage = network.inside(|| usage::of(&command))?;
            let content = fs::read_to_string(&output).with_context(|| format!("{command:?}"))?;
            let found = counts(way.tool, &content);
            let expected = (open, targets - open);
            ensure!(found == expected, "{command:?} counts {found:?}, not {expected:?}");
            runs.push(usage);
        }
    }
    Ok(Sweep { targets, open, ways })
}

fn command(way: &Way, kms_probe: &Path, list: &PathBuf, output: &PathBuf) -> Command {
    match way.tool {
        Tool::Sweep => {
            let mut command = Command::new(kms_probe);
            command.arg("sweep").arg(list).args(way.options);
            command.args(["--quiet", "--format", "csv", "--output"]).arg(output);
            command
        }
        Tool::Nmap => {
            let mut command = Command::new("nmap");
            command.args(["-sT", "-Pn", "-n", "-p1688", "--max-retries", "1"]).args(way.options);
            command.arg("-iL").arg(list).arg("-oG").arg(output);
            command
        }
    }
}

/// How many targets answered and how many did not, in a tool's own output.
fn counts(tool: Tool, output: &str) -> (usize, usize) {
    let count = |wanted: &[&str]| {
        let has = |line: &&str| wanted.iter().any(|part| line.contains(part));
        output.lines().filter(has).count()
    };
    match tool {
        Tool::Sweep => (count(&[",tcp.ok,", ",rpc.ok,"]), count(&[",tcp.timeout,"])),
        Tool::Nmap => (count(&["1688/open/"]), count(&["1688/filtered/"])),
    }
}

/// What `sweep` is compared with.
pub const NMAP_DEFAULT: &str = "nmap -sT";
/// The same, as fast as it goes without losing answers.
pub const NMAP_TUNED: &str = "nmap -sT, tuned";
/// The TCP stage with the defaults of `sweep`.
pub const SWEEP_TCP: &str = "sweep --depth tcp";
/// The same with nmap's patience.
pub const SWEEP_TUNED: &str = "sweep --depth tcp, tuned";

const WAYS: [Way; 6] = [
    Way { name: "sweep", tool: Tool::Sweep, options: &[], bar_s: Some(30.0) },
    Way { name: SWEEP_TCP, tool: Tool::Sweep, options: &["--depth", "tcp"], bar_s: None },
    Way { name: NMAP_DEFAULT, tool: Tool::Nmap, options: &[], bar_s: None },
    Way { name: "nmap -sT -T4", tool: Tool::Nmap, options: &["-T4"], bar_s: None },
    Way {
        name: SWEEP_TUNED,
        tool: Tool::Sweep,
        options: &["--depth", "tcp", "--timeout", "100ms"],
        bar_s: None,
    },
    Way {
        name: NMAP_TUNED,
        tool: Tool::Nmap,
        options: &["-T4", "--min-parallelism", "1000", "--min-hostgroup", "4096"],
        bar_s: None,
    },
];

/// Memory at its peak that is aimed at, at most, in MiB.
pub const PEAK_BAR_MIB: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_silence_are_counted_in_the_output_of_each_tool() {
        let csv = "row,verdict\n1,2,,10.64.0.2,tcp.ok,ok\n2,3,,10.65.0.1,tcp.timeout,critical\n";
        assert_eq!(counts(Tool::Sweep, csv), (1, 1));
        let grepable = "Host: 10.64.0.2 ()\tPorts: 1688/open/tcp//nsjtp-data///\n\
                        Host: 10.65.0.1 ()\tPorts: 1688/filtered/tcp//nsjtp-data///\n\
                        Host: 10.65.0.4 ()\tPorts: 1688/filtered/tcp//nsjtp-data///\n";
        assert_eq!(counts(Tool::Nmap, grepable), (1, 2));
    }

    #[test]
    fn a_way_that_was_not_run_has_no_time() {
        let sweep = Sweep { targets: 1, open: 1, ways: Vec::new() };
        assert!(sweep.seconds(NMAP_DEFAULT).is_nan());
    }
}
