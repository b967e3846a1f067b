//! An analysis as a page to print or to send: findings with their evidence, the timeline as plots and
//! as a table.

use std::collections::BTreeMap;

use kms_page::plot::{Axis, Plot, Series};
use kms_page::{Cell, Column, Footer, KeyFigure, Page, Section, Table, Tone};
use kms_protocol::kms::Hresult;

use super::super::Analysis;
use super::super::findings::Finding;
use super::super::moment::{DAY, HOUR, MINUTE};
use super::super::record::Event;
use super::super::timeline::is_success;
use super::text;
use crate::report::html::tone;
use crate::verdict::Severity;

/// The page.
#[must_use]
pub fn page(analysis: &Analysis) -> String {
    let mut sections = vec![findings(analysis)];
    sections.extend(plots(analysis));
    sections.extend(conversations(analysis));
    sections.push(clients(analysis));
    sections.extend(timeline(analysis));
    sections.push(files(analysis));
    let page = Page {
        title: "KMS analysis".to_owned(),
        subtitle: match analysis.timeline.span {
            Some((first, last)) => format!("{first} to {last}, UTC"),
            None => String::new(),
        },
        figures: figures(analysis),
        sections,
        footer: Footer {
            tool: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            made: String::new(),
            notes: vec![
                "A finding that a later success of the same client ended is information only."
                    .to_owned(),
            ],
        },
    };
    page.render()
}

fn figures(analysis: &Analysis) -> Vec<KeyFigure> {
    let of = |severity: Severity| {
        let count = analysis.findings.iter().filter(|one| one.severity == severity).count();
        let tone = if count > 0 { tone(severity) } else { Tone::Neutral };
        KeyFigure::new(severity.name(), count.to_string()).note("findings").tone(tone)
    };
    vec![
        of(Severity::Critical),
        of(Severity::Warning),
        of(Severity::Info),
        KeyFigure::new("clients", analysis.timeline.clients.len().to_string()),
        KeyFigure::new("events", analysis.records.events.len().to_string()),
        KeyFigure::new("files", analysis.records.files.len().to_string()),
    ]
}

fn findings(analysis: &Analysis) -> Section {
    let section = Section::new("Findings");
    if analysis.findings.is_empty() {
        return section.paragraph("Nothing wrong was found in what these files show.");
    }
    let mut section = section;
    for finding in &analysis.findings {
        section.push(details(finding, analysis));
    }
    section
}

fn details(finding: &Finding, analysis: &Analysis) -> kms_page::Details {
    let summary = format!(
        "{} {} ({})",
        finding.severity.name().to_uppercase(),
        finding.row.code,
        finding.total
    );
    let is_open = finding.severity >= Severity::Warning;
    let mut details = kms_page::Details::new(summary).open(is_open);
    details.paragraph(format!("Cause: {}.", finding.row.cause));
    details.paragraph(format!("Remedy: {}.", finding.row.remedy));
    let columns = [
        Column::text("who"),
        Column::text("seen"),
        Column::code("codes"),
        Column::number("times"),
        Column::code("first"),
        Column::code("last"),
        Column::code("evidence"),
    ];
    let mut table = Table::new(columns);
    for case in finding.cases.iter().take(CASES_SHOWN) {
        let codes: Vec<String> = case.codes.iter().map(|code| Hresult(*code).to_string()).collect();
        let state = match case.is_over {
            true => Cell::new(format!("{}; successful since then", case.detail)),
            false => Cell::new(case.detail.clone()).tone(tone(finding.severity)),
        };
        table.row([
            Cell::new(text::subject(case.subject, &analysis.records)),
            state,
            Cell::new(codes.join(" ")),
            case.times.into(),
            case.from.rfc3339().into(),
            case.to.rfc3339().into(),
            Cell::new(text::place(case.last, &analysis.records)),
        ]);
    }
    details.push(table);
    details
}

/// Requests over time by what came of them, and the count that hosts told.
fn plots(analysis: &Analysis) -> Option<Section> {
    let events = &analysis.records.events;
    let (first, last) = analysis.timeline.span?;
    let (from, span) = (first.millis()?, last.since(first)?);
    let (unit, name) = match span {
        0..=HOUR => (MINUTE, "minutes"),
        ..=172_800_000 => (HOUR, "hours"),
        _ => (DAY, "days"),
    };
    let width = (span / BINS_MAX / unit + 1) * unit;
    let mut bins: BTreeMap<i64, [f64; 2]> = BTreeMap::new();
    let mut counts = Vec::new();
    for event in events {
        let Some(at) = event.time.millis() else { continue };
        let bin = (at - from) / width;
        let column = match judged(event) {
            Some(true) => 0,
            Some(false) => 1,
            None => continue,
        };
        let amounts = bins.entry(bin).or_default();
        if let Some(amount) = amounts.get_mut(column) {
            *amount += 1.0;
        }
        if let Some(count) = event.count.filter(|_| counts.len() < POINTS_MAX) {
            counts.push(((at - from) as f64 / unit as f64, f64::from(count)));
        }
    }
    let of = |column: usize| -> Vec<(f64, f64)> {
        let last = bins.keys().next_back().copied().unwrap_or(0);
        let amount = |bin: i64| bins.get(&bin).and_then(|bin| bin.get(column)).copied();
        let at = |bin: i64| (bin * width) as f64 / unit as f64;
        (0..=last).map(|bin| (at(bin), amount(bin).unwrap_or(0.0))).collect()
    };
    let x = || Axis::new(format!("since {first} (UTC)"), name);
    let layers = vec![
        Series::new("successful", of(0)).tone(Tone::Ok),
        Series::new("failed", of(1)).tone(Tone::Critical),
    ];
    let mut section = Section::new("Timeline").with(Plot::areas(
        format!("Results per {} {name}", width / unit),
        x(),
        Axis::new("events", ""),
        layers,
    ));
    if !counts.is_empty() {
        let series = vec![Series::new("count", counts)];
        let y = Axis::new("count", "clients");
        section = section.with(Plot::scatter("Count that hosts told", x(), y, series));
    }
    Some(section)
}

