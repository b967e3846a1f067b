//! What Microsoft's documents say in numbers, found again in runs of the engine.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "shared with the test of the slow model")]
#[path = "fleet_model/random.rs"]
mod random;

use kms_simulator::fleet::engine::{Options, run};
use kms_simulator::fleet::outcome::{GroupSample, HostSample, Outcome};
use kms_simulator::fleet::scenario::{
    Action, Change, EventKind, Group, Identity, Life, Presence, Record, Rejection, Scenario,
    Seconds,
};
use random::{blank, plain_group, plain_host, plain_site};

/// kms.md section 11: 100,000 clients, activated and not.
#[test]
fn a_hundred_thousand_clients_ask_as_often_as_the_intervals_say() {
    let day = 86_400.0;
    let mut activated = lab(7, vec![Group { life: Life::Activated, ..clients(100_000) }]);
    activated.hosts[0].remembers_windows = 50;
    let requests = last_host(&outcome(&activated)).requests;
    assert_eq!(format!("{:.2}", requests as f64 / (7.0 * day)), "0.17");

    // A host that is not activated hears everybody and activates nobody.
    let mut waiting =
        lab(1, vec![Group { first_start_within: Seconds::hours(2), ..clients(100_000) }]);
    waiting.hosts[0].activated = false;
    let result = outcome(&waiting);
    let samples = &result.sites[0].hosts[0].samples;
    let steady =
        last_host(&result).requests - sample_at(&waiting, samples, Seconds::hours(2)).requests;
    assert_eq!(format!("{:.1}", steady as f64 / (22.0 * 3600.0)), "13.9");
}

/// kms.md section 2: twice the largest threshold, so 50, or 10 where only servers ask.
#[test]
fn the_count_never_passes_fifty_and_ten_where_only_servers_ask() {
    for (product, most) in [("Windows 10/11 Enterprise", 50), ("Windows Server 2022 Standard", 10)]
    {
        let group = Group { product: product.into(), ..clients(300) };
        let result = outcome(&lab(60, vec![group]));
        let highest = result.sites[0].hosts[0].samples.iter().map(|s| s.count_windows).max();
        assert_eq!(highest, Some(most), "{product}");
    }
}

/// kms.md section 2: a client activates when the count has reached 25; those before it wait.
#[test]
fn the_twenty_fifth_client_activates_all_waiting_at_their_next_try() {
    let mut last = clients(1);
    last.name = "last".into();
    last.presence = Presence::PoweredOff { from: Seconds(0), until: Seconds::days(2) };
    let mut scenario = lab(4, vec![clients(24), last]);
    scenario.sample_every = Seconds::hours(1);
    let result = outcome(&scenario);
    let groups = &result.sites[0].groups;
    let licensed =
        |group: usize, at: Seconds| sample_at(&scenario, &groups[group].samples, at).states[1];
    let before = Seconds(2 * 86_400 - 3600);
    assert_eq!((licensed(0, before), licensed(1, before)), (0, 0));
    assert_eq!(licensed(1, Seconds::days(2)), 1, "the 25th is activated at once");
    assert_eq!(licensed(0, Seconds(2 * 86_400 + 2 * 3600)), 24, "the others at their next try");
}

/// kms.md section 1: an activation holds for 180 days.
#[test]
fn a_host_away_for_thirty_days_harms_nobody_and_for_two_hundred_everybody_on_the_day() {
    let away = |days: u32| {
        let mut scenario = lab(230, vec![clients(40)]);
        scenario.sample_every = Seconds::days(1);
        scenario.changes.push(Change {
            at: Seconds((7 * 24 + 3) * 3600),
            until: Some(Seconds(((7 + days) * 24 + 3) * 3600)),
            action: Action::HostDown { host: "kms".into(), as_seen: Rejection::Silent },
        });
        let result = outcome(&scenario);
        let samples = &result.sites[0].groups[0].samples;
        let licensed = |day| sample_at(&scenario, samples, Seconds::days(day)).states[1];
        (0..=230).map(licensed).collect::<Vec<u64>>()
    };
    let month = away(30);
    assert!(month[1..].iter().all(|licensed| *licensed == 40), "{month:?}");
    let long = away(200);
    // The last renewals were at the start of day 7, so validity runs out in the course of day 187.
    assert_eq!((long[186], long[188], long[207], long[208]), (40, 0, 0, 40), "{long:?}");
}

