//! What filters and routes between client and server make of a check.

use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use crate::raw_peer::{self, ACK, RST, RawPeer, SYN};
use crate::run::check;
use crate::world::{CLIENT, Link, Node, ROUTER2, SERVER, V4, V6, World};

#[test]
fn an_open_path_is_healthy_over_both_families() {
    let Some(world) = World::new("an_open_path_is_healthy_over_both_families") else { return };
    for family in [V4, V6] {
        let run = check(&world, &[SERVER[family]]);
        run.shows("rpc.ok");
        assert!(run.facts("tcp")["source"].as_str().unwrap().contains(CLIENT[family]));
        for (depth, expected) in [("tcp", "tcp.ok"), ("bind", "bind.ok"), ("kms", "kms.count_low")]
        {
            check(&world, &[SERVER[family], "--depth", depth]).shows(expected);
        }
    }
}

#[test]
fn a_silent_drop_is_a_timeout_that_counts_the_syns() {
    let Some(world) = World::new("a_silent_drop_is_a_timeout_that_counts_the_syns") else { return };
    world.rule(Node::Router2, "forward", "tcp dport 1688 drop");
    for family in [V4, V6] {
        let run = check(&world, &[SERVER[family], "--tcp-timeout", "2500ms"]);
        run.shows("tcp.timeout");
        let tcp = run.facts("tcp");
        let syns = tcp["syns_sent"].as_u64().unwrap();
        assert!(syns >= 2, "retransmissions after one second and later: {syns}");
        assert_eq!((&tcp["state"], &tcp["icmp"]), (&json!("filtered"), &Value::Null));
        assert!(run.cause().contains(&format!("{syns} SYNs unanswered")), "{}", run.cause());
        assert_eq!(run.report["targets"][0]["client_sees"][0], "0xC004F074");
    }
}

#[test]
fn a_lost_answer_is_a_timeout_too() {
    let Some(world) = World::new("a_lost_answer_is_a_timeout_too") else { return };
    world.rule(Node::Router1, "forward", "tcp sport 1688 drop");
    let run = check(&world, &[SERVER[V4], "--tcp-timeout", "1200ms"]);
    run.shows("tcp.timeout");
    assert!(run.cause().contains("in either direction"), "{}", run.cause());
}

#[test]
fn a_reject_with_a_reset_is_refused() {
    let Some(world) = World::new("a_reject_with_a_reset_is_refused") else { return };
    world.rule(Node::Router2, "forward", "tcp dport 1688 reject with tcp reset");
    for family in [V4, V6] {
        let run = check(&world, &[SERVER[family]]);
        run.shows("tcp.refused");
        assert_eq!(run.facts("tcp")["state"], "not listening");
    }
}

#[test]
fn icmp_rejects_are_named_by_type_code_and_sender() {
    let Some(world) = World::new("icmp_rejects_are_named_by_type_code_and_sender") else { return };
    for (with, expected, code) in [
        ("admin-prohibited", "tcp.prohibited", 13),
        ("host-prohibited", "tcp.prohibited", 10),
        ("net-prohibited", "tcp.prohibited", 9),
        ("host-unreachable", "tcp.host_unreachable", 1),
        ("net-unreachable", "tcp.net_unreachable", 0),
        ("port-unreachable", "tcp.port_unreachable", 3),
    ] {
        let rule = format!("tcp dport 1688 reject with icmp type {with}");
        world.rule(Node::Router2, "forward", &rule);
        let run = check(&world, &[SERVER[V4]]);
        run.shows_icmp(expected, ("icmp", 3, code), ROUTER2[V4]);
        assert_eq!(run.facts("tcp")["state"], "filtered");
        world.clear_rules(Node::Router2);
    }
}

