//! The values of one metric at the samples that count.

use std::collections::BTreeMap;

use super::select::{Selection, group_sample, host_sample};
use crate::fleet::outcome::{GroupOutcome, HostSample};
use crate::fleet::scenario::{Application, EventKind, LicenceState, Metric, Seconds, When};

/// One value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    /// When; `None` for what belongs to the whole run.
    pub(super) at: Option<Seconds>,
    /// Infinite: beyond any.
    pub(super) amount: f64,
}

/// Every value of the expectation's metric.
///
/// # Errors
/// Why there is nothing to measure.
pub(super) fn measure(selection: &Selection<'_>) -> Result<Vec<Value>, String> {
    match selection.expectation.metric {
        Metric::Clients => clients(selection, |matching, _| Ok(matching as f64)),
        Metric::Share => clients(selection, |matching, all| match all {
            0 => Err("there is no client to have a share of".to_owned()),
            all => Ok(matching as f64 / all as f64),
        }),
        Metric::Count => count(selection),
        Metric::Requests => requests(selection),
        Metric::RequestsPerMinute => requests_per_minute(selection),
        Metric::Events => events(selection),
        Metric::TimeToFirstActivation => time_to_first_activation(selection),
    }
}

fn clients(
    selection: &Selection<'_>,
    amount: impl Fn(u64, u64) -> Result<f64, String>,
) -> Result<Vec<Value>, String> {
    let states = &selection.expectation.states;
    if states.is_empty() {
        return Err("`states` names no licence state".to_owned());
    }
    let groups = selection.groups()?;
    let all = groups.iter().map(|group| group.clients).sum();
    let at = |index| {
        let mut matching = 0;
        for group in &groups {
            let sample = group_sample(group, index)?;
            let of = |state: &LicenceState| sample.states.get(*state as usize).copied();
            matching += states.iter().filter_map(of).sum::<u64>();
        }
        Ok(Value { at: selection.instant(index), amount: amount(matching, all)? })
    };
    selection.samples()?.map(at).collect()
}

/// The count at every host, not their sum: no host counts for another.
fn count(selection: &Selection<'_>) -> Result<Vec<Value>, String> {
    let mut values = Vec::new();
    for host in selection.hosts()? {
        for index in selection.samples()? {
            let sample = host_sample(host, index)?;
            let count = match selection.expectation.application {
                Application::Windows => sample.count_windows,
                Application::Office => sample.count_office,
            };
            values.push(Value { at: selection.instant(index), amount: f64::from(count) });
        }
    }
    Ok(values)
}

fn requests(selection: &Selection<'_>) -> Result<Vec<Value>, String> {
    let hosts = selection.hosts()?;
    let so_far = |index| {
        let requests = |host| host_sample(host, index).map(|sample: &HostSample| sample.requests);
        hosts.iter().map(|host| requests(host)).sum()
    };
    within_window(selection, so_far)
}

fn requests_per_minute(selection: &Selection<'_>) -> Result<Vec<Value>, String> {
    let samples = selection.samples()?;
    // A sample tells of the time since the one before: that of the first instant belongs to what
    // was before the window, unless nothing was.
    let (first, last) = match selection.expectation.when {
        When::At { .. } => (0, *samples.end()),
        When::Window { .. } if *samples.start() == 0 => (0, *samples.end()),
        When::Window { .. } => (samples.start() + 1, *samples.end()),
    };
    let mut values = Vec::new();
    for host in selection.hosts()? {
        for index in first..=last {
            let peak = host_sample(host, index)?.peak_requests_per_minute;
            values.push(Value { at: selection.instant(index), amount: peak as f64 });
        }
    }
    let highest = values.into_iter().max_by(|a, b| a.amount.total_cmp(&b.amount));
    Ok(highest.into_iter().collect())
}

fn events(selection: &Selection<'_>) -> Result<Vec<Value>, String> {
    let Some(event) = selection.expectation.event else {
        return Err("`event` names no event".to_owned());
    };
    let groups = selection.groups()?;
    let so_far = |index| {
        let events =
            |group| group_sample(group, index).map(|sample| of_kind(&sample.events, event));
        groups.iter().map(|group| events(group)).sum()
    };
    within_window(selection, so_far)
}

/// The counter of one kind of event.
fn of_kind(events: &[u64], kind: EventKind) -> u64 {
    EventKind::ALL.iter().zip(events).find(|(known, _)| **known == kind).map_or(0, |(_, n)| *n)
}

/// What a counter grew by: since the start for an instant, since its first instant for a window.
fn within_window(
    selection: &Selection<'_>,
    so_far: impl Fn(usize) -> Result<u64, String>,
) -> Result<Vec<Value>, String> {
    let samples = selection.samples()?;
    let before = match selection.expectation.when {
        When::Window { .. } if *samples.start() > 0 => so_far(*samples.start())?,
        When::Window { .. } | When::At { .. } => 0,
    };
    let grown = so_far(*samples.end())?.saturating_sub(before);
    Ok(vec![Value { at: selection.instant(*samples.end()), amount: grown as f64 }])
}

fn time_to_first_activation(selection: &Selection<'_>) -> Result<Vec<Value>, String> {
    let Some(percentile) = selection.expectation.percentile else {
        return Err("`percentile` names none".to_owned());
    };
    let first = FirstActivations::of(selection.groups()?);
    match first.minutes_at(percentile) {
        None => Err("there is no client to activate".to_owned()),
        Some(amount) => Ok(vec![Value { at: None, amount }]),
    }
}

/// Minutes from first start to first activation over several groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FirstActivations {
    /// Minutes, and how many clients took them.
    pub(crate) minutes: BTreeMap<u32, u64>,
    /// Clients that never activated.
    pub(crate) never: u64,
}

impl FirstActivations {
    /// The sum over `groups`.
    pub(crate) fn of<'a>(groups: impl IntoIterator<Item = &'a GroupOutcome>) -> Self {
        let (mut minutes, mut clients) = (BTreeMap::new(), 0_u64);
        for group in groups {
            clients += group.clients;
            for (took, many) in &group.minutes_to_first_activation {
                *minutes.entry(*took).or_insert(0) += many;
            }
        }
        let activated: u64 = minutes.values().sum();
        Self { minutes, never: clients.saturating_sub(activated) }
    }

    /// Minutes at a percentile by nearest rank, infinite where that client never activated; `None`
    /// without a client.
    pub(crate) fn minutes_at(&self, percentile: f64) -> Option<f64> {
        let activated: u64 = self.minutes.values().sum();
        let clients = activated + self.never;
        if clients == 0 {
            return None;
        }
        let rank = (percentile / 100.0 * clients as f64).ceil() as u64;
        let mut seen = 0;
        let reached = self.minutes.iter().find(|(_, many)| {
            seen += **many;
            seen >= rank.max(1)
        });
        Some(reached.map_or(f64::INFINITY, |(took, _)| f64::from(*took)))
    }
}
