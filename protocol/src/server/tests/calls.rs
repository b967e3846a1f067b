//! Calls in one fragment, and PDUs that no client sends.

use super::*;
use crate::guid::Guid;
use crate::limits::FRAGMENT_MAX;

#[test]
fn a_call_tells_everything_that_its_answer_needs() {
    let mut lab = Lab::bound();
    lab.feed(&request(7).with_stub(b"arguments").pdu());
    let head = Call {
        call_id: 7,
        context_id: 0,
        opnum: 0,
        transfer_syntax: SyntaxId::NDR32,
        byte_order: ByteOrder::Little,
        stub: &[],
    };
    assert_eq!(lab.seen, [Seen::Call { head, stub: b"arguments".to_vec() }]);
}

#[test]
fn any_call_id_is_echoed_and_may_come_again() {
    let mut lab = Lab::bound();
    for call_id in [0, 1, u32::MAX, 0, 0] {
        assert_eq!(lab.feed(&request(call_id).pdu()), [response(call_id, 0, b"")]);
    }
}

#[test]
fn the_alloc_hint_of_a_single_fragment_means_nothing() {
    let mut lab = Lab::bound();
    for hint in [0, 1, u32::MAX] {
        let replies = lab.feed(&request(2).with_hint(hint).with_stub(b"abcd").pdu());
        assert_eq!(replies, [response(2, 0, b"abcd")], "hint {hint}");
    }
    assert!(lab.server.buffered_bytes() < 1024, "nothing was allocated for it");
}

#[test]
fn an_object_uuid_is_skipped() {
    let mut lab = Lab::bound();
    let mut call = request(2).with_stub(b"abcd");
    call.body.object = Some(Guid::from_bytes([7; 16]));
    assert_eq!(lab.feed(&call.pdu()), [response(2, 0, b"abcd")]);
}

#[test]
fn an_operation_that_does_not_exist_is_refused_and_the_connection_stays() {
    let mut lab = Lab::bound();
    for opnum in [1, 0xffff] {
        let replies = lab.feed(&request(2).of_operation(opnum).pdu());
        assert_eq!(replies, [fault23(2, 0, Status::OP_RANGE_ERROR)]);
        let refusal = Refusal::Call { call_id: 2, status: Status::OP_RANGE_ERROR };
        assert_eq!(lab.seen.last(), Some(&Seen::Refused(refusal)));
    }
    lab.assert_usable();
}

#[test]
fn an_unknown_operation_that_is_shown_can_be_refused_as_the_machine_does_or_answered() {
    let config = Config { shows_unknown_operations: true, ..Config::new(1688) };
    let mut lab = Lab::bound_with(WHOLE, config).holding();
    assert_eq!(lab.feed(&request(2).of_operation(0xffff).pdu()), []);
    assert!(matches!(lab.seen.last(), Some(Seen::Call { head: Call { opnum: 0xffff, .. }, .. })));
    lab.server.refuse_operation(2);
    assert_eq!(lab.pump(), [fault23(2, 0, Status::OP_RANGE_ERROR)]);
    assert_eq!(lab.feed(&request(3).of_operation(1).pdu()), []);
    assert_eq!(lab.respond(3, b"x"), [response(3, 0, b"x")]);
    assert_eq!(lab.server.open_calls(), 0);
    lab.echoes = true;
    lab.assert_usable();
}

#[test]
fn an_answer_can_be_cut_into_smaller_fragments_than_the_client_takes() {
    for (stub_bytes, fragments) in [(16, 7), (17, 7), (48, 3), (0, 7), (usize::MAX, 1)] {
        let mut lab = Lab::bound().holding();
        lab.feed(&request(2).pdu());
        lab.server.respond_in_fragments(2, &[9; 100], stub_bytes).unwrap();
        assert_eq!(lab.pump().len(), fragments, "{stub_bytes}");
    }
}

#[test]
fn a_fragment_of_5840_bytes_is_taken_whatever_was_granted_and_5841_is_not() {
    let mut lab = Lab::new(Config::new(1688));
    let body = Bind { max_xmit_frag: 2048, ..bind_body(&[NDR32]) };
    lab.feed(&encode(&Packet::new(WHOLE, 1, Body::Bind(body))));
    let stub = [7; FRAGMENT_MAX - 24 + 1];
    let largest = request(2).with_stub(&stub[1..]).pdu();
    assert_eq!(largest.len(), 5840);
    assert!(!lab.feed(&largest).is_empty());
    assert_eq!(lab.call_ids(), [2]);

    let too_large = request(3).with_stub(&stub).pdu();
    // Refused by its length alone, before its bytes arrive.
    let replies = lab.feed(&too_large[..16]);
    assert_eq!(replies, [fault03(3, 0, Status::PROTO_ERROR)]);
    lab.assert_closed(is_violation);
}

