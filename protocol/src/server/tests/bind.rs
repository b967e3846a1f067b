//! bind and alter_context: flags, sizes, groups, and who is refused.

use super::*;

#[test]
fn a_bind_is_accepted_with_the_port_and_a_call_answered() {
    let mut lab = Lab::new(Config::new(1688));
    let replies = lab.feed(&bind(WHOLE, &[NDR32]));
    let ack = Ack {
        flags: 0x03,
        call_id: 1,
        max_xmit_frag: 5840,
        max_recv_frag: 5840,
        assoc_group_id: GROUP,
        sec_addr: b"1688\0".to_vec(),
        results: vec![ResultElement::accepted(SyntaxId::NDR32)],
    };
    assert_eq!(replies, [Reply::Ack(ack)]);
    assert_eq!(lab.server.assoc_group_id(), GROUP);
    assert_eq!(lab.feed(&request(2).with_stub(b"abcd").pdu()), [response(2, 0, b"abcd")]);
}

#[test]
fn the_secondary_address_is_the_port_in_decimal() {
    for (port, text) in [(0, &b"0\0"[..]), (9, b"9\0"), (135, b"135\0"), (65535, b"65535\0")] {
        let mut lab = Lab::new(Config::new(port));
        let replies = lab.feed(&bind(WHOLE, &[NDR32]));
        assert!(matches!(&replies[..], [Reply::Ack(ack)] if ack.sec_addr == text), "port {port}");
    }
}

#[test]
fn fragment_flags_of_a_bind_do_not_matter() {
    for flags in [0x00, 0x01, 0x02, 0x03] {
        assert_eq!(bind_ack_flags(flags), 0x03, "bind with {flags:#04x}");
        assert_eq!(alter_resp_flags(flags), 0x03, "alter_context with {flags:#04x}");
    }
}

#[test]
fn header_signing_is_echoed() {
    assert_eq!(bind_ack_flags(0x07), 0x07);
    assert_eq!(alter_resp_flags(0x07), 0x07);
    assert_eq!(alter_resp_flags(0xff), 0x07, "nothing but header signing is");
}

#[test]
fn reserved_and_call_flags_are_ignored_and_not_echoed() {
    for flag in [0x08, 0x20, 0x40, 0x80] {
        assert_eq!(bind_ack_flags(0x03 | flag), 0x03, "bind with {flag:#04x}");
        assert_eq!(alter_resp_flags(0x03 | flag), 0x03, "alter_context with {flag:#04x}");
    }
}

#[test]
fn multiplexing_is_granted_in_the_bind_ack_and_not_by_an_alter_without_a_new_context() {
    assert_eq!(bind_ack_flags(0x13), 0x13);
    assert_eq!(alter_resp_flags(0x13), 0x03);
}

#[test]
fn a_bind_without_context_is_refused() {
    let mut lab = Lab::new(Config::new(1688));
    let replies = lab.feed(&bind(WHOLE, &[]));
    assert_eq!(replies, [nak(BindNakReason::PROTOCOL_VERSION_NOT_SUPPORTED)]);
    lab.assert_closed(is_violation);
}

#[test]
fn an_alter_without_context_is_a_protocol_error() {
    let mut lab = Lab::bound();
    let replies = lab.feed(&alter(WHOLE, &[]));
    assert_eq!(replies, [fault23(2, 0, Status::PROTO_ERROR)]);
    lab.assert_closed(is_violation);
}

#[test]
fn a_second_bind_is_refused() {
    let mut lab = Lab::bound();
    let replies = lab.feed(&bind(WHOLE, &[NDR32]));
    assert_eq!(replies, [nak(BindNakReason::NOT_SPECIFIED)]);
    lab.assert_closed(is_violation);
}

#[test]
fn whatever_else_comes_first_is_refused_as_a_bind_would_be() {
    let body = |ptype: u8| {
        let pdu = match ptype {
            16 => [&[0; 16][..], &[0; 4]].concat(),
            0 | 2 | 3 => vec![0; 32],
            _ => bind(WHOLE, &[NDR32]),
        };
        let length = u16::try_from(pdu.len()).unwrap().to_le_bytes();
        let header = [5, 0, ptype, 3, 0x10, 0, 0, 0, length[0], length[1], 0, 0, 1, 0, 0, 0];
        patched(pdu, 0, &header)
    };
    for ptype in (0..=255).filter(|&ptype| ptype != 11) {
        let mut lab = Lab::new(Config::new(1688));
        let replies = lab.feed(&body(ptype));
        let expected = [nak(BindNakReason::PROTOCOL_VERSION_NOT_SUPPORTED)];
        assert_eq!(replies, expected, "PDU type {ptype}");
        lab.assert_closed(is_violation);
    }
}

