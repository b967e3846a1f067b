//! What holds in every run, whatever the scenario.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "shared with the test of the slow model")]
#[path = "fleet_model/random.rs"]
mod random;

use std::collections::{BTreeMap, BTreeSet};

use kms_protocol::kms::product::{Family, Product};
use kms_simulator::fleet::engine::{Options, run};
use kms_simulator::fleet::merge::merge;
use kms_simulator::fleet::outcome::{Outcome, TraceRecord};
use kms_simulator::fleet::report::Report;
use kms_simulator::fleet::scenario::{
    Action, Change, EventKind, Fingerprint, Group, Hardware, Identity, Key, Life, Presence,
    Scenario, Seconds,
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_licensed_past_the_validity_or_in_grace_past_its_end(scenario in varied()) {
        let outcome = traced(&scenario, 1);
        for (client, records) in by_client(&scenario, &outcome) {
            let group = &scenario.groups[client.0];
            // A MAK holds for good.
            if uses_mak(&scenario, group) {
                continue;
            }
            held_to_validity(&scenario, group, &records)?;
        }
    }

    #[test]
    fn time_never_goes_back(scenario in varied()) {
        let outcome = traced(&scenario, 1);
        for site in &outcome.sites {
            prop_assert!(site.traces.is_sorted_by_key(|record| record.at));
            prop_assert!(site.traces.iter().all(|record| record.at <= scenario.duration));
            for group in &site.groups {
                for pair in group.samples.windows(2) {
                    let grows = pair[0].events.iter().zip(&pair[1].events).all(|(a, b)| a <= b);
                    prop_assert!(grows, "{pair:?}");
                }
            }
            for host in &site.hosts {
                prop_assert!(host.samples.is_sorted_by_key(|sample| sample.requests));
            }
        }
    }

    #[test]
    fn every_request_has_a_cause_and_a_consequence(scenario in varied()) {
        let outcome = traced(&scenario, 1);
        for (client, records) in by_client(&scenario, &outcome) {
            caused(&scenario, &scenario.groups[client.0], &records)?;
            followed(&records)?;
        }
        answered(&outcome)?;
    }

    #[test]
    fn shards_put_together_are_the_whole(scenario in varied(), shards in 1..5_u32) {
        let whole = traced(&scenario, 2);
        let parts: Vec<Outcome> = (0..shards)
            .map(|part| {
                let options = Options { shard: Some((part, shards)), ..options(&scenario, 1) };
                run(&scenario, &options).unwrap()
            })
            .collect();
        let events = |outcome: &Outcome| outcome.sites.iter().map(|site| site.events).sum::<u64>();
        prop_assert_eq!(parts.iter().map(events).sum::<u64>(), events(&whole));
        let files = parts.into_iter().enumerate();
        let files = files.map(|(part, outcome)| (part.to_string(), scenario.clone(), outcome));
        let (_, merged) = merge(files.collect()).unwrap();
        prop_assert_eq!(merged.trace_hash(), whole.trace_hash());
        prop_assert_eq!(merged, whole);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes(scenario in varied()) {
        let json = |threads| {
            let outcome = traced(&scenario, threads);
            let report = Report::of(&scenario, &outcome);
            (report.json().unwrap(), report.client_events(), report.host_events())
        };
        prop_assert_eq!(json(1), json(3));
    }

    #[test]
    fn no_host_counts_more_than_its_table_holds(scenario in varied()) {
        let outcome = traced(&scenario, 1);
        let asks = |family: Family| {
            scenario.groups.iter().any(|group| Product::by_name(&group.product).unwrap().family == family)
        };
        let most = if asks(Family::WindowsClient) { 50 } else { 10 };
        for sample in outcome.sites.iter().flat_map(|site| &site.hosts).flat_map(|host| &host.samples) {
            prop_assert!(sample.count_windows <= most && sample.count_office <= 10, "{sample:?}");
        }
    }
}

/// Whether the scenarios lead to what the properties speak of: a property of nothing holds for ever.
#[test]
fn the_random_scenarios_do_all_that_is_claimed_of_them() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..60 {
        let scenario = varied().new_tree(&mut runner).unwrap().current();
        let outcome = traced(&scenario, 1);
        let traces = outcome.sites.iter().flat_map(|site| &site.traces);
        seen.extend(traces.map(|record| record.event as usize));
    }
    let missing = EventKind::ALL.iter().filter(|kind| !seen.contains(&(**kind as usize)));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&EventKind>::new());
}

