//! `kms-probe measure`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::args::{Depth, KmsArgs, ResolverArgs, TimeoutArgs};
use super::emit::Destination;
use super::origin::OriginArgs;
use super::{Outcome, kms_options, targets, timeouts, values, write_text};
use crate::check;
use crate::measure::live::Live;
use crate::measure::sample::Span;
use crate::measure::schedule::{COUNT_DEFAULT, COUNT_MAX, RATE_DEFAULT, Rate, Schedule};
use crate::measure::stop::Stop;
use crate::measure::{self, Entry, Objective, Options, Report};
use crate::platform::signals;
use crate::report::{Style, json};

/// `measure`.
#[derive(Debug, Args)]
#[command(after_help = "\
A TARGET is what it is for `check`: an address, `[v6]` or anything with a `:port` is a host; a bare
name is a domain whose KMS hosts are looked up by SRV, or a host with --host. Every endpoint found
is measured, one after the other.

Exchanges begin at the rate, whatever became of those before; latencies count from the actual start,
and where this tool itself began late, the report says so. It opens 64 connections at the same time
at most, and makes 1000 exchanges a second and 1000000 in all at most. Ctrl-C ends a measurement
early and reports what there is.

Examples:
  kms-probe measure corp.example.com
  kms-probe measure 192.0.2.10 --duration 10m --rate 2/s --format html --output kms1.html
  kms-probe measure 192.0.2.10 --keep-alive --count 1000 --rate 50/s --slo p99=20ms
  kms-probe measure corp.example.com --max-loss 1 --slo tcp:p50=5ms --format json --hlog kms.hlog

Exit codes: 0 nothing more was lost than may be and every objective was met, 1 otherwise, 2 usage or
this program's own failure.")]
pub(super) struct MeasureArgs {
    /// Hosts and domains to measure
    #[arg(value_name = "TARGET", required = true)]
    targets: Vec<String>,
    /// Take bare names as hosts (port 1688), not as domains
    #[arg(long)]
    host: bool,
    /// Exchanges to make; 100 unless --duration is given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=COUNT_MAX))]
    count: Option<u64>,
    /// Time in which exchanges begin: `30s`, `10m`; with --count, whichever ends first
    #[arg(long, value_name = "DURATION", value_parser = values::duration, allow_hyphen_values = true)]
    duration: Option<Duration>,
    /// How often an exchange begins: `10/s`, `30/min`, `60/h`
    #[arg(long, value_name = "N/UNIT", default_value_t = RATE_DEFAULT, allow_hyphen_values = true)]
    rate: Rate,
    /// Keep one connection and repeat the call on it, instead of a new connection for each exchange
    #[arg(long)]
    keep_alive: bool,
    /// Last stage to run. `kms` sends lab-keyed requests, which a genuine host refuses and may log
    #[arg(long, value_enum, default_value_t = Depth::Rpc)]
    depth: Depth,
    /// Exchanges that may be lost, in percent, before the exit code is 1
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "0", allow_hyphen_values = true)]
    max_loss: f64,
    /// Latency that is wanted, or the exit code is 1: `p99=20ms` of the whole exchange, `tcp:p50=2ms`
    /// of a stage; may be repeated
    #[arg(long = "slo", value_name = "[STAGE:]pN=TIME", value_parser = objective)]
    objectives: Vec<Objective>,
    #[command(flatten)]
    origin: OriginArgs,
    #[command(flatten)]
    resolvers: ResolverArgs,
    #[command(flatten)]
    timeouts: TimeoutArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// File to write the report to, whole or not at all, in place of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the latencies to this file as an HdrHistogram interval log, tagged by stage
    #[arg(long, value_name = "FILE")]
    hlog: Option<PathBuf>,
    // Last, since its heading in the help holds for all that follows.
    #[command(flatten)]
    kms: KmsArgs,
}

/// Output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Html,
}

