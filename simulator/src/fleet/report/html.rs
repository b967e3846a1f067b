//! A run as a page: figures and expectations, then the course of states, requests and counts.

use kms_page::{
    Axis, Bin, Cell, Column, Footer, KeyFigure, Page, Plot, Section, Series, Table, Tone,
};
use kms_protocol::kms::product::{Family, Product};

use super::run::{ActivationFigures, Run};
use super::timeline::{HostLine, STATES, Timeline, days};
use super::words::{clients, minutes, number, offenders, outcome_of, share};
use crate::fleet::expect::{FirstActivations, name_of};
use crate::fleet::outcome::{GroupOutcome, HostSample, Outcome};
use crate::fleet::scenario::{EventKind, Scenario, Seconds};

/// The page as an HTML file.
#[must_use]
pub(super) fn page(
    scenario: &Scenario,
    outcome: &Outcome,
    run: &Run,
    timeline: &Timeline<'_>,
) -> String {
    Page {
        title: scenario.title.clone(),
        subtitle: scenario.name.clone(),
        figures: figures(run),
        sections: sections(scenario, outcome, run, timeline),
        footer: Footer {
            tool: concat!("kms-sim ", env!("CARGO_PKG_VERSION"), " fleet").to_owned(),
            // Simulated: the same run makes the same page.
            made: String::new(),
            notes: notes(run),
        },
    }
    .render()
}

fn figures(run: &Run) -> Vec<KeyFigure> {
    let [_, licensed, ..] = run.states_final;
    let broken = run.expectations.iter().filter(|judgement| !judgement.held).count();
    let held = run.expectations.len() - broken;
    let mut figures = vec![
        KeyFigure::new("clients", number(run.clients)),
        KeyFigure::new("licensed at the end", share(licensed, run.clients)).note(clients(licensed)),
        KeyFigure::new("requests", number(run.requests_total)).note("at all hosts"),
    ];
    if run.shard.is_none() && !run.expectations.is_empty() {
        let tone = if broken == 0 { Tone::Ok } else { Tone::Critical };
        let value = format!("{held} of {}", run.expectations.len());
        figures.push(KeyFigure::new("expectations held", value).tone(tone));
    }
    figures
}

fn sections(
    scenario: &Scenario,
    outcome: &Outcome,
    run: &Run,
    timeline: &Timeline<'_>,
) -> Vec<Section> {
    let mut sections = Vec::new();
    if !scenario.teaches.trim().is_empty() {
        let paragraphs = scenario.teaches.split("\n\n").map(str::trim);
        sections.push(paragraphs.fold(Section::new("What it shows"), Section::paragraph));
    }
    sections.push(expectations(run));
    sections.push(states(scenario, run, timeline));
    if !timeline.hosts.is_empty() {
        sections.push(hosts(scenario, run, timeline));
    }
    sections.push(first_activation(scenario, outcome));
    sections.push(events(run));
    sections
}

fn notes(run: &Run) -> Vec<String> {
    let length = Seconds(run.duration_s);
    let mut notes = vec![
        format!("Simulated: {length} from {}, seed {}, trace {}.", run.start, run.seed, run.trace_hash),
        "Percentiles are by nearest rank over all clients; one that never activated counts as longer \
         than any."
            .to_owned(),
    ];
    if let Some(shard) = &run.shard {
        notes.push(format!("This is shard {shard}: expectations are judged after the merge."));
    }
    notes
}

fn expectations(run: &Run) -> Section {
    let broken = run.expectations.iter().any(|judgement| !judgement.held);
    let section = Section::new("Expectations");
    if run.expectations.is_empty() {
        return section.paragraph(match run.shard {
            Some(_) => "A shard is not judged: merge all shards.",
            None => "The scenario has none.",
        });
    }
    let columns = [
        Column::text("result"),
        Column::text("expectation"),
        Column::text("measured"),
        Column::text("clients that break it"),
    ];
    let mut table = Table::new(columns);
    for judgement in &run.expectations {
        let result = if judgement.held {
            Cell::new("PASS").tone(Tone::Ok)
        } else {
            Cell::new("FAIL").tone(Tone::Critical)
        };
        let clients = (judgement.offenders.total > 0).then(|| offenders(judgement));
        let measured = outcome_of(judgement);
        table.row([result, (&judgement.title).into(), measured.into(), clients.into()]);
    }
    section.tone(if broken { Tone::Critical } else { Tone::Ok }).with(table)
}