/// Whether an event shows a success or a failure, or neither.
fn judged(event: &Event) -> Option<bool> {
    match event.hresult {
        _ if is_success(event) => Some(true),
        Some(0) | None => (event.is_bound == Some(false)).then_some(false),
        Some(_) => Some(false),
    }
}

fn conversations(analysis: &Analysis) -> Option<Section> {
    let records = &analysis.records;
    if records.conversations.is_empty() {
        return None;
    }
    let columns = [
        Column::code("first packet"),
        Column::code("from and to"),
        Column::text("reached"),
        Column::text("ended"),
        Column::text("versions"),
        Column::number("requests"),
        Column::number("answers"),
    ];
    let mut table = Table::new(columns);
    for one in records.conversations.iter().take(ROWS_SHOWN) {
        table.row([
            one.time.rfc3339().into(),
            Cell::new(text::ends(one, records)),
            Cell::new(one.reached.name()),
            Cell::new(super::super::findings::ended(one)),
            Cell::new(one.versions.join(", ")),
            one.requests.into(),
            one.answers.into(),
        ]);
    }
    Some(Section::new("Conversations").with(table))
}

fn clients(analysis: &Analysis) -> Section {
    let names = &analysis.records.names;
    let columns = [
        Column::code("machine id"),
        Column::text("names"),
        Column::number("requests"),
        Column::number("failures"),
        Column::code("last seen"),
        Column::code("last success"),
        Column::code("last result"),
    ];
    let mut table = Table::new(columns);
    let mut clients: Vec<_> = analysis.timeline.clients.iter().collect();
    clients.sort_by_key(|client| std::cmp::Reverse(client.failures));
    for client in clients.iter().take(ROWS_SHOWN) {
        let shown: Vec<String> =
            client.names.iter().map(|name| names.show(*name).into_owned()).collect();
        table.row([
            Cell::new(names.show_id(client.cmid)),
            Cell::new(shown.join(", ")),
            (client.sent + client.host_saw).into(),
            client.failures.into(),
            client.last.rfc3339().into(),
            client.last_success.rfc3339().into(),
            client.last_result.map(|code| Hresult(code).to_string()).into(),
        ]);
    }
    let section = Section::new("Clients").with(table);
    match clients.len().saturating_sub(ROWS_SHOWN) {
        0 => section,
        more => section.paragraph(format!("{more} more with fewer failures are not shown.")),
    }
}

/// The latest events: what was before is in the table that `--format csv` writes.
fn timeline(analysis: &Analysis) -> Option<Section> {
    let events = &analysis.records.events;
    if events.is_empty() {
        return None;
    }
    let from = events.len().saturating_sub(ROWS_SHOWN);
    let mut table = Table::new([Column::code("time, event, result, who, evidence")]);
    for event in events.get(from..).unwrap_or_default() {
        table.row([Cell::new(text::event_line(event, &analysis.records))]);
    }
    let section = Section::new("Latest events").with(table);
    Some(match from {
        0 => section,
        before => section.paragraph(format!("{before} earlier ones: --format csv has all.")),
    })
}

fn files(analysis: &Analysis) -> Section {
    let columns = [
        Column::text("file"),
        Column::text("what it is"),
        Column::number("read"),
        Column::number("used"),
        Column::number("not understood"),
        Column::text("notes"),
    ];
    let mut table = Table::new(columns);
    for file in &analysis.records.files {
        let mut notes = file.notes.clone();
        notes.extend(file.problem.clone());
        table.row([
            Cell::new(file.name.clone()),
            Cell::new(file.kind.map_or("not read", |kind| kind.words())),
            file.read.into(),
            file.used.into(),
            file.skipped.into(),
            Cell::new(notes.join("; ")),
        ]);
    }
    Section::new("Files").with(table)
}

const BINS_MAX: i64 = 200;
const POINTS_MAX: usize = 20_000;
const CASES_SHOWN: usize = 200;
const ROWS_SHOWN: usize = 500;
