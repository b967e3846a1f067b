//! bind and alter_context, and what their answers grant.

use super::*;
use crate::limits::CONTEXTS_MAX;
use crate::rpc::{BindNak, BindTimeFeatures};
use crate::wire::Misuse;

const FEATURES: ContextElement<'_> =
    ContextElement::new(2, SyntaxId::KMS, &[SyntaxId::bind_time_features(BindTimeFeatures(3))]);

#[test]
fn a_bind_offers_what_windows_offers() {
    let mut lab = Lab::new(Config::default());
    let call_id = lab.client.bind(WHOLE, 0, &[NDR32, NDR64, FEATURES]).unwrap();
    assert_eq!(call_id, 2);
    let contexts = [NDR32, NDR64, FEATURES];
    let contexts = ContextList::new(&contexts);
    let bind = Bind { max_xmit_frag: 5840, max_recv_frag: 5840, assoc_group_id: 0, contexts };
    assert_eq!(lab.client.poll_transmit(), pdu(WHOLE, 2, Body::Bind(bind)));
}

#[test]
fn a_real_clients_sequence_ends_with_ndr32_by_alter_and_ndr64_by_bind() {
    let mut lab = Lab::new(Config::default());
    lab.client.bind(WHOLE, 0, &[NDR32, NDR64, FEATURES]).unwrap();
    let granted = ResultElement::features(BindTimeFeatures(3));
    let results = [NO_SYNTAX, ACCEPTED64, granted];
    assert_eq!(lab.feed(&ack(WHOLE, 2, &results)), [Seen::Bound(results.to_vec())]);
    assert_eq!(lab.client.transfer_syntax(0), None);
    assert_eq!(lab.client.transfer_syntax(1), Some(SyntaxId::NDR64));
    assert_eq!(lab.client.transfer_syntax(2), None, "features are no context");

    assert_eq!(lab.client.alter_context(WHOLE, &[NDR32]), Ok(3));
    assert_eq!(lab.feed(&altered(3, &[ACCEPTED32])), [Seen::Altered(vec![ACCEPTED32])]);
    let contexts: Vec<_> = lab.client.accepted_contexts().collect();
    assert_eq!(contexts, [(1, SyntaxId::NDR64), (0, SyntaxId::NDR32)]);

    lab.sent();
    assert_eq!(lab.client.call(0, 0, b"in ndr32"), Ok(4));
    assert_eq!(lab.feed(&response(4, b"out")), [answered(4, b"out")]);
    assert_eq!(lab.client.call(1, 0, b"in ndr64"), Ok(5));
    let answer = Body::Response(Response { context_id: 1, stub: b"out", ..EMPTY });
    let seen = lab.feed(&pdu(WHOLE, 5, answer));
    assert!(matches!(seen[..], [Seen::Response { call_id: 5, context_id: 1, .. }]));
}

#[test]
fn a_refused_bind_is_told_and_the_connection_is_over() {
    let mut lab = Lab::new(Config::default());
    lab.client.bind(WHOLE, 0, &[NDR32]).unwrap();
    let reason = BindNakReason::LOCAL_LIMIT_EXCEEDED;
    let seen = lab.feed(&pdu(WHOLE, 2, Body::BindNak(BindNak::new(reason))));
    assert_eq!(seen, [Seen::BindRefused(reason)]);
    lab.assert_closed(CloseReason::BindRefused);
}

#[test]
fn a_bind_nak_of_the_reason_alone_is_understood() {
    let mut lab = Lab::new(Config::default());
    lab.client.bind(WHOLE, 0, &[NDR32]).unwrap();
    let seen = lab.feed(&[5, 0, 13, 3, 0x10, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0, 8, 0]);
    let reason = BindNakReason::AUTHENTICATION_TYPE_NOT_RECOGNIZED;
    assert_eq!(seen, [Seen::BindRefused(reason)]);
}

#[test]
fn all_contexts_refused_is_still_bound() {
    let mut lab = Lab::new(Config::default());
    lab.client.bind(WHOLE, 0, &[NDR32]).unwrap();
    assert_eq!(lab.feed(&ack(WHOLE, 2, &[NO_SYNTAX])), [Seen::Bound(vec![NO_SYNTAX])]);
    assert_eq!(lab.client.accepted_contexts().count(), 0);
    // What a server says to a call on such a context tells a lot about it.
    let call_id = lab.call(b"");
    let status = Status::UNKNOWN_INTERFACE;
    let seen = lab.feed(&fault(call_id, status));
    assert_eq!(seen, [Seen::Fault { call_id, context_id: 0, flags: 0x23, status }]);
}

