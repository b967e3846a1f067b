//! Free-running runs against virtual time. None depends on how fast this machine is: a run for which
//! it was too slow is invalid, says so, and is made again with time going slower.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::*;
use crate::fleet::scenario::{EventKind, Seconds};

/// A valid run, at the first of these scales that this machine can follow.
fn valid(scenario: &Scenario) -> (Free, Agreement) {
    for scale in [7200, 3600, 1200, 400] {
        let options = Options { seed: None, scale, trace: Vec::new() };
        match rehearse(scenario, &options) {
            Err(error) if error.downcast_ref::<Late>().is_some() => {}
            done => return done.unwrap(),
        }
    }
    panic!("this machine is too slow even for a scale of 400");
}

fn scenario(text: &str) -> Scenario {
    Scenario::from_toml(text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn virtually(scenario: &Scenario) -> Outcome {
    let options = engine::Options { trace: vec![ALL.to_owned()], ..engine::Options::default() };
    engine::run(scenario, &options).unwrap()
}

#[test]
fn clients_on_a_clock_that_goes_live_as_in_virtual_time_through_every_change() {
    let scenario = scenario(OFFICES);
    let (free, agreement) = valid(&scenario);
    assert_eq!(agreement.differences, [""; 0]);
    let clients: u32 = scenario.groups.iter().map(|group| group.count).sum();
    assert_eq!(agreement.alike + agreement.excused + agreement.in_sums, clients as usize);
    assert_eq!(agreement.in_sums, 0);
    assert!(agreement.alike >= 30, "{agreement:?}");
    // What was expected of it holds as well.
    let report = crate::fleet::report::Report::of(&scenario, &free.outcome);
    assert!(report.run().passed, "{}", report.text().unwrap());
    assert!(free.outcome.sites.iter().all(|site| site.traces.is_empty()), "nobody was traced");
    // Everybody was there from the first sample to the last, in one state each.
    for group in free.outcome.sites.iter().flat_map(|site| &site.groups) {
        for sample in &group.samples {
            assert_eq!(sample.states.iter().sum::<u64>(), group.clients);
        }
    }
}

#[test]
fn clients_that_choose_among_hosts_are_compared_in_sums() {
    let scenario = scenario(TWO_HOSTS);
    let (free, agreement) = valid(&scenario);
    assert_eq!(agreement.differences, [""; 0]);
    assert_eq!(agreement.in_sums, 60);
    let requests =
        free.outcome.sites[0].hosts.iter().map(|host| host.samples.last().unwrap().requests);
    assert!(requests.clone().all(|requests| requests > 0), "{:?}", requests.collect::<Vec<_>>());
}

#[test]
fn a_run_that_is_another_one_is_told_from_it() {
    let here = scenario(OFFICES);
    let expected = virtually(&here);
    let same = agree(&here, &expected, &expected);
    assert_eq!((same.differences.len(), same.excused), (0, 0));
    // Other intervals, another outage, other results: each shows, in stories and in sums.
    for (old, new) in [
        ("activation_interval = \"1h\"", "activation_interval = \"2h\""),
        ("at = \"3h\"", "at = \"1h\""),
        ("failure = \"servfail\"", "failure = \"nodata\""),
        ("remembers_windows = 26", "remembers_windows = 3"),
    ] {
        assert!(OFFICES.contains(old), "{old}");
        let found = agree(&here, &expected, &virtually(&scenario(&OFFICES.replacen(old, new, 1))));
        assert!(!found.differences.is_empty(), "{new}");
    }
    let mut fewer = expected.clone();
    fewer.sites[0].hosts[0].samples.last_mut().unwrap().requests /= 2;
    let found = agree(&here, &expected, &fewer);
    assert_eq!(found.differences.len(), 1);
    assert!(found.differences[0].starts_with("requests at `kms-north`: in virtual time "));
}

#[test]
fn stories_may_part_within_a_quarter_of_an_hour_of_a_change_and_not_a_second_later() {
    let here = scenario(OFFICES);
    let expected = virtually(&here);
    let turn = 4 * 3600 + 40 * 60;
    for (away, is_excused) in [(LATE_S_MAX, true), (LATE_S_MAX + 1, false)] {
        let mut found = expected.clone();
        let mut before = expected.clone();
        for outcome in [&mut found, &mut before] {
            outcome.sites[1].traces.retain(|record| record.client != "branch-1");
        }
        let mut record = expected.sites[1].traces[0].clone();
        record.client = "branch-1".to_owned();
        record.event = EventKind::HostUnreachable;
        record.at = Seconds(turn - away);
        before.sites[1].traces.push(record.clone());
        record.event = EventKind::Request;
        found.sites[1].traces.push(record);
        let agreement = agree(&here, &before, &found);
        assert_eq!(agreement.excused == 1, is_excused, "{away}: {agreement:?}");
        assert_eq!(agreement.differences.is_empty(), is_excused, "{away}");
    }
    for (expected, off, by_chance) in
        [(0, 2, 4), (59, 2, 44), (60, 3, 44), (1000, 50, 180), (10_000, 500, 568)]
    {
        let both = [false, true].map(|by_chance| agree::tolerance(expected, by_chance));
        assert_eq!(both, [off, by_chance], "{expected}");
    }
}

#[test]
fn a_machine_that_is_too_slow_makes_a_run_invalid_and_says_what_to_do() {
    // Nobody answers 2,000 clients in the nine milliseconds that a quarter of an hour takes here.
    let text =
        TWO_HOSTS.replace("count = 60", "count = 2000").replace("first_start_within = \"6h\"", "");
    let options = Options { seed: None, scale: SCALE_MAX, trace: Vec::new() };
    let error = run(&scenario(&text), &options).unwrap_err();
    let late = error.downcast_ref::<Late>().unwrap();
    assert!(late.late_s > LATE_S_MAX && late.advised < SCALE_MAX, "{late}");
    assert!(error.to_string().contains("the run is invalid"), "{error}");
}

#[test]
fn what_goes_over_a_limit_is_refused_before_anything_starts() {
    let options = |scale| Options { seed: None, scale, trace: Vec::new() };
    let with = |old: &str, new: &str| scenario(&TWO_HOSTS.replace(old, new));
    for (scenario, scale, wanted) in [
        (scenario(TWO_HOSTS), 0, "a time scale is from 1 to 100000, not 0"),
        (scenario(TWO_HOSTS), SCALE_MAX + 1, "not 100001"),
        (
            with("count = 60", "count = 10001"),
            1,
            "10001 clients, and a free-running run has room for 10000",
        ),
        (
            with(
                "count = 60",
                "count = 60\nhardware = { kind = \"roaming\", machines = 2, fingerprint = \"whole\" }",
            ),
            1,
            "drives that move",
        ),
    ] {
        let error = run(&scenario, &options(scale)).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    assert!(check(&with("count = 60", "count = 10000"), &options(SCALE_MAX)).is_ok());
    let nobody = Options { trace: vec!["nobody".to_owned()], ..options(1) };
    assert!(rehearse(&scenario(TWO_HOSTS), &nobody).unwrap_err().to_string().contains("`nobody`"));
}

/// Two sites with a host each, and every change that there is, at times that are well apart.
const OFFICES: &str = r#"
name = "offices"
title = "Two offices through every change"
duration = "15h 20m"

[[site]]
name = "north"
[[site]]
name = "south"

[[host]]
name = "kms-north"
site = "north"
remembers_windows = 26
activation_interval = "1h"
renewal_interval = "2h"

[[host]]
name = "kms-south"
site = "south"
remembers_windows = 10
activation_interval = "1h"
renewal_interval = "2h"

[[group]]
name = "pc"
site = "north"
count = 20
product = "Windows 10/11 Enterprise"
first_start_within = "2h"

[[group]]
name = "laptop"
site = "north"
count = 6
product = "Windows 10/11 Enterprise"
host_caching = false
identity = "name-per-boot"
presence = { kind = "laptop", here = "3h", away = "2h" }

[[group]]
name = "branch"
site = "south"
count = 6
product = "Windows 10/11 Enterprise"
life = "activated"

[[group]]
name = "pilot"
site = "south"
count = 4
product = "Windows 10/11 Enterprise"
first_start_within = "10m"

[[change]]
at = "3h"
until = "4h"
what = "host-down"
host = "kms-north"

[[change]]
at = "5h"
until = "6h"
what = "dns-down"
site = "north"
failure = "servfail"

[[change]]
at = "4h 40m"
until = "5h 40m"
what = "host-down"
host = "kms-south"
as_seen = "refused"

[[change]]
at = "7h"
until = "8h"
what = "firewall"
from = "north"
to = "north"
as_seen = "refused"

[[change]]
at = "6h 40m"
until = "7h 40m"
what = "dns-down"
site = "south"

[[change]]
at = "9h"
until = "10h"
what = "host-clock"
host = "kms-north"
offset_s = 20000

[[change]]
at = "8h 40m"
until = "9h 40m"
what = "host-not-activated"
host = "kms-south"

[[change]]
at = "10h 40m"
until = "11h 20m"
what = "power-off"
group = "branch"

[[change]]
at = "11h"
what = "host-forgets"
host = "kms-north"

[[change]]
at = "12h 40m"
what = "rearm"
group = "branch"

[[change]]
at = "13h"
until = "14h"
what = "client-clock"
group = "pc"
offset_s = -20000

[[change]]
at = "14h 40m"
what = "install-key"
group = "pilot"
key = "wrong"

[[expect]]
title = "the pilot stays below the count"
metric = "clients"
groups = ["pilot"]
from = "0s"
until = "15h 20m"
states = ["licensed"]
at_most = 0

[[expect]]
title = "whoever asked the north while it was up is activated before the outage"
metric = "share"
groups = ["pc"]
at = "2h 50m"
states = ["licensed"]
at_least = 1
"#;

const TWO_HOSTS: &str = r#"
name = "two-hosts"
title = "A choice of two hosts"
duration = "12h"

[[site]]
name = "here"

[[host]]
name = "kms-1"
site = "here"
weight = 50
activation_interval = "1h"
renewal_interval = "2h"

[[host]]
name = "kms-2"
site = "here"
weight = 50
activation_interval = "1h"
renewal_interval = "2h"

[[group]]
name = "pc"
site = "here"
count = 60
product = "Windows 10/11 Enterprise"
first_start_within = "6h"
"#;
