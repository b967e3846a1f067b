//! A sweep as JSON, and its rows as NDJSON, in the shapes that the JSON Schemas in the repository
//! describe. Rows are copied from the journal one by one, so that their number takes no memory.

use std::io;

use anyhow::Context as _;
use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::Swept;
use super::summary::Summary;
use crate::report::json::{self, SCHEMA_VERSION, Tool};

#[derive(Serialize)]
struct SweepJson<'a> {
    schema_version: u32,
    tool: Tool,
    started: &'a str,
    ended: &'static str,
    elapsed_us: u64,
    concurrency: usize,
    resumed_rows: usize,
    summary: &'a Summary,
    rows: Rows<'a>,
    verdict: Option<&'a str>,
}

/// Writes the whole report.
///
/// # Errors
/// When the journal cannot be read, or what `out` returns.
pub fn write(swept: &Swept, summary: &Summary, out: &mut dyn io::Write) -> anyhow::Result<()> {
    let report = SweepJson {
        schema_version: SCHEMA_VERSION,
        tool: Tool::THIS,
        started: &swept.started,
        ended: swept.ended.name(),
        elapsed_us: u64::try_from(swept.elapsed.as_micros()).unwrap_or(u64::MAX),
        concurrency: swept.at_once,
        resumed_rows: swept.resumed,
        summary,
        rows: Rows(swept),
        verdict: summary.worst().map(|worst| worst.verdict.as_str()),
    };
    Ok(json::write(&report, out)?)
}

/// Writes a line for each finished row, in the order of the list.
///
/// # Errors
/// As [`write`](fn@write).
pub fn write_lines(swept: &Swept, out: &mut dyn io::Write) -> anyhow::Result<()> {
    for number in 0..swept.rows.len() {
        if let Some(line) = swept.journal.line(number)? {
            writeln!(out, "{line}").context("cannot write the rows")?;
        }
    }
    Ok(())
}

/// The finished rows, in the order of the list.
struct Rows<'a>(&'a Swept);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(None)?;
        for number in 0..self.0.rows.len() {
            let line = self.0.journal.line(number).map_err(S::Error::custom)?;
            if let Some(line) = line {
                rows.serialize_element(&RawValue::from_string(line).map_err(S::Error::custom)?)?;
            }
        }
        rows.end()
    }
}
