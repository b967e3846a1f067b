//! Where the report of a check goes, and in which format.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use super::Outcome;
use super::args::Command;
use crate::baseline::{self, Change, Direction, Snapshot};
use crate::check::Report;
use crate::report::{self, PendingFile, Style, json};
use crate::ticket;
use crate::verdict::Severity;

/// How to show a check, and where.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(super) format: ReportFormat,
    /// File to write the report to, whole or not at all, in place of standard output
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Write what the owner of the firewall, the DNS or the host needs to act: flow, evidence, and
    /// the rule or record to add. In place of the report, or to a file beside it (`--ticket=FILE`)
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub(super) ticket: Option<Option<PathBuf>>,
    /// Say only what differs from an earlier report (`--format json`); also exits with 1 when
    /// something got worse
    #[arg(long, value_name = "FILE", conflicts_with = "ticket")]
    pub(super) baseline: Option<PathBuf>,
}

/// Formats of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// For people
    Text,
    /// For programs: one document
    Json,
    /// For logs: one line per entry
    Ndjson,
    /// For pipelines: JUnit XML
    Junit,
    /// For browsers and paper: one file without scripts
    Html,
    /// For Nagios and its like, with performance data and exit codes 0 to 3
    Nagios,
    /// For node_exporter's textfile collector
    Prometheus,
}

impl ReportFormat {
    /// The report in this format. What is at least `fail_on` makes the exit code 1.
    pub(super) fn render(
        self,
        report: &Report,
        fail_on: Severity,
        style: Style,
    ) -> anyhow::Result<Vec<u8>> {
        let mut out = Vec::new();
        match self {
            Self::Text => return Ok(report::text::check(report, style).into_bytes()),
            Self::Json => json::write(&json::CheckJson(report), &mut out)?,
            Self::Ndjson => report::ndjson::write(report, &mut out)?,
            Self::Junit => return Ok(report::junit::report(report, fail_on)?.into_bytes()),
            Self::Html => return Ok(report::html::page(report).into_bytes()),
            Self::Nagios => return Ok(report::nagios::report(report).into_bytes()),
            Self::Prometheus => return Ok(report::prometheus::report(report).into_bytes()),
        }
        Ok(out)
    }

    /// What the exit code says of `severity`.
    pub(super) fn outcome(self, severity: Severity, fail_on: Severity) -> Outcome {
        match self {
            Self::Nagios => Outcome::Plugin(report::nagios::exit_code(severity)),
            _ => Outcome::of(severity < fail_on),
        }
    }
}

/// Makes a check and reports on it. Everything that `args` names is opened before the check begins.
///
/// # Errors
/// What the check returns, a contradiction in `args`, or a place that cannot be read or written.
pub(super) fn run(
    args: &ReportArgs,
    fail_on: Severity,
    out: &mut dyn Write,
    check: impl FnOnce() -> anyhow::Result<Report>,
) -> anyhow::Result<Outcome> {
    let ticket_alone = matches!(args.ticket, Some(None));
    let format = args.format;
    if ticket_alone && format != ReportFormat::Text {
        bail!(
            "--ticket stands in place of the report: give it a file (`--ticket=FILE`) to have both"
        );
    }
    if args.baseline.is_some() && !matches!(format, ReportFormat::Text | ReportFormat::Json) {
        bail!("--baseline says what differs as text or json only");
    }
    let before = args.baseline.as_deref().map(Snapshot::read).transpose()?;
    let destination = Destination::open("--output", args.output.as_deref(), out)?;
    let mut nowhere = io::sink();
    let ticket = args.ticket.as_ref().and_then(Option::as_deref);
    let ticket =
        ticket.map(|path| Destination::open("--ticket", Some(path), &mut nowhere)).transpose()?;
    let report = check()?;
    if let Some(ticket) = ticket {
        ticket.finish(ticket::text(&report).as_bytes())?;
    }
    let style = destination.style();
    if let Some(before) = before {
        let changes = baseline::compare(&before, &Snapshot::of(&report)?);
        destination.finish(&differences(format, &report, &before, &changes, style)?)?;
        let got_worse = changes.iter().any(|change| change.direction == Direction::Worse);
        return Ok(Outcome::of(report.severity() < fail_on && !got_worse));
    }
    let content = match ticket_alone {
        true => ticket::text(&report).into_bytes(),
        false => format.render(&report, fail_on, style)?,
    };
    destination.finish(&content)?;
    Ok(format.outcome(report.severity(), fail_on))
}

