//! A check as lines of JSON: one entry per line, which stands for itself.

use std::io;

use serde::Serialize;

use super::json::{self, JsonEntry, SCHEMA_VERSION, Tool};
use crate::check::Report;

/// An entry with what the report around it says once.
#[derive(Serialize)]
struct Line<'a> {
    schema_version: u32,
    tool: Tool,
    started: &'a str,
    #[serde(flatten)]
    entry: JsonEntry<'a>,
}

/// Writes the entries of `report`, each with its line break.
///
/// # Errors
/// What `out` returns.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    for entry in &report.entries {
        let line = Line {
            schema_version: SCHEMA_VERSION,
            tool: Tool::THIS,
            started: &report.started,
            entry: json::entry(entry),
        };
        json::write_compact(&line, out)?;
        writeln!(out)?;
    }
    Ok(())
}
