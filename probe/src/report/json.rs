//! JSON, in the shape that the JSON Schema in the repository describes.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use kms_page::text::is_dangerous;
use serde::{Serialize, Serializer};
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter};

use crate::check::{Beside, Entry, Report, StageFacts, StageReport};
use crate::verdict::{Finding, Seen, Verdict};

/// Version of the shape; it changes when a program that reads it would have to.
pub const SCHEMA_VERSION: u32 = 1;

/// What every report with verdicts has, around entries of its own shape.
#[derive(Serialize)]
pub(crate) struct JsonReport<'a, E> {
    schema_version: u32,
    tool: Tool,
    started: &'a str,
    targets: Vec<E>,
    verdict: &'static str,
}

/// The program that wrote a report.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
}

/// One conversation of a check.
#[derive(Serialize)]
pub(crate) struct JsonEntry<'a> {
    target: &'a str,
    host: Option<&'a str>,
    port: Option<u16>,
    address: Option<IpAddr>,
    verdict: &'static str,
    severity: &'static str,
    client_sees: &'a [Seen],
    stages: Vec<JsonStage<'a>>,
    cause: &'a str,
    remedy: Option<&'a str>,
    findings: Vec<JsonFinding<'a>>,
    #[serde(flatten)]
    beside: &'a Beside,
}

#[derive(Serialize)]
struct JsonStage<'a> {
    stage: &'static str,
    verdict: &'static str,
    elapsed_us: u64,
    facts: &'a StageFacts,
}

#[derive(Serialize)]
struct JsonFinding<'a> {
    code: &'static str,
    severity: &'static str,
    cause: &'a str,
    remedy: Option<&'a str>,
    facts: &'a serde_json::Value,
}

impl<'a, E> JsonReport<'a, E> {
    /// A report that began at `started`; `worst` is its worst verdict.
    pub(crate) fn new(started: &'a str, targets: Vec<E>, worst: Option<&Verdict>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            tool: Tool::THIS,
            started,
            targets,
            verdict: worst.map_or("", |verdict| verdict.row.code),
        }
    }
}

/// Anything else, after the version of its shape and the program that wrote it.
#[derive(Serialize)]
pub(crate) struct Versioned<'a, T> {
    schema_version: u32,
    tool: Tool,
    #[serde(flatten)]
    content: &'a T,
}

impl<'a, T: Serialize> Versioned<'a, T> {
    pub(crate) const fn new(content: &'a T) -> Self {
        Self { schema_version: SCHEMA_VERSION, tool: Tool::THIS, content }
    }
}

impl Tool {
    pub(crate) const THIS: Self =
        Self { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") };
}

/// A check's report, to be serialised.
#[derive(Clone, Copy, Debug)]
pub struct CheckJson<'a>(pub &'a Report);

impl Serialize for CheckJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        shape(self.0).serialize(serializer)
    }
}

/// Writes any value, indented, with a final line break. Characters that a terminal could obey are
/// escaped, for JSON may be shown on one.
///
/// # Errors
/// What `out` returns.
pub fn write(value: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    let formatter = Harmless(PrettyFormatter::new());
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, formatter);
    value.serialize(&mut serializer).map_err(io::Error::from)?;
    writeln!(out)
}

/// Writes any value in one line, without a line break; otherwise as [`write`].
///
/// # Errors
/// What `out` returns.
pub(crate) fn write_compact(value: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, Harmless(CompactFormatter));
    value.serialize(&mut serializer).map_err(io::Error::from)
}

fn shape(report: &Report) -> JsonReport<'_, JsonEntry<'_>> {
    let targets = report.entries.iter().map(entry).collect();
    JsonReport::new(&report.started, targets, report.worst())
}

/// The shape of one entry.
pub(crate) fn entry(entry: &Entry) -> JsonEntry<'_> {
    JsonEntry {
        target: &entry.target,
        host: entry.host.as_deref(),
        port: entry.port,
        address: entry.address,
        verdict: entry.verdict.row.code,
        severity: entry.verdict.severity.name(),
        client_sees: &entry.verdict.client_sees,
        stages: entry.stages.iter().map(stage).collect(),
        cause: &entry.verdict.cause,
        remedy: entry.verdict.remedy.as_deref(),
        findings: entry.findings.iter().map(finding).collect(),
        beside: &entry.beside,
    }
}

fn stage(stage: &StageReport) -> JsonStage<'_> {
    JsonStage {
        stage: stage.stage.name(),
        verdict: stage.verdict,
        elapsed_us: micros(stage.elapsed),
        facts: &stage.facts,
    }
}

fn finding(finding: &Finding) -> JsonFinding<'_> {
    JsonFinding {
        code: finding.verdict.row.code,
        severity: finding.verdict.severity.name(),
        cause: &finding.verdict.cause,
        remedy: finding.verdict.remedy.as_deref(),
        facts: &finding.facts,
    }
}

fn micros(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}

/// Escapes what serde_json leaves as it is; the rest is up to `F`.
struct Harmless<F>(F);

impl<F: Formatter> Formatter for Harmless<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_dangerous) {
            let (before, from) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut characters = from.chars();
            if let Some(character) = characters.next() {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        self.0.write_char_escape(writer, escape)
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_a_terminal_could_obey_is_escaped_and_reads_back_the_same() {
        let value = serde_json::json!({ "host": "a\u{9b}2J\u{202e}\u{1b}b\u{e0041}é" });
        let mut out = Vec::new();
        write(&value, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(r#""a\u009b2J\u202e\u001bb\udb40\udc41é""#), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn values_are_indented_and_end_with_a_line_break() {
        let mut out = Vec::new();
        write(&serde_json::json!({ "a": [1], "b": {} }), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}\n");
    }
}
