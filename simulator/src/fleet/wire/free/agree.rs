//! In what a free-running run must be that of virtual time: each client's story without its times, and
//! sums within a tolerance. Pure.
//!
//! A client that comes some minutes late may find the other side of a change. So where two stories
//! part within [`LATE_S_MAX`] of an instant at which the world changes (a change of the scenario, its
//! end, a count that passes what a product needs), or a request and the client's own end of day have
//! changed places, the rest is not compared; anywhere else it is a difference.

use std::collections::{BTreeMap, BTreeSet};

use kms_protocol::kms::product::Product;

use super::pace::LATE_S_MAX;
use crate::fleet::outcome::{Outcome, TraceRecord};
use crate::fleet::scenario::{Action, EventKind, Group, Identity, Scenario};

/// How two runs of one scenario compare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Clients whose stories are the same to the end.
    pub alike: usize,
    /// Clients whose stories part where the world changes.
    pub excused: usize,
    /// Clients that choose among hosts or by jitter, whose stories depend on the time: only in sums.
    pub in_sums: usize,
    /// What is different, in sentences, at most 20.
    pub differences: Vec<String>,
}

/// A client, in either run.
type Who<'a> = (usize, &'a str);

/// Compares runs in which every client was traced.
#[must_use]
pub fn agree(scenario: &Scenario, in_virtual_time: &Outcome, free: &Outcome) -> Agreement {
    let mut agreement = Agreement::default();
    let expected = stories(scenario, in_virtual_time);
    let found = stories(scenario, free);
    let turns: Vec<BTreeSet<u32>> = scenario
        .groups
        .iter()
        .map(|group| turning_points(scenario, group, in_virtual_time))
        .collect();
    let whos: BTreeSet<&Who<'_>> = expected.keys().chain(found.keys()).collect();
    let none = Vec::new();
    // Requests at each host, and clients, of which nobody can say what they would have been.
    let mut slack: BTreeMap<usize, u64> = BTreeMap::new();
    for who in whos {
        if depends_on_time(scenario, who.0) {
            agreement.in_sums += 1;
            continue;
        }
        let (one, other) = (expected.get(who).unwrap_or(&none), found.get(who).unwrap_or(&none));
        let Some(at) = parting(one, other) else {
            agreement.alike += 1;
            continue;
        };
        let rest = |story: &'_ [&TraceRecord]| -> Vec<usize> {
            let rest = story.get(at..).unwrap_or_default().iter();
            let reached = rest.filter(|record| record.event == EventKind::Request);
            reached.filter_map(|record| record.host).collect()
        };
        for host in rest(one).into_iter().chain(rest(other)) {
            *slack.entry(host).or_default() += 1;
        }
        let (one, other) = (one.get(at).copied(), other.get(at).copied());
        let turns = turns.get(who.0);
        if turns.is_some_and(|turns| is_excused(one, other, turns)) {
            agreement.excused += 1;
        } else {
            agreement.differs(format!(
                "client `{}`: in virtual time {}, free-running {}",
                who.1.escape_debug(),
                told(one),
                told(other)
            ));
        }
    }
    let by_chance = agreement.in_sums > 0;
    let found = sums(scenario, free);
    for (key, expected) in &sums(scenario, in_virtual_time) {
        let found = found.get(key).copied().unwrap_or(0);
        let slack = match key {
            Sum::Requests(host) => slack.get(host).copied().unwrap_or(0),
            Sum::Counted(..) => agreement.excused as u64,
            Sum::State(..) | Sum::Event(..) => 0,
        };
        if expected.abs_diff(found) > tolerance(*expected, by_chance).saturating_add(slack) {
            let what = key.words(scenario);
            agreement.differs(format!("{what}: in virtual time {expected}, free-running {found}"));
        }
    }
    agreement
}

impl Agreement {
    fn differs(&mut self, what: String) {
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(what);
        }
    }
}