/// Random scenarios with everything in them: jitter, office hours, moving drives, MAK, rearms.
fn varied() -> impl Strategy<Value = Scenario> {
    let groups = prop::collection::vec((0..9_u32, 0..5_u32, any::<bool>()), 4);
    let changes = prop::collection::vec((0..5_u32, 0..4_usize, 1..99_u32), 0..5);
    (random::scenario(), groups, changes, 0..1000_u64).prop_map(
        |(mut scenario, groups, changes, seed)| {
            scenario.seed = seed;
            // Whole runs are traced, and a client that asks every 15 minutes fills memory.
            for host in &mut scenario.hosts {
                host.activation_interval = host.activation_interval.max(Seconds(3600));
                host.renewal_interval = host.renewal_interval.max(Seconds(3600));
            }
            for change in &mut scenario.changes {
                if let Action::HostIntervals { activation_interval, renewal_interval, .. } =
                    &mut change.action
                {
                    *activation_interval = (*activation_interval).max(Seconds(3600));
                    *renewal_interval = (*renewal_interval).max(Seconds(3600));
                }
            }
            for (group, (kind, jitter, is_old)) in scenario.groups.iter_mut().zip(groups) {
                vary(group, kind);
                group.jitter = Seconds(jitter / 3 * 1800);
                group.life = if is_old { Life::Activated } else { Life::New };
            }
            let duration = scenario.duration.0;
            for (kind, group, percent) in changes {
                let Some(group) = scenario.groups.get(group).map(|group| group.name.clone()) else {
                    continue;
                };
                let action = match kind {
                    0 => Action::Rearm { group },
                    1 => Action::HardwareChange { group, share: 1.0 },
                    2 => Action::NetworkChange { group },
                    3 => Action::InstallKey { group, key: Key::Wrong },
                    _ => Action::InstallKey { group, key: Key::Gvlk },
                };
                scenario.changes.push(Change::at(Seconds(duration / 100 * percent), action));
            }
            scenario
        },
    )
}

fn vary(group: &mut Group, kind: u32) {
    match kind {
        0 => group.key = Key::Mak,
        1 => {
            group.presence = Presence::OfficeHours {
                from: jiff::civil::time(8, 0, 0, 0),
                to: jiff::civil::time(17, 0, 0, 0),
                spread: Seconds(1800),
                weekends: false,
            }
        }
        2 => group.presence = Presence::Laptop { here: Seconds::days(2), away: Seconds::days(9) },
        3 => group.identity = Identity::CmidPerBoot,
        4 => {
            group.hardware = Hardware::Roaming {
                machines: 5,
                fingerprint: Fingerprint::Weighted,
                tolerance: 0.3,
            };
        }
        5 => group.renews_at_start = true,
        _ => {}
    }
    group.mak_activations = if group.key == Key::Mak { 3 } else { 0 };
    if kind == 3 {
        group.clones = 0;
    }
}

/// The first three clients of every group.
fn options(scenario: &Scenario, threads: usize) -> Options {
    let of = |group: &Group| {
        let name = group.name.clone();
        (1..=group.count.min(3)).map(move |number| format!("{name}-{number}"))
    };
    let trace: Vec<String> = scenario.groups.iter().flat_map(of).collect();
    let snapshots = trace.iter().map(|name| (name.clone(), scenario.duration)).collect();
    Options { threads, trace, snapshots, ..Options::default() }
}

fn traced(scenario: &Scenario, threads: usize) -> Outcome {
    run(scenario, &options(scenario, threads)).unwrap()
}

