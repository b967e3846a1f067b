//! Each row is a case that was measured with real sockets, routers and filters: client, two
//! routers and the server at hop 3.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use super::*;
use crate::stage::connect::{ErrorKind, SocketError};
use crate::trace::facts::{Outcome, ProbeFacts};
use crate::trace::path::paths;
use crate::trace::payload::PayloadFacts;
use crate::verdict::Severity;

const SOURCE: &str = "10.91.1.2";
const ROUTER1: &str = "10.91.1.1";
const ROUTER2: &str = "10.91.2.2";
const HOST: &str = "10.91.3.2";
const TARGET: u16 = 1688;
const CONTROL: u16 = 443;
const MAX_HOPS: u8 = 6;

/// What comes back for each TTL from 1 on; the last goes for all that follow.
type Answers<'a> = &'a [Outcome];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn icmp(kind: u8, code: u8, from: &str) -> Outcome {
    let from = Some(ip(from));
    Outcome::Icmp(IcmpError { version: IcmpVersion::Icmp, kind, code, from })
}

fn router(from: &str) -> Outcome {
    icmp(11, 0, from)
}

fn failed(kind: ErrorKind) -> Outcome {
    Outcome::Failed(SocketError { errno: None, kind })
}

const fn silence() -> Outcome {
    Outcome::Silent
}

fn probes(port: u16, flow: u8, answers: Answers<'_>) -> Vec<ProbeFacts> {
    let mut probes = Vec::new();
    for ttl in 1..=MAX_HOPS {
        let index = usize::from(ttl - 1).min(answers.len() - 1);
        let outcome = answers[index];
        probes.push(ProbeFacts { port, flow, ttl, outcome, rtt_us: Some(100) });
    }
    probes
}

fn facts(probes: Vec<ProbeFacts>, control_ports: Vec<u16>) -> TraceFacts {
    TraceFacts {
        address: SocketAddr::new(ip(HOST), TARGET),
        source: Some(ip(SOURCE)),
        origin: None,
        payload: None,
        control_ports,
        max_hops: MAX_HOPS,
        flows: 1,
        timeout_ms: 700,
        elapsed_us: 700_000,
        probes,
    }
}

fn conclude_facts(facts: &TraceFacts) -> Conclusion {
    let conclusion = conclude("kms1.corp.test", facts, &paths(facts)).unwrap();
    let verdict = &conclusion.verdict;
    for text in std::iter::once(&verdict.cause).chain(&verdict.remedy) {
        assert!(!text.contains(['{', '}']), "{text}");
    }
    conclusion
}

/// One flow per port.
fn trace(target: Answers<'_>, control: Answers<'_>) -> Conclusion {
    let mut all = probes(TARGET, 0, target);
    all.extend(probes(CONTROL, 0, control));
    conclude_facts(&facts(all, vec![CONTROL]))
}

fn open() -> Vec<Outcome> {
    vec![router(ROUTER1), router(ROUTER2), Outcome::SynAck]
}

/// `(code, words that the cause must have)`.
fn shows(conclusion: &Conclusion, code: &str, parts: &[&str]) {
    assert_eq!(conclusion.verdict.row.code, code, "{}", conclusion.verdict.cause);
    let remedy = conclusion.verdict.remedy.clone().unwrap_or_default();
    let said = format!("{}\n{remedy}", conclusion.verdict.cause);
    for part in parts {
        assert!(said.contains(part), "`{part}` is missing: {said}");
    }
}

fn caveats(conclusion: &Conclusion) -> Vec<&str> {
    conclusion.caveats.iter().map(|caveat| caveat.code).collect()
}

fn after(conclusion: &Conclusion) -> Option<u8> {
    conclusion.place.as_ref().unwrap().after.as_ref().map(|hop| hop.ttl)
}

#[test]
fn an_open_port_is_reached_and_nothing_is_said_of_payload() {
    let conclusion = trace(&open(), &open());
    shows(&conclusion, "trace.reached", &["from hop 3", "says nothing of payload filters"]);
    assert_eq!(conclusion.verdict.severity, Severity::Ok);
    assert!(caveats(&conclusion).is_empty());
}

#[test]
fn a_drop_in_the_forwarding_of_router2_is_at_or_just_after_router2() {
    let dropped = [router(ROUTER1), router(ROUTER2), silence()];
    let conclusion = trace(&dropped, &open());
    let place = format!("at or just after hop 2 ({ROUTER2})");
    shows(&conclusion, "trace.silent_drop", &[&place, "TCP 443 (open) is answered", "SPPSVC"]);
    assert_eq!(caveats(&conclusion), ["drop_or_lost_answer"]);
    assert_eq!(after(&conclusion), Some(2));
}

