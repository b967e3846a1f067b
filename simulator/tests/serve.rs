//! Running servers over real sockets: what is answered, and every bound at its edge.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "../../tests/src/skip.rs"]
mod skip;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use common::{Client, Reply, connect, read_to_end, request, windows};
use kms_protocol::kms::crypto::LabKey;
use kms_protocol::kms::{Request, Version};
use kms_protocol::rpc::{Body, Packet, Status};
use kms_simulator::model::HostPolicy;
use kms_simulator::serve::{Clock, Limits, ServeConfig, Server};
use skip::Need;
use socket2::{Domain, Socket, Type};

#[test]
fn every_version_is_answered_and_clients_are_counted_across_workers() {
    let server = start(ServeConfig { workers: count(4), ..config() });
    let mut clients: Vec<Client> = (0..12).map(|_| bind(&server)).collect();
    for (number, client) in (1..).zip(&mut clients) {
        for version in Version::ALL {
            let request = Request { version, ..request(number) };
            assert_eq!(client.ask(&request).count(), u32::from(number));
        }
    }
    assert_eq!(server.count(windows().app_id), 12);
    let totals = server.shutdown();
    assert_eq!((totals.requests, totals.requests_accepted, totals.connections), (36, 36, 12));
}

#[test]
fn the_host_decides_by_its_own_clock_and_policy() {
    let five_hours = Duration::from_secs(5 * 3600);
    let server = start(ServeConfig { clock: Clock::ahead_by(five_hours), ..config() });
    assert_error(bind(&server).ask(&request(1)), 0xC004_F06C);
    let policy = HostPolicy { activated: false, ..HostPolicy::default() };
    let server = start(ServeConfig { policy, ..config() });
    assert_error(bind(&server).ask(&request(1)), 0xC004_F041);
    let initial_counts = vec![(windows().app_id, 24)];
    let server = start(ServeConfig { initial_counts, ..config() });
    assert_eq!(bind(&server).ask(&request(1)).count(), 25);
}

#[test]
fn a_foreign_key_is_answered_counted_apart_and_changes_nothing() {
    let server = start(config());
    let mut client = bind(&server);
    client.use_key(&LabKey::from_bytes([9; 16]));
    assert_error(client.ask(&request(1)), 0x8007_000D);
    assert_eq!(server.count(windows().app_id), 0);
    assert_eq!(server.shutdown().foreign_keys, 1);
}

#[test]
fn association_groups_carry_the_mark_and_span_workers() {
    let server = start(ServeConfig { workers: count(4), ..config() });
    let first = bind(&server);
    assert_eq!(first.assoc_group_id >> 20, 0x1AB);
    for _ in 0..8 {
        let joined = Client::bind_on(connect(address(&server)), first.assoc_group_id).unwrap();
        assert_eq!(joined.assoc_group_id, first.assoc_group_id);
        assert_ne!(bind(&server).assoc_group_id, first.assoc_group_id);
    }
    assert!(Client::bind_on(connect(address(&server)), 0x1234_5678).is_none());
}

#[test]
fn a_request_that_comes_byte_by_byte_is_answered_like_any_other() {
    let server = start(config());
    let mut client = bind(&server);
    client.stream.set_nodelay(true).unwrap();
    let asked = request(1);
    let stub = client.stub(&asked);
    client.connection.call(1, 0, &stub).unwrap();
    for byte in client.take_output() {
        client.stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(client.reply(&asked).count(), 1);
}

#[test]
fn a_client_that_shuts_its_side_still_gets_its_answer_and_then_the_end() {
    let server = start(config());
    let mut client = bind(&server);
    let asked = request(1);
    let stub = client.stub(&asked);
    client.connection.call(1, 0, &stub).unwrap();
    client.flush().unwrap();
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.reply(&asked).count(), 1);
    assert!(client.is_closed_by_server());
}

