//! There is no security provider: trailers are recognised, bounded and refused.

use super::*;
use crate::rpc::{Auth3, AuthLevel, AuthType};

fn trailer(auth_type: u8, level: u8, pad_length: u8) -> AuthTrailer<'static> {
    AuthTrailer {
        auth_type: AuthType(auth_type),
        level: AuthLevel(level),
        pad_length,
        reserved: 0,
        context_id: 1,
        credentials: b"01234567",
    }
}

fn bind_with(auth: AuthTrailer<'_>) -> Vec<u8> {
    encode(&Packet { auth: Some(auth), ..Packet::new(WHOLE, 1, Body::Bind(bind_body(&[NDR32]))) })
}

/// What a bind with this trailer is told; the connection must close.
fn refusal(auth: AuthTrailer<'_>) -> BindNakReason {
    let mut lab = Lab::new(Config::new(1688));
    let replies = lab.feed(&bind_with(auth));
    let [Reply::Nak { reason, .. }] = replies[..] else { panic!("{replies:?}") };
    assert_eq!(lab.seen.last(), Some(&Seen::Refused(Refusal::Bind(reason))));
    lab.assert_closed(is_bind_refused);
    reason
}

#[test]
fn a_bind_that_asks_for_a_provider_is_told_that_there_is_none() {
    for auth_type in [0, 1, 9, 10, 16, 17, 68, 255] {
        for level in [2, 3, 4, 5, 6] {
            let reason = refusal(trailer(auth_type, level, 0));
            let expected = BindNakReason::AUTHENTICATION_TYPE_NOT_RECOGNIZED;
            assert_eq!(reason, expected, "type {auth_type}, level {level}");
        }
    }
}

#[test]
fn a_bind_with_a_level_that_does_not_exist_is_refused_without_a_reason() {
    for auth_type in [0, 1, 9] {
        for level in [1, 0, 7, 255] {
            let reason = refusal(trailer(auth_type, level, 0));
            assert_eq!(reason, BindNakReason::NOT_SPECIFIED, "type {auth_type}, level {level}");
        }
    }
}

#[test]
fn a_bind_with_auth_padding_is_a_protocol_error() {
    let reason = refusal(trailer(9, 2, 4));
    assert_eq!(reason, BindNakReason::PROTOCOL_VERSION_NOT_SUPPORTED);
}

#[test]
fn a_bind_that_announces_a_trailer_and_has_none_is_refused() {
    let mut lab = Lab::new(Config::new(1688));
    let replies = lab.feed(&patched(bind(WHOLE, &[]), 10, &[8, 0]));
    assert_eq!(replies, [nak(BindNakReason::PROTOCOL_VERSION_NOT_SUPPORTED)]);
    lab.assert_closed(is_malformed);
}

#[test]
fn an_auth_length_beyond_the_pdu_is_a_protocol_error() {
    for auth_length in [1u16, 17, 0xffff] {
        let mut lab = Lab::bound();
        let pdu = patched(request(2).pdu(), 10, &auth_length.to_le_bytes());
        assert_eq!(lab.feed(&pdu), [fault23(2, 0, Status::PROTO_ERROR)], "{auth_length}");
        lab.assert_closed(is_malformed);
    }
}

#[test]
fn a_request_with_a_trailer_is_denied() {
    for (auth_type, level) in [(0, 1), (1, 2), (9, 5), (10, 6), (10, 0)] {
        let mut lab = Lab::bound();
        let pdu = request(2).with_stub(b"abcd").with_auth(trailer(auth_type, level, 0)).pdu();
        let expected = [fault03(2, 0, Status::ACCESS_DENIED)];
        assert_eq!(lab.feed(&pdu), expected, "type {auth_type}, level {level}");
        assert_eq!(lab.call_ids(), []);
        lab.assert_closed(is_fault(Status::ACCESS_DENIED));
    }
}

