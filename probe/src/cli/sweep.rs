//! `kms-probe sweep`.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use super::args::{Depth, FailOn, KmsArgs, ResolverArgs};
use super::emit::Destination;
use super::origin::OriginArgs;
use super::{Outcome, kms_options, values, write_text};
use crate::check::{self, Timeouts};
use crate::report::{self, Style};
use crate::sweep::input::{self, Defaults, Row};
use crate::sweep::progress::Meter;
use crate::sweep::summary::Summary;
use crate::sweep::{self, Ended, Stop, Swept};
use crate::verdict::Severity;

/// `sweep`.
#[derive(Debug, Args)]
#[command(after_help = "\
FILE has one target per line, as for `check`, with `#` for comments; or it is a table (CSV) whose
header names the columns, in any order:

  site      the place that the row belongs to, for the summary
  host      the target: an address, a host or a domain
  port      then the host is a host, not a domain
  resolver  DNS servers for this row, separated by spaces
  depth     dns, tcp, bind, rpc or kms

Only `host` is needed. The whole list is understood before anything is sent. Each row is checked as
`check` would; an address that does not answer the SYN (tcp.timeout) is tried once more at the end.

With --resume the finished rows are kept in a journal. After an interruption, or even kill -9, the
same command goes on where it was: no finished row is lost or done twice.

Examples:
  kms-probe sweep targets.txt
  kms-probe sweep sites.csv --resume sites.journal --format html --output sites.html
  kms-probe sweep sites.csv --depth tcp --concurrency 1000 --total-timeout 1m --format csv
  cut -d, -f3 inventory.csv | kms-probe sweep - --host

Exit codes: 0 healthy, 1 something is wrong or has no result, 2 usage or this program's own failure.")]
pub(super) struct SweepArgs {
    /// The list of targets; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Take bare names as hosts (port 1688), not as domains
    #[arg(long)]
    host: bool,
    /// Last stage to run, where a row does not say. `kms` sends a lab-keyed request, which a genuine host
    /// refuses and may log
    #[arg(long, value_enum, default_value_t = Depth::Rpc)]
    depth: Depth,
    /// Targets at the same time; 1000 by default, or as many as the limit of open files allows
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=i64::try_from(sweep::AT_ONCE_MAX).unwrap_or(i64::MAX))
    )]
    concurrency: Option<u16>,
    /// Journal of finished rows, to continue after an interruption; it is made where it is missing
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    #[command(flatten)]
    origin: OriginArgs,
    #[command(flatten)]
    resolvers: ResolverArgs,
    /// Time that each stage of a target may take: `500ms`, `4s`, `1m`
    #[arg(long, value_name = "DURATION", value_parser = values::duration, default_value = "1s")]
    timeout: Duration,
    /// Time for the whole sweep; what has no result then is said to be missing
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    total_timeout: Option<Duration>,
    /// Severity from which on the exit code is 1
    #[arg(long, value_enum, default_value_t = FailOn::Warning)]
    fail_on: FailOn,
    /// Output format: a summary as text, or all rows in the order of the list
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// File to write to, whole or not at all; the summary then goes to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// No progress on standard error
    #[arg(long, short = 'q')]
    quiet: bool,
    // Last, since its heading in the help holds for all that follows.
    #[command(flatten)]
    kms: KmsArgs,
}

/// Formats of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Csv,
    Ndjson,
    Json,
    Html,
}

/// Runs `sweep`.
pub(super) fn run(args: &SweepArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let options = options(args)?;
    let rows: Arc<[Row]> = read(args, &options.check)?.into();
    // A report that cannot be written is noticed before the work, not after it.
    let destination = Destination::open("--output", args.output.as_deref(), &mut *out)?;
    let style = destination.style();
    let stop = Stop::on_signals().context("cannot wait for signals")?;
    let mut meter = Meter::new(rows.len(), args.quiet);
    let swept = sweep::run(&rows, &options, &stop, &mut |progress| meter.show(progress));
    meter.end();
    let swept = swept?;
    let summary = Summary::of(&swept)?;
    destination.finish_with(|out| write(args, &swept, &summary, style, out))?;
    if args.output.is_some() {
        write_text(out, &sweep::text::summary(&swept, &summary, Style::of_stdout()))?;
    }
    let is_healthy = summary.severity() < Severity::from(args.fail_on);
    Ok(Outcome::of(swept.ended == Ended::Complete && is_healthy))
}

fn write(
    args: &SweepArgs,
    swept: &Swept,
    summary: &Summary,
    style: Style,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match args.format {
        Format::Text => Ok(out.write_all(sweep::text::summary(swept, summary, style).as_bytes())?),
        Format::Csv => sweep::csv::write(swept, out),
        Format::Ndjson => sweep::json::write_lines(swept, out),
        Format::Json => sweep::json::write(swept, summary, out),
        Format::Html => {
            Ok(out.write_all(sweep::html::page(swept, summary, &name(args))?.as_bytes())?)
        }
    }
}

fn options(args: &SweepArgs) -> anyhow::Result<sweep::Options> {
    Ok(sweep::Options {
        check: check::Options {
            depth: args.depth.into(),
            resolvers: args.resolvers.resolvers.clone(),
            timeouts: Timeouts::all(args.timeout),
            family: args.origin.family()?,
            origin: args.origin.origin(),
            kms: kms_options(&args.kms),
            ..check::Options::default()
        },
        at_once: args.concurrency.map(usize::from),
        total_timeout: args.total_timeout,
        resume: args.resume.clone(),
    })
}

fn read(args: &SweepArgs, options: &check::Options) -> anyhow::Result<Vec<Row>> {
    let defaults =
        Defaults { names_are_hosts: args.host, depth: options.depth, family: options.family };
    let name = name(args);
    if args.file.as_os_str() == "-" {
        return Ok(input::read(io::stdin().lock(), &name, &defaults)?);
    }
    let file = File::open(&args.file).with_context(|| format!("cannot open `{name}`"))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        bail!("`{name}` is a folder, where a list of targets is wanted");
    }
    Ok(input::read(file, &name, &defaults)?)
}

fn name(args: &SweepArgs) -> String {
    match args.file.to_str() {
        Some("-") => "standard input".to_owned(),
        _ => report::escape(&args.file.display().to_string()).into_owned(),
    }
}
