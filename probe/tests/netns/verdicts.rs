//! What filters and routes between client and server make of a check.

use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use crate::raw_peer::{ACK, RST, RawPeer, SYN};
use crate::support::{facts, verdict};
use crate::world::{
    CLIENT_V4, CLIENT_V6, ROUTER_V4, ROUTER_V6, Run, SERVER_V4, SERVER_V6, World, ip,
};

#[test]
fn an_open_path_is_healthy_over_both_families() {
    let Some(world) = World::new("an_open_path_is_healthy_over_both_families") else { return };
    let _server = world.serve();
    for (address, source) in [(SERVER_V4, CLIENT_V4), (SERVER_V6, CLIENT_V6)] {
        let run = world.check(&[address]);
        assert_eq!((run.code, verdict(&run.report)), (0, "rpc.ok"));
        let tcp = facts(&run.report, "tcp");
        assert!(tcp["source"].as_str().unwrap().contains(source));
    }
}

#[test]
fn a_silent_drop_is_a_timeout_that_counts_the_syns() {
    let Some(world) = World::new("a_silent_drop_is_a_timeout_that_counts_the_syns") else { return };
    let _server = world.serve();
    world.on_router("tcp dport 1688 drop");
    let run = world.check(&[SERVER_V4, "--tcp-timeout", "2500ms"]);
    assert_eq!((run.code, verdict(&run.report)), (1, "tcp.timeout"));
    let tcp = facts(&run.report, "tcp");
    let syns = tcp["syns_sent"].as_u64().unwrap();
    assert!(syns >= 2, "retransmissions after one second and later: {syns}");
    assert_eq!(tcp["state"], "filtered");
    let cause = run.report["targets"][0]["cause"].as_str().unwrap();
    assert!(cause.contains(&format!("{syns} SYNs unanswered")), "{cause}");
    assert_eq!(run.report["targets"][0]["client_sees"][0], "0xC004F074");
}

#[test]
fn a_reject_with_a_reset_is_refused() {
    let Some(world) = World::new("a_reject_with_a_reset_is_refused") else { return };
    let _server = world.serve();
    world.on_router("tcp dport 1688 reject with tcp reset");
    let run = world.check(&[SERVER_V4, SERVER_V6]);
    let verdicts: Vec<_> =
        run.report["targets"].as_array().unwrap().iter().map(|e| e["verdict"].clone()).collect();
    assert_eq!(verdicts, ["tcp.refused", "tcp.refused"]);
}

/// Checks that a reject on the router gives `expected`, with type, code and sender named.
#[track_caller]
fn assert_icmp(run: &Run, expected: &str, icmp: (&str, u8, u8), from: &str) {
    let (version, kind, code) = icmp;
    assert_eq!((run.code, verdict(&run.report)), (1, expected));
    let found = &facts(&run.report, "tcp")["icmp"];
    assert_eq!(*found, json!({ "version": version, "type": kind, "code": code, "from": from }));
    let cause = run.report["targets"][0]["cause"].as_str().unwrap();
    assert!(cause.contains(from) && cause.contains(&format!("({kind}/{code})")), "{cause}");
}

#[test]
fn icmp_rejects_are_named_by_type_code_and_sender() {
    for (with, expected, code) in [
        ("admin-prohibited", "tcp.prohibited", 13),
        ("host-prohibited", "tcp.prohibited", 10),
        ("net-prohibited", "tcp.prohibited", 9),
        ("host-unreachable", "tcp.host_unreachable", 1),
        ("net-unreachable", "tcp.net_unreachable", 0),
        ("port-unreachable", "tcp.port_unreachable", 3),
    ] {
        let test = "icmp_rejects_are_named_by_type_code_and_sender";
        let Some(world) = World::new(test) else { return };
        world.on_router(&format!("tcp dport 1688 reject with icmp type {with}"));
        let run = world.check(&[SERVER_V4]);
        assert_icmp(&run, expected, ("icmp", 3, code), ROUTER_V4);
    }
}

