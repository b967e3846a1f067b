//! DNS: decoding an SRV answer as the probe does, and answering a query as the simulator does,
//! for zones of a usual and of an unusual size.

#![allow(missing_docs, reason = "criterion's macros generate undocumented items")]
#![allow(clippy::expect_used, reason = "a bench fails by panicking")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::RecordType;
use kms_simulator::dns::{HostRecord, Reply, Transport, Zone, answer};

/// Hosts in the zone: a small site, one TCP answer of 120 records, and a zone near the limit.
const HOSTS: [u32; 3] = [3, 120, 1_000];

criterion_group!(benches, decoding, answering);
criterion_main!(benches);

fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dns/decode_srv_answer");
    for hosts in HOSTS {
        let zone = zone(hosts);
        let bytes = reply(&zone, &srv_query(&zone), Transport::Tcp);
        group.throughput(Throughput::Bytes(u64::try_from(bytes.len()).unwrap_or(u64::MAX)));
        group.bench_with_input(BenchmarkId::from_parameter(hosts), &bytes, |bencher, bytes| {
            bencher.iter(|| Message::from_vec(black_box(bytes)));
        });
    }
    group.finish();
}

fn answering(criterion: &mut Criterion) {
    for (name, transport) in
        [("dns/answer_srv_udp", Transport::Udp), ("dns/answer_srv_tcp", Transport::Tcp)]
    {
        let mut group = criterion.benchmark_group(name);
        for hosts in HOSTS {
            let zone = zone(hosts);
            let query = srv_query(&zone);
            group.bench_with_input(BenchmarkId::from_parameter(hosts), &query, |bencher, query| {
                bencher.iter(|| reply(&zone, black_box(query), transport));
            });
        }
        group.finish();
    }
}

fn zone(hosts: u32) -> Zone {
    let host = |n| HostRecord::new(format!("kms{n:04}"), [IpAddr::V4(Ipv4Addr::from_bits(n))]);
    let empty = Zone::new("lab.test").expect("a domain name");
    (0..hosts).try_fold(empty, |zone, n| zone.host(host(n))).expect("hosts within the limits")
}

fn srv_query(zone: &Zone) -> Vec<u8> {
    let mut message = Message::new(0x4B4D, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(zone.service_name().clone(), RecordType::SRV));
    let mut edns = Edns::new();
    edns.set_max_payload(1_232);
    message.set_edns(edns);
    message.to_vec().expect("a query")
}

fn reply(zone: &Zone, query: &[u8], transport: Transport) -> Vec<u8> {
    match answer(zone, None, query, transport) {
        Reply::Send { bytes, .. } => bytes,
        Reply::Nothing(silence) => unreachable!("{silence}"),
    }
}
