//! What is shown of a run. Pure: a scenario and its outcome in, text out.

mod csv;
#[cfg(test)]
pub(crate) mod example;
mod html;
mod json;
mod junit;
mod plots;
mod run;
#[cfg(test)]
mod tests;
mod text;
mod timeline;
mod traces;
mod words;

pub use json::{RUN_BYTES_MAX, ReadError, read};
pub use run::{ActivationFigures, HostFigures, Run, SCHEMA_VERSION, Tool};

pub(crate) use plots::time;
pub(crate) use timeline::{HostLine, STATES};
pub(crate) use words::{minutes, number, outcome_of};

use kms_page::Plot;

use self::timeline::Timeline;
use super::outcome::Outcome;
use super::scenario::Scenario;

/// A plot of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Clients by licence state over time.
    States,
    /// Requests per minute at each host.
    Requests,
    /// Requests since the start at each host.
    RequestsTotal,
    /// The count at each host against the thresholds.
    Count,
    /// Times from first start to first activation.
    FirstActivation,
}

/// A run with everything that its reports need.
#[derive(Debug)]
pub struct Report<'a> {
    scenario: &'a Scenario,
    outcome: &'a Outcome,
    run: Run,
    timeline: Timeline<'a>,
}

impl<'a> Report<'a> {
    /// The report of a run: judges its expectations.
    #[must_use]
    pub fn of(scenario: &'a Scenario, outcome: &'a Outcome) -> Self {
        let (run, timeline) = (Run::of(scenario, outcome), Timeline::of(scenario, outcome));
        Self { scenario, outcome, run, timeline }
    }

    /// The figures. [`Run::passed`] decides the exit code.
    #[must_use]
    pub const fn run(&self) -> &Run {
        &self.run
    }

    pub(crate) const fn timeline(&self) -> &Timeline<'a> {
        &self.timeline
    }

    pub(crate) const fn outcome(&self) -> &'a Outcome {
        self.outcome
    }

    /// The summary for people.
    ///
    /// # Errors
    /// None in practice: writing to memory.
    pub fn text(&self) -> anyhow::Result<String> {
        Ok(text::report(&self.run, &self.timeline)?)
    }

    /// JSON, in the shape of `docs/schema/fleet-run.schema.json`.
    ///
    /// # Errors
    /// None in practice: writing to memory.
    pub fn json(&self) -> anyhow::Result<String> {
        json::report(&self.run, self.outcome)
    }

    /// The timeline as CSV.
    ///
    /// # Errors
    /// None in practice: writing to memory.
    pub fn csv(&self) -> anyhow::Result<Vec<u8>> {
        Ok(csv::report(self.scenario, &self.timeline)?)
    }

    /// JUnit XML.
    ///
    /// # Errors
    /// None in practice: writing to memory.
    pub fn junit(&self) -> anyhow::Result<String> {
        junit::report(&self.run)
    }

    /// A page with plots.
    #[must_use]
    pub fn html(&self) -> String {
        html::page(self.scenario, self.outcome, &self.run, &self.timeline)
    }

    /// The plots `shown`, below each other, as one SVG file that follows light and dark.
    #[must_use]
    pub fn svg(&self, shown: &[Shown]) -> String {
        let plots: Vec<Plot> = shown.iter().flat_map(|shown| self.plots(*shown)).collect();
        let title = format!("{}: {}", self.run.scenario, self.run.title);
        kms_page::plot::file(&title, &self.spoken(), &plots)
    }

    fn plots(&self, shown: Shown) -> Vec<Plot> {
        let (scenario, timeline) = (self.scenario, &self.timeline);
        match shown {
            Shown::States => vec![plots::states(scenario, timeline)],
            Shown::Requests => vec![plots::requests(scenario, timeline)],
            Shown::RequestsTotal => vec![plots::requests_total(scenario, timeline)],
            Shown::Count => plots::counts(scenario, timeline),
            Shown::FirstActivation => plots::first_activation(self.outcome).into_iter().collect(),
        }
    }

    /// The run in a sentence or two, for those who do not see its plots.
    fn spoken(&self) -> String {
        let run = &self.run;
        let states: Vec<String> = STATES
            .iter()
            .zip(run.states_final)
            .filter(|(_, many)| *many > 0)
            .map(|(state, many)| format!("{} {state}", number(many)))
            .collect();
        format!(
            "{} over {}. At the end: {}. {} requests at hosts.",
            words::clients(run.clients),
            self.scenario.duration,
            states.join(", "),
            number(run.requests_total)
        )
    }

    /// Events 12288 and 12289 of the clients that were traced, a line each.
    #[must_use]
    pub fn client_events(&self) -> String {
        traces::client_events(self.scenario, self.outcome)
    }

    /// Event 12290 of the hosts, of the clients that were traced, a line each.
    #[must_use]
    pub fn host_events(&self) -> String {
        traces::host_events(self.scenario, self.outcome)
    }

    /// When the clients that were traced asked a host, in seconds from the start, a row each with
    /// the client behind.
    #[must_use]
    pub fn request_times(&self) -> String {
        traces::request_times(self.outcome)
    }

    /// The snapshots as `slmgr /dlv` shows them.
    #[must_use]
    pub fn snapshots(&self) -> String {
        traces::snapshots(self.scenario, self.outcome)
    }
}
