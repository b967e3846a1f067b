//! Answers that a client must not believe.

use super::*;
use crate::wire::Malformed;

/// A client whose bind is call 2 and not yet answered.
fn binding() -> Lab {
    let mut lab = Lab::new(Config::default());
    lab.client.bind(WHOLE, 0, &[NDR32]).unwrap();
    lab
}

#[test]
fn a_bind_ack_with_another_call_id_is_refused() {
    let mut lab = binding();
    assert_eq!(lab.feed(&ack(WHOLE, 3, &[ACCEPTED32])), []);
    lab.assert_violation(12, "call_id", 3, Expected::Exactly(2));
}

#[test]
fn a_bind_nak_with_another_call_id_is_refused() {
    let mut lab = binding();
    let nak = crate::rpc::BindNak::new(BindNakReason::NOT_SPECIFIED);
    assert_eq!(lab.feed(&pdu(WHOLE, 3, Body::BindNak(nak))), []);
    lab.assert_violation(12, "call_id", 3, Expected::Exactly(2));
}

#[test]
fn bind_ack_with_more_or_fewer_results_than_offers_is_refused() {
    for results in [&[][..], &[ACCEPTED32, ACCEPTED64]] {
        let mut lab = binding();
        assert_eq!(lab.feed(&ack(WHOLE, 2, results)), []);
        lab.assert_violation(28, "n_results", results.len() as u64, Expected::Exactly(1));
    }
}

#[test]
fn a_transfer_syntax_that_was_not_offered_is_refused() {
    for syntax in [SyntaxId::NDR64, SyntaxId::ZERO, SyntaxId { minor: 1, ..SyntaxId::NDR32 }] {
        let mut lab = binding();
        assert_eq!(lab.feed(&ack(WHOLE, 2, &[ResultElement::accepted(syntax)])), []);
        let want = Expected::Text("a transfer syntax that was offered");
        lab.assert_violation(28, "transfer_syntax", 0, want);
    }
}

#[test]
fn an_answer_of_another_type_is_refused() {
    let results = [ACCEPTED32];
    let answers = [
        (15, altered(2, &results)),
        (2, response(2, b"")),
        (3, fault(2, Status::PROTO_ERROR)),
        (11, encode(&Packet::new(WHOLE, 2, Body::Bind(bind())))),
        (19, pdu(WHOLE, 2, Body::Orphaned)),
    ];
    for (ptype, answer) in answers {
        let mut lab = binding();
        assert_eq!(lab.feed(&answer), []);
        lab.assert_violation(2, "ptype", ptype, Expected::Text("bind_ack (12) or bind_nak (13)"));
    }
}

#[test]
fn an_alter_is_answered_by_its_own_kind_and_id() {
    let mut lab = Lab::bound();
    lab.client.alter_context(WHOLE, &[NDR64]).unwrap();
    assert_eq!(lab.feed(&ack(WHOLE, 3, &[ACCEPTED64])), []);
    let want = Expected::Text("alter_context_resp (15) or fault (3)");
    lab.assert_violation(2, "ptype", 12, want);

    for answer in [altered(9, &[ACCEPTED64]), fault(9, Status::PROTO_ERROR)] {
        let mut lab = Lab::bound();
        lab.client.alter_context(WHOLE, &[NDR64]).unwrap();
        assert_eq!(lab.feed(&answer), []);
        lab.assert_violation(12, "call_id", 9, Expected::Exactly(3));
    }
}

#[test]
fn an_answer_to_no_call_is_refused() {
    for (ptype, answer) in [(2, response(9, b"")), (3, fault(9, Status::PROTO_ERROR))] {
        let mut lab = Lab::bound();
        assert_eq!(lab.feed(&answer), []);
        lab.assert_violation(2, "ptype", ptype, Expected::Text("nothing: no answer is awaited"));
    }
}

#[test]
fn an_answer_to_another_call_is_refused() {
    for answer in [response(9, b""), fault(9, Status::PROTO_ERROR)] {
        let mut lab = Lab::bound();
        let call_id = lab.call(b"");
        assert_eq!(lab.feed(&answer), []);
        lab.assert_violation(12, "call_id", 9, Expected::Exactly(u64::from(call_id)));

        let mut lab = Lab::multiplexed();
        lab.call(b"");
        lab.call(b"");
        assert_eq!(lab.feed(&answer), []);
        lab.assert_violation(12, "call_id", 9, Expected::Text("an outstanding call"));
    }
}

#[test]
fn a_call_is_not_answered_by_a_bind_ack() {
    let mut lab = Lab::bound();
    let call_id = lab.call(b"");
    assert_eq!(lab.feed(&ack(WHOLE, call_id, &[ACCEPTED32])), []);
    lab.assert_violation(2, "ptype", 12, Expected::Text("response (2) or fault (3)"));
}