#[test]
fn a_later_fragment_with_a_trailer_is_denied_in_the_name_of_its_call() {
    let mut lab = Lab::new(Config::new(1688));
    lab.feed(&bind(WHOLE, &[NDR64]));
    assert_eq!(lab.feed(&request(2).on_context(1).with_flags(FIRST).pdu()), []);
    let last = request(2).on_context(9).with_flags(LAST).with_auth(trailer(9, 5, 0));
    assert_eq!(lab.feed(&last.pdu()), [fault03(2, 1, Status::ACCESS_DENIED)]);
    lab.assert_closed(is_fault(Status::ACCESS_DENIED));
}

#[test]
fn a_later_fragment_without_a_first_is_denied_for_its_trailer_where_calls_may_be_concurrent() {
    let mut lab = Lab::multiplexed();
    let middle = request(2).with_flags(MIDDLE).with_auth(trailer(9, 5, 0));
    assert_eq!(lab.feed(&middle.pdu()), [fault03(2, 0, Status::ACCESS_DENIED)]);
    lab.assert_closed(is_fault(Status::ACCESS_DENIED));

    let mut lab = Lab::bound();
    assert_eq!(lab.feed(&middle.pdu()), [fault03(2, 0, Status::PROTO_ERROR)]);
    lab.assert_closed(is_violation);
}

#[test]
fn a_trailer_on_an_unknown_context_comes_second_to_the_context() {
    let mut lab = Lab::bound();
    let pdu = request(2).on_context(111).with_auth(trailer(9, 5, 0)).pdu();
    assert_eq!(lab.feed(&pdu), [fault23(2, 0, Status::UNKNOWN_INTERFACE)]);
    lab.assert_usable();
}

#[test]
fn a_trailer_that_is_not_aligned_is_a_protocol_error() {
    // A context that is known is named all the same.
    for (context_id, named) in [(0, 0), (1, 1), (9, 0)] {
        let call = request(2).on_context(context_id).with_stub(b"12345678");
        let mut pdu = call.with_auth(trailer(9, 5, 0)).pdu();
        // The PDU is sound so far; two bytes more of stub put the trailer at 34.
        pdu.splice(32..32, [0, 0]);
        let pdu = patched(pdu, 8, &[50, 0]);
        let mut lab = Lab::bound();
        lab.feed(&alter(WHOLE, &[NDR64]));
        assert_eq!(lab.feed(&pdu), [fault03(2, named, Status::PROTO_ERROR)]);
        lab.assert_closed(is_malformed);
    }
}

#[test]
fn more_auth_padding_than_stub_is_a_protocol_error() {
    let pdu = request(2).with_stub(b"1234").with_auth(trailer(9, 5, 0)).pdu();
    let mut lab = Lab::bound();
    assert_eq!(lab.feed(&patched(pdu, 30, &[5])), [fault23(2, 0, Status::PROTO_ERROR)]);
    lab.assert_closed(is_malformed);
}

#[test]
fn an_alter_cannot_add_authentication() {
    let mut lab = Lab::bound();
    let packet = Packet::new(WHOLE, 2, Body::AlterContext(bind_body(&[NDR32])));
    let replies = lab.feed(&encode(&Packet { auth: Some(trailer(9, 5, 0)), ..packet }));
    assert_eq!(replies, [fault23(2, 0, Status::SEC_PKG_ERROR)]);
    lab.assert_closed(is_fault(Status::SEC_PKG_ERROR));
}

#[test]
fn auth3_without_an_authentication_is_a_protocol_error() {
    let packet = Packet::new(WHOLE, 2, Body::Auth3(Auth3::default()));
    for auth in [Some(trailer(9, 2, 0)), None] {
        let mut lab = Lab::bound();
        let replies = lab.feed(&encode(&Packet { auth, ..packet }));
        assert_eq!(replies, [fault23(2, 0, Status::PROTO_ERROR)], "{auth:?}");
        lab.assert_closed(is_violation);
    }
}

#[test]
fn cancel_and_orphaned_may_carry_a_trailer_that_means_nothing() {
    for body in [Body::CoCancel, Body::Orphaned] {
        let mut lab = Lab::bound();
        let packet = Packet::new(WHOLE, 2, body);
        let replies = lab.feed(&encode(&Packet { auth: Some(trailer(9, 2, 0)), ..packet }));
        assert_eq!(replies, []);
        lab.assert_usable();
    }
}
