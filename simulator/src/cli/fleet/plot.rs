//! `kms-sim fleet plot`: the course of a scenario as a picture.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::{formats, source};
use crate::cli::output;
use crate::fleet::engine::{self, Options};
use crate::fleet::report::{Report, Shown};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// A file, or a scenario that comes with the program (`kms-sim fleet list`).
    #[arg(value_name = "FILE|BUILTIN")]
    source: String,
    /// Seed of every random choice, instead of the scenario's own.
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
    /// What is drawn, from the top.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [What::States, What::Requests])]
    show: Vec<What>,
    /// Write it to a file instead of printing it.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Clients by licence state over time.
    States,
    /// Requests per minute at each host.
    Requests,
    /// Requests since the start at each host.
    RequestsTotal,
    /// The count at each host against the thresholds.
    Count,
    /// Times from first start to first activation.
    FirstActivation,
}

impl From<What> for Shown {
    fn from(what: What) -> Self {
        match what {
            What::States => Self::States,
            What::Requests => Self::Requests,
            What::RequestsTotal => Self::RequestsTotal,
            What::Count => Self::Count,
            What::FirstActivation => Self::FirstActivation,
        }
    }
}

/// # Errors
/// There is no such scenario, it is wrong, or the file cannot be written.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let scenario = source::load(&arguments.source)?;
    let options = Options { seed: arguments.seed, ..Options::default() };
    let outcome = engine::run(&scenario, &options)
        .with_context(|| format!("cannot run `{}`", scenario.name.escape_debug()))?;
    let shown: Vec<Shown> = arguments.show.iter().copied().map(Shown::from).collect();
    let picture = Report::of(&scenario, &outcome).svg(&shown);
    match &arguments.output {
        Some(path) => formats::write(path, picture.as_bytes()),
        None => output::print(picture.as_bytes()),
    }
}

const EXAMPLES: &str = "Examples:
  kms-sim fleet plot host-outage-200d > outage.svg
  kms-sim fleet plot plan.toml --show states,count -o plan.svg";
