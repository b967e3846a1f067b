use std::time::Duration;

use kms_protocol::filetime::FileTime;
use kms_protocol::kms::Hresult;
use kms_protocol::kms::product::{DEFAULT, Family, PRODUCTS, Product};
use proptest::prelude::*;

use super::*;

type Client = Lifecycle<u32>;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn start() -> FileTime {
    FileTime::from_ticks(134_000_000_000_000_000)
}

fn after(time: Duration) -> FileTime {
    start().saturating_add(time)
}

fn product(family: Family) -> &'static Product {
    PRODUCTS.iter().find(|product| product.family == family).unwrap_or(DEFAULT)
}

/// Windows 10, Windows 7, Office.
fn all_rules() -> [Rules; 3] {
    [DEFAULT, product(Family::WindowsClient), product(Family::Office)].map(Rules::of)
}

fn answer(count: u32) -> Event<u32> {
    Event::Answered(Answer {
        host: 7,
        count,
        activation_interval_minutes: 120,
        renewal_interval_minutes: 10_080,
    })
}

fn activated(rules: &Rules) -> Client {
    let mut client = Client::new(rules, start());
    client.handle(rules, start(), 0, answer(25));
    client
}

#[test]
fn a_fresh_client_is_in_its_products_first_state_and_tries_at_once() {
    let [windows, windows_7, office] = all_rules();
    for (rules, state) in [
        (&windows, State::Notification { reason: Hresult(0xC004_F056) }),
        (&windows_7, State::InitialGrace { until: after(30 * DAY) }),
        (&office, State::InitialGrace { until: after(30 * DAY) }),
    ] {
        let client = Client::new(rules, start());
        assert_eq!(client.state(), state);
        assert!(client.is_attempt_due(start()));
    }
}

#[test]
fn time_alone_leads_through_the_documented_states() {
    let [windows, windows_7, office] = all_rules();
    for (rules, grace_days) in [(&windows, 0), (&windows_7, 30), (&office, 30)] {
        let mut client = activated(rules);
        for (at, status) in [
            (180 * DAY - MINUTE, 1),
            (180 * DAY, if grace_days > 0 { 3 } else { 5 }),
            ((180 + grace_days) * DAY, 5),
        ] {
            client.handle(rules, after(at), 0, Event::Tick);
            assert_eq!(client.state().status().0, status, "{grace_days} {at:?}");
        }
        let mut late = activated(rules);
        late.handle(rules, after(1_000 * DAY), 0, Event::Tick);
        assert_eq!(late.state(), client.state(), "whoever looks late sees the same");
    }
}

#[test]
fn the_states_that_no_event_leads_to_end_in_notification_or_an_activation() {
    let until = after(30 * DAY);
    for (state, reason) in [
        (State::NonGenuineGrace { until }, 0xC004_F064),
        (State::ExtendedGrace { until }, 0xC004_F009),
    ] {
        for rules in &all_rules() {
            let fresh = Client::new(rules, start()).in_state(state, start());
            let mut client = fresh.clone();
            client.handle(rules, until, 0, Event::Tick);
            assert_eq!(client.state(), State::Notification { reason: Hresult(reason) });
            let mut client = fresh;
            client.handle(rules, start(), 0, answer(25));
            assert!(client.state().is_licensed());
        }
    }
}

#[test]
fn success_starts_the_validity_anew_and_the_renewal_interval() {
    for rules in &all_rules() {
        let mut client = activated(rules);
        assert_eq!(client.next_attempt(), Some(after(7 * DAY)));
        client.handle(rules, after(7 * DAY), 0, answer(50));
        assert_eq!(client.state(), State::Licensed { until: after(187 * DAY) });
        assert_eq!(client.next_attempt(), Some(after(14 * DAY)));
        assert_eq!(client.state().minutes_left(after(7 * DAY)), 259_200);
    }
}

#[test]
fn a_count_below_the_threshold_is_not_enough_and_is_tried_again() {
    for rules in &all_rules() {
        let mut client = Client::new(rules, start());
        client.handle(rules, start(), 0, answer(rules.n_policy - 1));
        assert!(!client.state().is_licensed());
        assert_eq!(client.last_result(), Hresult::NOT_ENOUGH_COUNT);
        assert_eq!(client.next_attempt(), Some(after(2 * HOUR)));
        assert_eq!(client.cached_host(), None, "only a success is remembered");
        client.handle(rules, after(2 * HOUR), 0, answer(rules.n_policy));
        assert!(client.state().is_licensed());
    }
}