#[test]
fn a_drop_on_entry_to_router2_is_at_or_just_after_router1() {
    let conclusion = trace(&[router(ROUTER1), silence()], &open());
    let place = format!("at or just after hop 1 ({ROUTER1})");
    let owners = format!("the owner of {ROUTER1} and of {ROUTER2}");
    shows(&conclusion, "trace.silent_drop", &[&place, &owners]);
}

#[test]
fn a_drop_of_every_port_is_about_the_address_and_not_the_port() {
    let dropped = [router(ROUTER1), router(ROUTER2), silence()];
    let conclusion = trace(&dropped, &dropped);
    let place = format!("behind hop 2 ({ROUTER2})");
    shows(
        &conclusion,
        "trace.path_silent",
        &[&place, "its answer is dropped on the way back", "TCP 443 ends in the same way"],
    );
    assert_eq!(caveats(&conclusion), ["drop_or_lost_answer", "no_control_port"]);
}

#[test]
fn a_control_port_that_only_gets_further_makes_the_drop_one_of_the_port() {
    let further = [router(ROUTER1), router(ROUTER2), silence()];
    let conclusion = trace(&[router(ROUTER1), silence()], &further);
    shows(
        &conclusion,
        "trace.silent_drop",
        &["at or just after hop 1", "not answered by the host either"],
    );
}

#[test]
fn a_silent_router_before_the_drop_is_a_caveat_and_no_fault() {
    let dropped = [silence(), router(ROUTER2), silence()];
    let conclusion = trace(&dropped, &[silence(), router(ROUTER2), Outcome::SynAck]);
    shows(&conclusion, "trace.silent_drop", &[&format!("at or just after hop 2 ({ROUTER2})")]);
    assert_eq!(caveats(&conclusion), ["silent_hops", "drop_or_lost_answer"]);
    assert!(conclusion.caveats[0].text.contains("for hop 1 on any port"));
}

#[test]
fn a_router_that_answers_one_port_and_not_another_rations_its_icmp() {
    let target = [silence(), router(ROUTER2), silence()];
    let conclusion = trace(&target, &open());
    shows(&conclusion, "trace.silent_drop", &["at or just after hop 2"]);
    assert_eq!(caveats(&conclusion), ["rationed_icmp", "drop_or_lost_answer"]);
    assert!(conclusion.caveats[0].text.contains("at hop 1:"), "{}", conclusion.caveats[0].text);
}

#[test]
fn a_router_that_answers_only_a_repeated_syn_rations_its_icmp_unless_the_host_is_as_slow() {
    for (host_rtt_us, expected) in [(2_000, vec!["rationed_icmp"]), (950_000, vec![])] {
        let mut all = probes(TARGET, 0, &open());
        all.extend(probes(CONTROL, 0, &open()));
        for probe in &mut all {
            let is_router = matches!(probe.outcome, Outcome::Icmp(_));
            probe.rtt_us = Some(if is_router { 1_002_000 } else { host_rtt_us });
        }
        let conclusion = conclude_facts(&facts(all, vec![CONTROL]));
        assert_eq!(caveats(&conclusion), expected);
    }
}

#[test]
fn hops_skipped_by_a_late_rejection_are_not_called_silent() {
    let error = icmp(3, 13, ROUTER2);
    let late = [router(ROUTER1), router(ROUTER2), silence(), silence(), error];
    let conclusion = trace(&late, &open());
    shows(&conclusion, "trace.prohibited", &["The router at hop 2"]);
    assert!(caveats(&conclusion).is_empty(), "{:?}", conclusion.caveats);
}

#[test]
fn silent_routers_after_the_last_answer_widen_the_place() {
    let control = [router(ROUTER1), silence(), silence(), Outcome::SynAck];
    let conclusion = trace(&[router(ROUTER1), silence()], &control);
    shows(
        &conclusion,
        "trace.silent_drop",
        &[&format!("between hop 1 ({ROUTER1}) and the host (hop 4)")],
    );
}

