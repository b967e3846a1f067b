//! What a finished row leaves behind: one line of JSON, which is the journal's, the NDJSON report's
//! and, read back, the source of every other report.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::input::Row;
use crate::check::{Entry, Report};
use crate::report::json;
use crate::verdict::{Severity, Verdict};

/// A finished row, to be written.
#[derive(Serialize)]
pub(super) struct Written<'a> {
    schema_version: u32,
    row: usize,
    line: usize,
    site: &'a str,
    target: &'a str,
    resolvers: &'a [SocketAddr],
    depth: &'static str,
    repeats_line: Option<usize>,
    finished: String,
    elapsed_us: u64,
    attempts: u32,
    verdict: &'static str,
    severity: Severity,
    targets: Vec<json::JsonEntry<'a>>,
}

/// What came of a row.
pub(super) struct Outcome {
    /// As of a check.
    pub(super) entries: Vec<Entry>,
    /// How often the address was tried that was tried most.
    pub(super) attempts: u32,
    /// All the time that was spent on it.
    pub(super) elapsed: Duration,
}

impl Outcome {
    /// The worst severity, findings included.
    pub(super) fn severity(&self) -> Severity {
        self.entries.iter().map(Entry::severity_with_findings).max().unwrap_or(Severity::Ok)
    }
}

/// What reports read of a finished row.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// Its number in the list, from 1.
    pub row: usize,
    /// The place it belongs to; empty where none is named.
    pub site: String,
    /// As it was given.
    pub target: String,
    /// How often the address was tried that was tried most.
    pub attempts: u32,
    /// The worst verdict, findings included.
    pub verdict: String,
    /// The worst severity, findings included.
    pub severity: Severity,
    /// One for each address, as of a check.
    pub targets: Vec<Place>,
}

/// One conversation, or the reason why there was none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Place {
    /// Host name, or the address where there is no name.
    pub host: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// Address that was connected to.
    pub address: Option<IpAddr>,
    /// The verdict of the last stage.
    pub verdict: String,
    /// Its severity.
    pub severity: Severity,
    /// Codes that a Windows client shows.
    pub client_sees: Vec<String>,
    /// What is the matter.
    pub cause: String,
    /// What to do.
    pub remedy: Option<String>,
    /// The stages that ran.
    pub stages: Vec<Step>,
    /// What is worth saying beside it.
    pub findings: Vec<Beside>,
}

/// Something worth saying beside a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Beside {
    /// What it is.
    pub code: String,
    /// What is the matter.
    pub cause: String,
    /// What to do.
    pub remedy: Option<String>,
}

/// One stage that ran.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Step {
    /// Its name.
    pub stage: String,
    /// How long it took, in microseconds.
    pub elapsed_us: u64,
}

impl Record {
    /// Cause and remedy of the row's verdict, as its address or a finding there has them.
    #[must_use]
    pub fn meaning(&self) -> Option<(&str, Option<&str>)> {
        let is_it = |place: &&Place| place.verdict == self.verdict;
        let place = self.targets.iter().find(is_it);
        let place = place.map(|place| (place.cause.as_str(), place.remedy.as_deref()));
        place.or_else(|| {
            let findings = self.targets.iter().flat_map(|place| &place.findings);
            let found = findings.into_iter().find(|beside| beside.code == self.verdict)?;
            Some((found.cause.as_str(), found.remedy.as_deref()))
        })
    }
}

/// The line of a finished row, without a line break; `number` is its place in the list, from 0.
///
/// # Errors
/// None that a row can cause.
pub(super) fn line(number: usize, row: &Row, outcome: Outcome) -> io::Result<Vec<u8>> {
    let finished = jiff::Timestamp::now().to_string();
    let Outcome { entries, attempts, elapsed } = outcome;
    let report = Report { started: finished.clone(), entries };
    let written = Written {
        schema_version: json::SCHEMA_VERSION,
        row: number + 1,
        line: row.line,
        site: &row.site,
        target: &row.asked.text,
        resolvers: &row.resolvers,
        depth: row.depth.name(),
        repeats_line: row.repeats_line,
        finished,
        elapsed_us: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
        attempts,
        verdict: report.worst().map_or("", |verdict: &Verdict| verdict.row.code),
        severity: report.severity(),
        targets: report.entries.iter().map(json::entry).collect(),
    };
    let mut line = Vec::new();
    json::write_compact(&written, &mut line)?;
    Ok(line)
}