#[test]
fn a_refused_alter_leaves_the_connection_usable() {
    let mut lab = Lab::bound();
    let call_id = lab.client.alter_context(WHOLE, &[NDR64]).unwrap();
    lab.sent();
    assert!(lab.client.call(0, 0, b"").is_err(), "its answer comes first");
    let status = Status::PROTO_ERROR;
    let seen = lab.feed(&fault(call_id, status));
    assert_eq!(seen, [Seen::Fault { call_id, context_id: 0, flags: 0x23, status }]);
    assert_eq!(lab.client.transfer_syntax(1), None);
    lab.assert_usable();
}

#[test]
fn the_granted_size_bounds_the_fragments_that_are_sent() {
    for (granted, expected) in [(0, 1432), (1000, 1432), (2048, 2048), (5840, 5840), (65535, 5840)]
    {
        let mut lab = Lab::new(Config::default());
        lab.client.bind(WHOLE, 0, &[NDR32]).unwrap();
        let results = [ACCEPTED32];
        let body = BindAck { max_recv_frag: granted, max_xmit_frag: 9, ..bind_ack(&results) };
        lab.feed(&pdu(WHOLE, 2, Body::BindAck(body)));
        lab.sent();
        lab.client.call(0, 0, &[7; 20_000]).unwrap();
        let first = pdus(lab.client.poll_transmit())[0].len();
        assert!((expected - 16..=expected).contains(&first), "{granted}: sends {first}");
    }
}

#[test]
fn binds_out_of_turn_are_the_callers_error() {
    let mut lab = Lab::new(Config::default());
    assert!(lab.client.alter_context(WHOLE, &[NDR32]).is_err(), "nothing is bound");
    assert!(lab.client.call(0, 0, b"").is_err(), "nothing is bound");
    lab.client.bind(WHOLE, 0, &[NDR32]).unwrap();
    assert!(lab.client.bind(WHOLE, 0, &[NDR32]).is_err(), "bound already");
    assert!(lab.client.alter_context(WHOLE, &[NDR32]).is_err(), "the bind is not answered");
    assert_eq!(lab.sent(), 1, "nothing of it was sent");
    lab.feed(&ack(WHOLE, 2, &[ACCEPTED32]));
    lab.call(b"");
    assert!(lab.client.alter_context(WHOLE, &[NDR32]).is_err(), "a call is outstanding");
}

#[test]
fn more_contexts_than_any_server_takes_are_the_callers_error() {
    let mut lab = Lab::new(Config::default());
    let contexts = vec![NDR32; CONTEXTS_MAX + 1];
    assert!(lab.client.bind(WHOLE, 0, &contexts).is_err());
    assert!(lab.client.bind(WHOLE, 0, &contexts[1..]).is_err(), "256 do not fit a count of 8 bits");
    assert_eq!(lab.client.poll_transmit(), []);
    assert!(lab.client.bind(WHOLE, 0, &contexts[2..]).is_ok());

    // Contexts that were accepted before count as well.
    let mut lab = Lab::new(Config::default());
    lab.client.bind(WHOLE, 0, &[NDR32, NDR64]).unwrap();
    lab.feed(&ack(WHOLE, 2, &[ACCEPTED32, ACCEPTED64]));
    let refused = Misuse::new(24, "n_context_elem", 257, Expected::AtMost(256));
    assert_eq!(lab.client.alter_context(WHOLE, &contexts[..255]), Err(refused));
    assert!(lab.client.alter_context(WHOLE, &contexts[..254]).is_ok());
}

#[test]
fn everything_is_sent_in_the_configured_order_and_any_order_is_understood() {
    let config =
        Config { byte_order: ByteOrder::Big, first_call_id: 0x0102_0304, ..Config::default() };
    let mut lab = Lab::new(config);
    let call_id = lab.client.bind(WHOLE, 0, &[NDR32]).unwrap();
    let sent = lab.client.poll_transmit();
    assert_eq!(sent[..16], [5, 0, 11, 3, 0, 0, 0, 0, 0, 72, 0, 0, 1, 2, 3, 4]);
    // A little-endian server, and a big-endian one.
    lab.feed(&ack(WHOLE, call_id, &[ACCEPTED32]));
    lab.assert_usable();
    let call_id = lab.call(b"");
    let packet = Packet::new(WHOLE, call_id, Body::Response(Response { stub: b"x", ..EMPTY }));
    let header = Header { drep: DataRep::BIG, ..packet.header };
    let seen = lab.feed(&encode(&Packet { header, ..packet }));
    assert!(matches!(seen[..], [Seen::Response { byte_order: ByteOrder::Big, .. }]));
}
