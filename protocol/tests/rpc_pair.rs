//! The client and the server of this crate, talking to each other over a simulated wire.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod rpc_support;

use std::time::Duration;

use kms_protocol::client::{self, CloseReason};
use kms_protocol::limits::{OPEN_CALLS_MAX, REASSEMBLED_MAX};
use kms_protocol::rpc::{BindTimeFeatures, ContextElement, PfcFlags, ResultElement, SyntaxId};
use kms_protocol::server;
use kms_protocol::time::Instant;
use kms_protocol::wire::ByteOrder;
use rpc_support::pair::{Application, GROUP, Pair, Seen, accepted};

const WHOLE: PfcFlags = PfcFlags::WHOLE;
const NDR32: ContextElement<'_> = ContextElement::new(0, SyntaxId::KMS, &[SyntaxId::NDR32]);
const NDR64: ContextElement<'_> = ContextElement::new(1, SyntaxId::KMS, &[SyntaxId::NDR64]);
const FEATURES: ContextElement<'_> =
    ContextElement::new(2, SyntaxId::KMS, &[SyntaxId::bind_time_features(BindTimeFeatures(3))]);

fn pair() -> Pair {
    Pair::new(client::Config::default(), server::Config::new(1688))
}

fn bound(mut pair: Pair, flags: PfcFlags) -> Pair {
    pair.client.bind(flags, 0, &[NDR32]).unwrap();
    let results = vec![ResultElement::accepted(SyntaxId::NDR32)];
    assert_eq!(pair.drive(), [Seen::Bound { flags, group: GROUP, results }]);
    pair
}

/// Bind with three contexts, the refused NDR32 by alter_context, a call on each.
fn windows_sequence(mut pair: Pair) -> Vec<Seen> {
    let mut seen = Vec::new();
    pair.client.bind(WHOLE, 0, &[NDR32, NDR64, FEATURES]).unwrap();
    seen.extend(pair.drive());
    pair.client.alter_context(WHOLE, &[NDR32]).unwrap();
    seen.extend(pair.drive());
    for context_id in [0, 1] {
        pair.client.call(context_id, 0, &[context_id as u8; 300]).unwrap();
        seen.extend(pair.drive());
    }
    pair.client.close_local();
    assert_eq!(pair.drive_to_the_end(), []);
    assert_eq!(pair.server.close_reason(), Some(server::CloseReason::PeerFinished));
    seen
}

#[test]
fn a_windows_clients_sequence_ends_with_a_call_in_each_encoding() {
    let seen = windows_sequence(pair());
    let [Seen::Bound { results, .. }, Seen::Altered { results: altered }, calls @ ..] = &seen[..]
    else {
        panic!("{seen:?}");
    };
    assert_eq!(accepted(results), [false, true, false]);
    assert_eq!(accepted(altered), [true]);
    let answer = |call_id, context_id: u16| Seen::Response {
        call_id,
        context_id,
        stub: vec![context_id as u8; 300],
    };
    assert_eq!(calls, [answer(4, 0), answer(5, 1)]);
}

#[test]
fn the_size_of_segments_changes_nothing() {
    let whole = windows_sequence(pair());
    for segment_max in [1, 2, 3, 7, 16, 17, 24, 100] {
        let cut = windows_sequence(pair().with_segments(segment_max));
        assert_eq!(cut, whole, "segments of {segment_max}");
    }
}

#[test]
fn a_big_endian_client_is_served() {
    let config = client::Config { byte_order: ByteOrder::Big, ..client::Config::default() };
    let big = windows_sequence(Pair::new(config, server::Config::new(1688)));
    assert_eq!(big, windows_sequence(pair()));
}

#[test]
fn four_mebibytes_travel_both_ways() {
    let mut pair = bound(pair().with_segments(65_536), WHOLE);
    let stub: Vec<u8> = (0..REASSEMBLED_MAX).map(|index| (index % 251) as u8).collect();
    let call_id = pair.client.call(0, 0, &stub).unwrap();
    assert_eq!(pair.drive(), [Seen::Response { call_id, context_id: 0, stub }]);
    assert_eq!(pair.server.buffered_bytes(), 0);
}

