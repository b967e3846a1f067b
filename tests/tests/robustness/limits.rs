//! At its bounds the server refuses cleanly, and serves again once there is room.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use kms_tests::harness::client::RawClient;
use kms_tests::harness::pdu::{F23, FIRST, LAST, alter, bind, kms32, request};
use kms_tests::harness::reply::status;
use kms_tests::harness::server::LabServer;
use kms_tests::harness::stub::{INVALID_DATA, assert_refused32, filler32};

#[test]
fn the_connection_over_the_limit_is_closed_cleanly_and_service_resumes() {
    let server = LabServer::with(|config| config.limits.connections = count(3));
    let mut admitted: Vec<_> = (0..3).map(|_| bound(&server)).collect();
    for _ in 0..10 {
        server.connect().expect_eof();
    }
    assert_eq!(server.0.totals().connections_refused, 10);
    for client in &mut admitted {
        client.call32(1, 1);
    }
    drop(admitted.pop());
    server.wait_for_connections(2);
    bound(&server).call32(1, 1);
}

#[test]
fn an_address_at_its_limit_keeps_nobody_else_out() {
    let server = LabServer::with(|config| {
        config.limits.connections = count(10);
        config.limits.connections_per_address = count(2);
    });
    let from =
        |last: u8| RawClient::connect_from(IpAddr::from([127, 0, 0, last]), server.address());
    let (mut first, mut second) = (from(2), from(2));
    first.bind32();
    second.bind32();
    from(2).expect_eof();
    let mut other = from(3);
    other.bind32();
    other.call32(1, 1);
    drop(first);
    server.wait_for_connections(2);
    let mut again = from(2);
    again.bind32();
    again.call32(1, 1);
    second.call32(1, 1);
}

#[test]
fn a_call_over_the_bytes_of_its_connection_gets_server_too_busy() {
    let server = LabServer::with(|config| {
        config.limits.buffered_bytes_per_connection = count(64 * 1024);
    });
    let mut client = bound(&server);
    begin_call(&mut client, 40_000);
    end_call(&mut client);

    begin_call(&mut client, 150_000);
    client.expect_fault_and_eof(F23, CALL, 0, status::SERVER_TOO_BUSY);
    bound(&server).call32(1, 1);
}

#[test]
fn a_bind_over_the_bytes_of_its_connection_gets_local_limit_exceeded() {
    let server = LabServer::with(|config| {
        config.limits.buffered_bytes_per_connection = count(4096);
    });
    let mut client = server.connect();
    let offer: Vec<_> = (0..200).map(kms32).collect();
    client.send(&bind(5, &offer));
    client.expect_nak_and_eof(5, 2);
    bound(&server).call32(1, 1);
}

#[test]
fn bytes_are_bounded_over_all_connections_and_given_back() {
    let server = LabServer::with(|config| config.limits.buffered_bytes = count(1 << 20));
    let (mut first, mut greedy) = (bound(&server), bound(&server));
    begin_call(&mut first, 300_000);
    // Its answer comes after all before it was read: the bytes of the first are held from here on.
    let _altered = first.ask(&alter(1, &[kms32(2)])).alter_resp(1, 0x03);
    begin_call(&mut greedy, 1_000_000);
    greedy.expect_fault_and_eof(F23, CALL, 0, status::SERVER_TOO_BUSY);
    end_call(&mut first);
    drop((first, greedy));
    server.wait_for_connections(0);
    let mut next = bound(&server);
    begin_call(&mut next, 300_000);
    end_call(&mut next);
}

fn bound(server: &LabServer) -> RawClient {
    let mut client = server.connect();
    client.bind32();
    client
}

/// Sends all fragments of a call of `total` bytes but the last, which will be empty.
fn begin_call(client: &mut RawClient, total: usize) {
    for (index, chunk) in filler32(total).chunks(5840 - 24).enumerate() {
        let flags = if index == 0 { FIRST } else { 0 };
        client.send(&request(CALL, 1, chunk).flags(flags).alloc_hint(0));
    }
}

/// Ends the call; the host has read all of it and cannot verify it.
fn end_call(client: &mut RawClient) {
    let reply = client.ask(&request(CALL, 1, b"").flags(LAST));
    assert_refused32(reply.response(CALL, 1), INVALID_DATA);
}

fn count(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

const CALL: u32 = 77;