#[test]
fn icmpv6_rejects_are_named_by_type_code_and_sender() {
    let Some(world) = World::new("icmpv6_rejects_are_named_by_type_code_and_sender") else {
        return;
    };
    for (with, expected, code) in [
        ("admin-prohibited", "tcp.prohibited", 1),
        ("addr-unreachable", "tcp.host_unreachable", 3),
        ("no-route", "tcp.net_unreachable", 0),
        ("port-unreachable", "tcp.port_unreachable", 4),
        ("policy-fail", "tcp.prohibited", 5),
        ("reject-route", "tcp.prohibited", 6),
    ] {
        let rule = format!("tcp dport 1688 reject with icmpv6 type {with}");
        world.rule(Node::Router2, "forward", &rule);
        let run = check(&world, &[SERVER[V6]]);
        run.shows_icmp(expected, ("icmpv6", 1, code), ROUTER2[V6]);
        world.clear_rules(Node::Router2);
    }
}

/// On every real path the ICMP error comes after connect() has returned, and reading the error
/// queue before the socket's error would then show an open port.
#[test]
fn rejects_that_come_late_are_the_same() {
    let Some(mut world) = World::new("rejects_that_come_late_are_the_same") else { return };
    if !world.impair(Link { delay_ms: 30, ..Link::default() }) {
        return;
    }
    world.rule(Node::Router2, "forward", "tcp dport 1688 reject with icmpx type admin-prohibited");
    for (family, icmp) in [(V4, ("icmp", 3, 13)), (V6, ("icmpv6", 1, 1))] {
        check(&world, &[SERVER[family]]).shows_icmp("tcp.prohibited", icmp, ROUTER2[family]);
    }
    world.clear_rules(Node::Router2);
    world.rule(Node::Router2, "forward", "tcp dport 1688 reject with tcp reset");
    for family in [V4, V6] {
        check(&world, &[SERVER[family]]).shows("tcp.refused");
    }
}

#[test]
fn a_reject_on_this_machine_is_said_to_be_its_own() {
    let Some(world) = World::new("a_reject_on_this_machine_is_said_to_be_its_own") else { return };
    world.rule(Node::Client, "output", "tcp dport 1688 reject with icmpx type admin-prohibited");
    for (family, icmp) in [(V4, ("icmp", 3, 13)), (V6, ("icmpv6", 1, 1))] {
        let run = check(&world, &[SERVER[family]]);
        run.shows_icmp("tcp.prohibited", icmp, CLIENT[family]);
        assert!(run.cause().starts_with("This machine itself"), "{}", run.cause());
    }
}

#[test]
fn routers_that_have_no_route_or_forbid_it_say_so() {
    let Some(world) = World::new("routers_that_have_no_route_or_forbid_it_say_so") else { return };
    world.ip(
        Node::Router2,
        &[
            "route add 10.91.1.0/24 via 10.91.2.1",
            "route del default",
            "route add prohibit 203.0.113.1/32",
        ],
    );
    let run = check(&world, &["203.0.113.1"]);
    run.shows_icmp("tcp.prohibited", ("icmp", 3, 13), ROUTER2[V4]);
    let run = check(&world, &["203.0.113.2"]);
    run.shows_icmp("tcp.net_unreachable", ("icmp", 3, 0), ROUTER2[V4]);
}

#[test]
fn packets_that_go_in_circles_are_a_loop() {
    let Some(world) = World::new("packets_that_go_in_circles_are_a_loop") else { return };
    // Each router has the other for its default.
    for (target, kind) in [("203.0.113.1", 11), ("2001:db8::1", 3)] {
        let run = check(&world, &[target]);
        run.shows("tcp.loop");
        assert_eq!(run.facts("tcp")["icmp"]["type"], kind);
        assert!(run.facts("tcp")["icmp"]["from"].is_string());
    }
}

#[test]
fn a_machine_without_a_route_sends_nothing_and_says_so() {
    let test = "a_machine_without_a_route_sends_nothing_and_says_so";
    let Some(world) = World::new(test) else { return };
    world.ip(Node::Client, &["route del default", "-6 route del default"]);
    for address in SERVER {
        let run = check(&world, &[address]);
        run.shows("tcp.no_route");
        let tcp = run.facts("tcp");
        assert_eq!((&tcp["syns_sent"], &tcp["source"]), (&Value::Null, &Value::Null));
        assert_eq!(run.report["targets"][0]["client_sees"], json!([]));
    }
}