/// kms.md section 8: clones with one CMID count as one.
#[test]
fn two_clones_count_as_one() {
    for (clones, count) in [(2, 13), (1, 26)] {
        let group = Group { identity: Identity::SharedCmid, clones, ..clients(26) };
        let result = outcome(&lab(2, vec![group]));
        assert_eq!(last_host(&result).count_windows, count);
        let activated = if count >= 25 { 26 } else { 0 };
        assert_eq!(last_group(&result).states[1], activated);
    }
}

/// A CMID that changes at each boot makes ten machines look like many, and pushes real ones out.
#[test]
fn a_random_cmid_inflates_the_count_and_the_cache_forgets_real_clients() {
    let office = Presence::OfficeHours {
        from: jiff::civil::time(8, 0, 0, 0),
        to: jiff::civil::time(17, 0, 0, 0),
        spread: Seconds(1800),
        weekends: true,
    };
    let churning = |identity| {
        let mut group = Group { identity, presence: office, renews_at_start: true, ..clients(10) };
        group.name = "churn".into();
        outcome(&lab(20, vec![group]))
    };
    let stable = churning(Identity::Stable);
    assert_eq!((last_host(&stable).count_windows, last_group(&stable).states[1]), (10, 0));
    let random = churning(Identity::CmidPerBoot);
    assert_eq!((last_host(&random).count_windows, last_group(&random).states[1]), (50, 10));
}

/// kms.md section 3: weights share out first choices; a remembered host is asked again.
#[test]
fn weights_split_with_caching_off_and_stay_put_with_caching_on() {
    let weighted = |host_caching: bool| {
        let mut scenario = lab(61, vec![Group { host_caching, ..clients(400) }]);
        scenario.sample_every = Seconds::days(1);
        scenario.hosts = vec![plain_host("three", "lab"), plain_host("one", "lab")];
        let record = |host: &str, weight| Record { host: host.into(), priority: 10, weight };
        scenario.sites[0].dns = vec![record("three", 75), record("one", 25)];
        for host in &mut scenario.hosts {
            host.remembers_windows = 50;
        }
        let result = outcome(&scenario);
        let requests = |host: usize, at: u32| {
            sample_at(&scenario, &result.sites[0].hosts[host].samples, Seconds::days(at)).requests
        };
        let share = |from: u32, to: u32| {
            let within = |host| (requests(host, to) - requests(host, from)) as f64;
            within(0) / (within(0) + within(1))
        };
        (share(5, 33), share(33, 61))
    };
    let (early, late) = weighted(false);
    assert!((early - 0.75).abs() < 0.05 && (late - 0.75).abs() < 0.05, "{early} {late}");
    assert!((early - late).abs() > 1e-9, "without caching, everybody draws again");
    let (early, late) = weighted(true);
    assert!((early - 0.75).abs() < 0.1, "{early}");
    assert!((early - late).abs() < 1e-9, "with caching, nobody moves: {early} {late}");
}

/// Renewals happen in the time that is asked about, so that counters are those of whole weeks.
#[test]
fn a_client_renews_once_a_week() {
    let result = outcome(&lab(71, vec![clients(30)]));
    let renewals = last_group(&result).events[EventKind::Renewed as usize];
    assert_eq!(renewals, 30 * 10);
}

fn lab(days: u32, groups: Vec<Group>) -> Scenario {
    Scenario {
        sites: vec![plain_site("lab")],
        hosts: vec![plain_host("kms", "lab")],
        groups,
        ..blank(days)
    }
}

fn clients(count: u32) -> Group {
    plain_group("clients", "lab", count)
}

fn outcome(scenario: &Scenario) -> Outcome {
    run(scenario, &Options::default()).unwrap()
}

fn last_host(outcome: &Outcome) -> HostSample {
    *outcome.sites[0].hosts[0].samples.last().unwrap()
}

fn last_group(outcome: &Outcome) -> &GroupSample {
    outcome.sites[0].groups[0].samples.last().unwrap()
}

fn sample_at<'a, T>(scenario: &Scenario, samples: &'a [T], at: Seconds) -> &'a T {
    let index = scenario.instants().binary_search(&at).unwrap();
    &samples[index]
}
