//! Look-ups of a sweep.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use kms_simulator::dns::{DnsServer, HostRecord, Zone};

use crate::harness::{Folder, each, json, kms_host, lines, run};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn dns(port: u16) -> DnsServer {
    let record = HostRecord { port, ..HostRecord::new("kms1", [Ipv4Addr::LOCALHOST.into()]) };
    DnsServer::start(ANY_PORT, Zone::new("corp.test").unwrap().host(record).unwrap()).unwrap()
}

/// Passes queries on to `server` and counts them, until the test ends.
fn counting(server: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let front = UdpSocket::bind(ANY_PORT).unwrap();
    let address = front.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, client)) = front.recv_from(&mut buffer) {
            counted.fetch_add(1, Ordering::Relaxed);
            let back = UdpSocket::bind(ANY_PORT).unwrap();
            back.send_to(&buffer[..length], server).unwrap();
            let length = back.recv(&mut buffer).unwrap();
            front.send_to(&buffer[..length], client).unwrap();
        }
    });
    (address, count)
}

#[test]
fn the_same_question_is_asked_once_and_every_row_has_the_answer() {
    let (_server, host) = kms_host();
    let (resolver, count) = counting(dns(host.port()).leak());
    let folder = Folder::new();
    let list = folder.file("list.txt", "corp.test\n".repeat(50));
    let arguments = ["--resolver", &resolver.to_string(), "--timeout", "20s", "--format", "ndjson"];
    let rows = lines(&run(&list, &arguments));
    assert_eq!(rows.len(), 50);
    assert!(each(&rows, "verdict").iter().all(|verdict| *verdict == "rpc.ok"));
    let asked = count.load(Ordering::Relaxed);
    assert!((1..=4).contains(&asked), "SRV, and addresses at most: {asked} queries for 50 rows");
}

#[test]
fn a_row_is_looked_up_at_its_own_resolver() {
    let (_server, host) = kms_host();
    let (here, elsewhere) =
        (dns(host.port()), DnsServer::start(ANY_PORT, Zone::new("corp.test").unwrap()).unwrap());
    let folder = Folder::new();
    let list = folder.file(
        "list.csv",
        format!(
            "host,resolver,depth\ncorp.test,{},\ncorp.test,{},\ncorp.test,{},dns\n",
            here.address(),
            elsewhere.address(),
            here.address()
        ),
    );
    let report = json(&run(&list, &["--timeout", "20s", "--format", "json"]));
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(each(rows, "verdict"), ["rpc.ok", "dns.nxdomain", "dns.ok"]);
    assert_eq!(each(rows, "attempts"), [1, 0, 0], "what was not connected to was not tried");
}

trait Leak {
    fn leak(self) -> SocketAddr;
}

impl Leak for DnsServer {
    /// Its address; the server runs until the test ends.
    fn leak(self) -> SocketAddr {
        let address = self.address();
        Box::leak(Box::new(self));
        address
    }
}
