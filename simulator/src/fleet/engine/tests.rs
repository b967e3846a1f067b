#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::super::outcome::{GroupOutcome, GroupSample, HostSample, Outcome};
use super::super::scenario::{
    Action, Change, EventKind, Group, Hardware, Host, Identity, Key, Life, Presence, Record,
    Scenario, Seconds, Site,
};
use super::{Options, run};

const WINDOWS: &str = "Windows 10/11 Enterprise";
const DAY: u32 = 86_400;

/// One site with one host and one group, for so many days.
fn plain(count: u32, days: u32) -> Scenario {
    toml::from_str(&format!(
        r#"
        name = "plain"
        title = "One site"
        duration = "{days}d"
        [[site]]
        name = "hq"
        [[host]]
        name = "kms1"
        site = "hq"
        [[group]]
        name = "pc"
        site = "hq"
        count = {count}
        product = "{WINDOWS}"
        "#
    ))
    .unwrap()
}

/// As [`plain`], activated before, at a host that knows enough others.
fn activated(count: u32, days: u32) -> Scenario {
    let mut scenario = plain(count, days);
    scenario.hosts[0].remembers_windows = 50;
    scenario.groups[0].life = Life::Activated;
    scenario
}

fn with(mut scenario: Scenario, at: u32, until: Option<u32>, action: Action) -> Scenario {
    scenario.changes.push(Change { at: Seconds(at), until: until.map(Seconds), action });
    scenario
}

fn outcome(scenario: &Scenario) -> Outcome {
    run(scenario, &Options::default()).unwrap()
}

fn group(outcome: &Outcome) -> &GroupOutcome {
    &outcome.sites[0].groups[0]
}

fn sample<'a>(scenario: &Scenario, outcome: &'a Outcome, at: u32) -> &'a GroupSample {
    let place = scenario.instants().binary_search(&Seconds(at)).unwrap();
    &group(outcome).samples[place]
}

fn host_sample(scenario: &Scenario, outcome: &Outcome, at: u32) -> HostSample {
    let place = scenario.instants().binary_search(&Seconds(at)).unwrap();
    outcome.sites[0].hosts[0].samples[place]
}

fn events(outcome: &Outcome, kind: EventKind) -> u64 {
    group(outcome).samples.last().unwrap().events[kind as usize]
}

#[test]
fn the_twenty_fifth_client_activates_all_at_their_next_try() {
    let too_few = outcome(&plain(24, 2));
    assert_eq!(group(&too_few).samples.last().unwrap().states, [0, 0, 0, 0, 0, 24, 0]);
    assert_eq!(events(&too_few, EventKind::CountTooLow), 24 * 25);
    let scenario = plain(25, 1);
    let enough = outcome(&scenario);
    assert_eq!(sample(&scenario, &enough, 0).states, [0, 1, 0, 0, 0, 24, 0]);
    assert_eq!(sample(&scenario, &enough, 7200).states, [0, 25, 0, 0, 0, 0, 0]);
    assert_eq!(group(&enough).minutes_to_first_activation, [(0, 1), (120, 24)].into());
}

#[test]
fn activated_clients_ask_once_a_renewal_interval_and_the_count_stays_at_fifty() {
    let scenario = activated(1_000, 28);
    let outcome = outcome(&scenario);
    assert_eq!(events(&outcome, EventKind::Renewed), 4 * 1_000);
    assert_eq!(host_sample(&scenario, &outcome, 28 * DAY).requests, 4 * 1_000);
    assert!(outcome.sites[0].hosts[0].samples.iter().all(|sample| sample.count_windows == 50));
}

#[test]
fn a_host_away_for_thirty_days_harms_nobody_and_for_two_hundred_everybody() {
    let down = || Action::HostDown { host: "kms1".into(), as_seen: Default::default() };
    for (days, licensed) in [(30, 200), (200, 0)] {
        let scenario = activated(200, 240);
        let scenario = with(scenario, 0, Some(days * DAY), down());
        let outcome = outcome(&scenario);
        assert_eq!(sample(&scenario, &outcome, days * DAY - 3600).states[1], licensed);
        // The last renewals were up to seven days before the start.
        assert_eq!(sample(&scenario, &outcome, 173 * DAY).states[1], 200);
        assert_eq!(group(&outcome).samples.last().unwrap().states[1], 200);
    }
}

#[test]
fn clones_count_once_until_they_are_rearmed() {
    let mut scenario = plain(30, 3);
    scenario.groups[0].identity = Identity::SharedCmid;
    let scenario = with(scenario, DAY, None, Action::Rearm { group: "pc".into() });
    let outcome = outcome(&scenario);
    assert_eq!(host_sample(&scenario, &outcome, DAY - 3600).count_windows, 1);
    assert_eq!(sample(&scenario, &outcome, DAY - 3600).states[1], 0);
    assert_eq!(host_sample(&scenario, &outcome, 2 * DAY).count_windows, 31);
    assert_eq!(sample(&scenario, &outcome, 2 * DAY).states[1], 30);
    assert_eq!(events(&outcome, EventKind::Rearmed), 30);
}

