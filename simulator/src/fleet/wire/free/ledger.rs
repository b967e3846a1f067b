//! What clients have written down, as the outcome of a run. Pure.

use std::collections::BTreeMap;

use super::ALL;
use super::client::{Step, Story};
use crate::fleet::arm::Counts;
use crate::fleet::draw::{ClientId, fold};
use crate::fleet::outcome::{
    GroupOutcome, GroupSample, HostOutcome, HostSample, OFFENDERS_MAX, Offenders, SiteOutcome,
    TraceRecord,
};
use crate::fleet::population::{GroupPlan, Plan};
use crate::fleet::scenario::{EventKind, Expectation, Metric, Seconds, When};

/// Every site; `counts` are those of all hosts at every instant.
pub(super) fn sites(
    plan: &Plan<'_>,
    stories: &[Story],
    counts: &[Vec<Counts>],
) -> Vec<SiteOutcome> {
    let instants = plan.scenario.instants();
    let site = |index: usize| {
        let here = plan.groups.iter().filter(|group| group.site == index);
        let mut outcome = SiteOutcome { site: index, ..SiteOutcome::default() };
        for group in here {
            let stories: Vec<&Story> = stories.iter().filter(|s| s.group == group.index).collect();
            outcome.groups.push(group_outcome(plan, group, &stories, &instants));
            for story in stories {
                outcome.events += story.steps.len() as u64;
                outcome.trace_hash = hashed(outcome.trace_hash, story);
            }
        }
        let hosts = plan.host_sites.iter().enumerate().filter(|(_, site)| **site == index);
        let host = |(host, _)| host_outcome(plan, host, stories, counts, &instants);
        outcome.hosts = hosts.map(host).collect();
        outcome
    };
    (0..plan.scenario.sites.len()).map(site).collect()
}

/// Keeps every event of the clients that `trace` names, and of no others.
pub(super) fn trace(
    plan: &Plan<'_>,
    stories: &[Story],
    trace: &[String],
    sites: &mut [SiteOutcome],
) {
    for site in sites {
        site.traces.clear();
        for story in stories {
            let group = plan.groups.get(story.group).filter(|group| group.site == site.site);
            let Some(group) = group else { continue };
            let name = group.steady_name(story.index);
            if trace.iter().any(|traced| traced == ALL || *traced == name) {
                site.traces.extend(story.steps.iter().map(|step| record(plan, group, story, step)));
            }
        }
        site.traces.sort_by_key(|record| record.at);
    }
}

fn group_outcome(
    plan: &Plan<'_>,
    group: &GroupPlan<'_>,
    stories: &[&Story],
    instants: &[Seconds],
) -> GroupOutcome {
    // What each instant adds to the one before it.
    let mut states = vec![[0_i64; 7]; instants.len()];
    let mut on = vec![0_i64; instants.len()];
    let mut events = vec![[0_u64; EventKind::ALL.len()]; instants.len()];
    let mut minutes_to_first_activation = BTreeMap::new();
    for story in stories {
        let mut before = None;
        for (at, state) in &story.states {
            if let Some(added) = states.get_mut(first_at(instants, *at)) {
                let mut add = |state: u32, by: i64| {
                    added.get_mut(state as usize).into_iter().for_each(|count| *count += by);
                };
                add(*state, 1);
                before.into_iter().for_each(|before| add(before, -1));
            }
            before = Some(*state);
        }
        for step in &story.steps {
            let at = first_at(instants, step.at);
            let kind = events.get_mut(at).and_then(|kinds| kinds.get_mut(step.event as usize));
            kind.into_iter().for_each(|count| *count += 1);
            let change = match step.event {
                EventKind::Boot => 1,
                EventKind::Shutdown => -1,
                _ => 0,
            };
            on.get_mut(at).into_iter().for_each(|on| *on += change);
        }
        if let Some(activated) = story.activated {
            let minutes = activated.saturating_sub(story.first_start) / 60;
            *minutes_to_first_activation.entry(minutes).or_default() += 1;
        }
    }
    let mut sum = ([0_i64; 7], 0_i64, [0_u64; EventKind::ALL.len()]);
    let samples = states.iter().zip(&on).zip(&events).map(|((states, on), events)| {
        sum.0.iter_mut().zip(states).for_each(|(sum, added)| *sum += added);
        sum.1 += on;
        sum.2.iter_mut().zip(events).for_each(|(sum, added)| *sum += added);
        GroupSample {
            states: sum.0.map(|count| u64::try_from(count).unwrap_or(0)),
            on: u64::try_from(sum.1).unwrap_or(0),
            events: sum.2.to_vec(),
        }
    });
    GroupOutcome {
        group: group.index,
        clients: stories.len() as u64,
        samples: samples.collect(),
        minutes_to_first_activation,
        offenders: offenders(plan, group, stories),
    }
}