#[test]
fn a_bind_of_another_version_or_representation_is_refused() {
    // Version 4.0 and 5.1; EBCDIC, VAX floating point, and the two reserved bytes.
    for (offset, byte) in [(0, 4), (1, 1), (4, 0x11), (5, 1), (6, 1), (7, 1), (4, 0x20)] {
        let mut lab = Lab::new(Config::new(1688));
        let pdu = patched(bind(WHOLE, &[NDR32]), offset, &[byte]);
        let pdu = match byte {
            // Not little-endian, so that the lengths have to turn for the PDU to be whole.
            0x20 => patched(patched(pdu, 8, &[0, 72]), 12, &[0, 0, 0, 1]),
            _ => pdu,
        };
        let expected = [nak(BindNakReason::PROTOCOL_VERSION_NOT_SUPPORTED)];
        assert_eq!(lab.feed(&pdu), expected, "byte {byte:#04x} at {offset}");
        lab.assert_closed(is_violation);
    }
}

#[test]
fn a_bind_whose_lists_run_past_its_end_is_refused() {
    for (offset, byte, what) in [(24, 2, "elements"), (30, 2, "transfer syntaxes")] {
        let mut lab = Lab::new(Config::new(1688));
        let replies = lab.feed(&patched(bind(WHOLE, &[NDR32]), offset, &[byte]));
        assert_eq!(replies, [nak(BindNakReason::PROTOCOL_VERSION_NOT_SUPPORTED)], "{what}");
        lab.assert_closed(is_malformed);
    }
}

#[test]
fn both_sizes_are_the_smaller_offer_between_2048_and_5840_in_steps_of_eight() {
    let cases = [
        (0xffff, 0xffff, 5840),
        (5840, 5840, 5840),
        (5841, 5841, 5840),
        (5839, 5840, 5832),
        (0, 0xffff, 2048),
        (0xffff, 0, 2048),
        (0, 0, 2048),
        (1432, 1432, 2048),
        (2055, 2055, 2048),
        (2056, 2056, 2056),
        (3199, 0, 2048),
        (3199, 0xffff, 3192),
        (0xffff, 3199, 3192),
    ];
    for (max_xmit_frag, max_recv_frag, granted) in cases {
        let mut lab = Lab::new(Config::new(1688));
        let body = Bind { max_xmit_frag, max_recv_frag, ..bind_body(&[NDR32]) };
        let replies = lab.feed(&encode(&Packet::new(WHOLE, 1, Body::Bind(body))));
        let [Reply::Ack(ack)] = &replies[..] else { panic!("{replies:?}") };
        let sizes = (ack.max_xmit_frag, ack.max_recv_frag);
        assert_eq!(sizes, (granted, granted), "offered {max_xmit_frag} and {max_recv_frag}");
    }
}

#[test]
fn sizes_and_group_of_an_alter_are_ignored() {
    let mut lab = Lab::bound();
    let contexts = [NDR32];
    let offers = Bind {
        max_xmit_frag: 2048,
        max_recv_frag: 0,
        assoc_group_id: 0xdead_beef,
        ..bind_body(&contexts)
    };
    let replies = lab.feed(&encode(&Packet::new(WHOLE, 2, Body::AlterContext(offers))));
    let [Reply::AlterResp(ack)] = &replies[..] else { panic!("{replies:?}") };
    assert_eq!((ack.max_xmit_frag, ack.max_recv_frag), (5840, 5840));
    assert_eq!(ack.assoc_group_id, GROUP);
    assert_eq!(ack.sec_addr, b"");
    assert_eq!(lab.seen, [], "the caller is not asked for a group again");
}

