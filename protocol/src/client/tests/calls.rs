//! Calls: fragments both ways, several at once, and giving up on one.

use super::*;
use crate::limits::{OPEN_CALLS_MAX, REASSEMBLED_MAX};
use crate::wire::Misuse;

#[test]
fn a_call_is_cut_into_fragments_that_count_down_what_is_left() {
    let mut lab = Lab::bound();
    let stub: Vec<u8> = (0..12_000u32).map(|index| index.to_le_bytes()[0]).collect();
    lab.client.call(0, 0, &stub).unwrap();
    let sent = lab.client.poll_transmit().to_vec();
    let parts: Vec<Request<'_>> = pdus(&sent)
        .into_iter()
        .map(|pdu| match Packet::decode(pdu).unwrap().body {
            Body::Request(request) => request,
            other => panic!("{other:?}"),
        })
        .collect();
    let flags: Vec<_> = pdus(&sent).iter().map(|pdu| pdu[3]).collect();
    assert_eq!(flags, [0x01, 0x00, 0x02]);
    let hints: Vec<_> = parts.iter().map(|part| part.alloc_hint).collect();
    assert_eq!(hints, [12_000, 12_000 - 5808, 12_000 - 2 * 5808]);
    assert_eq!(parts.iter().flat_map(|part| part.stub).copied().collect::<Vec<_>>(), stub);
}

#[test]
fn a_stub_of_four_mebibytes_is_sent_and_one_byte_more_is_the_callers_error() {
    let mut lab = Lab::bound();
    let stub = vec![7; REASSEMBLED_MAX + 1];
    assert!(lab.client.call(0, 0, &stub).is_err());
    assert_eq!(lab.client.poll_transmit(), []);
    assert!(lab.client.call(0, 0, &stub[1..]).is_ok());
}

#[test]
fn a_fragmented_answer_is_put_together() {
    let mut lab = Lab::bound();
    let call_id = lab.call(b"");
    assert_eq!(lab.feed(&fragment(FIRST, call_id, b"ab")), []);
    assert_eq!(lab.feed(&fragment(MIDDLE, call_id, b"")), []);
    assert_eq!(lab.feed(&fragment(MIDDLE, call_id, b"cd")), []);
    assert_eq!(lab.feed(&fragment(LAST, call_id, b"ef")), [answered(call_id, b"abcdef")]);
    lab.assert_usable();
}

#[test]
fn an_answer_up_to_its_limit_is_taken_and_one_byte_more_is_a_violation() {
    for (len, fits) in [(100, true), (101, false)] {
        let config = Config { response_max: 100, ..Config::default() };
        let mut lab = Lab::bound_with(WHOLE, config);
        let call_id = lab.call(b"");
        assert_eq!(lab.feed(&fragment(FIRST, call_id, &[7; 50])), []);
        let seen = lab.feed(&fragment(LAST, call_id, &vec![7; len - 50]));
        assert_eq!(seen.len(), usize::from(fits), "{len} bytes");
        assert!(lab.client.buffered_bytes() < 300);
        if !fits {
            lab.assert_violation(50, "reassembled stub", 101, Expected::AtMost(100));
        }
    }
}

#[test]
fn what_is_held_is_what_arrived_and_what_is_unsent() {
    let mut lab = Lab::multiplexed();
    lab.feed(&[]);
    assert_eq!(lab.client.buffered_bytes(), 0);
    let (a, b) = (lab.client.call(0, 0, b"").unwrap(), lab.client.call(0, 0, b"").unwrap());
    assert_eq!(lab.client.buffered_bytes(), 48, "two requests of 24 bytes are unsent");
    lab.sent();
    lab.feed(&fragment(FIRST, a, &[7; 1000]));
    lab.feed(&fragment(FIRST, b, &[7; 500]));
    lab.feed(&[5; 10]);
    assert_eq!(lab.client.buffered_bytes(), 1510);
    // The answer that `poll_event` gave last is held until it is called again.
    let mut lab = Lab::bound();
    let call_id = lab.call(b"");
    lab.feed(&fragment(FIRST, call_id, &[7; 1000]));
    lab.client.handle_input(lab.now, &fragment(LAST, call_id, b""));
    assert!(lab.client.poll_event().is_some());
    assert!((1000..1100).contains(&lab.client.buffered_bytes()));
    assert!(lab.client.poll_event().is_none());
    lab.feed(&[]);
    assert_eq!(lab.client.buffered_bytes(), 0);
}

#[test]
fn a_fault_ends_its_call_and_not_the_connection() {
    let mut lab = Lab::bound();
    let call_id = lab.call(b"");
    let status = Status(0x1234_5678);
    let seen = lab.feed(&fault(call_id, status));
    assert_eq!(seen, [Seen::Fault { call_id, context_id: 0, flags: 0x23, status }]);
    lab.assert_usable();
}

#[test]
fn a_fault_may_come_in_the_middle_of_an_answer() {
    let mut lab = Lab::bound();
    let call_id = lab.call(b"");
    assert_eq!(lab.feed(&fragment(FIRST, call_id, b"ab")), []);
    assert!(matches!(lab.feed(&fault(call_id, Status::PROTO_ERROR))[..], [Seen::Fault { .. }]));
    lab.assert_usable();
}

