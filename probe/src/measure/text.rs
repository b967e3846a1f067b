//! A measurement for people: what was lost, the latencies of each stage as a table, how they are
//! distributed, what stood out and what has to be known.

use std::fmt::Write as _;
use std::time::Duration;

use kms_page::spark;

use super::Options;
use super::conclude::{loss_words, significant};
use super::entry::{Entry, Measured};
use super::record::{Ended, SpanRecord};
use super::sample::Span;
use super::slowest::OUTLIER_FACTOR;
use crate::report::{Style, escape};
use crate::verdict::Severity;
use crate::verdict::judge::duration;

/// One entry as text.
#[must_use]
pub fn entry(entry: &Entry, options: &Options, style: Style) -> String {
    let mut text = format!("{}\n", heading(entry, style));
    let Some(measured) = &entry.measured else {
        label(&mut text, style, "cause", &escape(&entry.verdict.cause));
        if let Some(remedy) = &entry.verdict.remedy {
            label(&mut text, style, "remedy", &escape(remedy));
        }
        return text;
    };
    label(&mut text, style, "measured", &how(measured, options));
    label(&mut text, style, "lost", &lost(measured));
    for (name, sentence) in packets(measured) {
        label(&mut text, style, name, &sentence);
    }
    for part in [table(measured, style), shapes(measured, style), objectives(measured, style)] {
        if !part.is_empty() {
            push_line(&mut text, "");
            text.push_str(&part);
        }
    }
    text.push_str(&outliers(measured, style));
    text.push_str(&failures(measured, style));
    if !measured.conclusion.notes.is_empty() {
        push_line(&mut text, "");
        for note in &measured.conclusion.notes {
            label(&mut text, style, "note", &note.text);
        }
    }
    text
}

/// The verdict, and what was measured.
fn heading(entry: &Entry, style: Style) -> String {
    let severity = match entry.verdict.severity {
        _ if entry.passed => Severity::Ok,
        Severity::Ok | Severity::Info => Severity::Warning,
        worse => worse,
    };
    let word = format!("{} {}", severity.name().to_uppercase(), entry.verdict.row.code);
    format!("{}  {}", style.severity(severity, &word), style.strong(&escape(&route(entry))))
}

/// `corp.test -> kms1.corp.test:1688 (192.0.2.10)`, as far as it is known.
pub(super) fn route(entry: &Entry) -> String {
    let (Some(host), Some(port)) = (&entry.host, entry.port) else { return entry.target.clone() };
    let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let endpoint = format!("{shown}:{port}");
    let place = match entry.address.map(|address| address.to_string()) {
        Some(address) if address != *host => format!("{endpoint} ({address})"),
        _ => endpoint.clone(),
    };
    let is_named_so = [host, &shown, &endpoint].contains(&&entry.target);
    if is_named_so { place } else { format!("{} -> {place}", entry.target) }
}

/// How it was measured, and how that went.
pub(super) fn how(measured: &Measured, options: &Options) -> String {
    let ended = measured.record.loss.of;
    let connection = if options.keep_alive {
        "calls on one connection"
    } else {
        "exchanges, a new connection for each"
    };
    let mut text = format!(
        "{ended} {connection}, in {}; {} asked for",
        duration(measured.elapsed),
        options.schedule.rate
    );
    if let Some(rate) = measured.conclusion.kept_rate {
        let _infallible = write!(text, ", {}/s kept", significant(rate));
    }
    if measured.interrupted {
        let total = options.schedule.total();
        let _infallible = write!(text, "; ended early, {total} were planned");
        if measured.abandoned > 0 {
            let _infallible = write!(text, " and {} not waited for", measured.abandoned);
        }
    }
    text
}

/// Exchanges lost.
pub(super) fn lost(measured: &Measured) -> String {
    loss_words(measured.record.loss, "exchanges")
}

/// What the kernel counted, each with its label; nothing where it counts nothing.
pub(super) fn packets(measured: &Measured) -> Vec<(&'static str, String)> {
    let packets = measured.record.packets;
    let counted = [
        ("SYNs", packets.first_syns, "first SYNs unanswered"),
        ("segments", packets.segments, "data segments sent again"),
    ];
    let known = counted.into_iter().filter(|(_, loss, _)| loss.of > 0);
    known.map(|(name, loss, what)| (name, loss_words(loss, what))).collect()
}

fn table(measured: &Measured, style: Style) -> String {
    let mut rows: Vec<Vec<String>> = vec![COLUMNS.iter().map(|c| (*c).to_owned()).collect()];
    rows.extend(measured.spans().map(row));
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _infallible = if column == 0 {
                write!(line, "  {cell:<width$}")
            } else {
                write!(line, "  {cell:>width$}")
            };
        }
        push_line(&mut text, &if number == 0 { style.dim(&line) } else { line });
    }
    text
}

