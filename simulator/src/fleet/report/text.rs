//! A run for people: what was simulated, how it ended, and what was expected.

use std::fmt::{self, Write as _};

use kms_page::spark;
use kms_page::text::escape;

use super::run::{ActivationFigures, HostFigures, Run};
use super::timeline::{STATES, Timeline};
use super::words::{clients, number, outcome_of, share};
use crate::fleet::expect::{Judgement, name_of};
use crate::fleet::scenario::{EventKind, Seconds};

/// The summary.
///
/// # Errors
/// None in practice: writing to memory.
pub(super) fn report(run: &Run, timeline: &Timeline<'_>) -> Result<String, fmt::Error> {
    let mut text = String::new();
    head(&mut text, run)?;
    states(&mut text, run)?;
    hosts(&mut text, run, timeline)?;
    first_activation(&mut text, &run.minutes_to_first_activation)?;
    events(&mut text, run)?;
    expectations(&mut text, run)?;
    Ok(text)
}

fn head(text: &mut String, run: &Run) -> fmt::Result {
    writeln!(text, "{}: {}", escape(&run.scenario), escape(&run.title))?;
    let length = Seconds(run.duration_s);
    writeln!(text, "  {} clients, {length} from {}", number(run.clients), run.start)?;
    write!(text, "  seed {}, trace {}", run.seed, run.trace_hash)?;
    match &run.shard {
        None => writeln!(text)?,
        Some(shard) => writeln!(text, ", shard {shard}")?,
    }
    let (events, requests) = (number(run.events_handled), number(run.requests_total));
    writeln!(text, "  {events} events, {requests} requests at hosts")
}

fn states(text: &mut String, run: &Run) -> fmt::Result {
    writeln!(text, "\nfinal states")?;
    for (name, many) in STATES.iter().zip(run.states_final).filter(|(_, many)| *many > 0) {
        writeln!(text, "  {name:<18} {:>13}  {:>6}", number(many), share(many, run.clients))?;
    }
    if run.clients == 0 {
        writeln!(text, "  no clients")?;
    }
    Ok(())
}

fn hosts(text: &mut String, run: &Run, timeline: &Timeline<'_>) -> fmt::Result {
    if run.hosts.is_empty() {
        return Ok(());
    }
    let width = run.hosts.iter().map(|host| escape(&host.name).chars().count()).max().unwrap_or(0);
    let width = width.clamp(4, NAME_CHARS_MAX);
    writeln!(
        text,
        "\n{:<width$}  {:>13}  {:>10}  {:>5}  {:>6}  requests over time",
        "host",
        "requests",
        "peak a min",
        "count",
        "office",
        width = width + 2
    )?;
    for (host, line) in run.hosts.iter().zip(&timeline.hosts) {
        let HostFigures {
            requests, peak_requests_per_minute, final_count, final_count_office, ..
        } = host;
        let over_time: Vec<f64> = line.requests().map(|requests| requests as f64).collect();
        writeln!(
            text,
            "  {:<width$}  {:>13}  {:>10}  {final_count:>5}  {final_count_office:>6}  {}",
            escape(&host.name),
            number(*requests),
            number(*peak_requests_per_minute),
            spark::line(&shortened(&over_time)),
        )?;
    }
    Ok(())
}

/// At most [`SPARK_COLUMNS`] values, each the largest of its neighbours.
fn shortened(values: &[f64]) -> Vec<f64> {
    let together = values.len().div_ceil(SPARK_COLUMNS).max(1);
    values.chunks(together).filter_map(|some| some.iter().copied().reduce(f64::max)).collect()
}

fn first_activation(text: &mut String, figures: &ActivationFigures) -> fmt::Result {
    if figures.clients + figures.never == 0 {
        return Ok(());
    }
    writeln!(text, "\ntime from first start to first activation")?;
    let columns = [
        ("half of all within", figures.p50),
        ("90 of 100 within", figures.p90),
        ("99 of 100 within", figures.p99),
        ("all within", figures.max),
    ];
    for (label, minutes) in columns {
        writeln!(text, "  {label:<18} {:>13}", super::words::minutes(minutes))?;
    }
    if figures.never > 0 {
        writeln!(text, "  {:<18} {:>13}", "never activated", clients(figures.never))?;
    }
    Ok(())
}

fn events(text: &mut String, run: &Run) -> fmt::Result {
    let seen = || EventKind::ALL.iter().zip(run.events).filter(|(_, many)| *many > 0);
    if seen().next().is_none() {
        return Ok(());
    }
    writeln!(text, "\nevents")?;
    for (kind, many) in seen() {
        writeln!(text, "  {:<18} {:>13}", name_of(kind), number(many))?;
    }
    Ok(())
}

fn expectations(text: &mut String, run: &Run) -> fmt::Result {
    if let Some(shard) = &run.shard {
        return writeln!(
            text,
            "\nexpectations are of the whole: merge all shards to have them judged (this is {shard})"
        );
    }
    if run.expectations.is_empty() {
        return writeln!(text, "\nno expectations");
    }
    let broken = run.expectations.iter().filter(|judgement| !judgement.held).count();
    writeln!(text, "\nexpectations: {} of {} broken", broken, run.expectations.len())?;
    run.expectations.iter().try_for_each(|judgement| expectation(text, judgement))
}

fn expectation(text: &mut String, judgement: &Judgement) -> fmt::Result {
    let word = if judgement.held { "PASS" } else { "FAIL" };
    writeln!(text, "  {word}  {}", escape(&judgement.title))?;
    writeln!(text, "        {}", escape(&outcome_of(judgement)))?;
    if judgement.offenders.total > 0 {
        writeln!(text, "        clients: {}", escape(&super::words::offenders(judgement)))?;
    }
    Ok(())
}

const NAME_CHARS_MAX: usize = 40;
const SPARK_COLUMNS: usize = 60;
