//! A check for people: what was asked, each stage in a line, then cause, remedy, and what Windows
//! would show.

use std::fmt::Write as _;

use super::{Style, escape, facts_text};
use crate::check::{Entry, Report, StageReport};
use crate::verdict::{Finding, Severity, Verdict, judge};

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

/// `corp.test -> kms1.corp.test:1688 (192.0.2.10)`, as far as it is known.
fn route(entry: &Entry) -> String {
    let (Some(host), Some(port)) = (&entry.host, entry.port) else {
        return if entry.target.is_empty() { "this machine" } else { &entry.target }.to_owned();
    };
    let shown_host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let place = match entry.address.map(|address| address.to_string()) {
        Some(address) if address != *host => format!("{shown_host}:{port} ({address})"),
        _ => format!("{shown_host}:{port}"),
    };
    let repeats = [host.as_str(), &shown_host, &format!("{shown_host}:{port}")];
    if repeats.contains(&entry.target.as_str()) {
        place
    } else {
        format!("{} -> {place}", entry.target)
    }
}

/// Stages, cause, remedy, the client's view and findings. Findings in `said` are not repeated.
pub(crate) fn entry_body<'a>(entry: &'a Entry, said: &mut Vec<&'a str>, style: Style) -> String {
    let mut text = String::new();
    for stage in &entry.stages {
        push_line(&mut text, &stage_line(stage, style));
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
    let label = format!(
        "  {:<8} {code:<CODE_COLUMNS$} {:>ELAPSED_COLUMNS$}  ",
        stage.stage.name(),
        judge::duration(stage.elapsed),
    );
    let columns = label.chars().count();
    style.labelled(&label, columns, &escape(&facts_text::line(&stage.facts)))
}

/// What a Windows client would show of a failure; `None` where nothing failed.
pub(crate) fn client_view(verdict: &Verdict) -> Option<String> {
    if verdict.severity == Severity::Ok {
        return None;
    }
    let note = verdict.row.client_note;
    if verdict.client_sees.is_empty() {
        return Some(note.unwrap_or("not documented").to_owned());
    }
    let seen = verdict.client_sees.iter().map(|seen| format!("{seen} ({})", seen.place));
    let seen = seen.collect::<Vec<_>>().join(", ");
    Some(note.map_or(seen.clone(), |note| format!("{seen}; {note}")))
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
    let mut parts = Vec::new();
    let severities = [Severity::Critical, Severity::Warning, Severity::Info, Severity::Ok];
    for severity in severities {
        let count = report.entries.iter().filter(|e| e.verdict.severity == severity).count();
        if count > 0 {
            parts.push(style.severity(severity, &format!("{count} {}", severity.name())));
        }
    }
    format!("{} checked: {}", report.entries.len(), parts.join(", "))
}

fn push_line(text: &mut String, line: &str) {
    let _infallible = writeln!(text, "{}", line.trim_end());
}

const LABEL_COLUMNS: usize = 11;
const CODE_COLUMNS: usize = 12;
const ELAPSED_COLUMNS: usize = 8;