#[test]
fn office_hours_follow_the_time_zone_and_the_weekend() {
    let mut scenario = plain(10, 7);
    scenario.sites[0].time_zone = "Europe/Berlin".into();
    scenario.groups[0].presence = Presence::OfficeHours {
        from: jiff::civil::time(8, 0, 0, 0),
        to: jiff::civil::time(17, 0, 0, 0),
        spread: Seconds(1800),
        weekends: false,
    };
    let outcome = outcome(&scenario);
    // The default start is a Monday, 00:00 UTC, when Berlin is one hour ahead.
    for (hour, on) in [(0, 0), (6, 0), (8, 10), (15, 10), (17, 0), (32, 10), (24 * 5 + 12, 0)] {
        assert_eq!(sample(&scenario, &outcome, hour * 3600).on, on, "hour {hour}");
    }
    assert_eq!(events(&outcome, EventKind::Boot), 50);
    assert_eq!(events(&outcome, EventKind::Shutdown), 50);
}

#[test]
fn a_mak_activates_until_none_is_left_and_never_asks_a_host() {
    let mut scenario = plain(10, 400);
    scenario.groups[0].key = Key::Mak;
    scenario.groups[0].mak_activations = 7;
    let outcome = outcome(&scenario);
    assert_eq!(group(&outcome).samples.last().unwrap().states[1], 7);
    assert_eq!(events(&outcome, EventKind::MakExhausted), 3);
    assert_eq!(events(&outcome, EventKind::Request), 0);
}

#[test]
fn fingerprints_decide_whether_a_roaming_drive_loses_its_activation() {
    use super::super::scenario::Fingerprint;
    let lost = |fingerprint| {
        let mut scenario = activated(50, 30);
        scenario.groups[0].presence = Presence::OfficeHours {
            from: jiff::civil::time(8, 0, 0, 0),
            to: jiff::civil::time(17, 0, 0, 0),
            spread: Seconds(1800),
            weekends: true,
        };
        scenario.groups[0].hardware =
            Hardware::Roaming { machines: 4, fingerprint, tolerance: 0.3 };
        events(&outcome(&scenario), EventKind::OutOfTolerance)
    };
    assert_eq!(lost(Fingerprint::StableParts), 0);
    let (whole, weighted, anchor) =
        (lost(Fingerprint::Whole), lost(Fingerprint::Weighted), lost(Fingerprint::Anchor));
    assert!(whole > 0 && weighted <= whole && anchor <= whole, "{whole} {weighted} {anchor}");
}

#[test]
fn parallel_is_sequential_and_shards_sum_to_the_whole() {
    let mut scenario = activated(40, 20);
    scenario.sample_every = Seconds::days(1);
    for number in 0..6 {
        let name = format!("branch{number}");
        scenario.sites.push(Site { name: name.clone(), dns: vec![], ..scenario.sites[0].clone() });
        scenario.hosts.push(Host {
            name: format!("{name}-kms"),
            site: name.clone(),
            ..scenario.hosts[0].clone()
        });
        scenario.groups.push(Group {
            name: format!("{name}-pc"),
            site: name,
            jitter: Seconds(600),
            ..scenario.groups[0].clone()
        });
    }
    // One branch asks the host of another: one component.
    scenario.sites[3].dns = vec![Record { host: "branch0-kms".into(), priority: 0, weight: 0 }];
    let one = run(&scenario, &Options { threads: 1, ..Options::default() }).unwrap();
    let many = run(&scenario, &Options { threads: 4, ..Options::default() }).unwrap();
    assert_eq!(one, many);
    let mut sites = Vec::new();
    for part in 0..9 {
        let shard = Some((part, 9));
        sites.extend(run(&scenario, &Options { shard, ..Options::default() }).unwrap().sites);
    }
    sites.sort_by_key(|site| site.site);
    assert_eq!(sites, one.sites);
    let other = run(&scenario, &Options { seed: Some(2), ..Options::default() }).unwrap();
    assert_ne!(other.trace_hash(), one.trace_hash());
}

#[test]
fn a_traced_client_tells_its_life_and_a_snapshot_its_state() {
    let options = Options {
        trace: vec!["pc-25".into()],
        snapshots: vec![("pc-25".into(), Seconds(DAY))],
        ..Options::default()
    };
    let scenario = plain(25, 8);
    let site = run(&scenario, &options).unwrap().sites.remove(0);
    let told: Vec<_> = site.traces.iter().map(|record| (record.at.0, record.event)).collect();
    assert_eq!(
        told,
        [
            (0, EventKind::Boot),
            (0, EventKind::NotificationBegan),
            (0, EventKind::Request),
            (0, EventKind::Activated),
            (7 * DAY, EventKind::Request),
            (7 * DAY, EventKind::Renewed),
        ]
    );
    let snapshot = &site.snapshots[0];
    assert_eq!((snapshot.state, snapshot.minutes_left), (1, 179 * 1440));
    assert_eq!(snapshot.cached_host, Some(0));
    let unknown = Options { trace: vec!["pc-26".into()], ..Options::default() };
    assert!(run(&scenario, &unknown).unwrap_err().to_string().contains("`pc-26`"));
}
