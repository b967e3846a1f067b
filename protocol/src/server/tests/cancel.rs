//! co_cancel and orphaned: never answered, and never a reason to close.

use super::*;

#[test]
fn cancelling_or_abandoning_no_call_is_met_with_silence() {
    for pdu in [co_cancel(5), orphaned(5)] {
        let mut lab = Lab::bound();
        assert_eq!(lab.feed(&pdu), []);
        assert_eq!(lab.seen, []);
        lab.assert_usable();
    }
}

#[test]
fn a_call_that_is_still_arriving_is_not_affected() {
    for mut lab in [Lab::bound(), Lab::multiplexed()] {
        for pdu in [co_cancel(5), orphaned(5)] {
            let first = request(5).with_flags(FIRST).with_stub(b"ab").pdu();
            let last = request(5).with_flags(LAST).with_stub(b"cd").pdu();
            assert_eq!(lab.feed_all([&first, &pdu]), []);
            assert_eq!(lab.feed(&last), [response(5, 0, b"abcd")]);
        }
    }
}

#[test]
fn abandoning_a_call_that_is_still_arriving_does_not_make_room_for_the_next() {
    let first = |call_id| request(call_id).with_flags(FIRST).pdu();
    let mut lab = Lab::bound();
    lab.feed_all(&[first(50), orphaned(50)]);
    assert_eq!(lab.feed(&first(51)), [fault03(50, 0, Status::PROTO_ERROR)]);
    lab.assert_closed(is_violation);

    let mut lab = Lab::multiplexed();
    lab.feed_all(&[first(50), orphaned(50)]);
    assert_eq!(lab.feed(&first(51)), [fault03(51, 0, Status::PROTO_ERROR)]);
    lab.assert_closed(is_violation);
}

#[test]
fn a_cancelled_open_call_is_told_and_may_be_answered_as_usual() {
    let mut lab = Lab::bound().holding();
    lab.feed(&request(5).pdu());
    assert_eq!(lab.feed(&co_cancel(5)), []);
    assert_eq!(lab.seen.last(), Some(&Seen::Cancelled(5)));
    assert_eq!(lab.respond(5, b"anyway"), [response(5, 0, b"anyway")]);
}

#[test]
fn a_cancelled_open_call_may_be_answered_with_a_fault() {
    let mut lab = Lab::bound().holding();
    lab.feed_all(&[request(5).pdu(), co_cancel(5)]);
    lab.server.fault(5, Status(0x1C00_000D));
    assert_eq!(lab.pump(), [fault03(5, 0, Status(0x1C00_000D))]);
    lab.echoes = true;
    lab.assert_usable();
}

#[test]
fn the_answer_to_an_abandoned_call_is_dropped() {
    let mut lab = Lab::multiplexed().holding();
    lab.feed_all(&[request(5).pdu(), request(6).pdu(), orphaned(5)]);
    assert_eq!(lab.seen.last(), Some(&Seen::Orphaned(5)));
    assert_eq!(lab.respond(5, b"dropped"), []);
    assert_eq!(lab.respond(6, b"kept"), [response(6, 0, b"kept")]);
    assert_eq!(lab.server.open_calls(), 0);
}

#[test]
fn the_fault_of_an_abandoned_call_is_dropped_too() {
    let mut lab = Lab::bound().holding();
    lab.feed_all(&[request(5).pdu(), orphaned(5)]);
    lab.server.fault(5, Status::BAD_STUB_DATA);
    assert_eq!(lab.pump(), []);
    lab.echoes = true;
    lab.assert_usable();
}

#[test]
fn a_call_is_abandoned_once() {
    let mut lab = Lab::bound().holding();
    lab.feed_all(&[request(5).pdu(), orphaned(5), orphaned(5), co_cancel(5)]);
    assert_eq!(lab.seen[1..], [Seen::Orphaned(5)], "and is not cancelled afterwards");
}
