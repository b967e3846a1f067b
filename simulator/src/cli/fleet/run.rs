//! `kms-sim fleet run`: a scenario in virtual time, or over real sockets.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::formats::Formats;
use super::progress::Meter;
use super::source;
use crate::cli::output;
use crate::fleet::engine::{self, Options};
use crate::fleet::scenario::{Scenario, Seconds};
use crate::fleet::wire::WireArm;
use crate::fleet::wire::free::{self, SCALE_MAX};

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
    /// With --wire: let time go X times as fast as the machine's instead, with all clients at once on
    /// sockets, and compare the result with virtual time. A run for which the machine is too slow is
    /// invalid: it shows no result and exits with 2.
    #[arg(long, value_name = "X", requires = "wire", conflicts_with_all = ["shard", "look"], value_parser = clap::value_parser!(u32).range(1..=i64::from(SCALE_MAX)))]
    time_scale: Option<u32>,
    #[command(flatten)]
    formats: Formats,
}

/// # Errors
/// There is no such scenario, it is wrong, or a client that is asked for does not exist.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let scenario = source::load(&arguments.source)?;
    if let Some(scale) = arguments.time_scale {
        return run_free(&scenario, arguments, scale);
    }
    let meter = Meter::new(&scenario);
    let options = Options {
        seed: arguments.seed,
        shard: arguments.shard,
        threads: usize::from(arguments.threads),
        trace: arguments.trace,
        snapshots: arguments.look,
        progress: meter.listener(),
    };
    let outcome = match arguments.wire {
        true => engine::run_with(&scenario, &options, &WireArm::start),
        false => engine::run(&scenario, &options),
    };
    meter.end();
    let outcome =
        outcome.with_context(|| format!("cannot run `{}`", scenario.name.escape_debug()))?;
    arguments.formats.write(&scenario, &outcome)
}

/// Runs on a clock that goes. The exit code is 1 as well where the run is not that of virtual time.
fn run_free(scenario: &Scenario, arguments: Arguments, scale: u32) -> anyhow::Result<ExitCode> {
    let options = free::Options { seed: arguments.seed, scale, trace: arguments.trace };
    let rehearsed = free::rehearse(scenario, &options);
    let (free, agreement) =
        rehearsed.with_context(|| format!("cannot run `{}`", scenario.name.escape_debug()))?;
    let judged = arguments.formats.write(scenario, &free.outcome)?;
    output::note(&format!(
        "free-running at {scale}: valid, at most {} simulated seconds late; clients as in virtual \
         time: {}, parting where the world changes: {}, compared in sums: {}, differences: {}",
        free.latest_s,
        agreement.alike,
        agreement.excused,
        agreement.in_sums,
        agreement.differences.len(),
    ));
    for difference in &agreement.differences {
        output::note(difference);
    }
    Ok(if agreement.differences.is_empty() { judged } else { ExitCode::from(DIFFERENT) })
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

/// Exit code of a run that differs from virtual time.
const DIFFERENT: u8 = 1;
const SHARDS_MAX: u32 = 100_000;

const EXAMPLES: &str = "Examples:
  kms-sim fleet run host-outage-200d
  kms-sim fleet run plan.toml --junit fleet.xml --html fleet.html   # exits 1 where an expectation breaks
  kms-sim fleet run first-rollout --wire --format json
  kms-sim fleet run first-rollout --wire --time-scale 7200   # five days in a minute
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
