//! Cases 46 to 51: co_cancel and orphaned, which are never answered.

use kms_tests::harness::client::RawClient;
use kms_tests::harness::pdu::{CONC_MPX, Draft, FIRST, LAST, WHOLE, co_cancel, orphaned, request};
use kms_tests::harness::reply::status;
use kms_tests::harness::server::LabServer;
use kms_tests::harness::stub::{Ndr, assert_accepted32, v4};

fn bound(server: &LabServer, flags: u8) -> RawClient {
    let mut client = server.connect();
    client.bind32_with(CONTEXT, flags);
    client
}

/// Sends half a call, something that changes nothing, and the other half.
#[track_caller]
fn undisturbed(flags: u8, between: &Draft) {
    let server = LabServer::start();
    let mut client = bound(&server, flags);
    let stub = v4(Ndr::Ndr32);
    client.send_unanswered(&request(1, CONTEXT, &stub[..100]).flags(FIRST));
    client.send_unanswered(between);
    let reply = client.ask(&request(1, CONTEXT, &stub[100..]).flags(LAST));
    assert_accepted32(reply.response(1, CONTEXT));
    client.call32(2, CONTEXT);
}

#[test]
fn case_46_co_cancel_no_request() {
    let server = LabServer::start();
    let mut client = bound(&server, WHOLE);
    client.send_unanswered(&co_cancel(3));
    client.call32(1, CONTEXT);
}

#[test]
fn case_47_co_cancel_request_after_first() {
    undisturbed(WHOLE, &co_cancel(1));
}

#[test]
fn case_48_orphaned_no_request() {
    let server = LabServer::start();
    let mut client = bound(&server, WHOLE);
    client.send_unanswered(&orphaned(3));
    client.call32(1, CONTEXT);
}

#[test]
fn case_49_orphaned_request_after_first_last() {
    undisturbed(WHOLE, &orphaned(1));
    undisturbed(WHOLE | CONC_MPX, &orphaned(1));
}

#[test]
fn case_50_orphaned_request_after_first_no_last() {
    let server = LabServer::start();
    let mut client = bound(&server, WHOLE);
    client.send_unanswered(&request(1, CONTEXT, b"").flags(FIRST));
    client.send_unanswered(&orphaned(1));
    client.send(&request(2, CONTEXT, b""));
    client.expect_fault_and_eof(WHOLE, 1, CONTEXT, status::PROTO_ERROR);
}

#[test]
fn case_51_orphaned_request_after_first_mpx_no_last() {
    let server = LabServer::start();
    let mut client = bound(&server, WHOLE | CONC_MPX);
    client.send_unanswered(&request(1, CONTEXT, b"").flags(FIRST));
    client.send_unanswered(&orphaned(1));
    client.send(&request(2, CONTEXT - 1, b""));
    client.expect_fault_and_eof(WHOLE, 2, 0, status::PROTO_ERROR);
}

/// Above 255 on purpose: responses carry the low byte alone, faults the whole.
const CONTEXT: u16 = 0xFFFF;