type Client = (usize, String);

/// Records by client; those of groups whose clients change their name or share one are left out.
fn by_client<'a>(
    scenario: &Scenario,
    outcome: &'a Outcome,
) -> BTreeMap<Client, Vec<&'a TraceRecord>> {
    let mut clients: BTreeMap<Client, Vec<&TraceRecord>> = BTreeMap::new();
    for record in outcome.sites.iter().flat_map(|site| &site.traces) {
        if scenario.groups[record.group].identity != Identity::NamePerBoot {
            clients.entry((record.group, record.client.clone())).or_default().push(record);
        }
    }
    clients
}

fn uses_mak(scenario: &Scenario, group: &Group) -> bool {
    let installs = |change: &Change| matches!(&change.action, Action::InstallKey { group: name, key: Key::Mak } if *name == group.name);
    group.key == Key::Mak || scenario.changes.iter().any(installs)
}

/// 180 days from the last success, of which none is later than the moment that it is asked at.
fn held_to_validity(
    scenario: &Scenario,
    group: &Group,
    records: &[&TraceRecord],
) -> Result<(), TestCaseError> {
    let family = Product::by_name(&group.product).unwrap().family;
    let has_grace = family == Family::Office || group.product.starts_with("Windows 7");
    // An activated client was renewed before the start.
    let mut last = (group.life == Life::Activated).then_some(0);
    let mut last_minute = None::<u32>;
    for record in records {
        if matches!(record.event, EventKind::Activated | EventKind::Renewed) {
            last = Some(record.at.0);
        }
        let minutes = u64::from(record.minutes_left);
        if !matches!(record.state, 2 | 3) || minutes > 0 {
            last_minute = None;
        }
        match record.state {
            1 => {
                let last = last.unwrap_or(u32::MAX);
                prop_assert!(last <= record.at.0, "licensed without a success: {record:?}");
                let ends = u64::from(last) + VALIDITY_S;
                prop_assert!(u64::from(record.at.0) < ends, "past {ends}: {record:?}");
                prop_assert!(u64::from(record.at.0) + minutes * 60 <= ends + 60, "{record:?}");
            }
            2 | 3 => {
                prop_assert!(has_grace, "{record:?} of {}", group.product);
                prop_assert!(minutes <= 30 * 1440, "{record:?}");
                // Whole minutes: none is left for the last 59 seconds, and not a second longer.
                if minutes == 0 {
                    let since = *last_minute.get_or_insert(record.at.0);
                    prop_assert!(record.at.0 - since < 60, "past its end: {record:?}");
                    continue;
                }
            }
            state => prop_assert!(matches!(state, 0 | 5), "{record:?}"),
        }
    }
    let _ = scenario;
    Ok(())
}

/// A client asks when it is started, when something is done to it, or when its interval is over.
fn caused(
    scenario: &Scenario,
    group: &Group,
    records: &[&TraceRecord],
) -> Result<(), TestCaseError> {
    let (mut is_on, mut interval_since, mut occasion) = (false, None::<u32>, None::<u32>);
    // Which host activated a client before the start, and what it told, no event says.
    let mut told = vec![(7200, 604_800)];
    if group.life == Life::Activated {
        let hosts = scenario.hosts.iter();
        told.extend(hosts.map(|host| (host.activation_interval.0, host.renewal_interval.0)));
    }
    let mut waits_for_renewal = group.life == Life::Activated;
    for record in records {
        let at = record.at.0;
        match record.event {
            EventKind::Boot => (is_on, occasion) = (true, Some(at)),
            EventKind::Shutdown => is_on = false,
            EventKind::OutOfTolerance | EventKind::Rearmed => occasion = Some(at),
            EventKind::Request | EventKind::HostUnreachable | EventKind::NoHostFound => {
                prop_assert!(is_on, "asks while it is off: {record:?}");
                let is_over = |(activation, renewal): &(u32, u32)| {
                    let interval = if waits_for_renewal { *renewal } else { *activation };
                    match interval_since {
                        // The first renewal of an activated client is drawn from one interval.
                        None => waits_for_renewal && at <= interval + group.jitter.0,
                        Some(since) => {
                            (since + interval..=since + interval + group.jitter.0).contains(&at)
                        }
                    }
                };
                let is_due = interval_since == Some(at) || told.iter().any(is_over);
                let is_told = scenario
                    .changes
                    .iter()
                    .any(|change| change.at.0 == at && concerns(change, group));
                prop_assert!(
                    is_due || is_told || occasion == Some(at),
                    "no cause after {interval_since:?}, of {told:?}: {record:?}"
                );
                interval_since = Some(at);
                waits_for_renewal = false;
                if let (EventKind::Request, Some(_), Some(host)) =
                    (record.event, record.count, record.host)
                {
                    told = vec![intervals(scenario, &scenario.hosts[host].name, at)];
                }
            }
            EventKind::Activated | EventKind::Renewed => waits_for_renewal = true,
            _ => {}
        }
    }
    Ok(())
}