#[test]
fn an_answer_is_cut_into_fragments_of_the_granted_size_counting_down() {
    let mut lab = Lab::new(Config::new(1688)).holding();
    let body = Bind { max_recv_frag: 2048, ..bind_body(&[NDR32]) };
    lab.feed(&encode(&Packet::new(WHOLE, 1, Body::Bind(body))));
    lab.feed(&request(2).pdu());
    let stub: Vec<u8> = (0..5000u32).map(|index| index.to_le_bytes()[0]).collect();
    let replies = lab.respond(2, &stub);
    let parts: Vec<_> = replies
        .iter()
        .map(|reply| match reply {
            Reply::Response { flags, alloc_hint, stub, .. } => (*flags, *alloc_hint, stub.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    // 2048 - 24 is 2024; rounded down to sixteen, 2016.
    assert_eq!(parts, [(0x01, 5000, 2016), (0x00, 2984, 2016), (0x02, 968, 968)]);
    let whole: Vec<u8> = replies
        .into_iter()
        .flat_map(|reply| match reply {
            Reply::Response { stub, .. } => stub,
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(whole, stub);
}

#[test]
fn pdus_that_servers_send_are_a_protocol_error() {
    for ptype in [2, 3, 12, 13, 15, 17] {
        let mut lab = Lab::bound();
        // 56 bytes that any of them can be read from.
        let pdu = patched(vec![0; 56], 0, &[5, 0, ptype, 3, 0x10, 0, 0, 0, 56, 0, 0, 0, 9]);
        assert_eq!(lab.feed(&pdu), [fault23(9, 0, Status::PROTO_ERROR)], "PDU type {ptype}");
        let refusal = Refusal::Connection { call_id: 9, status: Status::PROTO_ERROR };
        assert_eq!(lab.seen, [Seen::Refused(refusal)]);
        lab.assert_closed(is_violation);
    }
}

#[test]
fn unknown_and_connectionless_pdu_types_are_a_protocol_error() {
    for ptype in [1, 4, 5, 6, 7, 8, 9, 10, 20, 21, 255] {
        let mut lab = Lab::bound();
        let pdu = patched(co_cancel(9), 2, &[ptype]);
        assert_eq!(lab.feed(&pdu), [fault23(9, 0, Status::PROTO_ERROR)], "PDU type {ptype}");
        lab.assert_closed(is_malformed);
    }
}

#[test]
fn another_version_or_representation_is_a_protocol_error() {
    for (offset, byte) in [(0, 4), (0, 6), (1, 1), (4, 0x11), (5, 1), (6, 1), (7, 1)] {
        let mut lab = Lab::bound();
        let pdu = patched(request(2).pdu(), offset, &[byte]);
        let expected = [fault23(2, 0, Status::PROTO_ERROR)];
        assert_eq!(lab.feed(&pdu), expected, "byte {byte:#04x} at {offset}");
        lab.assert_closed(is_violation);
    }
}

#[test]
fn a_request_too_short_for_its_own_fields_is_a_protocol_error() {
    for frag_length in 16..24u16 {
        let mut lab = Lab::bound();
        let pdu = patched(request(2).pdu(), 8, &frag_length.to_le_bytes());
        let replies = lab.feed(&pdu[..usize::from(frag_length)]);
        assert_eq!(replies, [fault23(2, 0, Status::PROTO_ERROR)], "{frag_length} bytes");
        lab.assert_closed(is_malformed);
    }
}

#[test]
fn a_length_that_cannot_hold_a_header_closes_without_a_word() {
    for frag_length in 0..16u16 {
        let pdu = patched(request(2).pdu(), 8, &frag_length.to_le_bytes());
        for mut lab in [Lab::bound(), Lab::new(Config::new(1688))] {
            assert_eq!(lab.feed(&pdu), [], "{frag_length} bytes");
            lab.assert_closed(|reason| matches!(reason, CloseReason::Unframeable(_)));
        }
    }
}
