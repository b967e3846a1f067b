//! The plots of a run, for its page and as pictures of their own.

use kms_page::{Axis, Bin, Plot, Series, Tone};
use kms_protocol::kms::product::{Family, Product};

use super::timeline::{HostLine, STATES, Timeline, days};
use crate::fleet::expect::FirstActivations;
use crate::fleet::outcome::{HostSample, Outcome};
use crate::fleet::scenario::Scenario;

/// Clients by licence state, stacked.
pub(super) fn states(scenario: &Scenario, timeline: &Timeline<'_>) -> Plot {
    let clients = Axis::new("clients", "");
    marked(scenario, Plot::areas("Clients by state", time(), clients, layers(timeline)))
}

/// Requests per minute at each host.
pub(super) fn requests(scenario: &Scenario, timeline: &Timeline<'_>) -> Plot {
    let peak = |sample: &HostSample| sample.peak_requests_per_minute as f64;
    let requests = Plot::lines(
        "Requests per minute: the most since the sample before",
        time(),
        Axis::new("requests per minute", ""),
        lines(timeline, peak),
    );
    marked(scenario, requests)
}

/// Requests since the start at each host.
pub(super) fn requests_total(scenario: &Scenario, timeline: &Timeline<'_>) -> Plot {
    let total = |sample: &HostSample| sample.requests as f64;
    let lines = lines(timeline, total);
    marked(
        scenario,
        Plot::lines("Requests since the start", time(), Axis::new("requests", ""), lines),
    )
}

/// The count at each host, of Windows and of Office, each where it plays a part.
pub(super) fn counts(scenario: &Scenario, timeline: &Timeline<'_>) -> Vec<Plot> {
    let plot = |(title, value, families)| count(scenario, timeline, title, value, families);
    COUNTS.into_iter().filter_map(plot).map(|plot| marked(scenario, plot)).collect()
}

/// Times to first activation; `None` where no client activated for the first time.
pub(super) fn first_activation(outcome: &Outcome) -> Option<Plot> {
    let groups = outcome.sites.iter().flat_map(|site| &site.groups);
    let bins = bins(&FirstActivations::of(groups));
    let (hours, clients) = (Axis::new("time", "hours"), Axis::new("clients", ""));
    let title = "From first start to first activation";
    (!bins.is_empty()).then(|| Plot::histogram(title, hours, clients, bins))
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

/// The counts of one application with the thresholds of the products that the scenario has of it.
fn count(
    scenario: &Scenario,
    timeline: &Timeline<'_>,
    title: &str,
    value: fn(&HostSample) -> f64,
    families: &[Family],
) -> Option<Plot> {
    let products = scenario.groups.iter().filter_map(|group| Product::by_name(&group.product));
    let mut thresholds: Vec<(u32, &str)> = products
        .filter(|product| families.contains(&product.family))
        .map(|product| (product.n_policy, threshold_of(product.family)))
        .collect();
    thresholds.sort_unstable();
    thresholds.dedup();
    let is_counted = |line: &HostLine<'_>| line.samples.iter().any(|sample| value(sample) > 0.0);
    if thresholds.is_empty() && !timeline.hosts.iter().any(is_counted) {
        return None;
    }
    let plot = Plot::lines(title, time(), Axis::new("count", ""), lines(timeline, value));
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