fn concerns(change: &Change, group: &Group) -> bool {
    match &change.action {
        Action::Activate { group: name }
        | Action::InstallKey { group: name, .. }
        | Action::HardwareChange { group: name, .. }
        | Action::NetworkChange { group: name } => *name == group.name,
        _ => false,
    }
}

/// What the host tells at that time, in seconds.
fn intervals(scenario: &Scenario, host: &str, at: u32) -> (u32, u32) {
    let changed = scenario.changes.iter().rev().find_map(|change| match &change.action {
        Action::HostIntervals { host: name, activation_interval, renewal_interval }
            if name == host
                && change.at.0 <= at
                && change.until.is_none_or(|until| at < until.0) =>
        {
            Some((activation_interval.0, renewal_interval.0))
        }
        _ => None,
    });
    let host = scenario.hosts.iter().find(|described| described.name == host).unwrap();
    changed.unwrap_or((host.activation_interval.0, host.renewal_interval.0))
}

/// A request is followed by what the host's answer led to, and nothing is answered that was not asked.
fn followed(records: &[&TraceRecord]) -> Result<(), TestCaseError> {
    let is_consequence = |event| {
        matches!(
            event,
            EventKind::Activated
                | EventKind::Renewed
                | EventKind::CountTooLow
                | EventKind::HostRefused
        )
    };
    let mut open: Option<&TraceRecord> = None;
    for record in records {
        if is_consequence(record.event) {
            let asked = open.take();
            let matches =
                asked.is_some_and(|asked| asked.at == record.at && asked.host == record.host);
            prop_assert!(matches, "{record:?} answers {asked:?}");
        } else if record.event == EventKind::Request {
            prop_assert!(open.is_none(), "without a consequence: {open:?}");
            open = Some(record);
        }
    }
    prop_assert!(open.is_none(), "without a consequence: {open:?}");
    Ok(())
}

/// Of all clients, traced or not: requests are what hosts saw, and each led to one thing.
fn answered(outcome: &Outcome) -> Result<(), TestCaseError> {
    let groups = || outcome.sites.iter().flat_map(|site| &site.groups);
    for sample in groups().flat_map(|group| &group.samples) {
        let of = |kind: EventKind| sample.events[kind as usize];
        let led_to = of(EventKind::Activated)
            + of(EventKind::Renewed)
            + of(EventKind::CountTooLow)
            + of(EventKind::HostRefused);
        prop_assert_eq!(of(EventKind::Request), led_to);
    }
    let asked: u64 = groups()
        .filter_map(|group| group.samples.last())
        .map(|sample| sample.events[EventKind::Request as usize])
        .sum();
    let seen: u64 = outcome
        .sites
        .iter()
        .flat_map(|site| &site.hosts)
        .filter_map(|host| host.samples.last())
        .map(|sample| sample.requests)
        .sum();
    prop_assert_eq!(asked, seen);
    Ok(())
}

const VALIDITY_S: u64 = 180 * 86_400;