#[test]
fn the_connection_over_the_limit_is_closed_and_service_resumes() {
    let connections = count(2);
    let server = start(limited(Limits { connections, ..Limits::default() }));
    let mut first = bind(&server);
    let _second = bind(&server);
    assert!(Client::bind(address(&server)).is_none());
    assert_eq!(first.ask(&request(1)).count(), 1, "those inside are not disturbed");
    drop(first);
    eventually_bound(&server);
}

#[test]
fn an_address_at_its_limit_is_refused_while_others_are_served() {
    let connections_per_address = count(1);
    let server = start(limited(Limits { connections_per_address, ..Limits::default() }));
    let first = bind(&server);
    assert!(Client::bind(address(&server)).is_none());
    let other = connect_from(Ipv4Addr::new(127, 0, 0, 2), address(&server));
    assert!(Client::bind_on(other, 0).is_some());
    drop(first);
    eventually_bound(&server);
}

#[test]
fn a_silent_connection_is_closed_bound_or_not() {
    let server = start(limited(Limits { idle_timeout: SHORT, ..Limits::default() }));
    assert!(read_to_end(&mut connect(address(&server))).is_empty());
    let mut client = bind(&server);
    assert!(client.is_closed_by_server());
    let mut client = bind(&server);
    assert_eq!(client.ask(&request(1)).count(), 1);
    assert!(client.is_closed_by_server());
}

#[test]
fn a_call_that_does_not_arrive_in_time_is_closed() {
    let server = start(limited(Limits { request_timeout: SHORT, ..Limits::default() }));
    let mut client = bind(&server);
    let stub = client.stub(&request(1));
    client.connection.call(1, 0, &stub).unwrap();
    let bytes = client.take_output();
    client.stream.write_all(&bytes[..bytes.len() - 1]).unwrap();
    assert!(client.is_closed_by_server());
    assert_eq!(server.shutdown().peers_refused, 1);
}

#[test]
fn a_client_that_takes_no_answer_is_closed() {
    let server = start(limited(Limits { write_timeout: SHORT, ..Limits::default() }));
    let mut client = bind(&server);
    let stub = client.stub(&request(1));
    client.connection.call(1, 0, &stub).unwrap();
    let call = client.take_output();
    // Answers fill the sockets' buffers, then the server stops reading, then this blocks until the
    // server has had enough.
    let calls = call.repeat(1000);
    while client.stream.write_all(&calls).is_ok() {}
    assert_eq!(server.shutdown().peers_refused, 1);
}

#[test]
fn more_bytes_than_one_connection_may_hold_are_refused_as_too_busy() {
    let buffered_bytes_per_connection = count(8 * 1024);
    let limits = Limits { buffered_bytes_per_connection, ..Limits::default() };
    refuses_a_large_call(start(limited(limits)));
}

#[test]
fn more_bytes_than_all_connections_may_hold_are_refused_as_too_busy() {
    let limits = Limits { buffered_bytes: count(8 * 1024), ..Limits::default() };
    refuses_a_large_call(start(limited(limits)));
}

fn refuses_a_large_call(server: Server) {
    let mut client = bind(&server);
    client.connection.call(1, 0, &[0; 64 * 1024]).unwrap();
    // The server may close before it has read everything.
    client.flush().ok();
    let sent = read_to_end(&mut client.stream);
    let packet = Packet::decode(&sent).unwrap();
    let Body::Fault(fault) = packet.body else { panic!("not a fault: {packet:?}") };
    assert_eq!(fault.status, Status::SERVER_TOO_BUSY);
    assert_eq!(bind(&server).ask(&request(1)).count(), 1, "others are served");
}

#[test]
fn what_is_not_rpc_is_closed_and_disturbs_nobody() {
    let server = start(config());
    let mut client = bind(&server);
    for garbage in [&b"GET / HTTP/1.1\r\nHost: kms\r\n\r\n"[..], &[0xFF; 4096], &[5, 0, 0, 3]] {
        let mut stream = connect(address(&server));
        stream.write_all(garbage).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        read_to_end(&mut stream);
    }
    assert_eq!(client.ask(&request(1)).count(), 1);
}