/// The cells of a stage; `-` where there is no value.
pub(super) fn row(span: &SpanRecord) -> Vec<String> {
    let of = &span.distribution;
    let whole = |micros: Option<u64>| {
        micros.map_or("-".to_owned(), |micros| duration(Duration::from_micros(micros)))
    };
    let real = |micros: Option<f64>| whole(micros.map(|micros| micros.round() as u64));
    vec![
        span.span.name().to_owned(),
        of.count().to_string(),
        whole(of.min_us()),
        whole(of.percentile_us(50.0)),
        whole(of.percentile_us(90.0)),
        whole(of.percentile_us(99.0)),
        whole(of.percentile_us(99.9)),
        whole(of.max_us()),
        real(of.mean_us()),
        real(of.stddev_us()),
        real(of.jitter_us()),
    ]
}

/// A histogram of each stage in one line, from its smallest to its largest latency.
fn shapes(measured: &Measured, style: Style) -> String {
    let mut text = String::new();
    for span in measured.spans() {
        let buckets = span.distribution.buckets(SHAPE_COLUMNS);
        if let (Some(min), Some(max)) = (span.distribution.min_us(), span.distribution.max_us()) {
            let counts: Vec<f64> = buckets.iter().map(|bucket| height(bucket.count)).collect();
            let [min, max] = [min, max].map(|us| duration(Duration::from_micros(us)));
            let line = format!("{min} {} {max}", spark::line(&counts));
            label(&mut text, style, span.span.name(), &line);
        }
    }
    text
}

/// An empty bucket is a gap.
fn height(count: u64) -> f64 {
    if count == 0 { f64::NAN } else { count as f64 }
}

fn outliers(measured: &Measured, style: Style) -> String {
    let mut text = String::new();
    for span in measured.spans().filter(|span| span.span != Span::Total) {
        let median = span.distribution.percentile_us(50.0);
        for slow in span.slowest.outliers(median).take(OUTLIERS_SHOWN) {
            if text.is_empty() {
                let title = format!(
                    "Outliers: over {OUTLIER_FACTOR} times the median of their stage, the slowest \
                     {OUTLIERS_SHOWN} of each"
                );
                push_line(&mut text, "");
                push_line(&mut text, &format!("  {}", style.dim(&title)));
            }
            let resent = match slow.resent {
                0 => String::new(),
                number => format!(", {number} sent again"),
            };
            let line = format!(
                "  {:<6} {:>8}  {:.6}  exchange {}{resent}",
                span.span.name(),
                duration(Duration::from_micros(slow.micros)),
                measured.at(slow.begun),
                slow.index,
            );
            push_line(&mut text, &line);
        }
    }
    text
}

fn failures(measured: &Measured, style: Style) -> String {
    let mut text = String::new();
    for ended in measured.record.failures() {
        push_line(&mut text, "");
        text.push_str(&failure(ended, measured, style));
    }
    text
}

/// How often exchanges were lost in this way, with the sentences of the first.
fn failure(ended: &Ended, measured: &Measured, style: Style) -> String {
    let mut text = String::new();
    let verdict = &ended.first;
    let code = style.severity(verdict.severity, verdict.row.code);
    let line = format!(
        "  {code}  {} of {} exchanges, the first at {:.6} (exchange {})",
        ended.lost,
        measured.record.loss.of,
        measured.at(ended.first_begun),
        ended.first_index
    );
    push_line(&mut text, &line);
    label(&mut text, style, "cause", &escape(&verdict.cause));
    if let Some(remedy) = &verdict.remedy {
        label(&mut text, style, "remedy", &escape(remedy));
    }
    text
}

fn objectives(measured: &Measured, style: Style) -> String {
    let mut text = String::new();
    for outcome in &measured.conclusion.objectives {
        let severity = if outcome.is_met() { Severity::Ok } else { Severity::Warning };
        let word = if outcome.is_met() { "met" } else { "missed" };
        let actual = outcome
            .actual_us
            .map_or("not measured".to_owned(), |micros| duration(Duration::from_micros(micros)));
        let line = format!("{}: {}, {actual}", outcome.objective, style.severity(severity, word));
        label(&mut text, style, "slo", &line);
    }
    text
}

fn label(text: &mut String, style: Style, label: &str, sentence: &str) {
    push_line(text, &style.labelled(&format!("  {label}"), LABEL_COLUMNS, sentence));
}

fn push_line(text: &mut String, line: &str) {
    let _infallible = writeln!(text, "{}", line.trim_end());
}

/// Headings of the table.
pub(super) const COLUMNS: [&str; 11] =
    ["stage", "count", "min", "median", "p90", "p99", "p99.9", "max", "mean", "stddev", "jitter"];

const LABEL_COLUMNS: usize = 12;
const SHAPE_COLUMNS: u32 = 40;
const OUTLIERS_SHOWN: usize = 3;