#[test]
fn a_response_on_another_context_is_refused() {
    let mut lab = Lab::bound();
    let call_id = lab.call(b"");
    let body = Body::Response(Response { context_id: 1, ..EMPTY });
    assert_eq!(lab.feed(&pdu(WHOLE, call_id, body)), []);
    lab.assert_violation(20, "p_cont_id", 1, Expected::Exactly(0));
}

#[test]
fn fragments_of_an_answer_begin_with_a_first_and_with_one_only() {
    for flags in [MIDDLE, LAST] {
        let mut lab = Lab::bound();
        let call_id = lab.call(b"");
        assert_eq!(lab.feed(&fragment(flags, call_id, b"ab")), []);
        let want = Expected::Text("the first fragment first, and once");
        lab.assert_violation(3, "pfc_flags", u64::from(flags.0), want);
    }
    for flags in [FIRST, WHOLE] {
        let mut lab = Lab::bound();
        let call_id = lab.call(b"");
        assert_eq!(lab.feed(&fragment(FIRST, call_id, b"ab")), []);
        assert_eq!(lab.feed(&fragment(flags, call_id, b"cd")), []);
        let want = Expected::Text("the first fragment first, and once");
        lab.assert_violation(3, "pfc_flags", u64::from(flags.0), want);
    }
}

#[test]
fn fragments_of_an_answer_in_two_representations_are_refused() {
    let mut lab = Lab::bound();
    let call_id = lab.call(b"");
    assert_eq!(lab.feed(&fragment(FIRST, call_id, b"ab")), []);
    let packet = Packet::new(LAST, call_id, Body::Response(EMPTY));
    let header = Header { drep: DataRep::BIG, ..packet.header };
    assert_eq!(lab.feed(&encode(&Packet { header, ..packet })), []);
    let want = Expected::Text("the representation of the first fragment");
    lab.assert_violation(4, "drep", 0, want);
}

#[test]
fn an_alloc_hint_beyond_two_gibibytes_is_refused() {
    for (alloc_hint, fits) in [(0x7fff_ffff, true), (0x8000_0000, false)] {
        let mut lab = Lab::bound();
        let call_id = lab.call(b"");
        let body = Body::Response(Response { alloc_hint, ..EMPTY });
        assert_eq!(lab.feed(&pdu(WHOLE, call_id, body)).len(), usize::from(fits));
        if !fits {
            let want = Expected::AtMost(0x7fff_ffff);
            lab.assert_violation(16, "alloc_hint", 0x8000_0000, want);
        }
    }
}

#[test]
fn a_fragment_longer_than_tcp_allows_is_refused_by_its_length_alone() {
    let mut lab = Lab::bound();
    let call_id = lab.call(b"");
    let answer = response(call_id, &[7; 5817]);
    assert_eq!(answer.len(), 5841);
    assert_eq!(lab.feed(&answer[..16]), []);
    lab.assert_violation(8, "frag_length", 5841, Expected::AtMost(5840));
}

#[test]
fn another_version_or_representation_is_refused() {
    for (offset, byte) in [(0, 4), (1, 1), (4, 0x11), (5, 1), (6, 1), (7, 1)] {
        let mut lab = Lab::bound();
        let call_id = lab.call(b"");
        let mut answer = response(call_id, b"");
        answer[offset] = byte;
        assert_eq!(lab.feed(&answer), []);
        let reason = lab.client.close_reason();
        assert!(
            matches!(reason, Some(CloseReason::Violation(_))),
            "byte {byte:#04x} at {offset}: {reason:?}"
        );
    }
}

#[test]
fn bytes_of_another_protocol_are_kept_for_the_caller_to_show() {
    let mut lab = binding();
    let page = b"HTTP/1.0 400 Bad Request\r\n\r\n";
    assert_eq!(lab.feed(page), []);
    assert!(lab.client.is_closed());
    assert_eq!(lab.client.unread(), page);
}

#[test]
fn a_length_that_cannot_hold_a_header_is_malformed() {
    let mut lab = binding();
    let mut answer = ack(WHOLE, 2, &[ACCEPTED32]);
    answer[8] = 15;
    assert_eq!(lab.feed(&answer), []);
    let malformed = Malformed::new(8, "frag_length", 15, Expected::AtLeast(16));
    lab.assert_closed(CloseReason::Malformed(malformed));
}

#[test]
fn an_answer_before_any_question_is_refused() {
    let mut lab = Lab::new(Config::default());
    assert_eq!(lab.feed(&ack(WHOLE, 2, &[ACCEPTED32])), []);
    lab.assert_violation(2, "ptype", 12, Expected::Text("nothing: no answer is awaited"));
}

fn bind() -> Bind<'static> {
    let contexts = ContextList::new(&[NDR32]);
    Bind { max_xmit_frag: 5840, max_recv_frag: 5840, assoc_group_id: 0, contexts }
}