fn states(scenario: &Scenario, run: &Run, timeline: &Timeline<'_>) -> Section {
    let columns = [Column::text("state"), Column::number("clients"), Column::number("share")];
    let mut table = Table::new(columns).caption("At the end");
    for (state, many) in STATES.iter().zip(run.states_final) {
        table.row([(*state).into(), number(many).into(), share(many, run.clients).into()]);
    }
    Section::new("Licence states")
        .with(marked(
            scenario,
            Plot::areas("Clients by state", time(), Axis::new("clients", ""), layers(timeline)),
        ))
        .with(table)
}

/// The states that any client was in, licensed at the bottom.
fn layers(timeline: &Timeline<'_>) -> Vec<Series> {
    let layer = |&(state, tone): &(usize, Tone)| {
        let many = timeline.clients.iter().map(|clients| clients.states.get(state).copied());
        let points: Vec<(f64, f64)> =
            timeline.days().zip(many.map(|many| many.unwrap_or_default() as f64)).collect();
        let is_seen = points.iter().any(|(_, many)| *many > 0.0);
        let name = STATES.get(state).copied().unwrap_or_default();
        is_seen.then(|| Series::new(name, points).tone(tone))
    };
    STACK.iter().filter_map(layer).collect()
}

fn hosts(scenario: &Scenario, run: &Run, timeline: &Timeline<'_>) -> Section {
    let columns = [
        Column::text("host"),
        Column::text("site"),
        Column::number("requests"),
        Column::number("most in a minute"),
        Column::number("final count"),
        Column::number("final count, Office"),
    ];
    let mut table = Table::new(columns);
    for host in &run.hosts {
        table.row([
            (&host.name).into(),
            (&host.site).into(),
            number(host.requests).into(),
            number(host.peak_requests_per_minute).into(),
            host.final_count.into(),
            host.final_count_office.into(),
        ]);
    }
    let peak = |sample: &HostSample| sample.peak_requests_per_minute as f64;
    let requests = Plot::lines(
        "Requests per minute: the most since the sample before",
        time(),
        Axis::new("requests per minute", ""),
        lines(timeline, peak),
    );
    let mut section = Section::new("Hosts").with(table).with(marked(scenario, requests));
    for (title, count, families) in COUNTS {
        if let Some(plot) = counts(scenario, timeline, title, count, families) {
            section.push(marked(scenario, plot));
        }
    }
    section
}

/// The counts of one application with the thresholds of the products that the scenario has of it.
fn counts(
    scenario: &Scenario,
    timeline: &Timeline<'_>,
    title: &str,
    count: fn(&HostSample) -> f64,
    families: &[Family],
) -> Option<Plot> {
    let products = scenario.groups.iter().filter_map(|group| Product::by_name(&group.product));
    let mut thresholds: Vec<(u32, &str)> = products
        .filter(|product| families.contains(&product.family))
        .map(|product| (product.n_policy, threshold_of(product.family)))
        .collect();
    thresholds.sort_unstable();
    thresholds.dedup();
    let is_counted = |line: &HostLine<'_>| line.samples.iter().any(|sample| count(sample) > 0.0);
    if thresholds.is_empty() && !timeline.hosts.iter().any(is_counted) {
        return None;
    }
    let plot = Plot::lines(title, time(), Axis::new("count", ""), lines(timeline, count));
    Some(thresholds.into_iter().fold(plot, |plot, (threshold, whose)| {
        plot.rule(f64::from(threshold), format!("{threshold}: {whose}"))
    }))
}

const fn threshold_of(family: Family) -> &'static str {
    match family {
        Family::WindowsClient => "Windows clients",
        Family::WindowsServer => "Windows Server",
        Family::Office | Family::Project | Family::Visio => "Office",
    }
}

