//! Two runs beside each other: what would be different if. Pure.

mod html;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashMap;

use serde::Serialize;

use super::expect::Judgement;
use super::outcome::Outcome;
use super::report::{ActivationFigures, HostFigures, Report, Run, STATES, Tool};
use super::scenario::Scenario;

/// Two runs in figures, in the shape that `docs/schema/fleet-compare.schema.json` describes.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Version of the shape.
    pub schema_version: u32,
    /// What made it.
    pub tool: Tool,
    /// The first run.
    pub a: Side,
    /// The second run.
    pub b: Side,
    /// Whether every client of both did the same at the same time.
    pub same_trace: bool,
    /// Figures of the whole fleet.
    pub figures: Vec<Figure>,
    /// Hosts of either, those of the first in front.
    pub hosts: Vec<HostPair>,
    /// Expectations that one run holds and the other does not, or that one of them lacks.
    pub expectations_changed: Vec<ExpectationPair>,
}

/// Which run it is.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// Where it came from.
    pub file: String,
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// [`Run::trace_hash`].
    pub trace_hash: String,
    /// Simulated seconds.
    pub duration_s: u32,
    /// Whether all expectations hold.
    pub passed: bool,
}

/// One figure of both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Its name in the JSON of a run; a licence state as `states_final.NAME`.
    pub name: String,
    /// In the first run; `None` where it has no value, as of clients that never activate.
    pub a: Option<f64>,
    /// In the second run.
    pub b: Option<f64>,
}

/// A host in both runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostPair {
    /// Its name.
    pub name: String,
    /// In the first run; `None` where it has no such host.
    pub a: Option<HostFigures>,
    /// In the second run.
    pub b: Option<HostFigures>,
}

/// An expectation whose result is not the same in both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExpectationPair {
    /// Its title.
    pub title: String,
    /// In the first run; `None` where it has no such expectation.
    pub a: Option<Judgement>,
    /// In the second run.
    pub b: Option<Judgement>,
}

/// Two runs with everything that the reports of their comparison need.
#[derive(Debug)]
pub struct Compare<'a> {
    a: Report<'a>,
    b: Report<'a>,
    comparison: Comparison,
}

impl<'a> Compare<'a> {
    /// Compares two runs, each with the name of its file.
    #[must_use]
    pub fn of(
        (file_a, scenario_a, outcome_a): (&str, &'a Scenario, &'a Outcome),
        (file_b, scenario_b, outcome_b): (&str, &'a Scenario, &'a Outcome),
    ) -> Self {
        let (a, b) = (Report::of(scenario_a, outcome_a), Report::of(scenario_b, outcome_b));
        let comparison = Comparison::of((file_a, a.run()), (file_b, b.run()));
        Self { a, b, comparison }
    }

    /// The differences.
    #[must_use]
    pub const fn comparison(&self) -> &Comparison {
        &self.comparison
    }

    /// The differences for people.
    ///
    /// # Errors
    /// None in practice: writing to memory.
    pub fn text(&self) -> anyhow::Result<String> {
        Ok(text::report(&self.comparison)?)
    }

    /// One line of JSON with a line break.
    ///
    /// # Errors
    /// None in practice: writing to memory.
    pub fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string(&self.comparison)? + "\n")
    }

    /// A page with both runs in each plot.
    #[must_use]
    pub fn html(&self) -> String {
        html::page(&self.a, &self.b, &self.comparison)
    }
}

impl Comparison {
    fn of((file_a, a): (&str, &Run), (file_b, b): (&str, &Run)) -> Self {
        Self {
            schema_version: COMPARE_SCHEMA_VERSION,
            tool: a.tool,
            a: Side::of(file_a, a),
            b: Side::of(file_b, b),
            same_trace: a.trace_hash == b.trace_hash,
            figures: figures(a, b),
            hosts: hosts(a, b),
            expectations_changed: expectations(a, b),
        }
    }
}

impl Side {
    fn of(file: &str, run: &Run) -> Self {
        Self {
            file: file.to_owned(),
            scenario: run.scenario.clone(),
            seed: run.seed,
            trace_hash: run.trace_hash.clone(),
            duration_s: run.duration_s,
            passed: run.passed,
        }
    }
}

fn figures(a: &Run, b: &Run) -> Vec<Figure> {
    let figure =
        |name: String, of: &dyn Fn(&Run) -> Option<f64>| Figure { name, a: of(a), b: of(b) };
    let mut figures = vec![
        figure("clients".to_owned(), &|run| Some(run.clients as f64)),
        figure("requests_total".to_owned(), &|run| Some(run.requests_total as f64)),
    ];
    for (state, name) in STATES.iter().enumerate() {
        let of = |run: &Run| run.states_final.get(state).map(|many| *many as f64);
        figures.push(figure(format!("states_final.{name}"), &of));
    }
    for (name, of) in ACTIVATION {
        let name = format!("minutes_to_first_activation.{name}");
        figures.push(figure(name, &|run| of(&run.minutes_to_first_activation)));
    }
    figures
}

fn hosts(a: &Run, b: &Run) -> Vec<HostPair> {
    let in_b: HashMap<&str, &HostFigures> =
        b.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    let in_a: HashMap<&str, &HostFigures> =
        a.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    let pair = |host: &HostFigures| HostPair {
        name: host.name.clone(),
        a: in_a.get(host.name.as_str()).map(|host| (*host).clone()),
        b: in_b.get(host.name.as_str()).map(|host| (*host).clone()),
    };
    let only_b = b.hosts.iter().filter(|host| !in_a.contains_key(host.name.as_str()));
    a.hosts.iter().chain(only_b).map(pair).collect()
}

/// By title; of several with one title, the first belongs to the first.
fn expectations(a: &Run, b: &Run) -> Vec<ExpectationPair> {
    let mut left: Vec<&Judgement> = b.expectations.iter().collect();
    let mut pairs: Vec<ExpectationPair> = a
        .expectations
        .iter()
        .map(|one| {
            let found = left.iter().position(|other| other.title == one.title);
            let other = found.map(|index| left.remove(index).clone());
            ExpectationPair { title: one.title.clone(), a: Some(one.clone()), b: other }
        })
        .collect();
    pairs.extend(left.into_iter().map(|other| ExpectationPair {
        title: other.title.clone(),
        a: None,
        b: Some(other.clone()),
    }));
    let held = |judgement: &Option<Judgement>| judgement.as_ref().map(|judgement| judgement.held);
    pairs.retain(|pair| held(&pair.a) != held(&pair.b));
    pairs
}

type OfActivation = fn(&ActivationFigures) -> Option<f64>;

const ACTIVATION: [(&str, OfActivation); 5] = [
    ("never", |figures| Some(figures.never as f64)),
    ("p50", |figures| figures.p50),
    ("p90", |figures| figures.p90),
    ("p99", |figures| figures.p99),
    ("max", |figures| figures.max),
];

/// Version of the JSON's shape.
pub const COMPARE_SCHEMA_VERSION: u32 = 1;