#[test]
fn a_reset_from_as_far_as_the_host_may_be_the_hosts_or_the_last_routers() {
    let refused = [router(ROUTER1), router(ROUTER2), Outcome::Reset];
    let conclusion = trace(&refused, &open());
    let last = format!("a filter on {ROUTER2} behind its TTL check");
    shows(&conclusion, "trace.refused", &["from hop 3", "nothing listens on TCP 1688", &last]);
}

#[test]
fn a_reset_from_nearer_than_the_control_ports_answer_is_forged() {
    for control in [open(), vec![router(ROUTER1), router(ROUTER2), Outcome::Reset]] {
        let conclusion = trace(&[router(ROUTER1), Outcome::Reset], &control);
        let place = format!("at or just after hop 1 ({ROUTER1})");
        shows(&conclusion, "trace.reset_on_path", &["at hop 2", "forged", &place, "from hop 3"]);
    }
}

#[test]
fn a_reset_from_where_another_port_still_meets_a_router_is_forged() {
    let control = [router(ROUTER1), router(ROUTER2), silence()];
    let conclusion = trace(&[router(ROUTER1), Outcome::Reset], &control);
    shows(&conclusion, "trace.reset_on_path", &[&format!("a router answers at hop 2 ({ROUTER2})")]);
}

#[test]
fn a_reset_without_any_comparison_is_not_called_the_hosts() {
    let refused = [router(ROUTER1), router(ROUTER2), Outcome::Reset];
    let conclusion = trace(&refused, &[silence()]);
    shows(&conclusion, "trace.refused", &["stays unknown", "any device up to that distance"]);
    assert_eq!(caveats(&conclusion), ["no_control_port"]);
    let alone = conclude_facts(&facts(probes(TARGET, 0, &refused), Vec::new()));
    shows(&alone, "trace.refused", &["was not compared with another port"]);
}

#[test]
fn a_reset_at_once_is_this_machines_or_the_first_devices() {
    let conclusion = trace(&[Outcome::Reset], &open());
    let place = format!("on this machine or at the entry of hop 1 ({ROUTER1})");
    shows(&conclusion, "trace.reset_on_path", &[&place]);
}

#[test]
fn a_closed_control_port_is_as_good_a_comparison_as_an_open_one() {
    let dropped = [router(ROUTER1), router(ROUTER2), silence()];
    let closed = [router(ROUTER1), router(ROUTER2), Outcome::Reset];
    let conclusion = trace(&dropped, &closed);
    shows(&conclusion, "trace.silent_drop", &["TCP 443 (closed) is answered"]);
}

#[test]
fn each_icmp_error_names_its_sender_its_hop_and_its_meaning() {
    for (kind_code, code) in [
        ((3, 13), "trace.prohibited"),
        ((3, 10), "trace.prohibited"),
        ((3, 9), "trace.prohibited"),
        ((3, 1), "trace.host_unreachable"),
        ((3, 0), "trace.net_unreachable"),
        ((3, 3), "trace.port_unreachable"),
    ] {
        let error = icmp(kind_code.0, kind_code.1, ROUTER2);
        let conclusion = trace(&[router(ROUTER1), router(ROUTER2), error], &open());
        let sender = format!("The router at hop 2 ({ROUTER2})");
        let named = format!("({}/{})", kind_code.0, kind_code.1);
        shows(&conclusion, code, &[&sender, &named, "not about the path as such"]);
        assert_eq!(conclusion.sender, Some(ip(ROUTER2)));
        assert_eq!(after(&conclusion), Some(2));
    }
}

#[test]
fn icmpv6_errors_are_classified_by_their_own_codes() {
    for (code, row) in [
        (0, "trace.net_unreachable"),
        (1, "trace.prohibited"),
        (3, "trace.host_unreachable"),
        (4, "trace.port_unreachable"),
        (5, "trace.prohibited"),
        (6, "trace.prohibited"),
    ] {
        let from = Some(ip("fd91::1"));
        let error = IcmpError { version: IcmpVersion::Icmpv6, kind: 1, code, from };
        let conclusion = trace(&[Outcome::Icmp(error)], &[silence()]);
        shows(&conclusion, row, &["fd91::1", "met by SYNs of TTL 1"]);
    }
}

#[test]
fn a_router_that_rejects_at_its_own_distance_is_named_all_the_same() {
    // A prohibiting route is looked up before the TTL is checked.
    let error = icmp(3, 13, ROUTER1);
    let conclusion = trace(&[error], &open());
    shows(&conclusion, "trace.prohibited", &[&format!("The router at hop 1 ({ROUTER1})")]);
    let both = trace(&[error], &[error]);
    shows(&both, "trace.prohibited", &[ROUTER1, "TCP 443 ends in the same way"]);
}

