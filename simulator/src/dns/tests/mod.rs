//! Answers, decoded and compared with what an authoritative server owes its clients.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod any_bytes;
mod faults;
mod refusals;
mod rules;
mod size;
mod sockets;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::{Fault, HostRecord, Reply, Transport, Zone, answer};

const SERVICE: &str = "_vlmcs._tcp.lab.test.";

/// Three hosts: IPv4, both families, and one whose target dangles; one alias of each kind.
fn zone() -> Zone {
    let v4 = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let v6 = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2));
    let other_v4 = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
    Zone::new("lab.test")
        .and_then(|zone| zone.host(HostRecord { weight: 75, ..HostRecord::new("kms1", [v4]) }))
        .and_then(|zone| {
            let host = HostRecord::new("kms2", [other_v4, v6]);
            zone.host(HostRecord { weight: 25, port: 1689, ..host })
        })
        .and_then(|zone| zone.host(HostRecord { priority: 90, ..HostRecord::new("dangling", []) }))
        .and_then(|zone| zone.alias("kms", "kms2.lab.test"))
        .and_then(|zone| zone.alias("away", "kms.example.com"))
        .and_then(|zone| zone.alias("nowhere", "gone.lab.test"))
        .and_then(|zone| zone.alias("circle", "circle.lab.test"))
        .and_then(|zone| zone.address("kms1.site-a", v4))
        .unwrap()
}

/// A zone with `count` hosts of one IPv4 address each.
fn large_zone(count: u32) -> Zone {
    let host = |n: u32| {
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + n);
        HostRecord::new(format!("kms{n:03}"), [address.into()])
    };
    (0..count).try_fold(Zone::new("lab.test").unwrap(), |zone, n| zone.host(host(n))).unwrap()
}

fn query(name: &str, query_type: RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), query_type));
    message
}

fn with_edns(mut message: Message, max_payload: u16) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(max_payload);
    message.set_edns(edns);
    message
}

fn bytes_of(reply: Reply) -> Vec<u8> {
    match reply {
        Reply::Send { bytes, .. } => bytes,
        Reply::Nothing(silence) => panic!("no answer: {silence}"),
    }
}

fn ask_with(zone: &Zone, fault: Option<&Fault>, query: &Message, transport: Transport) -> Message {
    let query = query.to_vec().unwrap();
    Message::from_vec(&bytes_of(answer(zone, fault, &query, transport))).unwrap()
}

fn ask(name: &str, query_type: RecordType) -> Message {
    ask_with(&zone(), None, &query(name, query_type), Transport::Udp)
}

/// Owner and data, one line per record.
fn lines(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| format!("{} {}", record.name, record.data)).collect()
}

fn is_soa(record: &Record) -> bool {
    matches!(&record.data, RData::SOA(_))
}
