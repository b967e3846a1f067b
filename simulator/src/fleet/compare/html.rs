//! Two runs on one page: the same plots with both in each.

use kms_page::{Axis, Cell, Column, Footer, KeyFigure, Page, Plot, Section, Series, Table, Tone};

use super::text::{cells, is_worth_a_row, of_host, result};
use super::{Comparison, Figure};
use crate::fleet::expect::FirstActivations;
use crate::fleet::outcome::HostSample;
use crate::fleet::report::{Report, time};

pub(super) fn page(a: &Report<'_>, b: &Report<'_>, comparison: &Comparison) -> String {
    let (side_a, side_b) = (&comparison.a, &comparison.b);
    Page {
        title: "Two fleet runs".to_owned(),
        subtitle: format!("A: {}, B: {}", side_a.file, side_b.file),
        figures: key_figures(comparison),
        sections: vec![
            expectations(comparison),
            Section::new("Figures").with(figures(comparison)),
            courses(a, b),
            first_activation(a, b),
        ],
        footer: Footer {
            tool: concat!("kms-sim ", env!("CARGO_PKG_VERSION"), " fleet compare").to_owned(),
            made: String::new(),
            notes: [('A', side_a), ('B', side_b)]
                .map(|(letter, side)| {
                    format!(
                        "{letter}: {}, scenario {}, seed {}, trace {}.",
                        side.file, side.scenario, side.seed, side.trace_hash
                    )
                })
                .into(),
        },
    }
    .render()
}

fn key_figures(comparison: &Comparison) -> Vec<KeyFigure> {
    let shown = ["requests_total", "states_final.licensed", "minutes_to_first_activation.p50"];
    let of = |name: &&str| comparison.figures.iter().find(|figure| figure.name == **name);
    let mut figures: Vec<KeyFigure> = shown
        .iter()
        .filter_map(of)
        .map(|figure| {
            let (a, b, difference) = cells(figure);
            KeyFigure::new(figure.name.clone(), format!("{a} / {b}")).note(difference)
        })
        .collect();
    let changed = comparison.expectations_changed.len();
    let tone = if changed == 0 { Tone::Ok } else { Tone::Warning };
    figures.push(KeyFigure::new("expectations changed", changed.to_string()).tone(tone));
    figures
}

fn expectations(comparison: &Comparison) -> Section {
    let section = Section::new("Expectations with another result");
    if comparison.expectations_changed.is_empty() {
        return section.paragraph("None.");
    }
    let mut table = Table::new([Column::text("expectation"), Column::text("A"), Column::text("B")]);
    for pair in &comparison.expectations_changed {
        let cell = |judgement: Option<&crate::fleet::expect::Judgement>| {
            let tone = match judgement {
                None => Tone::Neutral,
                Some(judgement) if judgement.held => Tone::Ok,
                Some(_) => Tone::Critical,
            };
            Cell::new(result(judgement)).tone(tone)
        };
        table.row([(&pair.title).into(), cell(pair.a.as_ref()), cell(pair.b.as_ref())]);
    }
    section.with(table)
}

fn figures(comparison: &Comparison) -> Table {
    let columns = [
        Column::text("figure"),
        Column::number("A"),
        Column::number("B"),
        Column::number("difference"),
    ];
    let mut table = Table::new(columns);
    let mut row = |name: String, figure: &Figure| {
        let (a, b, difference) = cells(figure);
        table.row([name.into(), a.into(), b.into(), difference.into()]);
    };
    for figure in comparison.figures.iter().filter(|figure| is_worth_a_row(figure)) {
        row(figure.name.clone(), figure);
    }
    for host in &comparison.hosts {
        for figure in of_host(host) {
            row(format!("{}: {}", host.name, figure.name), &figure);
        }
    }
    table
}

fn courses(a: &Report<'_>, b: &Report<'_>) -> Section {
    let [licensed_a, licensed_b] = [(a, "A"), (b, "B")].map(|(report, letter)| {
        let timeline = report.timeline();
        let licensed = timeline.clients.iter().map(|clients| {
            let [_, licensed, ..] = clients.states;
            licensed as f64
        });
        Series::new(format!("licensed, {letter}"), timeline.days().zip(licensed).collect())
    });
    let licensed = Plot::lines(
        "Clients that are licensed",
        time(),
        Axis::new("clients", ""),
        vec![licensed_a, licensed_b],
    );
    let section = Section::new("Over time").with(licensed);
    HOST_PLOTS.iter().fold(section, |section, (title, unit, value)| {
        let both = [(a, "A"), (b, "B")];
        let mut lines = both.iter().flat_map(|(report, _)| &report.timeline().hosts);
        if !lines.any(|line| line.samples.iter().any(|sample| value(sample) > 0.0)) {
            return section;
        }
        let series =
            both.iter().flat_map(|(report, letter)| hosts(report, letter, value)).collect();
        section.with(Plot::lines(*title, time(), Axis::new(*unit, ""), series))
    })
}

fn hosts(report: &Report<'_>, letter: &str, value: &fn(&HostSample) -> f64) -> Vec<Series> {
    let timeline = report.timeline();
    let line = |host: &crate::fleet::report::HostLine<'_>| {
        let points = timeline.days().zip(host.samples.iter().map(value)).collect();
        Series::new(format!("{}, {letter}", host.name), points)
    };
    timeline.hosts.iter().map(line).collect()
}

/// The share of clients that have activated by then: one that never does keeps the line below 100.
fn first_activation(a: &Report<'_>, b: &Report<'_>) -> Section {
    let series = [(a, "A"), (b, "B")].map(|(report, letter)| {
        let groups = report.outcome().sites.iter().flat_map(|site| &site.groups);
        let first = FirstActivations::of(groups);
        let clients = (first.minutes.values().sum::<u64>() + first.never).max(1) as f64;
        let mut activated = 0;
        let step = |(minutes, many): (&u32, &u64)| {
            activated += many;
            (f64::from(*minutes) / 60.0, activated as f64 / clients * 100.0)
        };
        let points = std::iter::once((0.0, 0.0)).chain(first.minutes.iter().map(step)).collect();
        Series::new(letter, points)
    });
    Section::new("Time to first activation").with(Plot::lines(
        "Clients that have activated since their first start",
        Axis::new("time since a client's first start", "hours"),
        Axis::new("share of all clients", "%"),
        series.into(),
    ))
}

type HostPlot = (&'static str, &'static str, fn(&HostSample) -> f64);

const HOST_PLOTS: [HostPlot; 3] = [
    ("Requests per minute: the most since the sample before", "requests per minute", |sample| {
        sample.peak_requests_per_minute as f64
    }),
    ("Count for Windows", "count", |sample| f64::from(sample.count_windows)),
    ("Count for Office", "count", |sample| f64::from(sample.count_office)),
];
