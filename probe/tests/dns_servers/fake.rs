//! Hand-made servers: a function from query to datagrams, and TCP listeners that misbehave.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record};
use tokio::net::{TcpListener, UdpSocket};

use crate::name;

/// Answers each query with the datagrams that `respond` makes of it, for as long as the test runs.
pub(crate) async fn udp(
    respond: impl FnMut(&Message) -> Vec<Vec<u8>> + Send + 'static,
) -> SocketAddr {
    udp_at(Ipv4Addr::LOCALHOST.into(), respond).await
}

/// The same at this address.
pub(crate) async fn udp_at(
    ip: IpAddr,
    mut respond: impl FnMut(&Message) -> Vec<Vec<u8>> + Send + 'static,
) -> SocketAddr {
    let socket = UdpSocket::bind((ip, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    serve(socket, move |query| respond(&Message::from_vec(query).unwrap()));
    address
}

fn serve(socket: UdpSocket, mut respond: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static) {
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_535];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            for datagram in respond(&buffer[..length]) {
                socket.send_to(&datagram, client).await.unwrap();
            }
        }
    });
}

/// A server whose answers are messages.
pub(crate) async fn answering(
    mut respond: impl FnMut(&Message, &mut Message) + Send + 'static,
) -> SocketAddr {
    udp(move |query| {
        let mut answer = response_to(query);
        respond(query, &mut answer);
        vec![answer.to_vec().unwrap()]
    })
    .await
}

/// A UDP server that truncates every answer, beside a TCP listener on the same port.
pub(crate) async fn truncating() -> (SocketAddr, TcpListener) {
    let (socket, listener) = udp_and_tcp().await;
    let address = socket.local_addr().unwrap();
    serve(socket, |query| {
        let mut answer = response_to(&Message::from_vec(query).unwrap());
        answer.metadata.truncation = true;
        vec![answer.to_vec().unwrap()]
    });
    (address, listener)
}

/// Passes datagrams on to `server`; nothing listens on its TCP port.
pub(crate) async fn udp_relay(server: SocketAddr) -> SocketAddr {
    let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let back = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    back.connect(server).await.unwrap();
    let address = front.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_535];
        while let Ok((length, client)) = front.recv_from(&mut buffer).await {
            back.send(&buffer[..length]).await.unwrap();
            let length = back.recv(&mut buffer).await.unwrap();
            front.send_to(&buffer[..length], client).await.unwrap();
        }
    });
    address
}

/// A bound socket that never answers; it lives as long as the value.
pub(crate) async fn silent(ip: IpAddr) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((ip, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A port on which nothing listens.
pub(crate) async fn closed(ip: IpAddr) -> SocketAddr {
    silent(ip).await.1
}

/// The empty answer to a query: same id, same question, NOERROR.
pub(crate) fn response_to(query: &Message) -> Message {
    let mut answer = query.clone();
    answer.metadata.message_type = MessageType::Response;
    answer
}

pub(crate) fn asked(query: &Message) -> String {
    query.queries[0].name().to_lowercase().to_ascii().trim_end_matches('.').to_owned()
}

pub(crate) fn srv(owner: &str, priority: u16, weight: u16, port: u16, target: &str) -> Record {
    record(owner, RData::SRV(SRV::new(priority, weight, port, wire(target))))
}

pub(crate) fn address(owner: &str, address: &str) -> Record {
    match address.parse().unwrap() {
        IpAddr::V4(v4) => record(owner, RData::A(A(v4))),
        IpAddr::V6(v6) => record(owner, RData::AAAA(AAAA(v6))),
    }
}

pub(crate) fn cname(owner: &str, target: &str) -> Record {
    record(owner, RData::CNAME(CNAME(wire(target))))
}

/// Makes `answer` a denial by `zone`, which may be kept for 120 s.
pub(crate) fn deny(answer: &mut Message, rcode: ResponseCode, zone: &str) {
    answer.metadata.response_code = rcode;
    let soa = SOA::new(wire("ns.test"), wire("admin.test"), 1, 1, 1, 1, 120);
    answer.add_authority(record(zone, RData::SOA(soa)));
}

/// Fills `answer` from `records` as an authoritative server does: the records of the type asked
/// for, the alias if there is one, else a denial by `corp.test`.
pub(crate) fn from_records(records: &[Record], query: &Message, answer: &mut Message) {
    let (owner, record_type) = (query.queries[0].name(), query.queries[0].query_type());
    let of_owner: Vec<&Record> = records.iter().filter(|r| r.name == *owner).collect();
    let wanted = of_owner.iter().filter(|r| {
        r.record_type() == record_type || r.record_type() == hickory_proto::rr::RecordType::CNAME
    });
    answer.add_answers(wanted.map(|record| (*record).clone()));
    if answer.answers.is_empty() {
        let rcode =
            if of_owner.is_empty() { ResponseCode::NXDomain } else { ResponseCode::NoError };
        deny(answer, rcode, "corp.test");
    }
}

/// A server that has these records.
pub(crate) async fn with_records(records: Vec<Record>) -> SocketAddr {
    answering(move |query, answer| from_records(&records, query, answer)).await
}

fn record(owner: &str, data: RData) -> Record {
    Record::from_rdata(wire(owner), 300, data)
}

/// Any name, the root and odd labels included.
fn wire(text: &str) -> Name {
    match text {
        "." => Name::root(),
        text => {
            name(text).to_string().parse::<Name>().unwrap().append_domain(&Name::root()).unwrap()
        }
    }
}

async fn udp_and_tcp() -> (UdpSocket, TcpListener) {
    for _ in 0..32 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        if let Ok(socket) = UdpSocket::bind(listener.local_addr().unwrap()).await {
            return (socket, listener);
        }
    }
    panic!("no port is free for both UDP and TCP");
}