#[test]
fn own_routes_that_refuse_are_no_route_too() {
    let Some(world) = World::new("own_routes_that_refuse_are_no_route_too") else { return };
    for kind in ["unreachable", "prohibit", "blackhole"] {
        world.ip(Node::Client, &[&format!("route replace {kind} 203.0.113.1/32")]);
        check(&world, &["203.0.113.1"]).shows("tcp.no_route");
    }
}

#[test]
fn an_address_that_nobody_has_is_reported_by_whoever_looked_for_it() {
    let test = "an_address_that_nobody_has_is_reported_by_whoever_looked_for_it";
    let Some(world) = World::new(test) else { return };
    for (node, device) in [(Node::Router2, "east"), (Node::Client, "eth0")] {
        world.set(node, &format!("ipv4/neigh/{device}/retrans_time_ms"), "100");
    }
    let run = check(&world, &["10.91.3.99", "--tcp-timeout", "20s"]);
    run.shows_icmp("tcp.host_unreachable", ("icmp", 3, 1), ROUTER2[V4]);
    let run = check(&world, &["10.91.1.99", "--tcp-timeout", "20s"]);
    run.shows_icmp("tcp.host_unreachable", ("icmp", 3, 1), CLIENT[V4]);
    assert!(run.cause().contains("local link"), "{}", run.cause());
}

#[test]
fn a_machine_without_a_free_port_says_so() {
    let Some(world) = World::new("a_machine_without_a_free_port_says_so") else { return };
    world.set(Node::Client, "ipv4/ip_local_port_range", "40001 40001");
    let _taken = world.inside(Node::Client, || TcpListener::bind((CLIENT[V4], 40001)).unwrap());
    check(&world, &[SERVER[V4]]).shows("tcp.source_unavailable");
}

/// Both ends open at once, which leaves the probe without a completed handshake when the reset
/// comes: the one way to a reset that is the connect's own.
#[test]
fn a_reset_before_the_handshake_is_complete_is_a_reset_of_the_connect() {
    let test = "a_reset_before_the_handshake_is_complete_is_a_reset_of_the_connect";
    let Some(world) = World::new(test) else { return };
    let port = raw_peer::PORT;
    let rule = format!("tcp sport {port} tcp flags & rst == rst ip dscp 0 drop");
    world.rule(Node::Server, "output", &rule);
    let own = SERVER[V4].parse().unwrap();
    let run = world.inside(Node::Server, || {
        let mut peer = RawPeer::new();
        thread::scope(|scope| {
            let run = scope.spawn(|| check(&world, &[&format!("{}:{port}", SERVER[V4])]));
            let probe = peer.receive(SYN);
            peer.send(own, probe, 1000, SYN);
            peer.receive(SYN | ACK);
            peer.send(own, probe, 1001, RST);
            run.join().unwrap()
        })
    });
    run.shows("tcp.reset");
}

#[test]
fn a_firewall_that_passes_the_handshake_and_stops_the_payload_is_found_at_the_bind() {
    let test = "a_firewall_that_passes_the_handshake_and_stops_the_payload_is_found_at_the_bind";
    let Some(world) = World::new(test) else { return };
    for (action, expected) in [
        ("drop", "bind.timeout"),
        ("reject with tcp reset", "bind.reset"),
        // On an established connection ICMP is advice: the kernel goes on retransmitting.
        ("reject with icmpx type admin-prohibited", "bind.timeout"),
    ] {
        world.rule(
            Node::Router2,
            "forward",
            &format!("tcp dport 1688 tcp flags & psh == psh {action}"),
        );
        for family in [V4, V6] {
            let run = check(&world, &[SERVER[family], "--bind-timeout", "700ms"]);
            run.shows(expected);
            assert_eq!(run.facts("tcp")["state"], "listening");
        }
        world.clear_rules(Node::Router2);
    }
}

#[test]
fn a_device_that_swallows_answers_is_a_timeout_at_the_bind() {
    let test = "a_device_that_swallows_answers_is_a_timeout_at_the_bind";
    let Some(world) = World::new(test) else { return };
    world.rule(Node::Router2, "forward", "ip length > 80 tcp sport 1688 drop");
    check(&world, &[SERVER[V4], "--bind-timeout", "700ms"]).shows("bind.timeout");
}
