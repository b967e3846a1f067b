#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::*;
use kms_protocol::kms::product::Product;
use proptest::prelude::*;

#[test]
fn a_client_is_recorded_before_the_count_is_returned() {
    let mut host = Host::default();
    let first = host.decide(&query(1), NOW).unwrap();
    assert_eq!(first.count, 1);
    assert_eq!(host.decide(&query(2), NOW).unwrap().count, 2);
    assert_eq!(host.decide(&query(1), NOW).unwrap().count, 2);
}

#[test]
fn the_documented_intervals_are_handed_out_unless_set_otherwise() {
    let answer = Host::default().decide(&query(1), NOW).unwrap();
    assert_eq!(answer.activation_interval.minutes(), 120);
    assert_eq!(answer.renewal_interval.minutes(), 10_080);
    let policy = HostPolicy {
        activation_interval: IntervalMinutes::MIN,
        renewal_interval: IntervalMinutes::MAX,
        ..HostPolicy::default()
    };
    let answer = Host::new(policy).decide(&query(1), NOW).unwrap();
    assert_eq!(answer.activation_interval.minutes(), 15);
    assert_eq!(answer.renewal_interval.minutes(), 43_200);
}

#[test]
fn intervals_are_accepted_from_fifteen_minutes_to_thirty_days() {
    for (text, minutes) in [("15", Some(15)), ("43200", Some(43_200))] {
        assert_eq!(text.parse().ok().map(IntervalMinutes::minutes), minutes);
    }
    for text in ["14", "43201", "0", "-15", "", "15m", "4294967311"] {
        assert_eq!(text.parse::<IntervalMinutes>(), Err(IntervalOutOfRange), "{text}");
    }
}

#[test]
fn clocks_exactly_four_hours_apart_are_accepted_and_one_tick_more_is_refused() {
    let four_hours = CLOCK_TOLERANCE;
    let ticks =
        |time: FileTime, by: i64| FileTime::from_ticks(time.ticks().wrapping_add_signed(by));
    for (client_time, accepted) in [
        (NOW, true),
        (NOW.saturating_add(four_hours), true),
        (NOW.saturating_sub(four_hours), true),
        (ticks(NOW.saturating_add(four_hours), 1), false),
        (ticks(NOW.saturating_sub(four_hours), -1), false),
        (FileTime::from_ticks(0), false),
        (FileTime::from_ticks(u64::MAX), false),
    ] {
        let decision = Host::default().decide(&Query { client_time, ..query(1) }, NOW);
        let expected = if accepted { Ok(()) } else { Err(Refusal::ClockSkew) };
        assert_eq!(decision.map(|_| ()), expected, "{client_time}");
    }
}

#[test]
fn a_threshold_of_a_thousand_is_answered_and_one_more_is_refused() {
    let ask = |n_policy| Host::default().decide(&Query { n_policy, ..query(1) }, NOW);
    assert_eq!(ask(1000).unwrap().count, 1);
    assert_eq!(ask(1001), Err(Refusal::ThresholdTooHigh));
}

#[test]
fn an_unknown_product_and_one_of_another_application_are_refused() {
    let ask = |query| Host::default().decide(&query, NOW);
    let unknown = Query { kms_id: Guid::from_bytes([7; 16]), ..query(1) };
    assert_eq!(ask(unknown), Err(Refusal::UnknownProduct));
    let stranger = PRODUCTS.iter().find(|product| product.app_id != windows().app_id).unwrap();
    let wrong = Query { app_id: stranger.app_id, ..query(1) };
    assert_eq!(ask(wrong), Err(Refusal::WrongApplication));
}

