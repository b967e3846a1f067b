//! The figures of a run that every form of report shows.

use serde::{Serialize, Serializer};

use super::timeline::STATES;
use crate::fleet::expect::{FirstActivations, Judgement, judge, name_of};
use crate::fleet::outcome::{HostOutcome, Outcome};
use crate::fleet::scenario::{EventKind, Scenario};

/// A run in figures, in the shape that `docs/schema/fleet-run.schema.json` describes.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Version of the shape.
    pub schema_version: u32,
    /// What made it.
    pub tool: Tool,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's title.
    pub title: String,
    /// Simulated time of the start, RFC 3339.
    pub start: String,
    /// Simulated seconds.
    pub duration_s: u32,
    /// The seed of every random choice.
    pub seed: u64,
    /// `I/N` of a shard.
    pub shard: Option<String>,
    /// Over the hashes of the sites in the order of the scenario, 16 hexadecimal digits.
    pub trace_hash: String,
    /// Clients.
    pub clients: u64,
    /// Events that the engine handled.
    pub events_handled: u64,
    /// Requests that reached a host.
    pub requests_total: u64,
    /// Clients by licence state at the end.
    #[serde(serialize_with = "by_state")]
    pub states_final: [u64; 7],
    /// Hosts in the order of the scenario.
    pub hosts: Vec<HostFigures>,
    /// What happened to clients, by kind.
    #[serde(serialize_with = "by_kind")]
    pub events: [u64; EventKind::ALL.len()],
    /// How long clients took.
    pub minutes_to_first_activation: ActivationFigures,
    /// Whether all expectations hold; a shard, which is not judged, passes.
    pub passed: bool,
    /// The expectations, in the order of the scenario; none of a shard.
    pub expectations: Vec<Judgement>,
}

/// The program.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tool {
    /// `kms-sim`.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// One host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostFigures {
    /// Its name.
    pub name: String,
    /// The site that it stands in.
    pub site: String,
    /// Requests that reached it.
    pub requests: u64,
    /// The most requests in one calendar minute.
    pub peak_requests_per_minute: u64,
    /// Clients that it counts for Windows at the end.
    pub final_count: u32,
    /// Clients that it counts for Office at the end.
    pub final_count_office: u32,
}

/// Minutes from first start to first activation, percentiles by nearest rank over all clients;
/// `None` where that client never activated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ActivationFigures {
    /// Clients that activated.
    pub clients: u64,
    /// Clients that never did.
    pub never: u64,
    /// Half of the clients took no longer.
    pub p50: Option<f64>,
    /// Nine of ten took no longer.
    pub p90: Option<f64>,
    /// 99 of 100 took no longer.
    pub p99: Option<f64>,
    /// The longest, where all activated.
    pub max: Option<f64>,
}

impl Run {
    /// The figures of a run.
    #[must_use]
    pub fn of(scenario: &Scenario, outcome: &Outcome) -> Self {
        let groups = || outcome.sites.iter().flat_map(|site| &site.groups);
        let expectations = judge(scenario, outcome);
        let hosts = hosts(scenario, outcome);
        let (mut states_final, mut events) = ([0; 7], [0; EventKind::ALL.len()]);
        for sample in groups().filter_map(|group| group.samples.last()) {
            add(&mut states_final, &sample.states);
            add(&mut events, &sample.events);
        }
        Self {
            schema_version: SCHEMA_VERSION,
            tool: Tool { name: "kms-sim", version: env!("CARGO_PKG_VERSION") },
            scenario: scenario.name.clone(),
            title: scenario.title.clone(),
            start: scenario.start.to_string(),
            duration_s: scenario.duration.0,
            seed: outcome.seed,
            shard: outcome.shard.map(|(index, of)| format!("{index}/{of}")),
            trace_hash: format!("{:016x}", outcome.trace_hash()),
            clients: groups().map(|group| group.clients).sum(),
            events_handled: outcome.sites.iter().map(|site| site.events).sum(),
            requests_total: hosts.iter().map(|host| host.requests).sum(),
            states_final,
            hosts,
            events,
            minutes_to_first_activation: ActivationFigures::of(&FirstActivations::of(groups())),
            passed: expectations.iter().all(|judgement| judgement.held),
            expectations,
        }
    }
}

impl ActivationFigures {
    pub(crate) fn of(first: &FirstActivations) -> Self {
        let at = |percentile| first.minutes_at(percentile).filter(|minutes| minutes.is_finite());
        Self {
            clients: first.minutes.values().sum(),
            never: first.never,
            p50: at(50.0),
            p90: at(90.0),
            p99: at(99.0),
            max: at(100.0),
        }
    }
}

fn hosts(scenario: &Scenario, outcome: &Outcome) -> Vec<HostFigures> {
    let mut hosts: Vec<&HostOutcome> = outcome.sites.iter().flat_map(|site| &site.hosts).collect();
    hosts.sort_by_key(|host| host.host);
    let figures = |host: &HostOutcome| {
        let described = scenario.hosts.get(host.host)?;
        let last = host.samples.last().copied().unwrap_or_default();
        Some(HostFigures {
            name: described.name.clone(),
            site: described.site.clone(),
            requests: last.requests,
            peak_requests_per_minute: host.peak_requests_per_minute,
            final_count: last.count_windows,
            final_count_office: last.count_office,
        })
    };
    hosts.into_iter().filter_map(figures).collect()
}

fn add(sums: &mut [u64], values: &[u64]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

fn by_state<S: Serializer>(states: &[u64; 7], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(STATES.iter().zip(states))
}

fn by_kind<S: Serializer>(
    events: &[u64; EventKind::ALL.len()],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(EventKind::ALL.iter().map(name_of).zip(events))
}

/// Version of the JSON's shape.
pub const SCHEMA_VERSION: u32 = 1;
