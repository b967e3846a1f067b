//! Cases 32 to 38: one call in several fragments.

use kms_tests::harness::client::RawClient;
use kms_tests::harness::pdu::{
    CONC_MPX, DID_NOT_EXECUTE, F23, FIRST, LAST, MAYBE, PENDING_CANCEL, WHOLE, request,
};
use kms_tests::harness::reply::status;
use kms_tests::harness::server::LabServer;
use kms_tests::harness::stub::{
    INVALID_DATA, Ndr, assert_accepted32, assert_refused32, filler32, v4,
};

/// Sends `stub` in fragments of 5840 bytes; the hint counts down to zero with what was sent.
fn send_fragments(client: &mut RawClient, stub: &[u8], mut hint: u32) {
    let chunks: Vec<&[u8]> = stub.chunks(CHUNK).collect();
    for (index, chunk) in chunks.iter().enumerate() {
        let first = if index == 0 { FIRST } else { 0 };
        let last = if index + 1 == chunks.len() { LAST } else { 0 };
        client.send(&request(CALL, 1, chunk).flags(first | last).alloc_hint(hint));
        hint = hint.saturating_sub(u32::try_from(chunk.len()).unwrap());
    }
}

#[test]
fn case_32_fragmented_requests_01_02_03() {
    let server = LabServer::start();
    for hint in [0x40_0000, 0x10_0000, 0] {
        let mut client = server.connect();
        client.bind32();
        send_fragments(&mut client, &filler32(CALL_MAX), hint);
        assert_refused32(client.receive().response(CALL, 1), INVALID_DATA);
        client.call32(1, 1);
    }
}

#[test]
fn case_33_fragmented_requests_04() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.bind32();
    let chunk = &filler32(CALL_MAX)[..CHUNK];
    client.send(&request(CALL, 1, chunk).flags(FIRST).alloc_hint(0x40_0001));
    client.expect_fault_and_eof(WHOLE, CALL, 1, status::ACCESS_DENIED);
}

#[test]
fn case_34_fragmented_requests_05() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.bind32();
    send_fragments(&mut client, &filler32(CALL_MAX + 1), 0);
    client.expect_fault_and_eof(WHOLE, CALL, 1, status::ACCESS_DENIED);
}

#[test]
fn a_later_hint_beyond_what_is_left_of_4_mib_ends_the_connection() {
    let server = LabServer::start();
    for (hint, fits) in [(CALL_MAX - 16, true), (CALL_MAX - 15, false)] {
        let mut client = server.connect();
        client.bind32();
        client.send(&request(CALL, 1, &filler32(24)[..16]).flags(FIRST));
        let hint = u32::try_from(hint).unwrap();
        client.send(&request(CALL, 1, &[0; 8]).flags(LAST).alloc_hint(hint));
        if fits {
            assert_refused32(client.receive().response(CALL, 1), INVALID_DATA);
        } else {
            client.expect_fault_and_eof(WHOLE, CALL, 1, status::ACCESS_DENIED);
        }
    }
}

#[test]
fn case_35_first_only_requests() {
    let server = LabServer::start();
    for extra in [0, MAYBE, DID_NOT_EXECUTE, CONC_MPX, 0x08] {
        let mut client = server.connect();
        client.bind32();
        let fragment = request(2, 1, &v4(Ndr::Ndr32)).flags(FIRST | extra);
        client.send_unanswered(&fragment);
        client.send(&fragment);
        client.expect_fault_and_eof(WHOLE, 2, 1, status::PROTO_ERROR);
    }
}

#[test]
fn case_36_none_only_and_last_only_requests() {
    let server = LabServer::start();
    for flags in [0, LAST] {
        let mut client = server.connect();
        client.bind32();
        client.send(&request(2, 1, &v4(Ndr::Ndr32)).flags(flags));
        client.expect_fault_and_eof(WHOLE, 2, 0, status::PROTO_ERROR);
    }
}

#[test]
fn case_37_first_cancel_requests() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.bind32();
    client.send(&request(2, 1, &v4(Ndr::Ndr32)).flags(FIRST | PENDING_CANCEL));
    client.expect_fault_and_eof(F23, 2, 0, status::NO_CALL_ACTIVE);
}

#[test]
fn case_38_2nd_cancel_and_last_cancel_requests() {
    let server = LabServer::start();
    let stub = v4(Ndr::Ndr32);
    for (second, third) in [(PENDING_CANCEL, LAST), (0, LAST | PENDING_CANCEL)] {
        let mut client = server.connect();
        client.bind32();
        client.send_unanswered(&request(2, 1, &stub[..4]).flags(FIRST));
        client.send_unanswered(&request(2, 1, &stub[4..100]).flags(second));
        let reply = client.ask(&request(2, 1, &stub[100..]).flags(third));
        assert_accepted32(reply.response(2, 1));
        client.call32(3, 1);
    }
}

#[test]
fn a_fragment_may_carry_no_stub_at_all() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.bind32();
    client.send_unanswered(&request(2, 1, b"").flags(FIRST));
    client.send_unanswered(&request(2, 1, &v4(Ndr::Ndr32)).flags(0));
    let reply = client.ask(&request(2, 1, b"").flags(LAST));
    assert_accepted32(reply.response(2, 1));
}

const CALL: u32 = 0x2_1234;
const CHUNK: usize = 5840 - 24;
const CALL_MAX: usize = 0x40_0000;
