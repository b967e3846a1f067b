#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;
use crate::fleet::report::example;
use crate::fleet::scenario::{EventKind, LicenceState, When};

fn judged(change: impl FnOnce(&mut Expectation)) -> Judgement {
    let (mut scenario, outcome) = example::two_sites();
    change(&mut scenario.expectations[0]);
    judge(&scenario, &outcome).remove(0)
}

/// An expectation of `metric` from 1 to 3 hours; bounds are asked for by the test.
fn window(metric: Metric, change: impl FnOnce(&mut Expectation)) -> Judgement {
    judged(|expectation| {
        expectation.metric = metric;
        expectation.title = None;
        expectation.when = When::Window { from: Seconds::hours(1), until: Seconds::hours(3) };
        expectation.at_least = Some(0.0);
        change(expectation);
    })
}

fn range(judgement: &Judgement) -> (f64, f64) {
    let measured = judgement.measured.unwrap();
    (measured.least.unwrap(), measured.most.unwrap())
}

#[test]
fn clients_are_summed_over_sites_and_the_offenders_of_what_breaks_are_named() {
    let judgement = judged(|_| {});
    assert!(!judgement.held);
    assert_eq!(range(&judgement), (30.0, 30.0));
    assert_eq!(judgement.title, "all are licensed");
    assert_eq!(judgement.offenders.total, 10);
    assert_eq!(judgement.offenders.names.len(), 3);
    let judgement = judged(|expectation| expectation.groups = vec!["pc".to_owned()]);
    assert_eq!(range(&judgement), (30.0, 30.0));
    let judgement = judged(|expectation| expectation.at_least = Some(30.0));
    assert!(judgement.held);
    assert_eq!(judgement.offenders, Offenders::default());
}

#[test]
fn a_window_is_held_at_every_sample_and_tells_of_the_worst() {
    let judgement = window(Metric::Share, |expectation| {
        expectation.sites = vec!["north".to_owned()];
        expectation.at_least = Some(0.9);
        expectation.at_most = Some(1.0);
    });
    assert!(!judgement.held);
    assert_eq!(range(&judgement), (0.8, 1.0));
    assert_eq!(judgement.measured.unwrap().worst_at, Some(Seconds::hours(1)));
    assert_eq!(
        judgement.title,
        "share of clients that are licensed in north from 1h to 3h: at least 0.9, at most 1"
    );
}

#[test]
fn counters_grow_within_a_window_and_until_an_instant() {
    let of_kms1 = |expectation: &mut Expectation| expectation.host = Some("kms1".to_owned());
    assert_eq!(range(&window(Metric::Requests, of_kms1)), (15.0, 15.0));
    assert_eq!(range(&window(Metric::Requests, |_| {})), (35.0, 35.0));
    assert_eq!(range(&window(Metric::RequestsPerMinute, of_kms1)), (10.0, 10.0));
    let until = |expectation: &mut Expectation| {
        of_kms1(expectation);
        expectation.when = When::At { at: Seconds::hours(2) };
    };
    assert_eq!(range(&window(Metric::Requests, until)), (70.0, 70.0));
    assert_eq!(range(&window(Metric::RequestsPerMinute, until)), (30.0, 30.0));
    let activated = |expectation: &mut Expectation| expectation.event = Some(EventKind::Activated);
    assert_eq!(range(&window(Metric::Events, activated)), (6.0, 6.0));
    let from_start = |expectation: &mut Expectation| {
        activated(expectation);
        expectation.when = When::Window { from: Seconds(0), until: Seconds::hours(3) };
    };
    assert_eq!(range(&window(Metric::Events, from_start)), (30.0, 30.0));
}

#[test]
fn counts_of_hosts_are_not_added_up() {
    assert_eq!(range(&window(Metric::Count, |_| {})), (10.0, 30.0));
}

#[test]
fn percentiles_are_by_nearest_rank_and_who_never_activates_is_beyond_any() {
    let at = |percentile: f64| {
        window(Metric::TimeToFirstActivation, |expectation| {
            expectation.percentile = Some(percentile);
            expectation.at_most = Some(120.0);
        })
    };
    // 27 clients took 5 minutes, 3 took 120, 10 never activated.
    assert_eq!(range(&at(67.5)), (5.0, 5.0));
    assert_eq!(range(&at(67.6)), (120.0, 120.0));
    assert_eq!(range(&at(75.0)), (120.0, 120.0));
    let never = at(75.1);
    assert_eq!((never.held, never.measured.unwrap().most), (false, None));
    assert_eq!(at(0.001).measured.unwrap().most, Some(5.0));
}

#[test]
fn what_measures_nothing_is_broken_and_says_so() {
    let problem = |change: fn(&mut Expectation)| {
        let judgement = judged(change);
        assert!(!judgement.held);
        judgement.problem.unwrap()
    };
    assert_eq!(
        problem(|expectation| expectation.when = When::At { at: Seconds::hours(4) }),
        "there is no sample at 4h: the scenario ends at 3h"
    );
    assert_eq!(
        problem(|expectation| expectation.groups = vec!["nobody".to_owned()]),
        "there is no group `nobody`"
    );
    assert_eq!(
        problem(|expectation| expectation.sites = vec!["west".to_owned()]),
        "there is no site `west`"
    );
    assert_eq!(
        problem(|expectation| {
            expectation.groups = vec!["pc".to_owned()];
            expectation.sites = vec!["south".to_owned()];
        }),
        "it concerns no group"
    );
    assert_eq!(
        problem(|expectation| expectation.states.clear()),
        "`states` names no licence state"
    );
    assert_eq!(
        problem(|expectation| expectation.at_least = None),
        "neither `at_least` nor `at_most` says what is right"
    );
    assert_eq!(
        problem(|expectation| {
            expectation.metric = Metric::Count;
            expectation.host = Some("kms9".to_owned());
        }),
        "there is no host `kms9`"
    );
    assert_eq!(
        problem(|expectation| expectation.metric = Metric::Events),
        "`event` names no event"
    );
    assert_eq!(
        problem(|expectation| expectation.metric = Metric::TimeToFirstActivation),
        "`percentile` names none"
    );
}

#[test]
fn samples_that_are_missing_are_no_zeros() {
    let (scenario, mut outcome) = example::two_sites();
    outcome.sites[1].groups[0].samples.truncate(2);
    let judgement = judge(&scenario, &outcome).remove(0);
    assert_eq!(judgement.problem.unwrap(), "sample 3 is missing from the outcome");
}

#[test]
fn a_shard_is_not_judged() {
    let (scenario, mut outcome) = example::two_sites();
    outcome.shard = Some((0, 2));
    assert!(judge(&scenario, &outcome).is_empty());
}

#[test]
fn states_are_found_by_their_number() {
    let judgement = judged(|expectation| {
        expectation.states = vec![LicenceState::Notification, LicenceState::Licensed];
    });
    assert_eq!(range(&judgement), (40.0, 40.0));
}