fn lines(timeline: &Timeline<'_>, value: impl Fn(&HostSample) -> f64) -> Vec<Series> {
    let line = |host: &HostLine<'_>| {
        Series::new(host.name, timeline.days().zip(host.samples.iter().map(&value)).collect())
    };
    timeline.hosts.iter().map(line).collect()
}

fn first_activation(scenario: &Scenario, outcome: &Outcome) -> Section {
    let groups: Vec<&GroupOutcome> = outcome.sites.iter().flat_map(|site| &site.groups).collect();
    let columns = [
        Column::text("group"),
        Column::number("activated"),
        Column::number("never"),
        Column::number("half within"),
        Column::number("90 of 100 within"),
        Column::number("99 of 100 within"),
        Column::number("all within"),
    ];
    let mut table = Table::new(columns);
    for group in &groups {
        let name = scenario.groups.get(group.group).map(|group| group.name.clone());
        let figures = ActivationFigures::of(&FirstActivations::of([*group]));
        table.row([
            name.into(),
            number(figures.clients).into(),
            number(figures.never).into(),
            minutes(figures.p50).into(),
            minutes(figures.p90).into(),
            minutes(figures.p99).into(),
            minutes(figures.max).into(),
        ]);
    }
    let first = FirstActivations::of(groups);
    let section = Section::new("Time to first activation");
    match bins(&first) {
        bins if bins.is_empty() => section.paragraph("No client activated for the first time."),
        bins => section.with(Plot::histogram(
            "From first start to first activation",
            Axis::new("time", "hours"),
            Axis::new("clients", ""),
            bins,
        )),
    }
    .with(table)
}

/// Bins of equal width over all times, in hours.
fn bins(first: &FirstActivations) -> Vec<Bin> {
    let Some((last, _)) = first.minutes.last_key_value() else { return Vec::new() };
    let width = (last / HISTOGRAM_BINS + 1).max(1);
    let bin = |number: u32| {
        let (from, to) = (number * width, (number + 1) * width);
        let count: u64 = first.minutes.range(from..to).map(|(_, many)| *many).sum();
        let hours = |minutes: u32| f64::from(minutes) / 60.0;
        Bin { from: hours(from), to: hours(to), count: count as f64 }
    };
    (0..=last / width).map(bin).collect()
}

fn events(run: &Run) -> Section {
    let mut table = Table::new([Column::text("event"), Column::number("how often")]);
    for (kind, many) in EventKind::ALL.iter().zip(run.events) {
        table.row([name_of(kind).into(), number(many).into()]);
    }
    Section::new("Events").with(table)
}

/// The plot with the scenario's changes as marks.
fn marked(scenario: &Scenario, plot: Plot) -> Plot {
    scenario.changes.iter().fold(plot, |plot, change| {
        let action = serde_json::to_value(&change.action).unwrap_or_default();
        let what = action.get("what").and_then(serde_json::Value::as_str).unwrap_or_default();
        let plot = plot.mark(days(change.at), what);
        match change.until {
            Some(until) if until <= scenario.duration => {
                plot.mark(days(until), format!("{what} ends"))
            }
            _ => plot,
        }
    })
}

pub(crate) fn time() -> Axis {
    Axis::new("time since the start", "days")
}

type Counts = (&'static str, fn(&HostSample) -> f64, &'static [Family]);

const COUNTS: [Counts; 2] = [
    (
        "Count for Windows against the thresholds",
        |sample| sample.count_windows as f64,
        &[Family::WindowsClient, Family::WindowsServer],
    ),
    (
        "Count for Office against the threshold",
        |sample| sample.count_office as f64,
        &[Family::Office, Family::Project, Family::Visio],
    ),
];

/// Layers from the bottom; good ones first, and warnings beside what they warn of.
const STACK: [(usize, Tone); 7] = [
    (1, Tone::Ok),
    (2, Tone::Info),
    (6, Tone::Neutral),
    (3, Tone::Warning),
    (4, Tone::Neutral),
    (5, Tone::Critical),
    (0, Tone::Neutral),
];

const HISTOGRAM_BINS: u32 = 60;