#[test]
fn sixteen_concurrent_calls_are_answered_last_first() {
    let mut pair = bound(pair(), PfcFlags(0x13));
    pair.application = Application::Hold;
    for index in 0..OPEN_CALLS_MAX {
        pair.client.call(0, 0, &[index as u8]).unwrap();
    }
    assert_eq!(pair.drive(), []);
    let mut held = std::mem::take(&mut pair.held);
    assert_eq!(held.len(), OPEN_CALLS_MAX);
    held.reverse();
    for (call_id, stub) in &held {
        pair.server.respond(*call_id, stub).unwrap();
    }
    let expected: Vec<_> = held
        .into_iter()
        .map(|(call_id, stub)| Seen::Response { call_id, context_id: 0, stub })
        .collect();
    assert_eq!(pair.drive(), expected);
}

#[test]
fn an_abandoned_call_costs_its_answer_and_nothing_else() {
    let mut pair = bound(pair(), PfcFlags(0x13));
    pair.application = Application::Hold;
    let abandoned = pair.client.call(0, 0, b"abandoned").unwrap();
    pair.drive();
    pair.client.orphan(abandoned).unwrap();
    let kept = pair.client.call(0, 0, b"kept").unwrap();
    assert_eq!(pair.drive(), []);
    for (call_id, stub) in std::mem::take(&mut pair.held) {
        pair.server.respond(call_id, &stub).unwrap();
    }
    let stub = b"kept".to_vec();
    assert_eq!(pair.drive(), [Seen::Response { call_id: kept, context_id: 0, stub }]);
}

#[test]
fn an_answer_on_its_way_when_the_call_is_abandoned_is_dropped() {
    let mut pair = bound(pair(), PfcFlags(0x13));
    pair.application = Application::Hold;
    let call_id = pair.client.call(0, 0, b"late").unwrap();
    pair.drive();
    pair.server.respond(call_id, b"late").unwrap();
    pair.client.orphan(call_id).unwrap();
    assert_eq!(pair.drive(), []);
    assert_eq!(pair.client.close_reason(), None);
}

#[test]
fn a_server_that_never_answers_is_given_up_on_time() {
    let answer_timeout = Some(Duration::from_secs(3));
    let config = client::Config { answer_timeout, ..client::Config::default() };
    let mut pair = bound(Pair::new(config, server::Config::new(1688)), WHOLE);
    pair.application = Application::Hold;
    let asked_at = pair.now;
    pair.client.call(0, 0, b"").unwrap();
    pair.drive();
    assert_eq!(pair.client.poll_timeout(), Some(asked_at.saturating_add(Duration::from_secs(3))));
    // The client leaves; the server still owes an answer, and is released by giving it.
    pair.client.handle_timeout(asked_at.saturating_add(Duration::from_secs(3)));
    assert_eq!(pair.client.close_reason(), Some(CloseReason::Timeout));
    pair.drive();
    assert!(!pair.server.is_closed());
    let (call_id, stub) = pair.held.remove(0);
    pair.server.respond(call_id, &stub).unwrap();
    assert_eq!(pair.drive_to_the_end(), []);
    assert_eq!(pair.server.close_reason(), Some(server::CloseReason::PeerFinished));
}

#[test]
fn a_quiet_connection_is_ended_by_the_server_and_the_client_sees_a_clean_end() {
    let mut pair = bound(pair(), WHOLE);
    let bound_at = pair.now;
    assert_eq!(pair.drive_to_the_end(), []);
    assert_eq!(pair.server.close_reason(), Some(server::CloseReason::Idle));
    assert_eq!(pair.client.close_reason(), Some(CloseReason::PeerFinished));
    let waited = pair.now.saturating_since(bound_at);
    assert!(waited >= Duration::from_secs(29), "waited {waited:?} of virtual time");
}

#[test]
fn a_refused_bind_ends_both_sides() {
    let mut pair = pair();
    pair.client.bind(WHOLE, 0, &[]).unwrap();
    assert_eq!(pair.drive_to_the_end(), [Seen::BindRefused]);
    assert_eq!(pair.client.close_reason(), Some(CloseReason::BindRefused));
    assert!(pair.now < Instant::ZERO.saturating_add(Duration::from_secs(1)), "without a timeout");
}
