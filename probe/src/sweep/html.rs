//! A sweep as a page to print or to send: sites by verdicts, then every row that somebody must act
//! on.

use kms_page::{Cell, Column, Footer, KeyFigure, Matrix, Page, Section, Table, Tone};

use super::summary::{OfSite, OfVerdict, Summary};
use super::text::{client_view, count};
use super::{Ended, Swept};
use crate::report::html::tone;
use crate::verdict::{Severity, judge};

/// The page.
///
/// # Errors
/// When the journal cannot be read.
pub fn page(swept: &Swept, summary: &Summary, file: &str) -> anyhow::Result<String> {
    let mut sections = vec![matrix(summary), meanings(summary)];
    sections.push(rows(swept)?);
    let page = Page {
        title: "KMS sweep".to_owned(),
        subtitle: file.to_owned(),
        figures: figures(swept, summary),
        sections,
        footer: Footer {
            tool: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            made: swept.started.clone(),
            notes: vec![
                "Each row was checked as kms-probe check would. A row with several addresses has \
                 the verdict of the worst."
                    .to_owned(),
            ],
        },
    };
    Ok(page.render())
}

fn figures(swept: &Swept, summary: &Summary) -> Vec<KeyFigure> {
    let of = |severity: Severity| {
        let verdicts = summary.by_verdict.iter().filter(|of| of.severity == severity);
        let rows: usize = verdicts.map(|of| of.rows).sum();
        let tone = if rows > 0 { tone(severity) } else { Tone::Neutral };
        KeyFigure::new(severity.name(), rows.to_string()).tone(tone)
    };
    let mut figures = vec![
        KeyFigure::new("rows", summary.rows.to_string())
            .note(format!("in {}", judge::duration(swept.elapsed))),
        of(Severity::Critical),
        of(Severity::Warning),
        of(Severity::Info),
        of(Severity::Ok),
    ];
    if summary.missing > 0 {
        let why = match swept.ended {
            Ended::TotalTimeout => "the total timeout was over",
            _ => "interrupted",
        };
        let missing = KeyFigure::new("without a result", summary.missing.to_string());
        figures.push(missing.note(why).tone(Tone::Critical));
    }
    if summary.tried_again > 0 {
        let again = KeyFigure::new("silent at the first try", summary.tried_again.to_string());
        figures.push(again.note(format!("{} answered at the second", summary.answered_again)));
    }
    figures
}

/// Sites by verdicts; without sites a single line.
fn matrix(summary: &Summary) -> Section {
    let mut columns: Vec<&OfVerdict> = Vec::new();
    for of in &summary.by_verdict {
        if !columns.iter().any(|known| known.verdict == of.verdict) {
            columns.push(of);
        }
    }
    let mut names: Vec<&str> = columns.iter().map(|of| of.verdict.as_str()).collect();
    names.extend((summary.missing > 0).then_some("no result"));
    let mut matrix = Matrix::new("site", names);
    for site in &summary.by_site {
        let name = if site.site.is_empty() { "(none)" } else { &site.site };
        matrix.row(name, site_cells(site, &columns, summary.missing > 0));
    }
    if summary.by_site.is_empty() {
        let mut cells: Vec<Cell> =
            columns.iter().map(|of| Cell::from(of.rows).tone(tone(of.severity))).collect();
        cells.extend((summary.missing > 0).then(|| Cell::from(summary.missing)));
        matrix.row("all", cells);
    }
    Section::new("Sites and verdicts").with(matrix)
}

fn site_cells(site: &OfSite, columns: &[&OfVerdict], with_missing: bool) -> Vec<Cell> {
    let cell = |of: &&OfVerdict| match site.verdicts.iter().find(|(name, _)| *name == of.verdict) {
        Some((_, rows)) => Cell::from(*rows).tone(tone(of.severity)),
        None => Cell::default(),
    };
    let mut cells: Vec<Cell> = columns.iter().map(cell).collect();
    if with_missing {
        cells.push(if site.missing > 0 { Cell::from(site.missing) } else { Cell::default() });
    }
    cells
}

/// What each verdict means, once.
fn meanings(summary: &Summary) -> Section {
    let columns = [
        Column::code("verdict"),
        Column::number("rows"),
        Column::text("first of them"),
        Column::text("cause"),
        Column::text("remedy"),
        Column::text("Windows shows"),
    ];
    let mut table = Table::new(columns);
    for of in &summary.by_verdict {
        let view = of.row().filter(|_| of.severity > Severity::Ok).map(client_view);
        let first = of.examples.first();
        table.row([
            Cell::new(&of.verdict).tone(tone(of.severity)),
            of.rows.into(),
            first.map(|first| format!("{} {}", first.site, first.target)).into(),
            Cell::from(&of.cause),
            of.remedy.as_deref().into(),
            view.into(),
        ]);
    }
    Section::new("What the verdicts mean").with(table)
}

/// The rows that are not healthy, in the order of the list.
fn rows(swept: &Swept) -> anyhow::Result<Section> {
    let columns = [
        Column::number("line"),
        Column::text("site"),
        Column::code("target"),
        Column::code("host"),
        Column::code("address"),
        Column::code("verdict"),
        Column::number("tries"),
    ];
    let mut table = Table::new(columns);
    let mut healthy = 0;
    for (number, row) in swept.rows.iter().enumerate() {
        let Some(record) = swept.journal.record(number)? else { continue };
        if record.severity <= Severity::Info {
            healthy += 1;
            continue;
        }
        for place in record.targets.iter().filter(|place| place.severity > Severity::Info) {
            let host = place.host.as_ref().map(|host| match place.port {
                Some(port) => format!("{host} port {port}"),
                None => host.clone(),
            });
            table.row([
                row.line.into(),
                Cell::from(&record.site),
                Cell::from(&record.target),
                host.into(),
                place.address.map(|address| address.to_string()).into(),
                Cell::new(&place.verdict).tone(tone(place.severity)),
                u64::from(record.attempts).into(),
            ]);
        }
    }
    let section = Section::new("Rows to act on");
    let healthy = format!("{} healthy and not listed.", count(healthy, "row"));
    Ok(match table.is_empty() {
        true => section.paragraph("None.").paragraph(healthy),
        false => section.with(table).paragraph(healthy),
    })
}
