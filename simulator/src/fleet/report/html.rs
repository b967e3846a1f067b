//! A run as a page: figures and expectations, then the course of states, requests and counts.

use kms_page::{Cell, Column, Footer, KeyFigure, Page, Section, Table, Tone};

use super::plots;
use super::run::{ActivationFigures, Run};
use super::timeline::{STATES, Timeline};
use super::words::{clients, minutes, number, offenders, outcome_of, share};
use crate::fleet::expect::{FirstActivations, name_of};
use crate::fleet::outcome::{GroupOutcome, Outcome};
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
    Section::new("Licence states").with(plots::states(scenario, timeline)).with(table)
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
    let section = Section::new("Hosts").with(table).with(plots::requests(scenario, timeline));
    plots::counts(scenario, timeline).into_iter().fold(section, Section::with)
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
    let section = Section::new("Time to first activation");
    match plots::first_activation(outcome) {
        None => section.paragraph("No client activated for the first time."),
        Some(plot) => section.with(plot),
    }
    .with(table)
}

fn events(run: &Run) -> Section {
    let mut table = Table::new([Column::text("event"), Column::number("how often")]);
    for (kind, many) in EventKind::ALL.iter().zip(run.events) {
        table.row([name_of(kind).into(), number(many).into()]);
    }
    Section::new("Events").with(table)
}
