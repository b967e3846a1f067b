//! Bytes without sense, and lengths without bounds.

use std::net::{IpAddr, Ipv4Addr};
use std::thread;

use kms_tests::harness::client::RawClient;
use kms_tests::harness::pdu::{
    Draft, EPMAPPER, F23, KMS, NDR32, WHOLE, alter, bind, element, kms32, request,
};
use kms_tests::harness::random::Random;
use kms_tests::harness::reply::{accepted, status};
use kms_tests::harness::server::LabServer;
use kms_tests::harness::stub::{Ndr, v4};

#[test]
fn after_ten_thousand_connections_of_garbage_the_server_still_serves() {
    let server = LabServer::start();
    thread::scope(|scope| {
        for share in 0..SHARES {
            let server = &server;
            scope.spawn(move || {
                for number in (share..CONNECTIONS).step_by(SHARES as usize) {
                    garbage(server, number);
                }
            });
        }
    });
    server.wait_for_connections(0);
    assert_eq!(server.0.totals().connections, u64::from(CONNECTIONS), "seed {SEED:#x}");
    // More connections than workers, so that each worker shows that it lives.
    for _ in 0..32 {
        let mut client = server.connect();
        client.bind32();
        client.call32(1, 1);
    }
}

/// One connection of garbage, repeatable from its number: it must end, however it does.
fn garbage(server: &LabServer, number: u32) {
    let mut random = Random::new(SEED ^ u64::from(number));
    // Closed connections keep their port for a while, and each source address has its own.
    let source = Ipv4Addr::new(127, 0, 0, u8::try_from(2 + number % 100).unwrap());
    let mut client = RawClient::connect_from(IpAddr::V4(source), server.address());
    let sent = client
        .try_send(&senseless(&mut random))
        .and_then(|()| client.stream().shutdown(std::net::Shutdown::Write));
    let _ended = client.rest();
    let _refused_early = sent;
}

/// Random bytes; or a header and random bytes; or a sensible conversation with some bytes changed,
/// repeated or left out.
fn senseless(random: &mut Random) -> Vec<u8> {
    let len = random.below(600);
    match random.below(4) {
        0 => random.bytes(len),
        1 => {
            let body = random.bytes(len);
            Draft::new(random.byte() % 21, 1, body).flags(random.byte()).bytes()
        }
        _ => {
            let mut bytes = bind(1, &[kms32(0)]).flags(0x13).bytes();
            bytes.extend(alter(2, &[element(1, KMS, &[EPMAPPER, NDR32])]).bytes());
            bytes.extend(request(3, 0, &v4(Ndr::Ndr32)).bytes());
            for _ in 0..=random.below(8) {
                let at = random.below(bytes.len());
                match random.below(4) {
                    0 => drop(bytes.remove(at)),
                    1 => bytes.insert(at, random.byte()),
                    _ => bytes[at] = random.byte(),
                }
            }
            bytes
        }
    }
}

#[test]
fn a_frag_length_below_16_ends_the_connection_in_silence() {
    let server = LabServer::start();
    for length in 0..16 {
        let mut unbound = server.connect();
        unbound.send(&bind(1, &[kms32(0)]).frag_length(length));
        unbound.expect_eof();

        let mut bound = server.connect();
        bound.bind32();
        bound.send(&request(2, 1, &v4(Ndr::Ndr32)).frag_length(length));
        bound.expect_eof();
    }
}

#[test]
fn a_request_of_65535_bytes_is_refused_by_its_header_alone() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.bind32();
    client.send_bytes(&request(2, 1, b"").frag_length(65_535).bytes()[..16]);
    client.expect_fault_and_eof(WHOLE, 2, 0, status::PROTO_ERROR);
}

#[test]
fn a_bind_and_an_alter_context_may_have_65535_bytes() {
    let server = LabServer::start();
    // Twelve elements of 255 syntaxes, and one more that fills the rest.
    let many = [EPMAPPER; 254].into_iter().chain([NDR32]).collect::<Vec<_>>();
    let mut offer: Vec<_> = (0..12).map(|id| element(id, KMS, &many)).collect();
    let used = 28 + offer.iter().map(Vec::len).sum::<usize>();
    offer.push(element(12, KMS, &many[..(65_535 - used - 24) / 20]));
    let (first, second) = (bind(1, &offer), alter(2, &offer));
    assert!(first.bytes().len() > 65_500);

    let mut client = server.connect();
    let ack = client.ask(&first).bind_ack(1, WHOLE);
    assert_eq!((ack.results.len(), ack.results[0]), (13, accepted(NDR32)));
    let ack = client.ask(&second).alter_resp(2, WHOLE);
    assert_eq!((ack.results.len(), ack.results[0]), (13, accepted(NDR32)));
    client.call32(3, 0);
}

#[test]
fn a_bind_that_claims_65535_bytes_and_stops_is_never_answered() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.send(&bind(1, &[kms32(0)]).frag_length(65_535));
    client.finish();
    client.expect_eof();
}

#[test]
fn contexts_beyond_the_limit_are_refused_one_by_one() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.bind32_with(0, WHOLE);
    for id in 1..256 {
        let ack = client.ask(&alter(1, &[kms32(id)])).alter_resp(1, WHOLE);
        assert_eq!(ack.results, [accepted(NDR32)], "context {id}");
    }
    let ack = client.ask(&alter(2, &[kms32(256)])).alter_resp(2, WHOLE);
    let (result, reason, _) = ack.results[0];
    assert_ne!((result, reason), (0, 0), "context 256 is one too many");
    assert_eq!(reason, 3, "local limit exceeded");
    client.call32(3, 255);
    client.ask(&request(4, 256, b"")).fault(F23, 4, 0, status::UNK_IF);
}

const CONNECTIONS: u32 = 10_000;
const SHARES: u32 = 4;
const SEED: u64 = 0x6b6d_732d_6c61_6221;