#[test]
fn a_dead_association_group_is_refused_and_a_living_one_joined() {
    let with_group = |assoc_group_id| {
        let body = Bind { assoc_group_id, ..bind_body(&[NDR32]) };
        encode(&Packet::new(WHOLE, 1, Body::Bind(body)))
    };
    let mut lab = Lab::new(Config::new(1688));
    assert_eq!(lab.feed(&with_group(0x0000_0bad)), [nak(BindNakReason::NOT_SPECIFIED)]);
    assert_eq!(lab.seen, [Seen::Bind(0x0000_0bad)]);
    lab.assert_closed(is_bind_refused);

    let mut lab = Lab::new(Config::new(1688));
    let replies = lab.feed(&with_group(GROUP));
    assert!(matches!(&replies[..], [Reply::Ack(ack)] if ack.assoc_group_id == GROUP));
    // Contexts are not shared with the other connections of the group.
    let replies = lab.feed(&request(2).on_context(1).pdu());
    assert_eq!(replies, [fault23(2, 0, Status::UNKNOWN_INTERFACE)]);
    lab.assert_usable();
}

#[test]
fn nothing_is_read_before_the_group_is_decided() {
    let mut server = Connection::new(Config::new(1688), Instant::ZERO);
    let stream = [bind(WHOLE, &[NDR32]), request(2).pdu()].concat();
    server.handle_input(Instant::ZERO, &stream);
    assert_eq!(server.poll_event(), Some(Event::Bind { assoc_group_id: 0 }));
    assert_eq!(server.poll_event(), None);
    assert!(!server.wants_input());
    assert_eq!(server.poll_timeout(), None, "the caller is waited for, not the peer");
    assert_eq!(server.poll_transmit(), []);
    server.accept_bind(GROUP);
    assert!(matches!(server.poll_event(), Some(Event::Call(call)) if call.call_id == 2));
    assert!(matches!(&replies(server.poll_transmit())[..], [Reply::Ack(_)]));
}

#[test]
fn decisions_out_of_turn_change_nothing() {
    let mut lab = Lab::bound();
    lab.server.accept_bind(7);
    lab.server.refuse_bind(BindNakReason::NOT_SPECIFIED);
    assert_eq!(lab.pump(), []);
    assert_eq!(lab.server.assoc_group_id(), GROUP);
    lab.assert_usable();
}

#[test]
fn a_big_endian_client_is_answered_in_the_servers_order_and_its_stub_is_marked() {
    let mut lab = Lab::new(Config::new(1688));
    let packet = Packet::new(WHOLE, 1, Body::Bind(bind_body(&[NDR32])));
    let header = Header { drep: DataRep::BIG, ..packet.header };
    let replies = lab.feed(&encode(&Packet { header, ..packet }));
    assert_eq!(results(replies), [ResultElement::accepted(SyntaxId::NDR32)]);
    let call = Outgoing { drep: DataRep::BIG, ..request(2).with_stub(b"\0\0\0\x01") };
    assert_eq!(lab.feed(&call.pdu()), [response(2, 0, b"\0\0\0\x01")]);
    let last = lab.seen.last();
    assert!(matches!(last, Some(Seen::Call { head, .. }) if head.byte_order == ByteOrder::Big));
}

#[test]
fn a_bind_may_be_as_long_as_its_length_field_can_say() {
    // 255 elements of 12 transfer syntaxes each would be 66,328 bytes; one syntax less fits.
    let syntaxes = [SyntaxId::ZERO; 11];
    let contexts: Vec<_> =
        (0..255).map(|id| ContextElement::new(id, SyntaxId::KMS, &syntaxes)).collect();
    let pdu = bind(WHOLE, &contexts);
    assert!(pdu.len() > 60_000);
    let results = results(Lab::new(Config::new(1688)).feed(&pdu));
    assert_eq!(results.len(), 255);
}

fn bind_ack_flags(flags: u8) -> u8 {
    match &Lab::new(Config::new(1688)).feed(&bind(PfcFlags(flags), &[NDR32]))[..] {
        [Reply::Ack(ack)] => ack.flags,
        other => panic!("bind with {flags:#04x}: {other:?}"),
    }
}

/// Flags of the answer to an alter_context that offers the context of the bind once more.
fn alter_resp_flags(flags: u8) -> u8 {
    match &Lab::bound().feed(&alter(PfcFlags(flags), &[NDR32]))[..] {
        [Reply::AlterResp(ack)] if ack.sec_addr.is_empty() => ack.flags,
        other => panic!("alter_context with {flags:#04x}: {other:?}"),
    }
}
