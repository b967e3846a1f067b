//! The run as a page with plots.

use hdrhistogram::Histogram;
use kms_page::{
    Axis, Bin, Cell, Column, Footer, KeyFigure, Page, Plot, Section, Series, Table, Tone,
};

use super::text::duration;
use super::{Report, description};
use crate::load::run::{Second, five};
use crate::load::verdict::Phase;

/// The page as an HTML file.
#[must_use]
pub fn page(report: &Report<'_>) -> String {
    let record = report.record;
    let started = record.started.and_then(|time| jiff::Timestamp::try_from(time).ok());
    let mut sections = vec![overview(report)];
    if let Some(search) = report.search {
        sections.push(knee(search));
    }
    sections.push(course(report));
    Page {
        title: "KMS load".to_owned(),
        subtitle: report.plan.target.to_string(),
        figures: figures(report),
        sections,
        footer: Footer {
            tool: concat!("kms-sim ", env!("CARGO_PKG_VERSION"), " load").to_owned(),
            made: started.map_or(String::new(), |time| time.to_string()),
            notes: RULES.iter().map(|rule| (*rule).to_owned()).collect(),
        },
    }
    .render()
}

fn figures(report: &Report<'_>) -> Vec<KeyFigure> {
    let record = report.record;
    let shown = |rate: Option<f64>| rate.map_or("-".to_owned(), |rate| format!("{rate:.0}/s"));
    let errors = record.total.counts.failures();
    let valid =
        if report.invalid.is_empty() { ("valid", Tone::Ok) } else { ("invalid", Tone::Critical) };
    let mut figures = vec![
        KeyFigure::new("asked", shown(report.plan.asked_rate())),
        KeyFigure::new("achieved", shown(record.achieved_rate())),
        KeyFigure::new("failed", errors.to_string()).tone(if errors == 0 {
            Tone::Ok
        } else {
            Tone::Warning
        }),
        KeyFigure::new("run", valid.0).tone(valid.1),
    ];
    let [p50, _, p99, _, _] = five(&record.total.latencies.intended);
    for (name, value) in [("median", p50), ("p99", p99)] {
        let value = value.map_or("-".to_owned(), duration);
        figures.push(KeyFigure::new(name, value).note("from the intended start"));
    }
    figures
}

fn overview(report: &Report<'_>) -> Section {
    let record = report.record;
    let columns = ["", "p50", "p90", "p99", "p99.9", "max", "count"];
    let columns = columns.into_iter().enumerate().map(|(n, name)| match n {
        0 => Column::text(name),
        _ => Column::number(name),
    });
    let mut table = Table::new(columns).caption("Latency");
    let latencies = &record.total.latencies;
    let mut row = |name: &str, histogram: &Histogram<u64>| {
        let values = five(histogram).into_iter().map(|us| Cell::from(us.map(duration)));
        let count = Cell::from(histogram.len().to_string());
        table.row([Cell::from(name)].into_iter().chain(values).chain([count]));
    };
    row("from the intended start", &latencies.intended);
    row("from the actual start", &latencies.actual);
    for phase in Phase::ALL {
        row(phase.name(), latencies.phase(phase));
    }
    row("failed exchanges", &latencies.failed);
    row("the generator's lateness", &latencies.lateness);
    let mut section = Section::new("Result").paragraph(description(report.plan)).with(table);
    if record.total.counts.failures() > 0 {
        let columns = [Column::code("verdict"), Column::text("phase"), Column::number("failed")];
        let mut table = Table::new(columns).caption("Failures");
        for (verdict, count) in record.total.counts.by_verdict().filter(|(_, n)| *n > 0) {
            table.row([
                verdict.name().into(),
                verdict.phase().name().into(),
                count.to_string().into(),
            ]);
        }
        section.push(table);
    }
    for reason in &report.invalid {
        section = section.paragraph(format!("Invalid: {reason}"));
    }
    for note in &report.notes {
        section = section.paragraph(note);
    }
    for difference in &report.differences {
        section = section.paragraph(difference.sentence());
    }
    section
}