#[test]
fn checks_run_in_order_host_threshold_clock_product_application() {
    let stranger = PRODUCTS.iter().find(|product| product.app_id != windows().app_id).unwrap();
    let mut wrong = Query {
        app_id: stranger.app_id,
        kms_id: Guid::from_bytes([7; 16]),
        n_policy: 1001,
        client_time: FileTime::from_ticks(0),
        ..query(1)
    };
    let mut host = Host::new(HostPolicy { activated: false, ..HostPolicy::default() });
    assert_eq!(host.decide(&wrong, NOW), Err(Refusal::HostNotActivated));
    let mut host = Host::default();
    assert_eq!(host.decide(&wrong, NOW), Err(Refusal::ThresholdTooHigh));
    wrong.n_policy = 25;
    assert_eq!(host.decide(&wrong, NOW), Err(Refusal::ClockSkew));
    wrong.client_time = NOW;
    assert_eq!(host.decide(&wrong, NOW), Err(Refusal::UnknownProduct));
    wrong.kms_id = windows().kms_id;
    assert_eq!(host.decide(&wrong, NOW), Err(Refusal::WrongApplication));
    wrong.app_id = windows().app_id;
    assert_eq!(host.decide(&wrong, NOW).unwrap().count, 1);
}

#[test]
fn each_refusal_has_the_code_that_windows_documents() {
    for (refusal, code) in [
        (Refusal::HostNotActivated, 0xC004_F041),
        (Refusal::ThresholdTooHigh, 0x8007_000D),
        (Refusal::ClockSkew, 0xC004_F06C),
        (Refusal::UnknownProduct, 0xC004_F042),
        (Refusal::WrongApplication, 0xC004_F042),
    ] {
        assert_eq!(refusal.hresult(), Hresult(code), "{}", refusal.reason());
    }
}

#[test]
fn applications_are_counted_apart() {
    let mut host = Host::default();
    let office = PRODUCTS.iter().find(|product| product.app_id != windows().app_id).unwrap();
    host.decide(&query(1), NOW).unwrap();
    let answer = host.decide(&query_for(office, 2), NOW).unwrap();
    assert_eq!(answer.count, 1);
    assert_eq!((host.count(windows().app_id, NOW), host.count(office.app_id, NOW)), (1, 1));
}

#[test]
fn a_prefilled_host_answers_the_next_client_with_one_more() {
    for (clients, count) in [(0, 1), (4, 5), (9, 10), (10, 10), (24, 25), (49, 50), (1000, 50)] {
        let mut host = Host::default();
        host.prefill(windows().app_id, clients, NOW);
        assert_eq!(host.count(windows().app_id, NOW), clients.min(50));
        let query = Query { n_policy: 5, ..query(1) };
        assert_eq!(host.decide(&query, NOW).unwrap().count, count, "{clients} prefilled");
    }
}

proptest! {
    #[test]
    fn a_refused_request_changes_nothing(
        accepted in prop::collection::vec(0u8..20, 0..20),
        refused in 0u8..20,
        fault in 0usize..4,
    ) {
        let mut host = Host::default();
        for client in accepted {
            host.decide(&Query { n_policy: 5, ..query(client) }, NOW).unwrap();
        }
        let before = format!("{host:?}");
        let query = query(refused);
        let wrong = match fault {
            0 => Query { n_policy: 1001, ..query },
            1 => Query { client_time: FileTime::from_ticks(0), ..query },
            2 => Query { kms_id: Guid::ZERO, ..query },
            _ => Query { app_id: Guid::ZERO, ..query },
        };
        prop_assert!(host.decide(&wrong, NOW).is_err());
        prop_assert_eq!(format!("{host:?}"), before);
    }

    #[test]
    fn no_query_panics_and_the_count_never_exceeds_fifty(
        n_policy: u32, client_ticks: u64, now_ticks: u64, client: u8,
    ) {
        let mut host = Host::default();
        host.prefill(windows().app_id, 50, FileTime::from_ticks(now_ticks));
        let client_time = FileTime::from_ticks(client_ticks);
        let query = Query { n_policy, client_time, ..query(client) };
        if let Ok(answer) = host.decide(&query, FileTime::from_ticks(now_ticks)) {
            prop_assert!((1..=50).contains(&answer.count));
        }
    }
}

fn windows() -> &'static Product {
    PRODUCTS.iter().find(|product| product.n_policy == 25).unwrap()
}

fn query(client: u8) -> Query {
    query_for(windows(), client)
}

fn query_for(product: &Product, client: u8) -> Query {
    Query {
        app_id: product.app_id,
        kms_id: product.kms_id,
        cmid: Guid::from_bytes([client; 16]),
        n_policy: product.n_policy,
        client_time: NOW,
    }
}

/// 2026-07-30 00:00:00.
const NOW: FileTime = FileTime::from_ticks(134_298_432_000_000_000);
