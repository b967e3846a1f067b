//! What is expected.

use super::super::{Application, Expectation, Metric, When};
use super::Checker;

pub(super) fn check(checker: &mut Checker<'_>) {
    for (index, expectation) in checker.scenario.expectations.iter().enumerate() {
        let key = |name: &str| format!("expect[{}].{name}", index + 1);
        when(checker, expectation, &key);
        bounds(checker, expectation, &key);
        for (index, name) in expectation.groups.iter().enumerate() {
            checker.group(name, key(&format!("groups[{}]", index + 1)));
        }
        for (index, name) in expectation.sites.iter().enumerate() {
            checker.site(name, key(&format!("sites[{}]", index + 1)));
        }
        if let Some(host) = &expectation.host {
            checker.host(host, key("host"));
        }
        what_belongs(checker, expectation, &key);
    }
}

fn when(checker: &mut Checker<'_>, expectation: &Expectation, key: &impl Fn(&str) -> String) {
    match expectation.when {
        When::At { at } => checker.within(at, key("at")),
        When::Window { from, until } => {
            checker.within(until, key("until"));
            if until < from {
                let message = format!("`{until}` is before `from` at `{from}`");
                checker.wrong(key("until"), message);
            }
        }
    }
    let end = When::At { at: checker.scenario.duration };
    if expectation.metric == Metric::TimeToFirstActivation && expectation.when != end {
        let message = "is known at the end: `at` must be the scenario's duration, without a window";
        checker.wrong(key("metric"), message);
    }
}

fn bounds(checker: &mut Checker<'_>, expectation: &Expectation, key: &impl Fn(&str) -> String) {
    let (least, most) = (expectation.at_least, expectation.at_most);
    if least.is_none() && most.is_none() {
        checker.wrong(key("metric"), "has no bound: `at_least`, `at_most` or both are needed");
    }
    if let (Some(least), Some(most)) = (least, most)
        && least > most
    {
        checker
            .wrong(key("at_most"), format!("`{most}` is less than `at_least`, which is `{least}`"));
    }
    let top = if expectation.metric == Metric::Share { 1.0 } else { BOUND_MAX };
    for (name, bound) in [("at_least", least), ("at_most", most)] {
        if bound.is_some_and(|bound| !(0.0..=top).contains(&bound)) {
            checker.wrong(key(name), format!("not from 0 to {top}"));
        }
    }
}

/// Every metric has what it needs, and nothing that it does not look at.
fn what_belongs(
    checker: &mut Checker<'_>,
    expectation: &Expectation,
    key: &impl Fn(&str) -> String,
) {
    use Metric::{
        Clients, Count, Events, Requests, RequestsPerMinute, Share, TimeToFirstActivation,
    };
    let metric = expectation.metric;
    let of_host = matches!(metric, Count | Requests | RequestsPerMinute);
    let of_states = matches!(metric, Clients | Share);
    let of_time = metric == TimeToFirstActivation;
    for (name, given, needed) in [
        ("host", expectation.host.is_some(), of_host),
        ("states", !expectation.states.is_empty(), of_states),
        ("event", expectation.event.is_some(), metric == Events),
        ("percentile", expectation.percentile.is_some(), of_time),
    ] {
        match (given, needed) {
            (false, true) => checker.wrong(key(name), "missing; this metric needs it"),
            (true, false) => checker.wrong(key(name), "does not go with this metric"),
            _ => {}
        }
    }
    for (name, given) in
        [("groups", !expectation.groups.is_empty()), ("sites", !expectation.sites.is_empty())]
    {
        if given && of_host {
            checker.wrong(key(name), "does not go with this metric, which is a host's");
        }
    }
    if expectation.application != Application::Windows && metric != Count {
        checker.wrong(key("application"), "only goes with `count`");
    }
    if expectation.percentile.is_some_and(|percent| !(percent > 0.0 && percent <= 100.0)) {
        checker.wrong(key("percentile"), "must be over 0 and at most 100");
    }
}

const BOUND_MAX: f64 = 1e15;