/// How far a sum may be off: one in twenty, and two where there are few. Where clients choose by chance
/// as well, four standard deviations of the difference of two such numbers of independent events.
pub(super) fn tolerance(expected: u64, by_chance: bool) -> u64 {
    let drift = (expected / 20).max(2);
    let chance = expected.saturating_mul(2).isqrt().saturating_add(1).saturating_mul(4);
    if by_chance { drift.max(chance) } else { drift }
}

/// What happened to each client, in its order.
fn stories<'a>(
    scenario: &Scenario,
    outcome: &'a Outcome,
) -> BTreeMap<Who<'a>, Vec<&'a TraceRecord>> {
    let mut stories: BTreeMap<Who<'a>, Vec<&TraceRecord>> = BTreeMap::new();
    for record in outcome.sites.iter().flat_map(|site| &site.traces) {
        let identity = scenario.groups.get(record.group).map(|group| group.identity);
        let stays = match identity {
            Some(Identity::NamePerBoot) => &record.cmid,
            _ => &record.client,
        };
        stories.entry((record.group, stays)).or_default().push(record);
    }
    stories
}

/// Where two stories part; `None`: nowhere.
fn parting(one: &[&TraceRecord], other: &[&TraceRecord]) -> Option<usize> {
    let is_same = |one: &TraceRecord, other: &TraceRecord| {
        (one.event, one.host, one.result) == (other.event, other.host, other.result)
    };
    let at = one.iter().zip(other).position(|(one, other)| !is_same(one, other));
    let shorter = one.len().min(other.len());
    at.or_else(|| (one.len() != other.len()).then_some(shorter))
}

fn is_excused(
    one: Option<&TraceRecord>,
    other: Option<&TraceRecord>,
    turns: &BTreeSet<u32>,
) -> bool {
    let is_end = |record: &TraceRecord| record.event == EventKind::Shutdown;
    let changed_places = one.zip(other).is_some_and(|(one, other)| {
        is_end(one) != is_end(other) && one.at.0.abs_diff(other.at.0) <= LATE_S_MAX
    });
    changed_places
        || one.into_iter().chain(other).any(|record| {
            let at = record.at.0;
            let near = at.saturating_sub(LATE_S_MAX)..=at.saturating_add(LATE_S_MAX);
            turns.range(near).next().is_some()
        })
}

/// When the world changes for clients of `group`.
fn turning_points(scenario: &Scenario, group: &Group, outcome: &Outcome) -> BTreeSet<u32> {
    let hosts = hosts_of(scenario, group);
    let changes = scenario.changes.iter().filter(|change| match &change.action {
        Action::HostDown { host, .. }
        | Action::HostForgets { host }
        | Action::HostNotActivated { host }
        | Action::HostClock { host, .. }
        | Action::HostIntervals { host, .. } => hosts.contains(host.as_str()),
        Action::DnsDown { site, .. }
        | Action::DnsRecords { site, .. }
        | Action::Firewall { from: site, .. } => *site == group.site,
        other => super::group_of(other) == Some(&group.name),
    });
    let times = changes.flat_map(|change| [Some(change.at), change.until]).flatten();
    let mut turns: BTreeSet<u32> = times.map(|at| at.0).collect();
    turns.insert(scenario.duration.0);
    // A count that passes what the product needs, up or down.
    let product = Product::by_name(&group.product);
    let app_id = |record: &TraceRecord| {
        Some(Product::by_name(&scenario.groups.get(record.group)?.product)?.app_id)
    };
    let named =
        |host: usize| scenario.hosts.get(host).is_some_and(|h| hosts.contains(h.name.as_str()));
    let mut requests: Vec<(usize, u32, u32)> = Vec::new();
    for record in outcome.sites.iter().flat_map(|site| &site.traces) {
        if let (Some(host), Some(count)) = (record.host.filter(|host| named(*host)), record.count)
            && app_id(record) == product.map(|product| product.app_id)
        {
            requests.push((host, record.at.0, count));
        }
    }
    requests.sort_by_key(|(host, at, _)| (*host, *at));
    let needed = product.map_or(0, |product| product.n_policy);
    for (before, after) in requests.iter().zip(requests.iter().skip(1)) {
        if before.0 == after.0 && (before.2 >= needed) != (after.2 >= needed) {
            turns.extend([before.1, after.1]);
        }
    }
    turns
}