fn differences(
    format: ReportFormat,
    report: &Report,
    before: &Snapshot,
    changes: &[Change],
    style: Style,
) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    match format {
        ReportFormat::Json => report::changes::write_json(report, before, changes, &mut out)?,
        _ => out = report::changes::text(report, before, changes, style).into_bytes(),
    }
    Ok(out)
}

/// Where a report will go. It is opened before anything is sent, so that a place that cannot be
/// written to is known at once.
pub(super) enum Destination<'a> {
    /// Standard output.
    Stream(&'a mut dyn Write),
    /// A file that appears whole.
    File(PendingFile, PathBuf),
    /// A device, pipe or link, which is not replaced.
    Special(std::fs::File, PathBuf),
}

impl<'a> Destination<'a> {
    /// `path`, given with the flag `flag`, or `out` where there is none.
    ///
    /// # Errors
    /// What the system says of the place.
    pub(super) fn open(
        flag: &str,
        path: Option<&Path>,
        out: &'a mut dyn Write,
    ) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::Stream(out)) };
        let context = || format!("{flag}: cannot write `{}`", path.display());
        let is_special = path.metadata().is_ok_and(|meta| !meta.is_file() && !meta.is_dir());
        // `/dev/stdout` is a link even where it leads to a file.
        let is_link = path.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) && path.is_file();
        if is_special || is_link {
            let mut options = std::fs::OpenOptions::new();
            let file = options.write(true).truncate(true).open(path).with_context(context)?;
            return Ok(Self::Special(file, path.to_owned()));
        }
        let pending = PendingFile::create(path).with_context(context)?;
        Ok(Self::File(pending, path.to_owned()))
    }

    /// How text may look there.
    pub(super) fn style(&self) -> Style {
        match self {
            Self::Stream(_) => Style::of_stdout(),
            Self::File(..) | Self::Special(..) => Style::PLAIN,
        }
    }

    /// Writes everything.
    ///
    /// # Errors
    /// What the system says; a file that was there before is unchanged then.
    pub(super) fn finish(self, content: &[u8]) -> anyhow::Result<()> {
        self.finish_with(|out| Ok(out.write_all(content)?))
    }

    /// Writes what `write` makes piece by piece.
    ///
    /// # Errors
    /// As [`Self::finish`], and what `write` says.
    pub(super) fn finish_with(
        self,
        write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let failed = |path: &Path| format!("cannot write `{}`", path.display());
        match self {
            Self::Stream(out) => {
                let mut buffered = BufWriter::new(out);
                write(&mut buffered)?;
                Ok(buffered.flush()?)
            }
            Self::File(pending, path) => pending.finish_with(write).with_context(|| failed(&path)),
            Self::Special(mut file, path) => write(&mut file).with_context(|| failed(&path)),
        }
    }
}

/// Whether the command line asks for the format of monitoring plugins, for which even a wrong
/// command line is a state: UNKNOWN, on standard output.
pub(super) fn asks_for_nagios(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> bool {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let joined = arguments.iter().any(|argument| argument == "--format=nagios");
    let pairs = arguments.iter().zip(arguments.iter().skip(1));
    joined || pairs.into_iter().any(|(flag, value)| flag == "--format" && value == "nagios")
}

/// The same of a command line that was understood, whose format may have come from elsewhere.
pub(super) fn reports_to_nagios(command: &Command) -> bool {
    matches!(command, Command::Check(args) if args.report.format == ReportFormat::Nagios)
}

/// Says UNKNOWN and why.
pub(super) fn nagios_unknown(message: &str) -> u8 {
    let _nowhere_to_complain = io::stdout().write_all(report::nagios::unknown(message).as_bytes());
    report::nagios::EXIT_UNKNOWN
}
