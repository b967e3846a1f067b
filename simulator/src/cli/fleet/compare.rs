//! `kms-sim fleet compare`: what is different between two runs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{formats, result};
use crate::cli::output;
use crate::fleet::compare::Compare;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// What `fleet run --format json` or `fleet merge --format json` printed.
    #[arg(value_name = "A")]
    one: String,
    /// The same of another scenario, or another seed.
    #[arg(value_name = "B")]
    other: String,
    /// What is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Also write a page with both runs in each plot.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// A table for people.
    #[default]
    Text,
    /// An object for scripts.
    Json,
}

/// # Errors
/// A file holds no run, or the output cannot be written to.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (one, one_outcome) = result::load(&arguments.one)?;
    let (other, other_outcome) = result::load(&arguments.other)?;
    let compare = Compare::of(
        (&arguments.one, &one, &one_outcome),
        (&arguments.other, &other, &other_outcome),
    );
    if let Some(path) = &arguments.html {
        formats::write(path, compare.html().as_bytes())?;
    }
    match arguments.format {
        Format::Text => output::print(compare.text()?.as_bytes()),
        Format::Json => output::print(compare.json()?.as_bytes()),
    }
}

const EXAMPLES: &str = "Examples:
  kms-sim fleet compare today.json with-second-host.json
  kms-sim fleet compare today.json with-second-host.json --html what-if.html";
