//! Concurrent calls: several may wait for their answers, one may be arriving.

use super::*;

#[test]
fn concurrent_calls_are_answered_in_any_order() {
    let mut lab = Lab::multiplexed().holding();
    let pdus = [5, 6, 7].map(|call_id| request(call_id).pdu());
    assert_eq!(lab.feed_all(&pdus), []);
    assert_eq!(lab.call_ids(), [5, 6, 7]);
    assert_eq!(lab.server.open_calls(), 3);
    for call_id in [7, 5, 6] {
        assert_eq!(lab.respond(call_id, b"ok"), [response(call_id, 0, b"ok")]);
    }
    assert_eq!(lab.server.open_calls(), 0);
}

#[test]
fn calls_of_one_id_are_answered_oldest_first() {
    let mut lab = Lab::multiplexed().holding();
    lab.feed(&alter(WHOLE, &[NDR64]));
    lab.feed_all(&[request(5).pdu(), request(5).on_context(1).pdu()]);
    assert_eq!(lab.respond(5, b"a"), [response(5, 0, b"a")]);
    assert_eq!(lab.respond(5, b"b"), [response(5, 1, b"b")]);
    assert_eq!(lab.respond(5, b"c"), [], "there is no third");
}

#[test]
fn a_second_call_before_the_answer_is_a_protocol_error_unless_multiplexing_was_granted() {
    let mut lab = Lab::bound().holding();
    assert_eq!(lab.feed(&request(5).pdu()), []);
    assert_eq!(lab.feed(&request(6).pdu()), [fault03(6, 0, Status::PROTO_ERROR)]);
    assert_eq!(lab.respond(5, b"late"), [], "answers are dropped after a violation");
    lab.assert_closed(is_violation);
}

#[test]
fn multiplexing_may_be_granted_with_a_context_that_an_alter_adds() {
    let mut lab = Lab::bound().holding();
    let replies = lab.feed(&alter(MULTIPLEXED, &[NDR64]));
    assert!(matches!(&replies[..], [Reply::AlterResp(ack)] if ack.flags == MULTIPLEXED.0));
    assert_eq!(lab.feed_all(&[request(5).pdu(), request(6).pdu()]), []);
    assert_eq!(lab.call_ids(), [5, 6]);
}

#[test]
fn a_call_may_arrive_in_fragments_while_others_wait_for_answers() {
    let mut lab = Lab::multiplexed().holding();
    lab.feed_all(&[request(5).pdu(), request(6).with_flags(FIRST).with_stub(b"ab").pdu()]);
    assert_eq!(lab.respond(5, b"5"), [response(5, 0, b"5")]);
    lab.feed(&request(6).with_flags(LAST).with_stub(b"cd").pdu());
    assert!(matches!(lab.seen.last(), Some(Seen::Call { stub, .. }) if stub == b"abcd"));
}

#[test]
fn fragments_of_two_calls_must_not_interleave() {
    // Whatever comes of the second call, the fault names that call and no context.
    for flags in [FIRST, WHOLE, MIDDLE, LAST] {
        let mut lab = Lab::multiplexed();
        assert_eq!(lab.feed(&request(50).with_flags(FIRST).pdu()), []);
        let replies = lab.feed(&request(51).with_flags(flags).pdu());
        assert_eq!(replies, [fault03(51, 0, Status::PROTO_ERROR)], "{flags:?}");
        lab.assert_closed(is_violation);
    }
}

#[test]
fn the_same_call_begun_twice_is_named_with_its_context() {
    let mut lab = Lab::new(Config::new(1688));
    lab.feed(&bind(MULTIPLEXED, &[NDR64]));
    let first = request(50).on_context(1).with_flags(FIRST).pdu();
    assert_eq!(lab.feed(&first), []);
    assert_eq!(lab.feed(&first), [fault03(50, 1, Status::PROTO_ERROR)]);
    lab.assert_closed(is_violation);
}

#[test]
fn a_later_fragment_without_a_first_is_named_with_its_own_context() {
    for flags in [MIDDLE, LAST] {
        let mut lab = Lab::new(Config::new(1688));
        lab.feed(&bind(MULTIPLEXED, &[NDR64]));
        let replies = lab.feed(&request(50).on_context(1).with_flags(flags).pdu());
        assert_eq!(replies, [fault03(50, 1, Status::PROTO_ERROR)], "{flags:?}");
        lab.assert_closed(is_violation);
    }
}

#[test]
fn a_later_fragment_without_a_first_on_an_unknown_context_leaves_the_connection() {
    let mut lab = Lab::multiplexed();
    let replies = lab.feed(&request(50).on_context(111).with_flags(MIDDLE).pdu());
    assert_eq!(replies, [fault23(50, 0, Status::UNKNOWN_INTERFACE)]);
    lab.assert_usable();
}