#[test]
fn a_rejection_by_the_host_itself_is_said_to_be_its_own() {
    let error = icmp(3, 3, HOST);
    let conclusion = trace(&[router(ROUTER1), router(ROUTER2), error], &open());
    shows(&conclusion, "trace.port_unreachable", &[&format!("The host itself ({HOST})")]);
}

#[test]
fn a_rejection_by_this_machine_is_said_to_be_its_own() {
    let conclusion = trace(&[icmp(3, 13, SOURCE)], &open());
    shows(&conclusion, "trace.local_filter", &[SOURCE, "its own packet filter"]);
    let conclusion = trace(&[icmp(3, 1, SOURCE)], &[icmp(3, 1, SOURCE)]);
    shows(&conclusion, "trace.local_filter", &["nobody on the local link answers"]);
}

#[test]
fn silence_everywhere_says_nothing_about_where() {
    let conclusion = trace(&[silence()], &[silence()]);
    shows(
        &conclusion,
        "trace.no_icmp",
        &[
            "nothing can be said about where",
            "a filter on this machine not excluded",
            "TCP 443 ends in the same way",
        ],
    );
    assert!(conclusion.place.is_none());
}

#[test]
fn silent_routers_before_a_host_that_answers_another_port_say_nothing_about_where() {
    let conclusion = trace(&[silence()], &[silence(), silence(), Outcome::SynAck]);
    shows(
        &conclusion,
        "trace.no_icmp",
        &["nothing can be said about where", "TCP 443 (open) is answered"],
    );
}

#[test]
fn silence_before_the_first_router_is_on_this_machine_or_at_its_entry() {
    let conclusion = trace(&[silence()], &open());
    let place = format!("on this machine or at the entry of hop 1 ({ROUTER1})");
    shows(&conclusion, "trace.silent_drop", &[&place]);
}

#[test]
fn on_the_local_link_only_this_machine_and_the_host_can_drop() {
    let conclusion = trace(&[silence()], &[Outcome::SynAck]);
    shows(&conclusion, "trace.silent_drop", &["on this machine or on the host itself", "SPPSVC"]);
}

#[test]
fn without_a_route_nothing_is_sent_and_the_verdict_is_that_of_a_check() {
    let unsent = [failed(ErrorKind::NetworkUnreachable)];
    shows(&trace(&unsent, &unsent), "tcp.no_route", &["nothing was sent", "ip route get"]);
    let unsent = [failed(ErrorKind::AddressNotAvailable)];
    shows(&trace(&unsent, &unsent), "tcp.source_unavailable", &["nothing was sent"]);
}

#[test]
fn one_probe_that_could_not_be_sent_does_not_hide_the_others() {
    let dropped = [router(ROUTER1), failed(ErrorKind::Other), silence()];
    shows(&trace(&dropped, &open()), "trace.silent_drop", &["at or just after hop 1"]);
}

#[test]
fn routers_that_answer_at_three_distances_pass_the_syn_round() {
    let (one, two) = (router(ROUTER1), router(ROUTER2));
    let conclusion = trace(&[one, two, one, two, one, two], &[one, two, one, two, one, two]);
    let pair = format!("{ROUTER1} and {ROUTER2}");
    shows(&conclusion, "trace.loop", &["from hop 1 on", &pair]);
}

#[test]
fn a_router_seen_at_two_distances_is_no_loop() {
    let conclusion = trace(&[router(ROUTER1), router(ROUTER1), silence()], &open());
    shows(&conclusion, "trace.silent_drop", &["at or just after hop 2"]);
}

#[test]
fn routers_up_to_the_last_hop_tried_ask_for_more_hops() {
    let hops: Vec<_> = (1..=MAX_HOPS).map(|hop| router(&format!("10.91.9.{hop}"))).collect();
    shows(&trace(&hops, &hops), "trace.too_far", &["hop 6", "--max-hops"]);
}

#[test]
fn an_open_port_nearer_than_the_host_is_somebody_elses() {
    let conclusion = trace(&[router(ROUTER1), Outcome::SynAck], &open());
    shows(&conclusion, "trace.answered_early", &["at hop 2", "in its name", "from hop 3"]);
    assert_eq!(conclusion.verdict.severity, Severity::Warning);
}

