//! A measurement as a page: figures and table, then percentiles, distribution, course over time and
//! outliers as plots.

use std::time::Duration;

use kms_page::{
    Axis, Bin, Cell, Column, Footer, KeyFigure, Page, Plot, Section, Series, Table, Tone,
};

use super::conclude::percent;
use super::entry::{Entry, Measured, Report};
use super::record::SpanRecord;
use super::sample::Span;
use super::slowest::{OUTLIER_FACTOR, SLOWEST_MAX, Slow};
use super::{Options, text};
use crate::verdict::Severity;
use crate::verdict::judge::duration;

/// The page as an HTML file.
#[must_use]
pub fn page(report: &Report) -> String {
    let places: Vec<String> = report.entries.iter().map(text::route).collect();
    Page {
        title: "KMS latency and loss".to_owned(),
        subtitle: places.join(", "),
        figures: report.entries.iter().flat_map(|entry| figures(entry, report)).collect(),
        sections: report.entries.iter().flat_map(|entry| sections(entry, report)).collect(),
        footer: Footer {
            tool: concat!("kms-probe ", env!("CARGO_PKG_VERSION"), " measure").to_owned(),
            made: report.started.clone(),
            notes: RULES.iter().map(|rule| (*rule).to_owned()).collect(),
        },
    }
    .render()
}

/// Loss and latency of an entry; where there are several, under the name of its host.
fn figures(entry: &Entry, report: &Report) -> Vec<KeyFigure> {
    let name = |what: &str| match (&entry.host, entry.port) {
        (Some(host), Some(port)) if report.entries.len() > 1 => format!("{what}, {host}:{port}"),
        _ => what.to_owned(),
    };
    let tone = if entry.passed { Tone::Ok } else { tone_of_missed(entry.verdict.severity) };
    let Some(measured) = &entry.measured else {
        return vec![KeyFigure::new(name("not measured"), entry.verdict.row.code).tone(tone)];
    };
    let loss = measured.record.loss;
    let lost = loss.part().map_or("-".to_owned(), |part| format!("{}%", percent(part)));
    let mut figures = vec![
        KeyFigure::new(name("lost"), lost)
            .note(format!("{} of {} exchanges", loss.lost, loss.of))
            .tone(tone),
    ];
    if let Some(total) = measured.record.span(Span::Total) {
        for (label, at) in [("median", 50.0), ("p99", 99.0)] {
            let value = total.distribution.percentile_us(at).map_or("-".to_owned(), words);
            figures.push(KeyFigure::new(name(label), value).note("whole exchange"));
        }
    }
    figures
}

fn sections(entry: &Entry, report: &Report) -> Vec<Section> {
    let heading = format!("{}  {}", entry.verdict.row.code, text::route(entry));
    let tone = if entry.passed { Tone::Ok } else { tone_of_missed(entry.verdict.severity) };
    let overview = Section::new(heading).tone(tone);
    let Some(measured) = &entry.measured else {
        let overview = overview.paragraph(&entry.verdict.cause);
        return vec![match &entry.verdict.remedy {
            Some(remedy) => overview.paragraph(remedy),
            None => overview,
        }];
    };
    let mut overview = overview.with(facts(measured, &report.options)).with(latencies(measured));
    if !measured.conclusion.objectives.is_empty() {
        overview.push(objectives(measured));
    }
    if let Some(failures) = failures(measured) {
        overview.push(failures);
    }
    for note in &measured.conclusion.notes {
        overview = overview.paragraph(&note.text);
    }
    vec![overview, plots(measured, &report.options)]
}

fn facts(measured: &Measured, options: &Options) -> Table {
    let mut facts = vec![
        ("measured", text::how(measured, options)),
        ("from", format!("{:.3}", measured.started)),
        ("lost", text::lost(measured)),
    ];
    facts.extend(text::packets(measured));
    Table::of_facts(facts)
}

fn latencies(measured: &Measured) -> Table {
    let column = |(number, heading): (usize, &&str)| match number {
        0 => Column::text(*heading),
        _ => Column::number(*heading),
    };
    let mut table = Table::new(text::COLUMNS.iter().enumerate().map(column)).caption("Latency");
    for span in measured.spans() {
        table.row(text::row(span).into_iter().map(Cell::from));
    }
    table
}

fn objectives(measured: &Measured) -> Table {
    let columns = [Column::code("objective"), Column::number("measured"), Column::text("met")];
    let mut table = Table::new(columns).caption("Objectives");
    for outcome in &measured.conclusion.objectives {
        let met = if outcome.is_met() {
            Cell::new("met").tone(Tone::Ok)
        } else {
            Cell::new("missed").tone(Tone::Warning)
        };
        let actual = outcome.actual_us.map(words);
        table.row([outcome.objective.to_string().into(), actual.into(), met]);
    }
    table
}

