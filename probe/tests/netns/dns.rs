//! Filters and strangers on the way to a DNS server.

use std::net::{SocketAddr, UdpSocket};
use std::thread;

use kms_simulator::dns::{DnsServer, HostRecord, Zone};

use crate::run::check;
use crate::world::{Node, SERVER, V4, World};

#[test]
fn a_firewall_before_the_dns_server_is_told_apart_from_its_answers() {
    let Some(world) = World::new("a_firewall_before_the_dns_server") else { return };
    let address = SERVER[V4].parse().unwrap();
    let zone = Zone::new("corp.test").unwrap().host(HostRecord::new("kms1", [address])).unwrap();
    let at: SocketAddr = format!("{}:53", SERVER[V4]).parse().unwrap();
    let _dns = world.inside(Node::Server, || DnsServer::start(at, zone).unwrap());
    let arguments = ["corp.test", "--resolver", SERVER[V4], "--dns-timeout", "1500ms"];
    check(&world, &arguments).shows("rpc.ok");
    for (action, expected) in [
        ("drop", "dns.timeout"),
        ("reject with icmp type admin-prohibited", "dns.unreachable"),
        ("reject with icmp type port-unreachable", "dns.unreachable"),
    ] {
        world.rule(Node::Router2, "forward", &format!("udp dport 53 {action}"));
        check(&world, &arguments).shows(expected);
        world.clear_rules(Node::Router2);
    }
}

#[test]
fn something_else_on_port_53_is_malformed() {
    let Some(world) = World::new("something_else_on_port_53_is_malformed") else { return };
    let stranger = world.inside(Node::Server, || UdpSocket::bind((SERVER[V4], 53)).unwrap());
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, client)) = stranger.recv_from(&mut query) {
            // The right id and the flag of an answer, and then no DNS message.
            let answer = [&query[..2], &[0x81, 0x80], &query[4..length / 2]].concat();
            stranger.send_to(&answer, client).unwrap();
        }
    });
    let arguments = ["corp.test", "--resolver", SERVER[V4], "--dns-timeout", "1s"];
    check(&world, &arguments).shows("dns.malformed");
}
