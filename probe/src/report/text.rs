//! A check for people: what was asked, each stage in a line, then cause, remedy, and what Windows
//! would show.

use std::fmt::Write as _;
use std::time::Duration;

use super::words::{by_severity, client_view, route};
use super::{Style, escape, facts_text};
use crate::check::{Entry, Report, StageReport};
use crate::verdict::{Finding, judge};

/// A check's report as text.
#[must_use]
pub fn check(report: &Report, style: Style) -> String {
    let mut text = String::new();
    let mut said: Vec<&str> = Vec::new();
    for (index, entry) in report.entries.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text.push_str(&heading(entry, style));
        text.push_str(&entry_body(entry, &mut said, style));
    }
    if report.entries.len() > 1 {
        push_line(&mut text, "");
        push_line(&mut text, &summary(report, style));
    }
    text
}

/// What was checked, with the verdict in front.
fn heading(entry: &Entry, style: Style) -> String {
    let severity = entry.verdict.severity;
    let word = severity.name().to_uppercase();
    let verdict = style.severity(severity, &format!("{word} {}", entry.verdict.row.code));
    format!("{verdict}  {}\n", style.strong(&escape(&route(entry))))
}

/// Stages, cause, remedy, the client's view and findings. Findings in `said` are not repeated.
pub(crate) fn entry_body<'a>(entry: &'a Entry, said: &mut Vec<&'a str>, style: Style) -> String {
    let mut text = String::new();
    for stage in &entry.stages {
        push_line(&mut text, &stage_line(stage, style));
    }
    for line in facts_text::beside(&entry.beside) {
        push_line(&mut text, &fact_line(line.label, line.word, line.elapsed, &line.facts, style));
    }
    push_line(&mut text, &labelled(style, "cause", &escape(&entry.verdict.cause)));
    if let Some(remedy) = &entry.verdict.remedy {
        push_line(&mut text, &labelled(style, "remedy", &escape(remedy)));
    }
    if let Some(seen) = client_view(&entry.verdict) {
        push_line(&mut text, &labelled(style, "Windows", &seen));
    }
    for finding in &entry.findings {
        if !said.contains(&finding.verdict.cause.as_str()) {
            said.push(&finding.verdict.cause);
            text.push_str(&finding_lines(finding, style));
        }
    }
    text
}

fn stage_line(stage: &StageReport, style: Style) -> String {
    let code = stage.verdict.split_once('.').map_or(stage.verdict, |(_, code)| code);
    let facts = facts_text::line(&stage.facts);
    fact_line(stage.stage.name(), code, Some(stage.elapsed), &facts, style)
}

fn fact_line(
    label: &str,
    code: &str,
    elapsed: Option<Duration>,
    facts: &str,
    style: Style,
) -> String {
    let elapsed = elapsed.map(judge::duration).unwrap_or_default();
    let label = format!("  {label:<8} {code:<CODE_COLUMNS$} {elapsed:>ELAPSED_COLUMNS$}  ");
    let columns = label.chars().count();
    style.labelled(&label, columns, &escape(facts))
}

fn finding_lines(finding: &Finding, style: Style) -> String {
    let verdict = &finding.verdict;
    let mut text = String::new();
    let code = style.severity(verdict.severity, verdict.row.code);
    let sentence = match &verdict.remedy {
        Some(remedy) => format!("{} {remedy}", verdict.cause),
        None => verdict.cause.clone(),
    };
    let label = format!("{} ", verdict.severity.name());
    // The code is painted already, so only the sentence is escaped.
    let line = labelled(style, &label, &format!("{code}: {}", escape(&sentence)));
    push_line(&mut text, &line);
    text
}

fn labelled(style: Style, label: &str, text: &str) -> String {
    style.labelled(&format!("  {label}"), LABEL_COLUMNS, text)
}

fn summary(report: &Report, style: Style) -> String {
    let parts: Vec<String> = by_severity(&report.entries)
        .into_iter()
        .map(|(severity, count)| style.severity(severity, &format!("{count} {}", severity.name())))
        .collect();
    format!("{} checked: {}", report.entries.len(), parts.join(", "))
}

fn push_line(text: &mut String, line: &str) {
    let _infallible = writeln!(text, "{}", line.trim_end());
}

const LABEL_COLUMNS: usize = 11;
const CODE_COLUMNS: usize = 12;
const ELAPSED_COLUMNS: usize = 8;