#[test]
fn icmpv6_rejects_are_named_by_type_code_and_sender() {
    for (with, expected, code) in [
        ("admin-prohibited", "tcp.prohibited", 1),
        ("addr-unreachable", "tcp.host_unreachable", 3),
        ("no-route", "tcp.net_unreachable", 0),
        ("port-unreachable", "tcp.port_unreachable", 4),
        ("policy-fail", "tcp.prohibited", 5),
        ("reject-route", "tcp.prohibited", 6),
    ] {
        let test = "icmpv6_rejects_are_named_by_type_code_and_sender";
        let Some(world) = World::new(test) else { return };
        world.on_router(&format!("tcp dport 1688 reject with icmpv6 type {with}"));
        let run = world.check(&[SERVER_V6]);
        assert_icmp(&run, expected, ("icmpv6", 1, code), ROUTER_V6);
    }
}

#[test]
fn a_reject_on_this_machine_is_said_to_be_its_own() {
    let Some(world) = World::new("a_reject_on_this_machine_is_said_to_be_its_own") else { return };
    world.on_client("tcp dport 1688 reject with icmp type admin-prohibited");
    let run = world.check(&[SERVER_V4]);
    assert_icmp(&run, "tcp.prohibited", ("icmp", 3, 13), CLIENT_V4);
    let cause = run.report["targets"][0]["cause"].as_str().unwrap();
    assert!(cause.starts_with("This machine itself"), "{cause}");
}

#[test]
fn routers_that_have_no_route_or_forbid_it_say_so() {
    let Some(world) = World::new("routers_that_have_no_route_or_forbid_it_say_so") else { return };
    let router = &world.router;
    ip(&format!("-n {router} route add prohibit 203.0.113.1/32"));
    let run = world.check(&["203.0.113.1"]);
    assert_icmp(&run, "tcp.prohibited", ("icmp", 3, 13), ROUTER_V4);
    let run = world.check(&["203.0.113.2"]);
    assert_icmp(&run, "tcp.net_unreachable", ("icmp", 3, 0), ROUTER_V4);
}

#[test]
fn packets_that_go_in_circles_are_a_loop() {
    let Some(world) = World::new("packets_that_go_in_circles_are_a_loop") else { return };
    let (router, server) = (&world.router, &world.server);
    ip(&format!("-n {router} route add 203.0.113.0/24 via {SERVER_V4}"));
    ip(&format!("-n {server} route add 203.0.113.0/24 via 10.77.2.1"));
    for setting in ["net.ipv4.ip_forward=1", "net.ipv4.icmp_ratemask=0"] {
        world.sysctl(server, setting);
    }
    let run = world.check(&["203.0.113.1"]);
    assert_eq!(verdict(&run.report), "tcp.loop");
    assert_eq!(facts(&run.report, "tcp")["icmp"]["type"], 11);
    assert!(facts(&run.report, "tcp")["icmp"]["from"].is_string());
}

#[test]
fn a_machine_without_a_route_sends_nothing_and_says_so() {
    let test = "a_machine_without_a_route_sends_nothing_and_says_so";
    let Some(world) = World::new(test) else { return };
    let client = &world.client;
    ip(&format!("-n {client} route del default"));
    ip(&format!("-n {client} -6 route del default"));
    for address in [SERVER_V4, SERVER_V6] {
        let run = world.check(&[address]);
        assert_eq!((run.code, verdict(&run.report)), (1, "tcp.no_route"));
        let tcp = facts(&run.report, "tcp");
        assert_eq!((&tcp["syns_sent"], &tcp["source"]), (&Value::Null, &Value::Null));
        assert_eq!(run.report["targets"][0]["client_sees"], json!([]));
    }
}

#[test]
fn own_routes_that_refuse_are_no_route_too() {
    let Some(world) = World::new("own_routes_that_refuse_are_no_route_too") else { return };
    for kind in ["unreachable", "prohibit", "blackhole"] {
        ip(&format!("-n {} route replace {kind} 203.0.113.1/32", world.client));
        let run = world.check(&["203.0.113.1"]);
        assert_eq!(verdict(&run.report), "tcp.no_route", "{kind}");
    }
}