#[test]
fn a_shutdown_lets_quiet_connections_go_and_frees_the_port() {
    let server = start(config());
    let at = address(&server);
    let mut clients: Vec<Client> = (0..10).map(|_| bind(&server)).collect();
    server.shutdown();
    for client in &mut clients {
        assert!(client.is_closed_by_server());
    }
    let again = start(ServeConfig { listen: vec![at], ..config() });
    assert_eq!(address(&again), at);
}

#[test]
fn a_shutdown_waits_for_a_call_in_flight() {
    let server = start(config());
    let at = address(&server);
    let mut client = bind(&server);
    let asked = request(1);
    let stub = client.stub(&asked);
    client.connection.call(1, 0, &stub).unwrap();
    let call = client.take_output();
    let (first, second) = call.split_at(100);
    client.stream.write_all(first).unwrap();
    let shutdown = thread::spawn(move || server.shutdown());
    while TcpStream::connect(at).is_ok() {} // until it has stopped accepting
    client.stream.write_all(second).unwrap();
    assert_eq!(client.reply(&asked).count(), 1);
    assert_eq!(shutdown.join().unwrap().requests, 1);
}

#[test]
fn a_call_that_never_ends_does_not_keep_a_shutdown_waiting() {
    let server = start(limited(Limits { drain_timeout: SHORT, ..Limits::default() }));
    let mut client = bind(&server);
    client.stream.write_all(&[5, 0, 0, 3, 0x10]).unwrap();
    server.shutdown();
    assert!(client.is_closed_by_server());
}

#[test]
fn an_ipv6_wildcard_serves_both_families_and_every_address_is_served() {
    let wildcard = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let listen = vec![LOOPBACK, wildcard, LOOPBACK];
    if !skip::require("serve::an_ipv6_wildcard", &[Need::Ipv6Loopback]) {
        return;
    }
    let server = start(ServeConfig { listen, ..config() });
    let port = server.addresses()[1].port();
    let targets = [
        server.addresses()[0],
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
        server.addresses()[2],
    ];
    for target in targets {
        assert_eq!(Client::bind(target).unwrap().ask(&request(1)).count(), 1, "{target}");
    }
}

#[test]
fn an_occupied_port_is_an_error_and_nothing_is_started() {
    let server = start(config());
    let free = LOOPBACK;
    let listen = vec![free, address(&server)];
    let error = Server::start(ServeConfig { listen, ..config() }).unwrap_err();
    assert!(error.to_string().contains("the port is occupied"), "{error}");
}

fn start(config: ServeConfig) -> Server {
    Server::start(config).unwrap()
}

fn config() -> ServeConfig {
    ServeConfig { listen: vec![LOOPBACK], workers: count(2), ..ServeConfig::default() }
}

fn limited(limits: Limits) -> ServeConfig {
    // A limit of all connections holds for each address as well, unless told otherwise.
    ServeConfig { limits, ..config() }
}

fn address(server: &Server) -> SocketAddr {
    server.addresses()[0]
}

fn bind(server: &Server) -> Client {
    Client::bind(address(server)).unwrap()
}

/// The server sees a client leave a moment after it has left: every attempt until then is refused
/// by a closed connection, which is waited for.
fn eventually_bound(server: &Server) {
    assert!((0..10_000).any(|_| Client::bind(address(server)).is_some()));
}

fn connect_from(source: Ipv4Addr, target: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(IpAddr::V4(source), 0).into()).unwrap();
    socket.connect(&target.into()).unwrap();
    socket.into()
}

fn assert_error(reply: Reply, code: u32) {
    assert!(matches!(reply, Reply::Error(got) if got == code), "{code:#010X}, got {reply:?}");
}

fn count(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A timeout that is to be met; the tests wait for its effect, not for the time.
const SHORT: Duration = Duration::from_millis(50);
