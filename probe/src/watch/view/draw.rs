//! A model on a screen of any size. Text from elsewhere is escaped here.

use kms_page::spark;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Row as Cells, Table, TableState, Wrap};

use super::cursor::Cursor;
use super::model::{Look, Model, Row};
use crate::report::escape;

/// Draws everything. Without `has_colour` it is in the terminal's own colours.
pub fn draw(frame: &mut Frame<'_>, model: &Model, cursor: Cursor, has_colour: bool) {
    let area = frame.area();
    // Where there is little room, the rows come first.
    let notes = if area.height >= 24 { NOTE_LINES } else { 0 };
    let left = area.height.saturating_sub(2 + notes);
    let wanted = u16::try_from(model.rows.len()).unwrap_or(u16::MAX).saturating_add(1);
    let rows = wanted.min((left / 2).max(4));
    let [head, table, detail, log, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(rows),
        Constraint::Min(0),
        Constraint::Length(notes),
        Constraint::Length(1),
    ])
    .areas(area);
    let paint = Paint { has_colour };
    frame.render_widget(Paragraph::new(paint.head(model)), head);
    draw_rows(frame, table, model, cursor, paint);
    if let Some(row) = model.rows.get(cursor.row) {
        draw_detail(frame, detail, row, paint);
    }
    let block = Block::new().borders(Borders::TOP).title(" what happened ");
    let shown = model.notes.iter().rev().take(usize::from(notes.saturating_sub(1)));
    let lines: Vec<Line<'_>> =
        shown.rev().map(|note| Line::from(escape(note).into_owned())).collect();
    frame.render_widget(Paragraph::new(lines).block(block), log);
    frame.render_widget(Paragraph::new(Line::from(KEYS).style(paint.dim())), foot);
}

fn draw_rows(frame: &mut Frame<'_>, area: Rect, model: &Model, cursor: Cursor, paint: Paint) {
    let has_sources = model.rows.iter().any(|row| !row.source.is_empty());
    let widest = |text: fn(&Row) -> &str, least: usize, most: usize| {
        let widths = model.rows.iter().map(|row| escape(text(row)).chars().count());
        u16::try_from(widths.max().unwrap_or(0).clamp(least, most)).unwrap_or(0)
    };
    let name = widest(|row| &row.name, 6, 40);
    let source = if has_sources { widest(|row| &row.source, 4, 39) } else { 0 };
    let verdict = widest(|row| &row.verdict, 7, 24);
    let fixed = name + source + verdict + 9 + 20 + 6;
    let chart = usize::from(area.width.saturating_sub(fixed) / 2).min(CHART_MAX);
    let cells = model.rows.iter().map(|row| {
        let state = if row.flapping { "flapping" } else { row.look.name() };
        let checks = row.checks.iter().skip(row.checks.len().saturating_sub(chart));
        let marks: Vec<Span<'_>> = checks
            .clone()
            .map(|check| Span::styled(check.look.mark().to_string(), paint.look(check.look)))
            .collect();
        let times: Vec<f64> = checks.map(|check| check.elapsed_us as f64).collect();
        Cells::new([
            Line::from(escape(&row.name).into_owned()),
            Line::from(escape(&row.source).into_owned()),
            Line::from(Span::styled(state, paint.look(row.look))),
            Line::from(escape(&row.verdict).into_owned()),
            Line::from(escape(&row.since).into_owned()),
            Line::from(marks),
            Line::from(spark::line(&times)),
        ])
    });
    let chart = u16::try_from(chart).unwrap_or(0);
    let widths = [name, source, 8, verdict, 20, chart, chart].map(Constraint::Length);
    let from = if has_sources { "from" } else { "" };
    let head = ["target", from, "state", "verdict", "since", "checks", "time"];
    let table = Table::new(cells, widths)
        .header(Cells::new(head).style(Style::new().add_modifier(Modifier::BOLD)))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::new().with_selected(Some(cursor.row));
    frame.render_stateful_widget(table, area, &mut state);
}

fn draw_detail(frame: &mut Frame<'_>, area: Rect, row: &Row, paint: Paint) {
    let mut title = format!(" {} ", escape(&row.name));
    if row.target != row.name {
        title = format!(" {}: {} ", escape(&row.name), escape(&row.target));
    }
    if row.is_checking {
        title.push_str("is being checked ");
    }
    let block = Block::new().borders(Borders::TOP).title(title);
    let mut lines = Vec::new();
    let mut labelled = |label: &'static str, text: &str| {
        if !text.is_empty() {
            let label = Span::styled(format!("{label:<9}"), paint.dim());
            lines.push(Line::from(vec![label, Span::from(escape(text).into_owned())]));
        }
    };
    labelled("cause", &row.cause);
    labelled("remedy", &row.remedy);
    if let Some(check) = row.checks.last() {
        let time = format!("{}  {}  {}", check.at, check.verdict, millis(check.elapsed_us));
        labelled("latest", &time);
    }
    for attempt in &row.attempts {
        labelled("tried", attempt);
    }
    for change in &row.changes {
        let text = format!("{}  {}  {}", change.at, change.look.name(), change.verdict);
        labelled("change", &text);
    }
    for check in row.checks.iter().rev().skip(1) {
        labelled(
            "check",
            &format!("{}  {}  {}", check.at, check.verdict, millis(check.elapsed_us)),
        );
    }
    lines.truncate(DETAIL_LINES_MAX);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).block(block), area);
}

fn millis(elapsed_us: u64) -> String {
    format!("{}.{} ms", elapsed_us / 1000, elapsed_us % 1000 / 100)
}

#[derive(Clone, Copy)]
struct Paint {
    has_colour: bool,
}

impl Paint {
    fn head(self, model: &Model) -> Line<'static> {
        let mut spans =
            vec![Span::styled("kms-probe watch", Style::new().add_modifier(Modifier::BOLD))];
        for look in [Look::Down, Look::Degraded, Look::Up, Look::Unknown] {
            let count = model.count(look);
            if count > 0 {
                let text = format!("  {count} {}", look.name().to_lowercase());
                spans.push(Span::styled(text, self.look(look)));
            }
        }
        if model.waiting > 0 {
            spans.push(Span::from(format!("  {} alerts wait", model.waiting)));
        }
        Line::from(spans)
    }

    fn look(self, look: Look) -> Style {
        let style = Style::new();
        if !self.has_colour {
            return style;
        }
        match look {
            Look::Unknown => style,
            Look::Up => style.fg(Color::Green),
            Look::Degraded => style.fg(Color::Yellow),
            Look::Down => style.fg(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    fn dim(self) -> Style {
        if self.has_colour { Style::new().add_modifier(Modifier::DIM) } else { Style::new() }
    }
}

const KEYS: &str = "q ends   up, down choose   n next that is not well";
const NOTE_LINES: u16 = 6;
/// Widest column of checks, one character each.
const CHART_MAX: usize = 60;
const DETAIL_LINES_MAX: usize = 200;

#[cfg(test)]
mod tests;