#[test]
fn the_hosts_intervals_take_over_unless_they_are_out_of_range() {
    let [rules, ..] = all_rules();
    for (sent, taken) in [
        ((15, 43_200), (15, 43_200)),
        ((14, 43_201), (120, 10_080)),
        ((0, u32::MAX), (120, 10_080)),
    ] {
        let mut client = Client::new(&rules, start());
        let (activation_interval_minutes, renewal_interval_minutes) = sent;
        let answer =
            Answer { host: 7, count: 1, activation_interval_minutes, renewal_interval_minutes };
        client.handle(&rules, start(), 0, Event::Answered(answer));
        let has = (client.activation_interval_minutes(), client.renewal_interval_minutes());
        assert_eq!(has, taken);
        assert_eq!(client.next_attempt(), Some(after(Rules::minutes(taken.0))));
    }
}

#[test]
fn a_failed_renewal_keeps_the_licence_and_watches_the_network_for_15_minutes() {
    let [rules, ..] = all_rules();
    let week = 7 * DAY;
    for (passed, tries) in [(14 * MINUTE, true), (15 * MINUTE, false)] {
        let mut client = activated(&rules);
        client.handle(&rules, after(week), 0, Event::Failed(Hresult::NO_KMS_AVAILABLE));
        assert_eq!(client.state(), State::Licensed { until: after(180 * DAY) });
        assert_eq!(client.next_attempt(), Some(after(week + 2 * HOUR)));
        client.handle(&rules, after(week + passed), 0, Event::NetworkChange);
        assert_eq!(client.is_attempt_due(after(week + passed)), tries, "{passed:?}");
    }
    let mut waiting = activated(&rules);
    waiting.handle(&rules, after(DAY), 0, Event::NetworkChange);
    assert!(!waiting.is_attempt_due(after(DAY)), "nothing had failed");
}

#[test]
fn the_host_of_the_last_success_is_remembered_until_it_fails() {
    let [mut rules, ..] = all_rules();
    let mut client = activated(&rules);
    assert_eq!(client.cached_host(), Some(&7));
    client.handle(&rules, after(DAY), 0, Event::CachedHostFailed);
    assert_eq!(client.cached_host(), None);
    rules.host_caching = false;
    assert_eq!(activated(&rules).cached_host(), None);
}

#[test]
fn a_start_and_slmgr_ato_are_occasions_to_try() {
    let [mut rules, ..] = all_rules();
    let mut failing = Client::new(&rules, start());
    failing.handle(&rules, start(), 0, Event::Failed(Hresult::DNS_NAME_ERROR));
    assert!(!failing.is_attempt_due(after(HOUR)));
    failing.handle(&rules, after(HOUR), 0, Event::Start);
    assert!(failing.is_attempt_due(after(HOUR)));
    let mut licensed = activated(&rules);
    licensed.handle(&rules, after(DAY), 0, Event::Start);
    assert!(!licensed.is_attempt_due(after(DAY)));
    rules.renews_at_start = true;
    licensed.handle(&rules, after(DAY), 0, Event::Start);
    assert!(licensed.is_attempt_due(after(DAY)));
    let mut asked = activated(&rules);
    asked.handle(&rules, after(DAY), 0, Event::Activate);
    assert!(asked.is_attempt_due(after(DAY)));
}

#[test]
fn changed_hardware_ends_an_activation_and_is_activated_again() {
    let [windows, _, office] = all_rules();
    for (rules, state) in [
        (&windows, State::Notification { reason: Hresult(0xC004_F00F) }),
        (&office, State::AdditionalGrace { until: after(31 * DAY) }),
    ] {
        let mut client = activated(rules);
        client.handle(rules, after(DAY), 0, Event::HardwareChange);
        assert_eq!(client.state(), state);
        assert!(client.is_attempt_due(after(DAY)));
        client.handle(rules, after(DAY), 0, answer(25));
        assert!(client.state().is_licensed());
    }
}

