//! Cases 39 to 42, 44 and 45: fragments of different calls. The authenticated forms are excepted.

use kms_tests::harness::client::RawClient;
use kms_tests::harness::pdu::{CONC_MPX, F23, FIRST, LAST, WHOLE, request};
use kms_tests::harness::reply::status;
use kms_tests::harness::server::LabServer;
use kms_tests::harness::stub::{Ndr, assert_accepted32, v4};

fn bound(server: &LabServer, multiplexed: bool) -> RawClient {
    let mut client = server.connect();
    client.bind32_with(1, if multiplexed { WHOLE | CONC_MPX } else { WHOLE });
    client
}

#[test]
fn case_39_mix_requests() {
    let server = LabServer::start();
    let mut client = bound(&server, false);
    client.send_unanswered(&request(50, 1, &v4(Ndr::Ndr32)).flags(FIRST));
    client.send(&request(51, 1, &v4(Ndr::Ndr32)).flags(FIRST));
    client.expect_fault_and_eof(WHOLE, 50, 1, status::PROTO_ERROR);
}

#[test]
fn case_40_first1_last_next() {
    let server = LabServer::start();
    for context_id in [1, 111] {
        let mut client = bound(&server, false);
        client.send_unanswered(&request(3, 1, &[0; 16]).flags(FIRST));
        client.send(&request(4, context_id, &[0; 44]).flags(LAST));
        client.expect_fault_and_eof(WHOLE, 3, 1, status::PROTO_ERROR);
    }
}

#[test]
fn case_41_mpx_first1_last_next() {
    let server = LabServer::start();
    for context_id in [1, 111] {
        let mut client = bound(&server, true);
        client.send_unanswered(&request(3, 1, &[0; 16]).flags(FIRST));
        client.send(&request(4, context_id, &[0; 44]).flags(LAST));
        client.expect_fault_and_eof(WHOLE, 4, 0, status::PROTO_ERROR);
    }
}

#[test]
fn case_42_first1_last_same_111() {
    let server = LabServer::start();
    let stub = v4(Ndr::Ndr32);
    for multiplexed in [false, true] {
        let mut client = bound(&server, multiplexed);
        client.send_unanswered(&request(3, 1, &stub[..16]).flags(FIRST));
        let reply = client.ask(&request(3, 111, &stub[16..]).opnum(111).flags(LAST));
        assert_accepted32(reply.response(3, 1));
    }
}

#[test]
fn case_44_middle_alone() {
    let server = LabServer::start();
    for (multiplexed, context_id) in [(false, 0), (true, 1)] {
        let mut client = bound(&server, multiplexed);
        client.send(&request(3, 1, &[0; 44]).flags(0));
        client.expect_fault_and_eof(WHOLE, 3, context_id, status::PROTO_ERROR);
    }
}

#[test]
fn case_45_mpx_middle_all_111() {
    let server = LabServer::start();
    let mut client = bound(&server, true);
    client.send(&request(3, 111, &[0; 44]).opnum(111).flags(0));
    client.receive().fault(F23, 3, 0, status::UNK_IF);
    client.call32(4, 1);
}

#[test]
fn multiplexed_calls_may_all_be_sent_before_the_first_answer_is_read() {
    let server = LabServer::start();
    let mut client = bound(&server, true);
    for call_id in 100..140 {
        client.send(&request(call_id, 1, &v4(Ndr::Ndr32)));
    }
    for call_id in 100..140 {
        assert_accepted32(client.receive().response(call_id, 1));
    }
}
