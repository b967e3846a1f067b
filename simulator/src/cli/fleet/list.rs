//! `kms-sim fleet list`: the scenarios that come with the program.

use std::fmt::Write as _;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::output;
use crate::fleet::builtin::BUILTINS;
use crate::fleet::scenario::Scenario;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// A line each.
    #[default]
    Text,
    /// An array of objects for scripts.
    Json,
}

/// # Errors
/// Standard output cannot be written to.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut scenarios = Vec::new();
    for builtin in BUILTINS {
        let scenario = Scenario::from_toml(builtin.toml);
        scenarios.push(scenario.map_err(|_| anyhow!("`{}` is broken", builtin.name))?);
    }
    let text = match arguments.format {
        Format::Text => as_text(&scenarios)?,
        Format::Json => as_json(&scenarios)?,
    };
    output::print(text.as_bytes())
}

fn as_text(scenarios: &[Scenario]) -> anyhow::Result<String> {
    let width = scenarios.iter().map(|scenario| scenario.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for scenario in scenarios {
        writeln!(text, "{:width$}  {}", scenario.name, scenario.title)?;
    }
    Ok(text)
}

fn as_json(scenarios: &[Scenario]) -> anyhow::Result<String> {
    let rows: Vec<_> = scenarios
        .iter()
        .map(|scenario| {
            json!({
                "name": scenario.name,
                "title": scenario.title,
                "teaches": scenario.teaches,
                "clients": scenario.groups.iter().map(|group| u64::from(group.count)).sum::<u64>(),
                "duration_s": scenario.duration.0,
            })
        })
        .collect();
    Ok(serde_json::to_string_pretty(&rows)? + "\n")
}

const EXAMPLES: &str = "Examples:
  kms-sim fleet list
  kms-sim fleet list --format json";