fn knee(search: &crate::load::capacity::Search) -> Section {
    let mut trials: Vec<_> = search.trials.iter().collect();
    trials.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let of = |value: fn(&crate::load::capacity::Trial) -> Option<u64>| {
        let point = |trial: &&crate::load::capacity::Trial| {
            (trial.rate, value(trial).map_or(f64::NAN, millis))
        };
        trials.iter().map(point).collect()
    };
    let series =
        vec![Series::new("median", of(|t| t.p50_us)), Series::new("p99", of(|t| t.p99_us))];
    let rate = Axis::new("asked rate", "1/s");
    let mut plot = Plot::lines("Latency against rate", rate, latency_axis(), series);
    if let Some(capacity) = search.capacity() {
        plot = plot.mark(capacity, "capacity");
    }
    Section::new("Capacity").paragraph(search.sentence()).with(plot)
}

fn course(report: &Report<'_>) -> Section {
    let record = report.record;
    let seconds = &record.seconds;
    let of = |value: &dyn Fn(&Second) -> f64| -> Vec<(f64, f64)> {
        seconds.iter().map(|second| (second.second as f64, value(second))).collect()
    };
    let at = |place: usize, intended: bool| {
        of(&|second| {
            let all = if intended { &second.intended_us } else { &second.actual_us };
            all.get(place).copied().flatten().map_or(f64::NAN, millis)
        })
    };
    let rates = vec![
        Series::new("began", of(&|s| s.counts.started as f64)),
        Series::new("ended", of(&|s| s.counts.requests() as f64)),
    ];
    let percentiles = vec![
        Series::new("median, intended", at(0, true)),
        Series::new("p99, intended", at(2, true)),
        Series::new("p99, actual", at(2, false)),
    ];
    let latencies = &record.total.latencies;
    let curves = vec![
        Series::new("intended start", curve(&latencies.intended)),
        Series::new("actual start", curve(&latencies.actual)),
    ];
    let mut section = Section::new("Course")
        .with(Plot::lines("Rate", time_axis(), Axis::new("exchanges", "1/s"), rates))
        .with(Plot::lines("Latency", time_axis(), latency_axis(), percentiles))
        .with(Plot::percentiles("Percentiles", latency_axis(), curves))
        .with(Plot::histogram(
            "Distribution from the intended start",
            latency_axis(),
            Axis::new("exchanges", ""),
            bins(&latencies.intended),
        ));
    if record.total.counts.failures() > 0 {
        let by_phase = Phase::ALL.map(|phase| {
            let points = of(&|second| second.counts.failures_in(phase) as f64);
            Series::new(phase.name(), points)
        });
        let axis = Axis::new("failures", "1/s");
        section.push(Plot::lines("Failures", time_axis(), axis, by_phase.into()));
    }
    section
}

fn curve(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let step = |value: hdrhistogram::iterators::IterationValue<u64>| {
        (value.percentile(), millis(value.value_iterated_to()))
    };
    histogram.iter_quantiles(5).map(step).filter(|(at, _)| *at < 100.0).collect()
}

fn bins(histogram: &Histogram<u64>) -> Vec<Bin> {
    let start = histogram.min_nz().max(1);
    let mut from = 0.0;
    histogram
        .iter_log(start, BIN_GROWTH)
        .map(|step| {
            let to = millis(step.value_iterated_to() + 1);
            let bin = Bin { from, to, count: step.count_since_last_iteration() as f64 };
            from = to;
            bin
        })
        .filter(|bin| bin.from > 0.0)
        .collect()
}

fn time_axis() -> Axis {
    Axis::new("since the start", "s")
}

fn latency_axis() -> Axis {
    Axis::new("latency", "ms").logarithmic()
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

const BIN_GROWTH: f64 = 1.25;

const RULES: [&str; 4] = [
    "Latency from the intended start counts from when the schedule wanted the exchange to begin: \
     what a client that does not wait its turn would see.",
    "Latency from the actual start leaves out how long the exchange waited for a connection.",
    "Percentiles are by nearest rank, to three significant digits, of answered exchanges.",
    "The generator's lateness is how much later than it could have an exchange began.",
];
