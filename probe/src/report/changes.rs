//! What differs from an earlier check, for people and for programs.

use std::fmt::Write as _;
use std::io;

use serde::Serialize;

use super::json::{self, SCHEMA_VERSION, Tool};
use super::words::utc;
use super::{Style, escape};
use crate::baseline::{Change, Direction, Snapshot};
use crate::check::Report;
use crate::verdict::Severity;

/// The differences as text.
#[must_use]
pub fn text(report: &Report, before: &Snapshot, changes: &[Change], style: Style) -> String {
    let mut text = String::new();
    let worst = report.worst().map_or("", |verdict| verdict.row.code);
    let severity = report.severity();
    let verdict = format!("{} {worst}", severity.name().to_uppercase());
    let verdict = style.severity(severity, &verdict);
    let since = escape(&utc(&before.started)).into_owned();
    if changes.is_empty() {
        return format!("Nothing changed since {since}. The worst verdict is {verdict}.\n");
    }
    let worse = changes.iter().filter(|change| change.direction == Direction::Worse).count();
    let _infallible = writeln!(
        text,
        "{} since {since}, {worse} for the worse. The worst verdict is {verdict}.",
        if changes.len() == 1 {
            "1 change".to_owned()
        } else {
            format!("{} changes", changes.len())
        },
    );
    let mut heading = String::new();
    for change in changes {
        let place = place(change);
        if place != heading {
            let _infallible = writeln!(text, "\n{}", style.strong(&place));
            heading = place;
        }
        let severity = match change.direction {
            Direction::Worse => Severity::Critical,
            Direction::Better => Severity::Ok,
            Direction::Neutral => Severity::Info,
        };
        let direction = style.severity(severity, &format!("{:<7}", change.direction.name()));
        let _infallible = writeln!(text, "  {direction}  {}", sentence(change));
    }
    text
}

/// `corp.test -> kms1.corp.test:1688 (192.0.2.10)`.
fn place(change: &Change) -> String {
    let mut place =
        if change.target.is_empty() { "this machine" } else { &change.target }.to_owned();
    if let Some(host) = &change.host {
        let _infallible = write!(place, " -> {host}");
    }
    if let Some(port) = change.port {
        let _infallible = write!(place, ":{port}");
    }
    if let Some(address) = change.address.as_ref().filter(|own| Some(*own) != change.host.as_ref())
    {
        let _infallible = write!(place, " ({address})");
    }
    escape(&place).into_owned()
}

fn sentence(change: &Change) -> String {
    let what = match change.what.name() {
        name if name == change.subject => name.to_owned(),
        "fact" | "record" | "address" => change.subject.clone(),
        name => format!("{name} {}", change.subject),
    };
    let sentence = match (&change.before, &change.now) {
        (Some(before), Some(now)) => format!("{what}: {before} -> {now}"),
        (None, Some(now)) => format!("{what}: {now}, not there before"),
        (Some(before), None) => format!("{what}: {before}, not there any more"),
        (None, None) => what,
    };
    escape(&sentence).into_owned()
}

#[derive(Serialize)]
struct ChangesJson<'a> {
    schema_version: u32,
    tool: Tool,
    started: &'a str,
    baseline: BaselineJson<'a>,
    verdict: &'a str,
    severity: Severity,
    worse: bool,
    changes: &'a [Change],
}

#[derive(Serialize)]
struct BaselineJson<'a> {
    started: &'a str,
}

/// Writes the differences as JSON.
///
/// # Errors
/// What `out` returns.
pub fn write_json(
    report: &Report,
    before: &Snapshot,
    changes: &[Change],
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let shape = ChangesJson {
        schema_version: SCHEMA_VERSION,
        tool: Tool::THIS,
        started: &report.started,
        baseline: BaselineJson { started: &before.started },
        verdict: report.worst().map_or("", |verdict| verdict.row.code),
        severity: report.severity(),
        worse: changes.iter().any(|change| change.direction == Direction::Worse),
        changes,
    };
    json::write(&shape, out)
}