#[test]
fn an_address_that_nobody_has_is_reported_by_whoever_looked_for_it() {
    let test = "an_address_that_nobody_has_is_reported_by_whoever_looked_for_it";
    let Some(world) = World::new(test) else { return };
    // Neighbour discovery gives up after three seconds.
    let run = world.check(&["10.77.2.99", "--tcp-timeout", "20s"]);
    assert_icmp(&run, "tcp.host_unreachable", ("icmp", 3, 1), ROUTER_V4);
    let run = world.check(&["10.77.1.99", "--tcp-timeout", "20s"]);
    assert_icmp(&run, "tcp.host_unreachable", ("icmp", 3, 1), CLIENT_V4);
    let cause = run.report["targets"][0]["cause"].as_str().unwrap();
    assert!(cause.contains("local link"), "{cause}");
}

#[test]
fn a_machine_without_a_free_port_says_so() {
    let Some(world) = World::new("a_machine_without_a_free_port_says_so") else { return };
    let _server = world.serve();
    world.sysctl(&world.client, "net.ipv4.ip_local_port_range=40001 40001");
    let _taken = world.inside(&world.client, || TcpListener::bind((CLIENT_V4, 40001)).unwrap());
    let run = world.check(&[SERVER_V4]);
    assert_eq!((run.code, verdict(&run.report)), (1, "tcp.source_unavailable"));
}

/// Both ends open at once, which leaves the probe without a completed handshake when the reset
/// comes: the one way to a reset that is the connect's own.
#[test]
fn a_reset_before_the_handshake_is_complete_is_a_reset_of_the_connect() {
    let test = "a_reset_before_the_handshake_is_complete_is_a_reset_of_the_connect";
    let Some(world) = World::new(test) else { return };
    world.on_server("tcp sport 1688 tcp flags & rst == rst ip dscp 0 drop");
    let own = SERVER_V4.parse().unwrap();
    let run = world.inside(&world.server, || {
        let mut peer = RawPeer::new();
        thread::scope(|scope| {
            let run = scope.spawn(|| world.check(&[SERVER_V4]));
            let probe = peer.receive(SYN);
            peer.send(own, probe, 1000, SYN);
            peer.receive(SYN | ACK);
            peer.send(own, probe, 1001, RST);
            run.join().unwrap()
        })
    });
    assert_eq!((run.code, verdict(&run.report)), (1, "tcp.reset"));
}

#[test]
fn a_firewall_that_passes_the_handshake_and_stops_the_payload_is_found_at_the_bind() {
    let test = "a_firewall_that_passes_the_handshake_and_stops_the_payload_is_found_at_the_bind";
    for (action, expected) in [
        ("drop", "bind.timeout"),
        ("reject with tcp reset", "bind.reset"),
        // On an established connection ICMP is advice: the kernel goes on retransmitting.
        ("reject with icmp type admin-prohibited", "bind.timeout"),
    ] {
        let Some(world) = World::new(test) else { return };
        let _server = world.serve();
        world.on_router(&format!("ip length > 120 tcp dport 1688 {action}"));
        let run = world.check(&[SERVER_V4, "--bind-timeout", "700ms"]);
        assert_eq!(verdict(&run.report), expected, "{action}");
        assert_eq!(facts(&run.report, "tcp")["state"], "listening");
    }
}

#[test]
fn a_device_that_swallows_answers_is_a_timeout_at_the_bind() {
    let test = "a_device_that_swallows_answers_is_a_timeout_at_the_bind";
    let Some(world) = World::new(test) else { return };
    let _server = world.serve();
    world.on_router("ip length > 80 tcp sport 1688 drop");
    let run = world.check(&[SERVER_V4, "--bind-timeout", "700ms"]);
    assert_eq!((run.code, verdict(&run.report)), (1, "bind.timeout"));
}