/// Runs `measure`.
pub(super) fn run(args: &MeasureArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let options = options(args)?;
    options.validate().map_err(anyhow::Error::msg)?;
    let targets = targets(&args.targets, args.host, &options.check)?;
    // Opened before the first exchange, so that none is made for want of a folder.
    let mut nowhere = [io::sink(), io::sink()];
    let [first, second] = &mut nowhere;
    let output = open("--output", args.output.as_deref(), first)?;
    let log = open("--hlog", args.hlog.as_deref(), second)?;
    let stop = Arc::new(Stop::default());
    let asked = Arc::clone(&stop);
    // What was measured until then is reported.
    signals::on_first(move || asked.request()).context("cannot listen for signals")?;
    let style = Style::of_stdout();
    let streams = args.format == Format::Text && output.is_none();
    let (mut live, mut is_first) = (Live::new(), true);
    let report =
        measure::run(&targets, &options, &stop, &mut |progress| live.show(progress), |entry| {
            if !streams {
                return Ok(());
            }
            let gap = if std::mem::take(&mut is_first) { "" } else { "\n" };
            write_text(out, &format!("{gap}{}", measure::text::entry(entry, &options, style)))
        });
    live.clear();
    let report = report?;
    if let Some(log) = log {
        let mut content = Vec::new();
        measure::hlog::write(&report, &mut content)?;
        log.finish(&content)?;
    }
    match output {
        Some(file) => file.finish(&render(&report, args.format)?)?,
        None if streams => {}
        None => Destination::Stream(out).finish(&render(&report, args.format)?)?,
    }
    Ok(Outcome::of(report.passed()))
}

fn open<'a>(
    flag: &str,
    path: Option<&Path>,
    nowhere: &'a mut io::Sink,
) -> anyhow::Result<Option<Destination<'a>>> {
    path.map(|path| Destination::open(flag, Some(path), nowhere)).transpose()
}

fn render(report: &Report, format: Format) -> anyhow::Result<Vec<u8>> {
    let mut content = Vec::new();
    match format {
        Format::Json => json::write(&measure::json::shape(report), &mut content)?,
        Format::Html => content.extend(measure::html::page(report).into_bytes()),
        Format::Text => {
            let one = |entry: &Entry| measure::text::entry(entry, &report.options, Style::PLAIN);
            let entries: Vec<String> = report.entries.iter().map(one).collect();
            content.extend(entries.join("\n").into_bytes());
        }
    }
    Ok(content)
}

fn options(args: &MeasureArgs) -> anyhow::Result<Options> {
    let by_default = args.duration.is_none().then_some(COUNT_DEFAULT);
    Ok(Options {
        schedule: Schedule {
            rate: args.rate,
            count: args.count.or(by_default),
            duration: args.duration,
        },
        keep_alive: args.keep_alive,
        max_loss_percent: args.max_loss,
        objectives: args.objectives.clone(),
        check: check::Options {
            depth: args.depth.into(),
            resolvers: args.resolvers.resolvers.clone(),
            timeouts: timeouts(&args.timeouts),
            family: args.origin.family()?,
            origin: args.origin.origin(),
            kms: kms_options(&args.kms),
            ..check::Options::default()
        },
    })
}

fn percent(text: &str) -> Result<f64, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let percent = text.parse().ok().filter(|_| is_plain);
    percent
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "a percentage from 0 to 100 is wanted, without a sign, as `0.5`".to_owned())
}

fn objective(text: &str) -> Result<Objective, String> {
    let wrong = || {
        "a percentile and a time are wanted, as `p99=20ms`, or of one stage `tcp:p99.9=5ms`"
            .to_owned()
    };
    let (place, limit) = text.split_once('=').ok_or_else(wrong)?;
    let (span, percentile) = match place.split_once(':') {
        Some((name, percentile)) => (Span::find(name).ok_or_else(wrong)?, percentile),
        None => (Span::Total, place),
    };
    let number = percentile.strip_prefix('p').ok_or_else(wrong)?;
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let percent: f64 = number.parse().ok().filter(|_| is_plain).ok_or_else(wrong)?;
    Objective::new(span, percent, values::time(limit)?)
        .ok_or_else(|| "a percentile is over 0 and at most 100".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn objectives_name_a_percentile_a_time_and_perhaps_a_stage() {
        for text in ["p99=20ms", "tcp:p99.9=5ms", "dns:p50=1.5s", "total:p100=1s"] {
            let shown = objective(text).unwrap().to_string();
            assert_eq!(shown, text.trim_start_matches("total:"));
        }
    }

    #[test]
    fn other_objectives_are_refused_with_the_wanted_form() {
        for text in ["", "p99", "99=20ms", "udp:p99=20ms", "p=1s", "pinf=1s", "p9e1=1s", "p-1=1s"] {
            let error = objective(text).unwrap_err();
            assert!(error.contains("`p99=20ms`"), "{text}: {error}");
        }
        assert!(objective("p0=1s").unwrap_err().contains("over 0"));
        assert!(objective("p100.1=1s").unwrap_err().contains("at most 100"));
        assert!(objective("p99=20").unwrap_err().contains("unit"));
    }

    #[test]
    fn percentages_are_plain_numbers() {
        assert_eq!(percent("0.5"), Ok(0.5));
        for text in ["", "-1", "101", "inf", "NaN", "1%", "1e1", "+1"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }
}
