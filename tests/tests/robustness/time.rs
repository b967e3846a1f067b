//! Peers that are slow or silent. Nothing here is about how long something took: the tests wait
//! for the connection to end.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use kms_tests::harness::PATIENCE;
use kms_tests::harness::client::RawClient;
use kms_tests::harness::pdu::{CONC_MPX, FIRST, WHOLE, bind, kms32, request};
use kms_tests::harness::server::{LabServer, until};
use kms_tests::harness::stub::{Ndr, v4};

fn impatient() -> LabServer {
    LabServer::with(|config| {
        config.limits.idle_timeout = SHORT;
        config.limits.request_timeout = SHORT;
        config.limits.write_timeout = SHORT;
    })
}

/// Sends one piece after the other, with a pause in which the server may end the connection, until
/// it does. It must not answer.
#[track_caller]
fn drip(client: &mut RawClient, pieces: impl IntoIterator<Item = Vec<u8>>) {
    client.stream().set_read_timeout(Some(PAUSE)).unwrap();
    let begun = Instant::now();
    for piece in pieces {
        if client.try_send(&piece).is_err() {
            return;
        }
        let mut byte = [0];
        match client.stream().read(&mut byte) {
            Ok(0) => return,
            Ok(_) => panic!("an answer to half a PDU"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
        assert!(begun.elapsed() < PATIENCE, "the server does not mind");
    }
    panic!("the server took all of it");
}

#[test]
fn a_bind_that_drips_byte_by_byte_is_cut_off() {
    let server = impatient();
    let offer: Vec<_> = (0..250).map(kms32).collect();
    let bytes = bind(1, &offer).bytes();
    drip(&mut server.connect(), bytes.into_iter().map(|byte| vec![byte]));
    server.wait_for_connections(0);
}

#[test]
fn a_request_that_drips_byte_by_byte_is_cut_off() {
    let server = impatient();
    let mut client = server.connect();
    client.bind32();
    let bytes = request(2, 1, &[0; 5000]).bytes();
    drip(&mut client, bytes.into_iter().map(|byte| vec![byte]));
    server.wait_for_connections(0);
}

#[test]
fn a_call_whose_fragments_never_end_is_cut_off() {
    let server = impatient();
    let mut client = server.connect();
    client.bind32();
    let first = request(2, 1, &[0; 8]).flags(FIRST).bytes();
    let middle = request(2, 1, &[0; 8]).flags(0).bytes();
    drip(&mut client, std::iter::once(first).chain(std::iter::repeat(middle)));
    server.wait_for_connections(0);
}

#[test]
fn a_silent_peer_is_let_go_before_and_after_its_bind() {
    let server = impatient();
    let mut unbound = server.connect();
    unbound.expect_eof();
    let mut bound = server.connect();
    bound.bind32();
    bound.expect_eof();
    let mut called = server.connect();
    called.bind32();
    called.call32(1, 1);
    called.expect_eof();
    server.wait_for_connections(0);
}

#[test]
fn a_peer_that_reads_no_answer_is_let_go() {
    let server = LabServer::with(|config| config.limits.write_timeout = SHORT);
    let mut client = server.connect();
    client.bind32_with(1, WHOLE | CONC_MPX);
    client.stream().set_write_timeout(Some(PAUSE)).unwrap();
    let calls = request(2, 1, &v4(Ndr::Ndr32)).bytes().repeat(100);
    let mut sent = 0;
    // It goes on sending for as long as it is let, so that both directions fill up.
    until("the server lets go", || {
        if let Ok(count) = client.stream().write(&calls[sent..]) {
            sent = (sent + count) % calls.len();
        }
        server.0.connections() == 0
    });
    server.connect().bind32();
}

/// Long enough for a busy machine to do in time what has to be done in time.
const SHORT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);
