//! `kms-probe analyze` on a host's log of a million requests: time and memory at its peak.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::product;

use crate::machine::Machine;
use crate::report;
use crate::suite::median;
use crate::usage::{self, Usage};

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Requests in each file.
    pub events: u64,
    /// Times that each file is analyzed.
    pub rounds: usize,
    /// The probe's program.
    pub kms_probe: PathBuf,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Figures {
    machine: Machine,
    events: u64,
    rows: Vec<Row>,
}

/// One form of the same log.
#[derive(Clone, Debug)]
struct Row {
    form: Form,
    bytes: u64,
    runs: Vec<Usage>,
}

/// How the log is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// As `wevtutil qe /f:xml` writes it.
    Xml,
    /// As `kms-sim journal export --format event12290` writes it.
    Lines,
}

/// Writes each form, and analyzes it in every round.
///
/// # Errors
/// When a file cannot be written, or the probe does not read every event.
pub fn run(plan: &Plan, mut progress: impl FnMut(&str)) -> Result<Figures> {
    let machine = Machine::prepare()?;
    let beside = plan.kms_probe.parent().unwrap_or(Path::new("."));
    let folder = tempfile::tempdir_in(beside)?;
    let mut rows = Vec::new();
    for form in [Form::Xml, Form::Lines] {
        progress(&format!("writing {} events, {}", plan.events, form.words()));
        let path = folder.path().join("log");
        let bytes = write(form, plan.events, &path)?;
        all_are_read(plan, &path)?;
        let mut runs = Vec::with_capacity(plan.rounds);
        for round in 0..plan.rounds {
            progress(&format!("round {} of {}: {}", round + 1, plan.rounds, form.words()));
            let usage = usage::of(Command::new(&plan.kms_probe).arg("analyze").arg(&path))?;
            ensure!(usage.code <= 1, "analyze fails with exit code {}", usage.code);
            runs.push(usage);
        }
        rows.push(Row { form, bytes, runs });
    }
    Ok(Figures { machine, events: plan.events, rows })
}

fn all_are_read(plan: &Plan, path: &Path) -> Result<()> {
    let output = Command::new(&plan.kms_probe).arg("analyze").arg(path).output()?;
    let wanted = format!("{0} read, {0} used", plan.events);
    let shown = String::from_utf8_lossy(&output.stdout);
    ensure!(
        shown.contains(&wanted),
        "not every event was read: {}",
        shown.lines().next().unwrap_or("")
    );
    Ok(())
}

/// A log of clients that ask in no particular order, one every 15 seconds.
fn write(form: Form, events: u64, path: &Path) -> Result<u64> {
    let mut file = BufWriter::new(File::create(path)?);
    let sku = product::PRODUCTS.first().context("the product catalogue is empty")?.sku_id;
    let mut text = String::new();
    for number in 0..events {
        // A multiplier without a common factor goes through all clients.
        let client = number.wrapping_mul(7_919) % CLIENTS;
        let seconds = FIRST + i64::try_from(number)? * 15;
        let time = FileTime::from_unix(seconds, 0).context("a time out of range")?.to_string();
        let cmid = Guid::v5(&sku, &client.to_be_bytes());
        let minute = time.get(..16).unwrap_or_default().replace('-', "/");
        let time = time.replace(' ', "T");
        let info = format!("0x0,25,pc-{client:05}.corp.test,{cmid},{minute},0,1,200000,{sku}");
        text.clear();
        match form {
            Form::Lines => writeln!(text, "{info}")?,
            Form::Xml => writeln!(
                text,
                "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
                 <Provider Name='Microsoft-Windows-Security-SPP' \
                 Guid='{{E23B33B0-C8C9-472C-A5F9-F2BDFEA0F156}}' EventSourceName='Software \
                 Protection Platform Service'/><EventID Qualifiers='16384'>12290</EventID>\
                 <Version>0</Version><Level>4</Level><Task>0</Task><Opcode>0</Opcode>\
                 <Keywords>0x80000000000000</Keywords><TimeCreated SystemTime='{time}.1234567Z'/>\
                 <EventRecordID>{number}</EventRecordID><Correlation/>\
                 <Execution ProcessID='0' ThreadID='0'/><Channel>Key Management Service</Channel>\
                 <Computer>kms1.corp.test</Computer><Security/></System>\
                 <EventData><Data>{info}</Data></EventData></Event>"
            )?,
        }
        file.write_all(text.as_bytes())?;
    }
    file.flush()?;
    Ok(file.get_ref().metadata()?.len())
}

impl Form {
    const fn words(self) -> &'static str {
        match self {
            Self::Xml => "events as XML",
            Self::Lines => "event 12290 as lines",
        }
    }
}

impl Row {
    fn seconds(&self) -> f64 {
        median(self.runs.iter().map(|run| run.elapsed.as_secs_f64()))
    }

    fn peak_mib(&self) -> f64 {
        median(self.runs.iter().map(|run| run.peak_bytes as f64)) / f64::from(1 << 20)
    }
}

impl Figures {
    /// Whether every form is within both bars.
    #[must_use]
    pub fn holds(&self) -> bool {
        let mut rows = self.rows.iter();
        rows.all(|row| row.seconds() <= TIME_BAR.as_secs_f64() && row.peak_mib() <= PEAK_BAR_MIB)
    }

    /// A page for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        self.write(&mut page).unwrap_or_default();
        page
    }

    fn write(&self, page: &mut String) -> std::fmt::Result {
        report::write_machine(page, &self.machine)?;
        let what = format!("analyze, {} events of {CLIENTS} clients", self.events);
        writeln!(page, "\n{what:<45} {:>9} {:>8} {:>8} {:>10}", "size", "time", "CPU", "peak")?;
        for row in &self.rows {
            let cpu = median(row.runs.iter().map(|run| run.processor.as_secs_f64()));
            let (words, size, peak) = (row.form.words(), row.bytes >> 20, row.peak_mib());
            let seconds = row.seconds();
            writeln!(
                page,
                "{words:<45} {size:>5} MiB {seconds:>6.2} s {cpu:>6.2} s {peak:>6.1} MiB"
            )?;
        }
        let runs = self.rows.iter().map(|row| row.runs.len()).max().unwrap_or(0);
        let (word, bar) = (if self.holds() { "reached" } else { "missed" }, TIME_BAR.as_secs());
        writeln!(page, "(bars: {bar} s and {PEAK_BAR_MIB} MiB: {word}; medians of {runs} runs)")
    }
}

/// Clients of the log.
const CLIENTS: u64 = 50_000;
/// 2026-05-01.
const FIRST: i64 = 1_777_593_600;

const TIME_BAR: Duration = Duration::from_secs(10);
const PEAK_BAR_MIB: f64 = 200.0;