#[test]
fn rearms_are_counted_and_office_gains_one_by_its_activation() {
    let [windows, windows_7, office] = all_rules();
    for (rules, limit) in [(&windows, 1000), (&windows_7, 3), (&office, 6)] {
        let mut client = activated(rules);
        client.handle(rules, start(), 0, answer(25));
        for left in (0..limit).rev() {
            client.handle(rules, after(DAY), 0, Event::Rearm);
            assert_eq!(client.rearms_left(), left);
            assert!(!client.state().is_licensed());
        }
        client.handle(rules, after(DAY), 0, answer(25));
        client.handle(rules, after(DAY), 0, Event::Rearm);
        assert!(client.state().is_licensed(), "none is left");
    }
}

#[test]
fn without_a_key_nothing_is_tried_and_nothing_activates() {
    for rules in &all_rules() {
        let mut client = activated(rules);
        client.handle(rules, after(DAY), 0, Event::RemoveKey);
        for event in
            [Event::Start, Event::Activate, Event::Rearm, answer(50), Event::HardwareChange]
        {
            client.handle(rules, after(DAY), 0, event);
            assert_eq!((client.state(), client.next_due()), (State::Unlicensed, None));
        }
        client.handle(rules, after(2 * DAY), 0, Event::InstallKey);
        assert!(client.is_attempt_due(after(2 * DAY)));
    }
}

#[test]
fn jitter_is_added_in_proportion_to_the_draw() {
    let [mut rules, ..] = all_rules();
    rules.jitter = 10 * MINUTE;
    for (draw, added) in [(0, Duration::ZERO), (u32::MAX, 10 * MINUTE)] {
        let mut client = Client::new(&rules, start());
        client.handle(&rules, start(), draw, Event::Failed(Hresult::NO_KMS_AVAILABLE));
        assert_eq!(client.next_attempt(), Some(after(2 * HOUR + added)));
    }
}

#[test]
fn a_client_is_small_enough_for_a_million_of_them() {
    assert!(size_of::<Client>() <= 80, "{}", size_of::<Client>());
}

fn any_event() -> impl Strategy<Value = Event<u32>> {
    prop_oneof![
        Just(Event::Tick),
        Just(Event::Start),
        Just(Event::Activate),
        Just(Event::NetworkChange),
        Just(Event::CachedHostFailed),
        any::<u32>().prop_map(|code| Event::Failed(Hresult(code))),
        Just(Event::HardwareChange),
        Just(Event::Rearm),
        Just(Event::InstallKey),
        Just(Event::RemoveKey),
        (0u32..60, any::<u32>(), 0u32..50_000, any::<u32>()).prop_map(|(count, host, a, r)| {
            Event::Answered(Answer {
                host,
                count,
                activation_interval_minutes: a,
                renewal_interval_minutes: r,
            })
        }),
    ]
}

proptest! {
    /// Time may jump either way between events, as a clock that is moved does.
    #[test]
    fn no_sequence_of_events_leaves_an_illegal_state(which in 0usize..3, events in prop::collection::vec((any_event(), 0u64..400 * 86_400, any::<u32>()), 1..60)) {
        let rules = &all_rules()[which];
        let mut client = Client::new(rules, start());
        for (event, second, draw) in events {
            let now = after(Duration::from_secs(second));
            let enough = matches!(&event, Event::Answered(answer) if answer.count >= rules.n_policy);
            let was = client.state();
            client.handle(rules, now, draw, event);
            let state = client.state();
            prop_assert!(state.until().is_none_or(|until| until > now), "a state that is over has ended");
            prop_assert!(state.minutes_left(now) <= 259_200 || !state.is_licensed());
            if state == State::Unlicensed {
                prop_assert_eq!(client.next_attempt(), None);
            } else {
                let due = client.next_attempt();
                let latest = now.saturating_add(Rules::minutes(43_200));
                prop_assert!(due.is_some_and(|due| due <= latest), "it goes on trying");
            }
            if state.is_licensed() && !was.is_licensed() {
                prop_assert!(enough, "only an answer with enough clients activates");
            }
            prop_assert!((15..=43_200).contains(&client.activation_interval_minutes()));
            prop_assert!((15..=43_200).contains(&client.renewal_interval_minutes()));
            prop_assert!(client.rearms_left() <= 1_001);
        }
    }
}