#[test]
fn flows_that_fail_beside_flows_that_pass_are_counted() {
    let dropped = [router(ROUTER1), router("10.91.2.9"), silence()];
    let mut all = probes(TARGET, 0, &open());
    all.extend(probes(TARGET, 1, &dropped));
    all.extend(probes(TARGET, 2, &open()));
    let conclusion = conclude_facts(&facts(all, Vec::new()));
    shows(&conclusion, "trace.reached_in_part", &["2 of 3 flows", "stay silent"]);
    assert!(caveats(&conclusion).contains(&"load_balanced"));
    let text = &conclusion.caveats[0].text;
    assert!(text.contains(&format!("hop 2 ({ROUTER2} and 10.91.2.9)")), "{text}");
}

#[test]
fn flows_that_are_rejected_beside_flows_that_pass_name_who_rejects() {
    let mut all = probes(TARGET, 0, &open());
    all.extend(probes(TARGET, 1, &[router(ROUTER1), router(ROUTER2), icmp(3, 13, ROUTER2)]));
    let conclusion = conclude_facts(&facts(all, Vec::new()));
    shows(&conclusion, "trace.reached_in_part", &["1 of 2 flows", "(3/13)", ROUTER2]);
}

#[test]
fn a_longer_branch_to_the_control_port_forges_nothing() {
    // One flow of the target needs three hops, one needs four, as the control port does.
    let long = [router(ROUTER1), router(ROUTER2), router("10.91.2.9"), Outcome::Reset];
    let mut all = probes(TARGET, 0, &[router(ROUTER1), router(ROUTER2), Outcome::Reset]);
    all.extend(probes(TARGET, 1, &long));
    all.extend(probes(
        CONTROL,
        0,
        &[router(ROUTER1), router(ROUTER2), router("10.91.2.9"), Outcome::SynAck],
    ));
    let conclusion = conclude_facts(&facts(all, vec![CONTROL]));
    shows(&conclusion, "trace.refused", &["nothing listens"]);
}

#[test]
fn several_routers_at_the_last_hop_are_all_named() {
    let mut all = probes(TARGET, 0, &[router(ROUTER1), router(ROUTER2), silence()]);
    all.extend(probes(TARGET, 1, &[router(ROUTER1), router("10.91.2.9"), silence()]));
    all.extend(probes(CONTROL, 0, &open()));
    let conclusion = conclude_facts(&facts(all, vec![CONTROL]));
    let place = format!("at or just after hop 2 ({ROUTER2} or 10.91.2.9)");
    shows(&conclusion, "trace.silent_drop", &[&place]);
}

#[test]
fn every_row_has_sentences_in_the_style_of_the_verdict_table() {
    for row in table::ROWS {
        for text in [Some(row.cause), row.remedy].into_iter().flatten() {
            assert!(text.ends_with('.'), "{}: {text}", row.code);
            assert!(!text.trim_end_matches('.').contains(". "), "{}: {text}", row.code);
        }
        assert_eq!(row.remedy.is_none(), row.severity == Severity::Ok, "{}", row.code);
    }
}

#[test]
fn every_row_of_the_table_is_concluded_by_some_test_and_none_twice() {
    let mut codes: Vec<_> = table::ROWS.iter().map(|row| row.code).collect();
    codes.dedup();
    assert_eq!(codes.len(), table::ROWS.len());
    let tests = include_str!("tests.rs");
    for code in codes {
        assert!(tests.matches(code).count() > 0, "no test concludes {code}");
    }
}

#[test]
fn a_payload_that_is_stopped_where_the_syn_passes_is_its_own_verdict() {
    let mut all = probes(TARGET, 0, &open());
    all.extend(probes(CONTROL, 0, &open()));
    let mut facts = facts(all, vec![CONTROL]);
    for (outcome, code, part) in [
        (PayloadOutcome::TimedOut, "trace.payload_stopped", "got no answer within 700 ms"),
        (PayloadOutcome::Reset, "trace.payload_stopped", "was answered with a reset"),
        (PayloadOutcome::Closed, "trace.reached", "says nothing of payload filters, which"),
        (PayloadOutcome::Answered, "trace.reached", "an RPC bind is answered"),
        (PayloadOutcome::NotRpc, "trace.reached", "does not speak RPC, so that something"),
    ] {
        facts.payload = Some(PayloadFacts { outcome, elapsed_us: 10, timeout_ms: 700 });
        shows(&conclude_facts(&facts), code, &["The SYN reaches", "from hop 3", part]);
    }
}
