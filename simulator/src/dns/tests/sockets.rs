//! The server on real sockets of the loopback interface.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use super::super::{DnsServer, Options};
use super::*;

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// Far beyond any delay: a lost answer fails the test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(20);

fn server() -> DnsServer {
    DnsServer::start(LOOPBACK, zone()).unwrap()
}

fn srv_query() -> Vec<u8> {
    query(SERVICE, RecordType::SRV).to_vec().unwrap()
}

/// Ask over UDP through a connected socket, which takes answers from that address only.
fn ask_udp(server: SocketAddr, query: &[u8]) -> Message {
    let local = if server.is_ipv4() { LOOPBACK.ip() } else { Ipv6Addr::LOCALHOST.into() };
    let socket = UdpSocket::bind((local, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(server).unwrap();
    socket.send(query).unwrap();
    let mut buffer = [0; 4_096];
    let len = socket.recv(&mut buffer).expect("an answer from the address that was asked");
    Message::from_vec(buffer.get(..len).unwrap()).unwrap()
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn send_tcp(stream: &mut TcpStream, query: &[u8]) {
    let len = u16::try_from(query.len()).unwrap();
    stream.write_all(&[&len.to_be_bytes(), query].concat()).unwrap();
}

fn receive_tcp(stream: &mut TcpStream) -> std::io::Result<Message> {
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut bytes)?;
    Ok(Message::from_vec(&bytes).unwrap())
}

fn ask_tcp(stream: &mut TcpStream, query: &[u8]) -> Message {
    send_tcp(stream, query);
    receive_tcp(stream).unwrap()
}

/// The peer has closed: end of stream, or a reset where it left bytes unread.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(len) => len == 0,
        Err(error) => matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
    }
}

#[test]
fn one_port_serves_udp_and_tcp() {
    let server = server();
    assert_ne!(server.address().port(), 0);
    let over_udp = ask_udp(server.address(), &srv_query());
    let over_tcp = ask_tcp(&mut connect(server.address()), &srv_query());
    assert_eq!(over_udp.answers.len(), 3);
    assert_eq!(over_udp.answers, over_tcp.answers);
}

#[test]
fn many_answers_come_on_one_connection_in_their_order() {
    let server = server();
    let mut stream = connect(server.address());
    for id in 0..50_u16 {
        let mut message = query("kms1.lab.test.", RecordType::A);
        message.metadata.id = id;
        send_tcp(&mut stream, &message.to_vec().unwrap());
    }
    stream.shutdown(Shutdown::Write).unwrap();
    for id in 0..50 {
        assert_eq!(receive_tcp(&mut stream).unwrap().id, id);
    }
    assert!(is_closed(&mut stream), "answered all, then closed in turn");
}

#[test]
fn one_byte_at_a_time_is_a_query_too() {
    let server = server();
    let mut stream = connect(server.address());
    stream.set_nodelay(true).unwrap();
    let query = srv_query();
    let len = u16::try_from(query.len()).unwrap().to_be_bytes();
    for byte in len.iter().chain(&query) {
        stream.write_all(&[*byte]).unwrap();
    }
    assert_eq!(receive_tcp(&mut stream).unwrap().answers.len(), 3);
}

#[test]
fn a_wildcard_address_answers_from_the_address_that_was_asked() {
    let wildcard = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    let server = DnsServer::start(wildcard, zone()).unwrap();
    for last in [1, 2, 77] {
        let asked = SocketAddr::new(Ipv4Addr::new(127, 0, 0, last).into(), server.address().port());
        assert_eq!(ask_udp(asked, &srv_query()).answers.len(), 3, "asked at {asked}");
    }
}

#[test]
fn the_ipv6_wildcard_serves_both_families() {
    let Ok(server) = DnsServer::start(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0), zone())
    else {
        // The machine has no IPv6; binding it must fail for that reason alone.
        assert!(UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_err());
        return;
    };
    let port = server.address().port();
    for last in [1, 2] {
        let asked = SocketAddr::new(Ipv4Addr::new(127, 0, 0, last).into(), port);
        assert_eq!(ask_udp(asked, &srv_query()).answers.len(), 3, "asked at {asked}");
        assert_eq!(ask_tcp(&mut connect(asked), &srv_query()).answers.len(), 3);
    }
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        let asked = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port);
        assert_eq!(ask_udp(asked, &srv_query()).answers.len(), 3);
    }
}

#[test]
fn garbage_does_not_stop_the_service() {
    let server = server();
    let socket = UdpSocket::bind(LOOPBACK).unwrap();
    for len in 0..200_usize {
        let garbage: Vec<u8> = (0..len).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
        socket.send_to(&garbage, server.address()).unwrap();
    }
    socket.send_to(&[0; 5_000], server.address()).unwrap();
    assert_eq!(ask_udp(server.address(), &srv_query()).answers.len(), 3);
}