fn host_outcome(
    plan: &Plan<'_>,
    host: usize,
    stories: &[Story],
    counts: &[Vec<Counts>],
    instants: &[Seconds],
) -> HostOutcome {
    let steps = stories.iter().flat_map(|story| &story.steps);
    let reached = steps.filter(|step| {
        step.event == EventKind::Request && step.host.map(usize::from) == Some(host)
    });
    let mut times: Vec<u32> = reached.map(|step| step.at).collect();
    times.sort_unstable();
    let offset = plan.scenario.start.as_second().rem_euclid(60);
    let minute = |at: u32| (i64::from(at) + offset) / 60;
    let mut outcome = HostOutcome { host, ..HostOutcome::default() };
    let (mut next, mut in_minute) = (0, (i64::MIN, 0));
    for (at, counts) in instants.iter().zip(counts) {
        let mut peak = 0;
        while let Some(time) = times.get(next).filter(|time| **time <= at.0) {
            next += 1;
            in_minute = match minute(*time) {
                same if same == in_minute.0 => (same, in_minute.1 + 1),
                other => (other, 1),
            };
            peak = peak.max(in_minute.1);
        }
        outcome.peak_requests_per_minute = outcome.peak_requests_per_minute.max(peak);
        let counts = counts.get(host).copied().unwrap_or_default();
        outcome.samples.push(HostSample {
            requests: next as u64,
            peak_requests_per_minute: peak,
            count_windows: counts.windows,
            count_office: counts.office,
        });
    }
    outcome
}

/// Clients that are not as an expectation wants them at its end.
fn offenders(
    plan: &Plan<'_>,
    group: &GroupPlan<'_>,
    stories: &[&Story],
) -> BTreeMap<usize, Offenders> {
    let mut all = BTreeMap::new();
    let site = plan.scenario.sites.get(group.site).map(|site| &site.name);
    for (index, expectation) in plan.scenario.expectations.iter().enumerate() {
        let in_group =
            expectation.groups.is_empty() || expectation.groups.contains(&group.spec.name);
        let in_site = expectation.sites.is_empty()
            || site.is_some_and(|site| expectation.sites.contains(site));
        if !in_group || !in_site {
            continue;
        }
        let offending = stories.iter().filter(|story| offends(expectation, story));
        let names: Vec<String> = offending.map(|story| group.steady_name(story.index)).collect();
        if !names.is_empty() {
            let total = names.len() as u64;
            let names = names.into_iter().take(OFFENDERS_MAX).collect();
            all.insert(index, Offenders { names, total });
        }
    }
    all
}

fn offends(expectation: &Expectation, story: &Story) -> bool {
    let end = match expectation.when {
        When::At { at } => at.0,
        When::Window { until, .. } => until.0,
    };
    let state = story.states.iter().rev().find(|(at, _)| *at <= end).map_or(0, |(_, state)| *state);
    let is_named = expectation.states.iter().any(|named| *named as u32 == state);
    match expectation.metric {
        Metric::Clients | Metric::Share if expectation.at_least.is_some() => !is_named,
        Metric::Clients | Metric::Share => is_named,
        Metric::TimeToFirstActivation => story.activated.is_none_or(|at| at > end),
        _ => false,
    }
}

fn record(plan: &Plan<'_>, group: &GroupPlan<'_>, story: &Story, step: &Step) -> TraceRecord {
    TraceRecord {
        at: Seconds(step.at),
        client: group.name(plan.draws, story.index, step.boots),
        cmid: group.cmid(plan.draws, story.index, step.boots, step.is_rearmed).to_string(),
        group: group.index,
        event: step.event,
        host: step.host.map(usize::from),
        result: step.result,
        count: step.count,
        state: step.state,
        minutes_left: step.minutes_left,
    }
}

/// What happened to a client, without times.
fn hashed(hash: u64, story: &Story) -> u64 {
    let id = ClientId::new(story.group, story.index).bits();
    story.steps.iter().fold(hash, |hash, step| {
        let host = step.host.map_or(0, |host| u64::from(host) + 1);
        fold(fold(hash, (host << 8) | step.event as u64), id ^ (u64::from(step.result) << 17))
    })
}

/// The first instant that is not before `at`.
fn first_at(instants: &[Seconds], at: u32) -> usize {
    instants.partition_point(|instant| instant.0 < at)
}
