//! A check as one HTML file: the path as a strip of stages, cause and remedy, what Windows shows,
//! and every fact behind it. Nothing is loaded and no script runs.

mod facts;

use kms_page::plot::Bar;
use kms_page::{Bars, Cell, Column, Footer, KeyFigure, Page, Section, Step, Strip, Table, Tone};

use super::facts_text;
use super::words::{by_severity, client_view, place, route, severity_of, target};
use crate::check::{Entry, Report, StageReport};
use crate::verdict::{Severity, Verdict, judge};

/// The report as a page.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut sections = Vec::new();
    if report.entries.len() > 1 {
        sections.push(overview(report));
    }
    sections.extend(report.entries.iter().take(ENTRIES_MAX).map(entry));
    let left_out = report.entries.len().saturating_sub(ENTRIES_MAX);
    if left_out > 0 {
        let note = format!("{left_out} more entries have no section of their own.");
        sections.push(Section::new("").paragraph(note));
    }
    let page = Page {
        title: "KMS reachability".to_owned(),
        subtitle: subtitle(report),
        figures: figures(report),
        sections,
        footer: Footer {
            tool: format!("kms-probe {}", env!("CARGO_PKG_VERSION")),
            made: report.started.clone(),
            notes: vec![READING.to_owned()],
        },
    };
    page.render()
}

fn subtitle(report: &Report) -> String {
    let mut targets: Vec<&str> = report.entries.iter().map(target).collect();
    targets.dedup();
    let shown = targets.iter().take(TARGETS_IN_TITLE_MAX).copied().collect::<Vec<_>>().join(", ");
    let more = targets.len().saturating_sub(TARGETS_IN_TITLE_MAX);
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

fn figures(report: &Report) -> Vec<KeyFigure> {
    let severity = report.severity();
    let worst = report.worst().map_or_else(String::new, |verdict| verdict.row.code.to_owned());
    let healthy =
        report.entries.iter().filter(|entry| entry.verdict.severity < Severity::Warning).count();
    let findings: usize = report.entries.iter().map(|entry| entry.findings.len()).sum();
    let of = report.entries.len();
    let mut figures = vec![
        KeyFigure::new("result", severity.name().to_uppercase()).note(worst).tone(tone(severity)),
        KeyFigure::new("healthy", format!("{healthy} of {of}")),
        KeyFigure::new("findings", findings.to_string()),
    ];
    if let Some(slowest) = report.entries.iter().map(whole_time).max() {
        figures.push(KeyFigure::new("slowest", judge::duration(slowest)));
    }
    figures
}

/// Every entry in a line, and how many there are of each verdict.
fn overview(report: &Report) -> Section {
    let mut table = Table::new([
        Column::text("verdict"),
        Column::text("target"),
        Column::text("host"),
        Column::number("share"),
        Column::number("time"),
    ]);
    for entry in &report.entries {
        let verdict = &entry.verdict;
        let share = entry.dns().and_then(|dns| dns.endpoint.as_ref()?.share);
        table.row([
            Cell::new(verdict.row.code).tone(tone(verdict.severity)),
            target(entry).into(),
            place(entry).into(),
            share.map(|share| format!("{:.0}%", share * 100.0)).into(),
            judge::duration(whole_time(entry)).into(),
        ]);
    }
    Section::new("Overview").with(Bars::new("", verdict_bars(report))).with(table)
}

/// One bar per verdict, the worst severity first.
fn verdict_bars(report: &Report) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (severity, _) in by_severity(&report.entries) {
        let mut codes: Vec<(&str, usize)> = Vec::new();
        for entry in report.entries.iter().filter(|entry| entry.verdict.severity == severity) {
            let code = entry.verdict.row.code;
            match codes.iter_mut().find(|(known, _)| *known == code) {
                Some((_, count)) => *count += 1,
                None => codes.push((code, 1)),
            }
        }
        codes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        bars.extend(codes.into_iter().map(|(code, count)| {
            Bar::new(code, count as f64, count.to_string()).tone(tone(severity))
        }));
    }
    bars
}

fn entry(entry: &Entry) -> Section {
    let verdict = &entry.verdict;
    let heading = format!(
        "{} {}  {}",
        verdict.severity.name().to_uppercase(),
        verdict.row.code,
        route(entry)
    );
    let mut section = Section::new(heading).tone(tone(verdict.severity)).with(strip(entry));
    let mut sentences = vec![("cause", verdict.cause.clone())];
    sentences.extend(verdict.remedy.clone().map(|remedy| ("remedy", remedy)));
    sentences.extend(client_view(verdict).map(|seen| ("Windows shows", seen)));
    section.push(Table::of_facts(sentences));
    if !entry.findings.is_empty() {
        section.push(findings(entry));
    }
    section.push(Bars::new("Time", entry.stages.iter().map(time_bar).collect()));
    section.push(facts::of(entry));
    section
}

/// The path: each stage that ran, with its verdict and time.
fn strip(entry: &Entry) -> Strip {
    Strip::new(entry.stages.iter().map(|stage| {
        let tone = tone(severity_of(stage, entry));
        Step::new(stage.stage.name(), short(stage.verdict), tone)
            .note(judge::duration(stage.elapsed))
    }))
}

fn time_bar(stage: &StageReport) -> Bar {
    let shown = judge::duration(stage.elapsed);
    Bar::new(stage.stage.name(), stage.elapsed.as_secs_f64(), shown)
}

fn findings(entry: &Entry) -> Table {
    let mut table =
        Table::new([Column::text("finding"), Column::text("cause"), Column::text("remedy")]);
    for Verdict { row, severity, cause, remedy, .. } in entry.findings.iter().map(|f| &f.verdict) {
        let code = Cell::new(row.code).tone(tone(*severity));
        table.row([code, cause.into(), remedy.clone().into()]);
    }
    table
}

fn whole_time(entry: &Entry) -> std::time::Duration {
    entry.stages.iter().map(|stage| stage.elapsed).sum()
}

fn short(code: &str) -> &str {
    code.split_once('.').map_or(code, |(_, short)| short)
}

/// The colour of a severity.
#[must_use]
pub const fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Ok => Tone::Ok,
        Severity::Info => Tone::Info,
        Severity::Warning => Tone::Warning,
        Severity::Critical => Tone::Critical,
    }
}

const READING: &str = "Stages run in order and stop at the first that fails; a stage that did not \
    run is not shown. An open port proves nothing until the RPC bind is answered.";

/// Entries with a section of their own; the overview has all.
const ENTRIES_MAX: usize = 500;
const TARGETS_IN_TITLE_MAX: usize = 4;
