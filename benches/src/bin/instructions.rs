//! Counts the instructions of an exchange, beside the baseline. Run by `scripts/bench instructions`.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use kms_benches::instructions::{Baseline, Case, count};

/// Counts the instructions that the sans-IO server takes for an exchange, with callgrind, and fails
/// when they have grown by more than 5% since the baseline.
#[derive(Debug, Parser)]
struct Arguments {
    /// Write what was counted to the baseline.
    #[arg(long)]
    update: bool,
    /// The baseline's file.
    #[arg(long, default_value = "benches/instructions.tsv")]
    baseline: PathBuf,
    /// Only do a case so many times: what is counted.
    #[arg(long, hide = true, num_args = 2, value_names = ["CASE", "COUNT"])]
    perform: Option<Vec<String>>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut stdout = io::stdout();
    if let Some([case, times]) = arguments.perform.as_deref() {
        let case = Case::by_name(case).context("no such case")?;
        return Ok(writeln!(stdout, "{}", case.perform(times.parse()?)?)?);
    }
    let shown = || format!("`{}`", arguments.baseline.display());
    let text = fs::read_to_string(&arguments.baseline).with_context(shown)?;
    let baseline = Baseline::read(&text).with_context(shown)?;
    let counted = count(&std::env::current_exe()?)?;
    let (report, holds) = baseline.report(&counted);
    stdout.write_all(report.as_bytes())?;
    if arguments.update {
        return fs::write(&arguments.baseline, baseline.updated(&counted).text())
            .with_context(shown);
    }
    ensure!(holds, "an exchange takes more than 5% more instructions than before");
    Ok(())
}
