#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;
use crate::fleet::report::example::{hostile, two_sites};
use serde_json::Value;

/// The second run: everybody activates, at once, and the first expectation holds.
fn better() -> (Scenario, Outcome) {
    let (scenario, mut outcome) = two_sites();
    let group = &mut outcome.sites[1].groups[0];
    for sample in &mut group.samples {
        sample.states = [0, 10, 0, 0, 0, 0, 0];
    }
    group.minutes_to_first_activation = [(3000, 10)].into();
    group.offenders.clear();
    outcome.sites[1].hosts[0].samples[3].requests = 1030;
    outcome.sites[1].trace_hash = 3;
    (scenario, outcome)
}

#[test]
fn differences_are_told_with_their_direction() {
    let ((scenario, one), (other_scenario, other)) = (two_sites(), better());
    let compare = Compare::of(("a.json", &scenario, &one), ("b.json", &other_scenario, &other));
    let text = compare.text().unwrap();
    let expected = "\
A  a.json: two-sites, 3h, seed 7, an expectation is broken
B  b.json: two-sites, 3h, seed 7, all expectations hold

                                                      A            B   difference
  clients                                            40           40         same
  requests_total                                    105        1,105       +1,000
  states_final.licensed                              30           40          +10
  states_final.notification                          10            0          -10
  minutes_to_first_activation.never                  10            0          -10
  minutes_to_first_activation.p50                    5m           5m         same
  minutes_to_first_activation.p90                 never        2d 2h            -
  minutes_to_first_activation.p99                 never        2d 2h            -
  minutes_to_first_activation.max                 never        2d 2h            -
  kms1
    requests                                         75           75         same
    peak_requests_per_minute                         30           30         same
    final_count                                      30           30         same
  kms2
    requests                                         30        1,030       +1,000
    peak_requests_per_minute                         10           10         same
    final_count                                      10           10         same

expectations with another result
  all are licensed
    A  FAIL  30 clients, worst at 3h (right is at least 40)
    B  PASS  40 clients, worst at 3h (right is at least 40)
";
    assert_eq!(text, expected);
}

#[test]
fn a_run_beside_itself_has_no_difference() {
    let (scenario, outcome) = two_sites();
    let compare = Compare::of(("a", &scenario, &outcome), ("b", &scenario, &outcome));
    assert!(compare.comparison().same_trace);
    assert!(compare.comparison().figures.iter().all(|figure| figure.a == figure.b));
    assert!(compare.text().unwrap().contains("no expectation has another result"));
}

#[test]
fn hosts_and_expectations_of_one_run_alone_are_kept() {
    let ((scenario, outcome), (mut other_scenario, other)) = (two_sites(), two_sites());
    other_scenario.hosts[1].name = "kms3".to_owned();
    other_scenario.expectations[0].title = Some("another".to_owned());
    let compare = Compare::of(("a", &scenario, &outcome), ("b", &other_scenario, &other));
    let hosts: Vec<_> = compare
        .comparison()
        .hosts
        .iter()
        .map(|host| (host.name.as_str(), host.a.is_some(), host.b.is_some()))
        .collect();
    assert_eq!(hosts, [("kms1", true, true), ("kms2", true, false), ("kms3", false, true)]);
    let changed = &compare.comparison().expectations_changed;
    assert_eq!(changed.len(), 2);
    assert!(changed[0].b.is_none() && changed[1].a.is_none());
}

#[test]
fn json_follows_the_schema() {
    let ((scenario, one), (other_scenario, other)) = (two_sites(), better());
    let compare = Compare::of(("a.json", &scenario, &one), ("b.json", &other_scenario, &other));
    let json: Value = serde_json::from_str(&compare.json().unwrap()).unwrap();
    let schema: Value =
        serde_json::from_str(include_str!("../../../../docs/schema/fleet-compare.schema.json"))
            .unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&json)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn the_page_lays_both_over_each_other_and_takes_no_markup() {
    let ((scenario, one), (other_scenario, other)) = (hostile(), better());
    let page = Compare::of(("<a>", &scenario, &one), ("b", &other_scenario, &other)).html();
    for part in ["=kms2&lt;script&gt;, A", "kms2, B", "licensed, A", "&lt;a&gt;", "PASS", "FAIL"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script") && !page.contains("<all>") && !page.contains("<a>"));
}
