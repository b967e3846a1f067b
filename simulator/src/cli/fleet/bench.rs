//! `kms-sim fleet bench`: how fast fleets run on this machine.

use clap::{Args, ValueEnum};

use crate::cli::output;
use crate::fleet::bench::{self, SITES_MAX};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// Clients, all activated.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    clients: u32,
    /// Days of simulated time.
    #[arg(long, value_name = "D", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
    /// Sites with a host each, over which the clients are spread and which can run in parallel.
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(SITES_MAX)))]
    sites: u32,
    /// Threads; 0: one for each processor.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(..=256))]
    threads: u16,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people.
    #[default]
    Text,
    /// An object for scripts.
    Json,
}

/// # Errors
/// Standard output cannot be written to.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let threads = usize::from(arguments.threads);
    let measured = bench::run(arguments.clients, arguments.days, arguments.sites, threads)?;
    let text = match arguments.format {
        Format::Json => serde_json::to_string_pretty(&measured)? + "\n",
        Format::Text => format!(
            "{} clients over {} days: {} renewals, {} events\n\
             {:.2} s, {:.0} renewals a second, {} bytes a client\ntrace hash {}\n",
            measured.clients,
            measured.days,
            measured.renewals,
            measured.events,
            measured.wall_s,
            measured.renewals_per_s,
            measured.bytes_per_client.map_or("?".to_owned(), |bytes| format!("{bytes:.0}")),
            measured.trace_hash,
        ),
    };
    output::print(text.as_bytes())
}

const EXAMPLES: &str = "Examples:
  kms-sim fleet bench
  kms-sim fleet bench --clients 10000000 --days 365 --sites 8 --threads 0 --format json";
