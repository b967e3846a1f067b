//! `kms-probe analyze`.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use super::Outcome;
use super::args::FailOn;
use super::emit::Destination;
use crate::analyze::readers::{self, Encoding};
use crate::analyze::{self, report};
use crate::verdict::Severity;

/// `analyze`.
#[derive(Debug, Args)]
#[command(after_help = "\
A FILE is known by its content, never by its name: events as XML (wevtutil, ToXml), as CSV
(Export-Csv, Event Viewer) or as a Windows log (EVTX), output of slmgr.vbs and ospp.vbs, a packet
capture, a journal of kms-sim or what it exports, a report of kms-probe, and what the script of
`kms-probe collect` prints. Files are read together: a client's log beside its host's tells where a
request was lost.

Examples:
  kms-probe analyze Application.evtx
  kms-probe analyze client.xml host.xml slmgr.txt
  kms-probe analyze collected.txt --redact --format json
  kms-probe analyze capture.pcapng host.evtx --format html --output report.html
  kms-probe analyze host.evtx --format csv --output timeline.csv

Exit codes: 0 nothing is wrong, 1 something is, 2 usage or this program's own failure.")]
pub(super) struct AnalyzeArgs {
    /// Files to read; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Encoding of texts, in place of the one that their bytes suggest
    #[arg(long, value_enum)]
    encoding: Option<Encoding>,
    /// Port of KMS hosts in captures, beside 1688; may be repeated
    #[arg(long = "kms-port", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    ports: Vec<u16>,
    /// Show names, addresses and machine ids as pseudonyms, each always as the same one
    #[arg(long)]
    redact: bool,
    /// Severity from which on the exit code is 1
    #[arg(long, value_enum, default_value_t = FailOn::Warning)]
    fail_on: FailOn,
    /// Output format: a report, or with csv the timeline of all events
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// File to write to, whole or not at all
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Formats of an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Csv,
    Html,
}

/// Runs `analyze`.
pub(super) fn run(args: &AnalyzeArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    if args.files.len() > analyze::FILES_MAX {
        bail!("at most {} files can be read together", analyze::FILES_MAX);
    }
    let destination = Destination::open("--output", args.output.as_deref(), out)?;
    let options = analyze::Options {
        reading: readers::Options { encoding: args.encoding, ports: args.ports.clone() },
        redact: args.redact,
    };
    let mut files = args.files.clone();
    let _kept = spooled(&mut files)?;
    let analysis = analyze::run(&files, &options)?;
    let style = destination.style();
    destination.finish_with(|out| {
        match args.format {
            Format::Text => out.write_all(report::text::text(&analysis, style).as_bytes())?,
            Format::Json => report::json::write(&analysis, out)?,
            Format::Csv => report::csv::write(&analysis, out)?,
            Format::Html => out.write_all(report::html::page(&analysis).as_bytes())?,
        }
        Ok(())
    })?;
    Ok(Outcome::of(analysis.severity() < Severity::from(args.fail_on)))
}

/// Puts standard input into a file, since some formats are read back and forth.
fn spooled(files: &mut [PathBuf]) -> anyhow::Result<Option<tempfile::NamedTempFile>> {
    let mut wanted = files.iter_mut().filter(|file| file.as_os_str() == "-");
    let Some(place) = wanted.next() else { return Ok(None) };
    if wanted.next().is_some() {
        bail!("standard input can be read once only");
    }
    let mut file = tempfile::NamedTempFile::new().context("cannot keep standard input")?;
    let mut input = io::Read::take(io::stdin().lock(), readers::TEXT_BYTES_MAX);
    io::copy(&mut input, &mut file).context("cannot keep standard input")?;
    file.path().clone_into(place);
    Ok(Some(file))
}
