//! How TCP cuts the stream must not matter, and a stream that ends in a PDU ends the connection.

use kms_tests::harness::client::{End, RawClient};
use kms_tests::harness::pdu::{
    CONC_MPX, Draft, FIRST, KMS, LAST, NDR64, WHOLE, alter, bind, co_cancel, element, features,
    kms32, orphaned, ptype, request,
};
use kms_tests::harness::server::LabServer;
use kms_tests::harness::stub::{Ndr, assert_accepted32, assert_accepted64, v4};

/// One conversation that uses every PDU of a client but auth3.
fn conversation() -> Vec<Draft> {
    let offer = [kms32(0), element(1, KMS, &[NDR64]), element(2, KMS, &[features(3)])];
    let (stub32, stub64) = (v4(Ndr::Ndr32), v4(Ndr::Ndr64));
    vec![
        bind(2, &offer).flags(WHOLE | CONC_MPX),
        alter(3, &[kms32(0)]),
        request(4, 0, &stub32),
        request(5, 1, &stub64[..100]).flags(FIRST),
        co_cancel(5),
        request(5, 1, &stub64[100..]).flags(LAST),
        orphaned(4),
        request(6, 0, &stub32).opnum(7),
        request(7, 0, &stub32),
    ]
}

/// Reads the answers to the first `count` PDUs of the conversation.
#[track_caller]
fn read_answers(client: &mut RawClient, count: usize) {
    let answered = |index: usize| index < count;
    if answered(0) {
        assert_eq!(client.receive().bind_ack(2, WHOLE | CONC_MPX).results.len(), 3);
    }
    if answered(1) {
        assert_eq!(client.receive().alter_resp(3, WHOLE).results.len(), 1);
    }
    if answered(2) {
        assert_accepted32(client.receive().response(4, 0));
    }
    if answered(5) {
        assert_accepted64(client.receive().response(5, 1));
    }
    if answered(7) {
        client.receive().fault(0x23, 6, 0, 0x1C01_0002);
    }
    if answered(8) {
        assert_accepted32(client.receive().response(7, 0));
    }
}

#[test]
fn every_pdu_cut_anywhere_and_then_fin_ends_the_connection_after_what_was_whole() {
    let server = LabServer::start();
    let talk = conversation();
    for (whole, cut) in talk.iter().enumerate() {
        let before: Vec<u8> = talk[..whole].iter().flat_map(Draft::bytes).collect();
        let cut = cut.bytes();
        for len in 0..cut.len() {
            let mut client = server.connect();
            client.send_bytes(&[&before, &cut[..len]].concat());
            client.finish();
            read_answers(&mut client, whole);
            client.expect_eof();
        }
    }
    server.connect().bind32();
}

#[test]
fn a_server_pdu_or_auth3_cut_anywhere_is_never_answered() {
    let server = LabServer::start();
    for number in [2, 3, 12, 13, 15, ptype::AUTH3, 17, 99] {
        let pdu = Draft::new(number, 9, vec![0; 20]).bytes();
        for len in 0..pdu.len() {
            let mut client = server.connect();
            client.bind32();
            client.send_bytes(&pdu[..len]);
            client.finish();
            client.expect_eof();
        }
    }
}

#[test]
fn one_byte_at_a_time_is_answered_as_ever() {
    let server = LabServer::start();
    let mut client = server.connect();
    for byte in conversation().iter().flat_map(Draft::bytes) {
        client.send_bytes(&[byte]);
    }
    read_answers(&mut client, usize::MAX);
    client.call32(8, 0);
}

#[test]
fn all_pdus_in_one_segment_are_answered_in_order() {
    let server = LabServer::start();
    let mut client = server.connect();
    let bytes: Vec<u8> = conversation().iter().flat_map(Draft::bytes).collect();
    client.send_bytes(&bytes);
    read_answers(&mut client, usize::MAX);
    client.call32(8, 0);
}

#[test]
fn after_a_half_close_the_answers_still_arrive() {
    let server = LabServer::start();
    let mut client = server.connect();
    let bytes: Vec<u8> = conversation().iter().flat_map(Draft::bytes).collect();
    client.send_bytes(&bytes);
    client.finish();
    read_answers(&mut client, usize::MAX);
    client.expect_eof();
}

#[test]
fn a_peer_that_vanishes_with_a_reset_is_forgotten() {
    let server = LabServer::start();
    for cut in [0, 10, 40] {
        let mut client = server.connect();
        client.bind32();
        client.send_bytes(&request(2, 1, &v4(Ndr::Ndr32)).bytes()[..cut]);
        let socket = socket2::SockRef::from(client.stream());
        socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
    server.wait_for_connections(0);
    server.connect().bind32();
}

#[test]
fn what_follows_a_refusal_is_dropped_and_the_refusal_arrives() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.bind32();
    let mut bytes = request(2, 1, b"").flags(LAST).bytes();
    // More than the server reads at once, so that the kernel still holds some when it closes.
    bytes.extend(vec![0x55; 200_000]);
    client.send_bytes(&bytes);
    client.finish();
    client.receive().fault(WHOLE, 2, 0, 0x1C01_000B);
    assert_eq!(client.rest(), (Vec::new(), End::Eof));
}
