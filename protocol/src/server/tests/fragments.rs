//! Calls in several fragments, one at a time.

use super::*;
use crate::limits::{FRAGMENT_MAX, REASSEMBLED_MAX};

/// A call of `stub` in fragments as large as they may be, with the hint that `hint` makes of what
/// is left.
fn fragmented(call_id: u32, stub: &[u8], hint: impl Fn(u32) -> u32) -> Vec<Vec<u8>> {
    let chunk = FRAGMENT_MAX - 24;
    let count = stub.chunks(chunk).count();
    let mut left = u32::try_from(stub.len()).unwrap();
    stub.chunks(chunk)
        .enumerate()
        .map(|(index, part)| {
            let flags = match (index == 0, index + 1 == count) {
                (true, true) => WHOLE,
                (true, false) => FIRST,
                (false, false) => MIDDLE,
                (false, true) => LAST,
            };
            let pdu = request(call_id).with_flags(flags).with_hint(hint(left)).with_stub(part);
            left -= u32::try_from(part.len()).unwrap();
            pdu.pdu()
        })
        .collect()
}

#[test]
fn four_mebibytes_are_put_together_with_exact_short_and_no_hint() {
    let stub: Vec<u8> =
        (0..u32::try_from(REASSEMBLED_MAX).unwrap()).map(|i| (i % 251) as u8).collect();
    let hints: [fn(u32) -> u32; 3] = [|left| left, |left| left.min(1), |_| 0];
    for hint in hints {
        let mut lab = Lab::bound().holding();
        let pdus = fragmented(2, &stub, hint);
        let (last, before) = pdus.split_last().unwrap();
        for pdu in before {
            assert_eq!(lab.feed(pdu), []);
            assert_eq!(lab.seen, [], "nothing is to be seen before the last fragment");
        }
        assert_eq!(lab.feed(last), []);
        assert!(matches!(&lab.seen[..], [Seen::Call { stub: got, .. }] if *got == stub));
        assert!(lab.server.buffered_bytes() < REASSEMBLED_MAX, "the stub was handed over");
        assert_eq!(lab.respond(2, b"ok"), [response(2, 0, b"ok")]);
        lab.echoes = true;
        lab.assert_usable();
    }
}

#[test]
fn one_byte_more_than_four_mebibytes_is_denied() {
    let stub = vec![7; REASSEMBLED_MAX + 1];
    let mut lab = Lab::bound();
    let pdus = fragmented(2, &stub, |_| 0);
    let (last, before) = pdus.split_last().unwrap();
    for pdu in before {
        assert_eq!(lab.feed(pdu), []);
    }
    assert_eq!(lab.feed(last), [fault03(2, 0, Status::ACCESS_DENIED)]);
    lab.assert_closed(is_violation);
}

#[test]
fn a_hint_above_four_mebibytes_on_the_first_of_several_fragments_is_denied() {
    let first = request(2).with_flags(FIRST).with_stub(b"abcd");
    let mut lab = Lab::bound();
    assert_eq!(lab.feed(&first.with_hint(0x40_0000).pdu()), []);
    let mut lab = Lab::bound();
    let replies = lab.feed(&first.with_hint(0x40_0001).pdu());
    assert_eq!(replies, [fault03(2, 0, Status::ACCESS_DENIED)]);
    lab.assert_closed(is_violation);
}

#[test]
fn a_hint_above_what_is_left_of_four_mebibytes_is_denied() {
    let first = request(2).with_flags(FIRST).with_stub(b"abcd").pdu();
    let middle = request(2).with_flags(MIDDLE).with_stub(b"efgh");
    let mut lab = Lab::bound();
    assert_eq!(lab.feed(&first), []);
    assert_eq!(lab.feed(&middle.with_hint(0x40_0000 - 4).pdu()), []);
    let replies = lab.feed(&middle.with_hint(0x40_0000 - 7).pdu());
    assert_eq!(replies, [fault03(2, 0, Status::ACCESS_DENIED)]);
    lab.assert_closed(is_violation);
}

#[test]
fn fragments_may_be_empty() {
    let mut lab = Lab::bound();
    let pdus = [FIRST, MIDDLE, MIDDLE, LAST].map(|flags| request(2).with_flags(flags).pdu());
    assert_eq!(lab.feed_all(&pdus), [response(2, 0, b"")]);
}

#[test]
fn a_first_fragment_in_the_middle_of_a_call_breaks_the_call_off() {
    for extra in [0x00, 0x08, 0x10, 0x20, 0x40] {
        let first = request(2).with_flags(PfcFlags(0x01 | extra)).pdu();
        let mut lab = Lab::bound();
        assert_eq!(lab.feed(&first), [], "flags {extra:#04x}");
        assert_eq!(lab.feed(&first), [fault03(2, 0, Status::PROTO_ERROR)], "flags {extra:#04x}");
        lab.assert_closed(is_violation);
    }
}

#[test]
fn the_broken_off_call_is_named_with_its_context() {
    let mut lab = Lab::new(Config::new(1688));
    lab.feed(&bind(WHOLE, &[NDR64]));
    assert_eq!(lab.feed(&request(50).on_context(1).with_flags(FIRST).pdu()), []);
    let replies = lab.feed(&request(51).on_context(1).with_flags(FIRST).pdu());
    assert_eq!(replies, [fault03(50, 1, Status::PROTO_ERROR)]);
    lab.assert_closed(is_violation);
}

