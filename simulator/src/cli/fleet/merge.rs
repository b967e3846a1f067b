//! `kms-sim fleet merge`: shards of a run as the whole.

use std::process::ExitCode;

use clap::Args;

use super::formats::Formats;
use super::result;
use crate::fleet::merge;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// What `fleet run --shard I/N --format json` printed, a file for each I from 0 to N-1.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    #[command(flatten)]
    formats: Formats,
}

/// # Errors
/// A file is no shard, or the files do not add up to a run.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let shards = arguments.files.iter().map(|file| {
        let (scenario, outcome) = result::load(file)?;
        Ok((file.escape_debug().to_string(), scenario, outcome))
    });
    let (scenario, outcome) = merge::merge(shards.collect::<anyhow::Result<_>>()?)?;
    arguments.formats.write(&scenario, &outcome)
}

const EXAMPLES: &str = "Examples:
  kms-sim fleet merge shard-*.json
  kms-sim fleet merge shard-*.json --format json > whole.json   # as the unsharded run prints it
  kms-sim fleet merge shard-*.json --junit fleet.xml --html fleet.html";