fn failures(measured: &Measured) -> Option<Table> {
    let columns = [
        Column::code("verdict"),
        Column::number("lost"),
        Column::text("first (UTC)"),
        Column::text("cause of the first"),
        Column::text("remedy"),
    ];
    let mut table = Table::new(columns).caption("How exchanges were lost");
    let failures = measured.record.failures();
    for ended in &failures {
        let verdict = &ended.first;
        table.row([
            Cell::new(verdict.row.code).tone(tone_of_missed(verdict.severity)),
            ended.lost.into(),
            format!("{:.6}", measured.at(ended.first_begun)).into(),
            (&verdict.cause).into(),
            verdict.remedy.as_ref().into(),
        ]);
    }
    (!failures.is_empty()).then_some(table)
}

fn plots(measured: &Measured, options: &Options) -> Section {
    let mut section = Section::new("Latency by stage");
    let known: Vec<&SpanRecord> =
        measured.spans().filter(|span| span.distribution.count() > 0).collect();
    if known.is_empty() {
        return section.paragraph("No stage was answered, so there is no latency to draw.");
    }
    let curves = known.iter().map(|span| {
        let points = span.distribution.curve().into_iter();
        Series::new(span.span.name(), points.map(|(at, us)| (at, millis(us))).collect())
    });
    section.push(Plot::percentiles("Percentiles", latency_axis(), curves.collect()));
    section.push(course(measured, options));
    if let Some(lost) = lost_over_time(measured) {
        section.push(lost);
    }
    if let Some(outliers) = outliers(measured, &known) {
        section.push(outliers);
    }
    for span in known {
        section.push(histogram(span));
    }
    section
}

/// Median and 99th percentile of the whole exchange, slice by slice.
fn course(measured: &Measured, options: &Options) -> Plot {
    let slices = || measured.record.intervals.iter();
    let of = |at: f64| {
        let point = |slice: &super::interval::Interval| {
            let value = slice.percentile_us(Span::Total, at).map_or(f64::NAN, millis);
            (slice.start.as_secs_f64(), value)
        };
        slices().map(point).collect()
    };
    let series = vec![Series::new("median", of(50.0)), Series::new("p99", of(99.0))];
    let mut plot = Plot::lines("Whole exchange over time", time_axis(), latency_axis(), series);
    for objective in options.objectives.iter().filter(|objective| objective.span() == Span::Total) {
        plot = plot.rule(millis(objective.limit_us()), objective.to_string());
    }
    plot
}

fn lost_over_time(measured: &Measured) -> Option<Plot> {
    let slices = measured.record.intervals.iter();
    let points = slices.map(|slice| (slice.start.as_secs_f64(), slice.lost as f64)).collect();
    let series = vec![Series::new("lost", points).tone(Tone::Critical)];
    let axis = Axis::new("exchanges", "");
    let plot = Plot::lines("Lost exchanges over time", time_axis(), axis, series);
    (measured.record.loss.lost > 0).then_some(plot)
}

fn outliers(measured: &Measured, known: &[&SpanRecord]) -> Option<Plot> {
    let series: Vec<Series> = known
        .iter()
        .filter(|span| span.span != Span::Total)
        .map(|span| {
            let median = span.distribution.percentile_us(50.0);
            let point = |slow: &Slow| (slow.begun.as_secs_f64(), millis(slow.micros));
            Series::new(span.span.name(), span.slowest.outliers(median).map(point).collect())
        })
        .collect();
    let title = format!(
        "Outliers: over {OUTLIER_FACTOR} times the median of their stage, the {SLOWEST_MAX} \
         slowest of each"
    );
    let any = known.iter().any(|span| {
        let median = span.distribution.percentile_us(50.0);
        span.span != Span::Total && span.slowest.outliers(median).next().is_some()
    });
    let plot = Plot::scatter(title, time_axis(), latency_axis(), series)
        .description(format!("seconds since {:.3}, against milliseconds", measured.started));
    any.then_some(plot)
}

fn histogram(span: &SpanRecord) -> Plot {
    let bins = span.distribution.buckets(BINS).into_iter().map(|bucket| Bin {
        from: millis(bucket.from_us),
        to: millis(bucket.to_us),
        count: bucket.count as f64,
    });
    let title = format!("Distribution of {}", span.span.name());
    Plot::histogram(title, latency_axis(), Axis::new("exchanges", ""), bins.collect())
}

fn time_axis() -> Axis {
    Axis::new("since the start", "s")
}

fn latency_axis() -> Axis {
    Axis::new("latency", "ms").logarithmic()
}

/// Not [`crate::report::html::tone`]: what is healthy and did not pass missed an objective.
const fn tone_of_missed(severity: Severity) -> Tone {
    match severity {
        Severity::Ok | Severity::Info | Severity::Warning => Tone::Warning,
        Severity::Critical => Tone::Critical,
    }
}

fn words(micros: u64) -> String {
    duration(Duration::from_micros(micros))
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

/// How the figures are to be read.
const RULES: [&str; 5] = [
    "Percentiles are by nearest rank, to three significant digits; what was not measured has no \
     value.",
    "Jitter is the mean absolute difference of successive latencies, in the order in which they \
     ended.",
    "An exchange is lost when it ends before its last stage was answered; the interval is Wilson's.",
    "Latencies count from the actual start of each stage.",
    "The first SYN of a connection is unanswered when it or its answer was lost; a segment is sent \
     again when it or its acknowledgement was lost or very late.",
];

const BINS: u32 = 60;