#[test]
fn a_later_fragment_of_another_call_breaks_the_first_off() {
    let mut lab = Lab::new(Config::new(1688));
    lab.feed(&bind(WHOLE, &[NDR64]));
    assert_eq!(lab.feed(&request(50).on_context(1).with_flags(FIRST).pdu()), []);
    let replies = lab.feed(&request(51).on_context(1).with_flags(LAST).pdu());
    assert_eq!(replies, [fault03(50, 1, Status::PROTO_ERROR)]);
    lab.assert_closed(is_violation);
}

#[test]
fn a_call_that_never_began_cannot_go_on() {
    // Whatever context it names, known or unknown, the fault names none.
    for (flags, context_id) in [(MIDDLE, 1), (LAST, 1), (MIDDLE, 9), (LAST, 9)] {
        let mut lab = Lab::new(Config::new(1688));
        lab.feed(&bind(WHOLE, &[NDR64]));
        let replies = lab.feed(&request(2).on_context(context_id).with_flags(flags).pdu());
        assert_eq!(replies, [fault03(2, 0, Status::PROTO_ERROR)], "{flags:?} on {context_id}");
        lab.assert_closed(is_violation);
    }
}

#[test]
fn a_first_fragment_with_a_pending_cancel_has_no_call_to_cancel() {
    for flags in [0x05, 0x07] {
        let mut lab = Lab::bound();
        let replies = lab.feed(&request(2).with_flags(PfcFlags(flags)).pdu());
        assert_eq!(replies, [fault23(2, 0, Status::NO_CALL_ACTIVE)], "flags {flags:#04x}");
        lab.assert_closed(is_fault(Status::NO_CALL_ACTIVE));
    }
}

#[test]
fn a_pending_cancel_on_later_fragments_is_ignored() {
    for (second, third) in [(0x04, 0x02), (0x00, 0x06), (0x04, 0x06)] {
        let mut lab = Lab::bound();
        let pdus = [0x01, second, third]
            .map(|flags| request(2).with_flags(PfcFlags(flags)).with_stub(b"ab").pdu());
        assert_eq!(lab.feed_all(&pdus), [response(2, 0, b"ababab")]);
    }
}

#[test]
fn context_and_operation_are_those_of_the_first_fragment() {
    let mut lab = Lab::bound();
    let last = request(2).with_flags(LAST).on_context(111).of_operation(111).with_stub(b"cd");
    let pdus = [request(2).with_flags(FIRST).with_stub(b"ab").pdu(), last.pdu()];
    assert_eq!(lab.feed_all(&pdus), [response(2, 0, b"abcd")]);
}

#[test]
fn an_operation_that_does_not_exist_is_refused_at_the_last_fragment() {
    let mut lab = Lab::bound();
    let call = request(2).of_operation(5);
    assert_eq!(lab.feed(&call.with_flags(FIRST).pdu()), []);
    let replies = lab.feed(&call.with_flags(LAST).pdu());
    assert_eq!(replies, [fault23(2, 0, Status::OP_RANGE_ERROR)]);
    lab.assert_usable();
}

#[test]
fn a_first_fragment_on_an_unknown_context_begins_no_call() {
    let mut lab = Lab::bound();
    let replies = lab.feed(&request(2).on_context(9).with_flags(FIRST).pdu());
    assert_eq!(replies, [fault23(2, 0, Status::UNKNOWN_INTERFACE)]);
    lab.assert_usable();
}

#[test]
fn a_big_endian_call_in_fragments_is_still_marked_as_such() {
    let mut lab = Lab::bound();
    let pdus = [FIRST, LAST]
        .map(|flags| Outgoing { drep: DataRep::BIG, ..request(2).with_flags(flags) }.pdu());
    assert_eq!(lab.feed_all(&pdus), [response(2, 0, b"")]);
    let seen = &lab.seen[..];
    assert!(matches!(seen, [Seen::Call { head, .. }] if head.byte_order == ByteOrder::Big));
}

#[test]
fn fragments_of_one_call_in_two_representations_are_a_protocol_error() {
    let mut lab = Lab::bound();
    assert_eq!(lab.feed(&request(2).with_flags(FIRST).pdu()), []);
    let last = Outgoing { drep: DataRep::BIG, ..request(2).with_flags(LAST) };
    assert_eq!(lab.feed(&last.pdu()), [fault23(2, 0, Status::PROTO_ERROR)]);
    lab.assert_closed(is_violation);
}

#[test]
fn an_alter_between_two_fragments_does_not_disturb_the_call() {
    let mut lab = Lab::bound();
    assert_eq!(lab.feed(&request(3).with_flags(FIRST).with_stub(b"ab").pdu()), []);
    let replies = lab.feed(&alter(WHOLE, &[NDR64]));
    assert_eq!(results(replies), [ResultElement::accepted(SyntaxId::NDR64)]);
    let replies = lab.feed(&request(3).with_flags(LAST).with_stub(b"cd").pdu());
    assert_eq!(replies, [response(3, 0, b"abcd")]);
}