#[test]
fn a_zone_and_a_fault_change_while_it_runs() {
    let server = server();
    let soa = query("lab.test.", RecordType::SOA).to_vec().unwrap();
    let serial = |server: &DnsServer| match ask_udp(server.address(), &soa).answers[0].data {
        RData::SOA(ref soa) => soa.serial,
        ref other => panic!("{other}"),
    };
    assert_eq!(serial(&server), 1);
    server.set_zone(large_zone(5));
    assert_eq!(serial(&server), 2);
    assert_eq!(ask_udp(server.address(), &srv_query()).answers.len(), 5);

    server.set_fault(Some(Fault::NoData));
    assert_eq!(ask_udp(server.address(), &srv_query()).answers.len(), 0);
    server.set_fault(None);
    assert_eq!(ask_udp(server.address(), &srv_query()).answers.len(), 5);
}

#[test]
fn a_dropped_query_leaves_the_next_one_answered() {
    let server = server();
    server.set_fault(Some(Fault::Drop));
    let mut stream = connect(server.address());
    send_tcp(&mut stream, &srv_query());
    let address = ask_tcp(&mut stream, &query("kms1.lab.test.", RecordType::A).to_vec().unwrap());
    assert_eq!(lines(&address.answers), ["kms1.lab.test. 192.0.2.1"]);
}

#[test]
fn without_tcp_connections_are_refused_and_udp_goes_on() {
    let options = Options { tcp: false, ..Options::default() };
    let server = DnsServer::start_with(LOOPBACK, zone(), options).unwrap();
    let refused = TcpStream::connect(server.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(TcpListener::bind(server.address()).is_err(), "the port is held");
    assert_eq!(ask_udp(server.address(), &srv_query()).answers.len(), 3);
}

#[test]
fn connections_stop_at_their_limit_and_service_resumes() {
    let options = Options { max_tcp_connections: 3, ..Options::default() };
    let server = DnsServer::start_with(LOOPBACK, zone(), options).unwrap();
    let mut within: Vec<TcpStream> = (0..3).map(|_| connect(server.address())).collect();
    for stream in &mut within {
        ask_tcp(stream, &srv_query()); // Answered, so it is counted.
    }
    assert!(is_closed(&mut connect(server.address())), "the fourth is turned away");
    for stream in &mut within {
        assert_eq!(ask_tcp(stream, &srv_query()).answers.len(), 3, "the others are served");
    }
    let mut leaving = within.pop().unwrap();
    leaving.shutdown(Shutdown::Write).unwrap();
    assert!(is_closed(&mut leaving));
    // Its place is free at the latest when the server has closed and gone round once more.
    let mut attempts = (0..1_000).map(|_| {
        let mut stream = connect(server.address());
        stream.write_all(&[0, 12]).and_then(|()| stream.write_all(&srv_query()[..12])).is_ok()
            && receive_tcp(&mut stream).is_ok()
    });
    assert!(attempts.any(|is_served| is_served));
}

#[test]
fn an_idle_connection_is_closed() {
    let options = Options { idle_timeout: Duration::from_millis(30), ..Options::default() };
    let server = DnsServer::start_with(LOOPBACK, zone(), options).unwrap();
    let mut silent = connect(server.address());
    let mut halfway = connect(server.address());
    halfway.write_all(&[0, 40, 1]).unwrap();
    assert!(is_closed(&mut silent));
    assert!(is_closed(&mut halfway));
}

#[test]
fn a_query_beyond_the_limit_closes_the_connection() {
    let server = server();
    let mut padded = srv_query();
    padded.resize(4_096, 0);
    assert_eq!(ask_tcp(&mut connect(server.address()), &padded).answers.len(), 3);
    let mut stream = connect(server.address());
    stream.write_all(&4_097_u16.to_be_bytes()).unwrap();
    assert!(is_closed(&mut stream));
}

#[test]
fn shutdown_frees_the_port() {
    let server = server();
    let address = server.address();
    let mut open = connect(address);
    ask_tcp(&mut open, &srv_query());
    server.shutdown();
    assert!(is_closed(&mut open));
    let again = DnsServer::start(address, zone()).unwrap();
    assert_eq!(ask_udp(again.address(), &srv_query()).answers.len(), 3);
}

#[test]
fn an_occupied_port_is_named_with_its_transport() {
    let udp = UdpSocket::bind(LOOPBACK).unwrap();
    let error = DnsServer::start(udp.local_addr().unwrap(), zone()).unwrap_err().to_string();
    assert!(error.starts_with("cannot serve dns on udp `127.0.0.1:"), "{error}");
    assert!(error.contains("another program"), "{error}");

    let tcp = TcpListener::bind(LOOPBACK).unwrap();
    let error = DnsServer::start(tcp.local_addr().unwrap(), zone()).unwrap_err().to_string();
    assert!(error.starts_with("cannot serve dns on tcp `127.0.0.1:"), "{error}");
}

#[test]
fn an_address_of_another_machine_is_named() {
    let foreign = "192.0.2.53:0".parse().unwrap();
    let error = DnsServer::start(foreign, zone()).unwrap_err().to_string();
    assert!(error.contains("`192.0.2.53:0`"), "{error}");
    assert!(error.contains("this machine does not have that address"), "{error}");
}