#[test]
fn a_second_call_before_the_answer_is_the_callers_error_unless_granted() {
    let refused = |outstanding, at_most| {
        Err(Misuse::new(0, "outstanding calls", outstanding, Expected::AtMost(at_most)))
    };
    let mut lab = Lab::bound();
    lab.call(b"");
    assert_eq!(lab.client.call(0, 0, b""), refused(1, 0));
    assert_eq!(lab.sent(), 0);

    let mut lab = Lab::multiplexed();
    for _ in 0..OPEN_CALLS_MAX {
        lab.call(b"");
    }
    assert_eq!(lab.client.call(0, 0, b""), refused(16, 15), "sixteen at most");
}

#[test]
fn concurrent_calls_are_matched_by_call_id_also_in_interleaved_fragments() {
    let mut lab = Lab::multiplexed();
    let (a, b) = (lab.call(b""), lab.call(b""));
    assert_eq!(lab.feed(&fragment(FIRST, b, b"b1")), []);
    assert_eq!(lab.feed(&fragment(FIRST, a, b"a1")), []);
    assert_eq!(lab.feed(&fragment(LAST, b, b"b2")), [answered(b, b"b1b2")]);
    assert_eq!(lab.feed(&fragment(LAST, a, b"a2")), [answered(a, b"a1a2")]);
}

#[test]
fn a_response_may_return_the_low_byte_of_the_context_or_all_of_it() {
    let wide = ContextElement::new(0x1234, SyntaxId::KMS, &[SyntaxId::NDR32]);
    for context_id in [0x34, 0x1234] {
        let mut lab = Lab::new(Config::default());
        lab.client.bind(WHOLE, 0, &[wide]).unwrap();
        lab.feed(&ack(WHOLE, 2, &[ACCEPTED32]));
        let call_id = lab.client.call(0x1234, 0, b"").unwrap();
        let body = Body::Response(Response { context_id, ..EMPTY });
        let seen = lab.feed(&pdu(WHOLE, call_id, body));
        assert!(matches!(seen[..], [Seen::Response { .. }]), "context {context_id:#x}");
    }
}

#[test]
fn a_cancelled_call_still_awaits_its_answer() {
    let mut lab = Lab::bound();
    let call_id = lab.call(b"");
    lab.client.cancel(call_id).unwrap();
    assert_eq!(lab.client.poll_transmit(), pdu(WHOLE, call_id, Body::CoCancel));
    lab.sent();
    assert_eq!(lab.feed(&response(call_id, b"ok")), [answered(call_id, b"ok")]);
    assert!(lab.client.cancel(call_id).is_err(), "there is no such call any more");
    assert!(lab.client.orphan(call_id).is_err(), "there is no such call any more");
    assert_eq!(lab.sent(), 0);
}

#[test]
fn the_late_answer_to_an_abandoned_call_is_dropped() {
    let late: [fn(u32) -> Vec<u8>; 3] = [
        |call_id| response(call_id, b"late"),
        |call_id| fault(call_id, Status::PROTO_ERROR),
        |call_id| [fragment(FIRST, call_id, b"la"), fragment(LAST, call_id, b"te")].concat(),
    ];
    for late in late {
        let mut lab = Lab::bound();
        let call_id = lab.call(b"");
        lab.client.orphan(call_id).unwrap();
        assert_eq!(lab.client.poll_transmit(), pdu(WHOLE, call_id, Body::Orphaned));
        lab.sent();
        assert_eq!(lab.client.poll_timeout(), None);
        let next = lab.call(b"");
        assert_eq!(lab.feed(&late(call_id)), []);
        assert_eq!(lab.feed(&response(next, b"ok")), [answered(next, b"ok")]);
    }
}

#[test]
fn a_call_may_be_abandoned_in_the_middle_of_its_answer() {
    let mut lab = Lab::bound();
    let call_id = lab.call(b"");
    lab.feed(&fragment(FIRST, call_id, b"ab"));
    lab.client.orphan(call_id).unwrap();
    assert_eq!(lab.feed(&fragment(LAST, call_id, b"cd")), []);
    lab.sent();
    lab.assert_usable();
}

#[test]
fn the_sixteen_latest_abandoned_calls_are_remembered() {
    let mut lab = Lab::bound();
    let abandoned: Vec<u32> = (0..=OPEN_CALLS_MAX)
        .map(|_| {
            let call_id = lab.call(b"");
            lab.client.orphan(call_id).unwrap();
            call_id
        })
        .collect();
    lab.sent();
    for call_id in &abandoned[1..] {
        assert_eq!(lab.feed(&response(*call_id, b"")), []);
    }
    lab.assert_usable();
    let forgotten = abandoned[0];
    assert_eq!(lab.feed(&response(forgotten, b"")), []);
    let want = Expected::Text("nothing: no answer is awaited");
    lab.assert_violation(2, "ptype", 2, want);
}

#[test]
fn call_ids_go_on_past_the_largest() {
    let config = Config { first_call_id: u32::MAX, ..Config::default() };
    let mut lab = Lab::new(config);
    assert_eq!(lab.client.bind(WHOLE, 0, &[NDR32]), Ok(u32::MAX));
    lab.feed(&ack(WHOLE, u32::MAX, &[ACCEPTED32]));
    assert_eq!(lab.call(b""), 0);
    assert_eq!(lab.feed(&response(0, b"ok")), [answered(0, b"ok")]);
}
