//! `kms-sim fleet check`: whether scenarios are right.

use std::fmt::Write as _;

use anyhow::anyhow;
use clap::Args;

use super::source;
use crate::cli::output;
use crate::fleet::scenario::Scenario;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// Files, or names of scenarios that come with the program.
    #[arg(required = true, value_name = "FILE|BUILTIN")]
    sources: Vec<String>,
}

/// # Errors
/// What is wrong with the files, all of them.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut good = String::new();
    let mut bad = Vec::new();
    for name in &arguments.sources {
        match source::load(name) {
            Ok(scenario) => writeln!(good, "{}", describe(name, &scenario))?,
            Err(error) => bad.push(format!("{error:#}")),
        }
    }
    output::print(good.as_bytes())?;
    if bad.is_empty() { Ok(()) } else { Err(anyhow!(bad.join("\n"))) }
}

/// What the scenario holds, in one line.
fn describe(name: &str, scenario: &Scenario) -> String {
    let clients: u64 = scenario.groups.iter().map(|group| u64::from(group.count)).sum();
    format!(
        "{}: no mistake; {} over {}: {}, {}, {}, {}, {}",
        name.escape_debug(),
        counted(clients, "client"),
        scenario.duration,
        counted(scenario.groups.len() as u64, "group"),
        counted(scenario.sites.len() as u64, "site"),
        counted(scenario.hosts.len() as u64, "host"),
        counted(scenario.changes.len() as u64, "change"),
        counted(scenario.expectations.len() as u64, "expectation"),
    )
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

const EXAMPLES: &str = "Examples:
  kms-sim fleet check plan.toml
  kms-sim fleet check scenarios/*.toml && echo all are right";
