//! A small run, made by hand, for tests.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::fleet::outcome::{
    GroupOutcome, GroupSample, HostOutcome, HostSample, Offenders, Outcome, SiteOutcome,
};
use crate::fleet::scenario::{EventKind, Scenario};

/// Two sites with a host each; 30 clients in one, 10 in the other, of which the latter never
/// activate. Four instants: 0, 1, 2 and 3 hours.
pub(crate) fn two_sites() -> (Scenario, Outcome) {
    let scenario = Scenario::from_toml(SCENARIO).unwrap();
    let outcome = Outcome {
        scenario: SCENARIO.to_owned(),
        seed: 7,
        shard: None,
        sites: vec![
            SiteOutcome {
                site: 0,
                trace_hash: u64::MAX,
                events: 120,
                groups: vec![group(0, 30, [0, 24, 30, 30])],
                hosts: vec![host(0, [0, 60, 70, 75], [0, 30, 10, 5], [0, 30, 30, 30])],
                ..SiteOutcome::default()
            },
            SiteOutcome {
                site: 1,
                trace_hash: 2,
                events: 40,
                groups: vec![group(1, 10, [0, 0, 0, 0])],
                hosts: vec![host(1, [0, 10, 20, 30], [0, 10, 10, 10], [0, 10, 10, 10])],
                ..SiteOutcome::default()
            },
        ],
    };
    (scenario, outcome)
}

/// The same with names as hostile as a library's user can make them.
pub(crate) fn hostile() -> (Scenario, Outcome) {
    let (mut scenario, mut outcome) = two_sites();
    scenario.title = "Two <sites>".to_owned();
    scenario.hosts[1].name = "=kms2<script>".to_owned();
    scenario.groups[1].name = "<b>".to_owned();
    scenario.expectations[0].title = Some("<all> are licensed".to_owned());
    for offenders in outcome.sites[1].groups[0].offenders.values_mut() {
        offenders.names = (1..=3).map(|number| format!("<b>-{number}")).collect();
    }
    (scenario, outcome)
}

fn group(group: usize, clients: u64, licensed: [u64; 4]) -> GroupOutcome {
    let sample = |licensed: u64| {
        let mut events = vec![0; EventKind::ALL.len()];
        events[EventKind::Activated as usize] = licensed;
        GroupSample { states: [0, licensed, 0, 0, 0, clients - licensed, 0], on: clients, events }
    };
    let [.., last] = licensed;
    let never = clients - last;
    let mut outcome = GroupOutcome {
        group,
        clients,
        samples: licensed.map(sample).into(),
        ..GroupOutcome::default()
    };
    if last > 0 {
        outcome.minutes_to_first_activation = [(5, last - 3), (120, 3)].into();
    }
    if never > 0 {
        let names = (1..=3).map(|number| format!("lab-{number}")).collect();
        outcome.offenders = [(0, Offenders { names, total: never })].into();
    }
    outcome
}

fn host(host: usize, requests: [u64; 4], peaks: [u64; 4], counts: [u32; 4]) -> HostOutcome {
    let sample = |index: usize| HostSample {
        requests: requests[index],
        peak_requests_per_minute: peaks[index],
        count_windows: counts[index],
        count_office: 0,
    };
    HostOutcome {
        host,
        peak_requests_per_minute: peaks.into_iter().max().unwrap(),
        samples: (0..4).map(sample).collect(),
    }
}

pub(crate) const SCENARIO: &str = r#"
name = "two-sites"
title = "Two sites"
teaches = "Each counts for itself."
seed = 7
duration = "3h"
sample_every = "1h"

[[site]]
name = "north"

[[site]]
name = "south"

[[host]]
name = "kms1"
site = "north"

[[host]]
name = "kms2"
site = "south"

[[group]]
name = "pc"
site = "north"
count = 30
product = "Windows 10/11 Enterprise"

[[group]]
name = "lab"
site = "south"
count = 10
product = "Windows 10/11 Enterprise"

[[change]]
at = "1h"
until = "2h"
what = "host-down"
host = "kms1"

[[expect]]
title = "all are licensed"
metric = "clients"
at = "3h"
states = ["licensed"]
at_least = 40
"#;