/// Whether what a client of this group does depends on the second at which it does it.
fn depends_on_time(scenario: &Scenario, group: usize) -> bool {
    let Some(group) = scenario.groups.get(group) else { return true };
    group.jitter.0 > 0 || group.mak_activations > 0 || hosts_of(scenario, group).len() > 1
}

/// The hosts that clients of a group may come to ask.
fn hosts_of<'a>(scenario: &'a Scenario, group: &'a Group) -> BTreeSet<&'a str> {
    let site = scenario.sites.iter().find(|site| site.name == group.site);
    let records = site.map_or(&[][..], |site| &site.dns);
    let changed = scenario.changes.iter().filter_map(|change| match &change.action {
        Action::DnsRecords { site, records } if *site == group.site => Some(records),
        _ => None,
    });
    let listed = records.iter().chain(changed.flatten()).map(|record| record.host.as_str());
    let published = scenario
        .hosts
        .iter()
        .filter(|host| records.is_empty() && host.published && host.site == group.site);
    let fixed = scenario.changes.iter().filter_map(|change| match &change.action {
        Action::FixedHost { group: name, host } if *name == group.name => host.as_deref(),
        _ => None,
    });
    listed
        .chain(published.map(|host| host.name.as_str()))
        .chain(group.fixed_host.as_deref())
        .chain(fixed)
        .collect()
}

/// What a sum is of; groups and hosts by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sum {
    /// Clients of a group in a state at the end.
    State(usize, usize),
    /// Events of a group, by kind.
    Event(usize, usize),
    Requests(usize),
    /// Clients that a host counts at the end, of Windows or of Office.
    Counted(usize, bool),
}

impl Sum {
    fn words(self, scenario: &Scenario) -> String {
        let group = |at: usize| scenario.groups.get(at).map_or("", |group| group.name.as_str());
        let host = |at: usize| scenario.hosts.get(at).map_or("", |host| host.name.as_str());
        match self {
            Self::State(at, state) => {
                format!("clients of `{}` in state {state} at the end", group(at))
            }
            Self::Event(at, kind) => {
                let kind = EventKind::ALL.get(kind).map(crate::fleet::expect::name_of);
                format!("events `{}` of `{}`", kind.unwrap_or_default(), group(at))
            }
            Self::Requests(at) => format!("requests at `{}`", host(at)),
            Self::Counted(at, false) => format!("Windows clients that `{}` counts", host(at)),
            Self::Counted(at, true) => format!("Office clients that `{}` counts", host(at)),
        }
    }
}

/// Sums at the end: of hosts, and of groups whose stories are not compared.
fn sums(scenario: &Scenario, outcome: &Outcome) -> BTreeMap<Sum, u64> {
    let mut sums = BTreeMap::new();
    let groups = outcome.sites.iter().flat_map(|site| &site.groups);
    for group in groups.filter(|group| depends_on_time(scenario, group.group)) {
        let Some(last) = group.samples.last() else { continue };
        for (state, count) in last.states.iter().enumerate() {
            sums.insert(Sum::State(group.group, state), *count);
        }
        for (kind, count) in last.events.iter().enumerate() {
            sums.insert(Sum::Event(group.group, kind), *count);
        }
    }
    for host in outcome.sites.iter().flat_map(|site| &site.hosts) {
        let last = host.samples.last().copied().unwrap_or_default();
        sums.insert(Sum::Requests(host.host), last.requests);
        sums.insert(Sum::Counted(host.host, false), last.count_windows.into());
        sums.insert(Sum::Counted(host.host, true), last.count_office.into());
    }
    sums
}

fn told(record: Option<&TraceRecord>) -> String {
    record.map_or_else(
        || "nothing more".to_owned(),
        |record| {
            let event = crate::fleet::expect::name_of(&record.event);
            format!("`{event}` with 0x{:08X} at {}", record.result, record.at)
        },
    )
}

/// Differences that are told.
pub(super) const DIFFERENCES_MAX: usize = 20;
