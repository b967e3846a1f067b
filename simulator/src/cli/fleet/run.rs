//! `kms-sim fleet run`: a scenario in virtual time, or over real sockets.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::formats::Formats;
use super::source;
use crate::fleet::engine::{self, Options};
use crate::fleet::scenario::Seconds;
use crate::fleet::wire::WireArm;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// A file, or a scenario that comes with the program (`kms-sim fleet list`).
    #[arg(value_name = "FILE|BUILTIN")]
    source: String,
    /// Seed of every random choice, instead of the scenario's own.
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Run only part I, from 0, of N; `fleet merge` puts the parts together. Sites that share a host
    /// stay together, so there may be parts with nothing to do.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<(u32, u32)>,
    /// How many threads run parts that have nothing to do with one another; 0: one for each processor.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=256))]
    threads: u16,
    /// Keep every event of this client, GROUP-NUMBER, or of all with `*`, for --client-events and
    /// --host-events.
    #[arg(long, value_name = "CLIENT")]
    trace: Vec<String>,
    /// Look at a client at a time since the start, as in `desks-7@30d`, for --dlv.
    #[arg(long, value_name = "CLIENT@TIME", value_parser = look)]
    look: Vec<(String, Seconds)>,
    /// Ask real hosts over real TCP and DNS, all on loopback in this process, instead of models. Time
    /// stands still during an exchange, so that the result is the same, exchange for exchange.
    #[arg(long)]
    wire: bool,
    #[command(flatten)]
    formats: Formats,
}

/// # Errors
/// There is no such scenario, it is wrong, or a client that is asked for does not exist.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let scenario = source::load(&arguments.source)?;
    let options = Options {
        seed: arguments.seed,
        shard: arguments.shard,
        threads: usize::from(arguments.threads),
        trace: arguments.trace,
        snapshots: arguments.look,
        progress: None,
    };
    let outcome = match arguments.wire {
        true => engine::run_with(&scenario, &options, &WireArm::start),
        false => engine::run(&scenario, &options),
    };
    let outcome =
        outcome.with_context(|| format!("cannot run `{}`", scenario.name.escape_debug()))?;
    arguments.formats.write(&scenario, &outcome)
}

fn shard(text: &str) -> Result<(u32, u32), String> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((part, parts)) if part < parts && parts <= SHARDS_MAX => Ok((part, parts)),
        _ => Err(format!("not I/N with I from 0 to N-1 and N up to {SHARDS_MAX}")),
    }
}

fn look(text: &str) -> Result<(String, Seconds), String> {
    let (client, at) = text.rsplit_once('@').ok_or("not CLIENT@TIME, such as `desks-7@30d`")?;
    at.parse().map(|at| (client.to_owned(), at)).map_err(|error| format!("`{at}` is {error}"))
}

const SHARDS_MAX: u32 = 100_000;

const EXAMPLES: &str = "Examples:
  kms-sim fleet run host-outage-200d
  kms-sim fleet run plan.toml --junit fleet.xml --html fleet.html   # exits 1 where an expectation breaks
  kms-sim fleet run first-rollout --wire --format json
  kms-sim fleet run plan.toml --shard 0/4 --format json -o shard-0.json
  kms-sim fleet run dns-outage --trace new-1 --client-events new-1.log --look new-1@20d --dlv new-1.txt";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn shards_count_from_nought_and_looks_name_a_time() {
        assert_eq!(shard("0/1"), Ok((0, 1)));
        assert_eq!(shard("99999/100000"), Ok((99_999, 100_000)));
        for text in ["", "1", "1/1", "0/0", "-1/2", "0/100001", "a/b"] {
            assert!(shard(text).is_err(), "{text}");
        }
        assert_eq!(look("desks-7@1d 12h"), Ok(("desks-7".to_owned(), Seconds::hours(36))));
        assert!(look("desks-7").is_err() && look("desks-7@soon").is_err());
    }
}
