//! The cases: one filter or route each.

use std::path::Path;

use serde_json::json;

use crate::run::{text, trace, trace_with};
use crate::world::{CLIENT, Link, Node, ROUTER1, ROUTER2, SERVER, V4, V6, World};

#[test]
fn an_open_port_is_reached_over_both_families_and_closed_ports_compare() {
    let Some(world) = World::new("an_open_port_is_reached_over_both_families") else { return };
    for family in [V4, V6] {
        let run = trace(&world, SERVER[family]);
        run.shows("trace.reached", &["from hop 3", "payload passes, for an RPC bind is answered"]);
        assert_eq!(run.entry["trace"]["payload"]["outcome"], "answered");
        assert_eq!(*run.end(1688), json!({ "kind": "syn_ack", "ttl": 3 }));
        assert_eq!(*run.end(443), json!({ "kind": "syn_ack", "ttl": 3 }));
        assert_eq!(*run.end(445), json!({ "kind": "reset", "ttl": 3 }));
        let trace = &run.entry["trace"];
        assert_eq!(trace["source"], CLIENT[family]);
        for (hop, router) in [(0, ROUTER1), (1, ROUTER2)] {
            let answer = &trace["ports"][0]["hops"][hop]["answers"][0];
            assert_eq!(
                (&answer["kind"], &answer["from"]),
                (&json!("time_exceeded"), &json!(router[family]))
            );
        }
        assert!(run.caveats().is_empty());
    }
}

#[test]
fn the_probe_of_these_tests_has_no_privilege() {
    let Some(world) = World::new("the_probe_of_these_tests_has_no_privilege") else { return };
    let output = world.as_nobody(Path::new("/bin/cat"), &["/proc/self/status"]);
    let status = String::from_utf8(output.stdout).unwrap();
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("Uid:").contains("65534\t65534"), "{status}");
    assert_eq!(line("CapEff:").split_whitespace().nth(1), Some("0000000000000000"));
}

#[test]
fn a_drop_in_forwarding_is_at_or_just_after_the_router_that_drops() {
    let Some(world) = World::new("a_drop_in_forwarding_is_at_or_just_after") else { return };
    world.rule(Node::Router2, "forward", "tcp dport 1688 drop");
    for family in [V4, V6] {
        let run = trace(&world, SERVER[family]);
        run.shows(
            "trace.silent_drop",
            &["at or just after hop 2", ROUTER2[family], "TCP 443 (open)"],
        );
        run.is_after(ROUTER2[family], 2);
        assert!(run.caveats().contains(&"drop_or_lost_answer"));
        assert_eq!(run.entry["client_sees"][0], "0xC004F074");
    }
}

#[test]
fn a_drop_on_entry_is_at_or_just_after_the_router_before() {
    let Some(world) = World::new("a_drop_on_entry_is_at_or_just_after") else { return };
    world.rule(Node::Router2, "prerouting", "tcp dport 1688 drop");
    let run = trace(&world, SERVER[V4]);
    run.shows("trace.silent_drop", &["at or just after hop 1", ROUTER1[V4]]);
    run.is_after(ROUTER1[V4], 1);
    assert_eq!(run.entry["trace"]["place"]["before"]["addresses"], json!([ROUTER2[V4]]));
}

#[test]
fn a_drop_at_the_server_and_a_lost_answer_look_like_a_drop_at_the_last_router() {
    let Some(world) = World::new("a_drop_at_the_server_and_a_lost_answer") else { return };
    world.rule(Node::Server, "input", "tcp dport 1688 drop");
    trace(&world, SERVER[V4]).is_after(ROUTER2[V4], 2);
    world.clear_rules(Node::Server);
    world.rule(Node::Router2, "forward", "tcp sport 1688 drop");
    let run = trace(&world, SERVER[V4]);
    run.shows("trace.silent_drop", &["at or just after hop 2"]);
    run.is_after(ROUTER2[V4], 2);
    assert!(run.entry["remedy"].as_str().unwrap().contains("the way back"));
}

#[test]
fn a_drop_of_every_port_is_about_the_address() {
    let Some(world) = World::new("a_drop_of_every_port_is_about_the_address") else { return };
    world.rule(Node::Router2, "forward", "meta l4proto tcp drop");
    let run = trace(&world, SERVER[V4]);
    run.shows("trace.path_silent", &[ROUTER2[V4], "TCP 443 and 445 end in the same way"]);
    run.is_after(ROUTER2[V4], 2);
}

#[test]
fn a_reject_with_a_reset_at_the_last_router_may_be_the_hosts() {
    let Some(world) = World::new("a_reject_with_a_reset_at_the_last_router") else { return };
    world.rule(Node::Router2, "forward", "tcp dport 1688 reject with tcp reset");
    let run = trace(&world, SERVER[V4]);
    run.shows("trace.refused", &["from hop 3", "nothing listens on TCP 1688", ROUTER2[V4]]);
}

#[test]
fn a_reset_from_nearer_than_the_host_is_forged() {
    let Some(world) = World::new("a_reset_from_nearer_than_the_host_is_forged") else { return };
    world.rule(Node::Router1, "forward", "tcp dport 1688 reject with tcp reset");
    for family in [V4, V6] {
        let run = trace(&world, SERVER[family]);
        run.shows("trace.reset_on_path", &["at hop 2", "forged", ROUTER1[family], "hop 3"]);
        assert_eq!(*run.end(1688), json!({ "kind": "reset", "ttl": 2 }));
        run.is_after(ROUTER1[family], 1);
    }
}

#[test]
fn each_icmp_reject_names_the_router_that_sends_it() {
    let Some(world) = World::new("each_icmp_reject_names_the_router_that_sends_it") else { return };
    for (with, verdict, code) in [
        ("admin-prohibited", "trace.prohibited", 13),
        ("host-prohibited", "trace.prohibited", 10),
        ("net-prohibited", "trace.prohibited", 9),
        ("host-unreachable", "trace.host_unreachable", 1),
        ("net-unreachable", "trace.net_unreachable", 0),
        ("port-unreachable", "trace.port_unreachable", 3),
    ] {
        world.rule(
            Node::Router2,
            "forward",
            &format!("tcp dport 1688 reject with icmp type {with}"),
        );
        let run = trace(&world, SERVER[V4]);
        run.shows(
            verdict,
            &["The router at hop 2", ROUTER2[V4], &format!("(3/{code})"), "TCP 443 (open)"],
        );
        assert_eq!(*run.sender(), json!(ROUTER2[V4]));
        run.is_after(ROUTER2[V4], 2);
        world.clear_rules(Node::Router2);
    }
}

#[test]
fn each_icmpv6_reject_names_the_router_that_sends_it() {
    let Some(world) = World::new("each_icmpv6_reject_names_the_router_that_sends_it") else {
        return;
    };
    for (with, verdict, code) in [
        ("admin-prohibited", "trace.prohibited", 1),
        ("no-route", "trace.net_unreachable", 0),
        ("addr-unreachable", "trace.host_unreachable", 3),
        ("port-unreachable", "trace.port_unreachable", 4),
    ] {
        world.rule(
            Node::Router2,
            "forward",
            &format!("tcp dport 1688 reject with icmpv6 type {with}"),
        );
        let run = trace(&world, SERVER[V6]);
        run.shows(verdict, &["The router at hop 2", ROUTER2[V6], &format!("(1/{code})")]);
        assert_eq!(*run.sender(), json!(ROUTER2[V6]));
        world.clear_rules(Node::Router2);
    }
}

#[test]
fn a_rejection_by_the_servers_own_filter_is_said_to_be_its_own() {
    let Some(world) = World::new("a_rejection_by_the_servers_own_filter") else { return };
    world.rule(Node::Server, "input", "tcp dport 1688 reject");
    let run = trace(&world, SERVER[V4]);
    run.shows("trace.port_unreachable", &["The host itself", SERVER[V4]]);
}

#[test]
fn payload_filters_let_the_syn_reach_the_host_and_stop_the_payload() {
    let Some(world) = World::new("payload_filters_let_the_syn_reach_the_host") else { return };
    for (rule, bind) in [
        ("tcp dport 1688 tcp flags & psh == psh drop", "bind.timeout"),
        ("tcp dport 1688 tcp flags & psh == psh reject with tcp reset", "bind.reset"),
    ] {
        world.rule(Node::Router2, "forward", rule);
        for family in [V4, V6] {
            let run = trace(&world, SERVER[family]);
            let parts = ["The SYN reaches", "the payload is stopped on the path", "from hop 3"];
            run.shows("trace.payload_stopped", &parts);
            assert_eq!(*run.end(1688), json!({ "kind": "syn_ack", "ttl": 3 }));
        }
        let check = ["check", SERVER[V4], "--format", "json", "--bind-timeout", "1s"];
        let report: serde_json::Value =
            serde_json::from_slice(&world.probe(&check).stdout).unwrap();
        assert_eq!(report["verdict"], bind, "the filter is there: {report:#}");
        world.clear_rules(Node::Router2);
    }
}

#[test]
fn without_a_route_nothing_is_sent() {
    let Some(world) = World::new("without_a_route_nothing_is_sent") else { return };
    world.ip(Node::Client, &["route del default", "-6 route del default"]);
    for family in [V4, V6] {
        let run = trace(&world, SERVER[family]);
        run.shows("tcp.no_route", &["nothing was sent"]);
        assert_eq!(run.end(1688)["kind"], "not_sent");
    }
}

#[test]
fn a_router_without_a_route_names_itself() {
    let Some(world) = World::new("a_router_without_a_route_names_itself") else { return };
    world.ip(Node::Router1, &["route add prohibit 203.0.113.1/32"]);
    let run = trace(&world, "203.0.113.1");
    run.shows("trace.prohibited", &[ROUTER1[V4], "(3/13)", "TCP 443 and 445 end in the same way"]);
}

#[test]
fn a_silent_router_is_a_caveat_and_the_next_one_still_locates_the_drop() {
    let Some(world) = World::new("a_silent_router_is_a_caveat") else { return };
    world.rule(Node::Router1, "output", "icmp type time-exceeded drop");
    world.rule(Node::Router2, "forward", "tcp dport 1688 drop");
    let run = trace(&world, SERVER[V4]);
    run.shows("trace.silent_drop", &["at or just after hop 2", ROUTER2[V4]]);
    assert_eq!(run.caveats(), ["silent_hops", "drop_or_lost_answer"]);
    world.clear_rules(Node::Router2);
    let run = trace(&world, SERVER[V4]);
    run.shows("trace.reached", &["from hop 3"]);
    assert_eq!(run.caveats(), ["silent_hops"]);
}

#[test]
fn answers_that_come_after_the_connect_call_has_returned_are_read_all_the_same() {
    let Some(mut world) = World::new("answers_that_come_after_the_connect_call") else { return };
    if !world.impair(Link { delay_ms: 40, ..Link::default() }) {
        return;
    }
    for family in [V4, V6] {
        let run = trace(&world, SERVER[family]);
        run.shows("trace.reached", &["from hop 3"]);
        let router2 = &run.entry["trace"]["ports"][0]["hops"][1]["answers"][0];
        assert_eq!(router2["from"], ROUTER2[family]);
        assert!(router2["rtt_us"].as_u64().unwrap() >= 80_000, "{router2}");
    }
    for (with, verdict) in [
        ("icmpx type admin-prohibited", "trace.prohibited"),
        ("icmpx type port-unreachable", "trace.port_unreachable"),
        ("tcp reset", "trace.refused"),
    ] {
        world.rule(Node::Router2, "forward", &format!("tcp dport 1688 reject with {with}"));
        for family in [V4, V6] {
            trace(&world, SERVER[family]).shows(verdict, &[ROUTER2[family]]);
        }
        world.clear_rules(Node::Router2);
    }
}

#[test]
fn routers_that_ration_their_icmp_are_asked_again_and_the_drop_is_still_located() {
    let Some(world) = World::new("routers_that_ration_their_icmp") else { return };
    for node in [Node::Router1, Node::Router2] {
        // The kernel's default: one error a second for each peer after a burst of six.
        world.set(node, "ipv4/icmp_ratemask", "6168");
    }
    trace(&world, SERVER[V4]).shows("trace.reached", &["from hop 3"]);
    world.rule(Node::Router2, "forward", "tcp dport 1688 drop");
    let run = trace_with(&world, &[SERVER[V4], "--timeout", "4s"]);
    run.shows("trace.silent_drop", &["at or just after hop 2"]);
    run.is_after(ROUTER2[V4], 2);
}

#[test]
fn routers_that_stay_silent_leave_the_place_unknown() {
    let Some(world) = World::new("routers_that_stay_silent_leave_the_place_unknown") else {
        return;
    };
    for node in [Node::Router1, Node::Router2] {
        world.rule(node, "output", "icmp type time-exceeded drop");
    }
    world.rule(Node::Router2, "forward", "tcp dport 1688 drop");
    let run = trace(&world, SERVER[V4]);
    run.shows("trace.no_icmp", &["nothing can be said about where", "TCP 443 (open)"]);
    assert!(run.entry["trace"]["place"].is_null());
}

#[test]
fn a_blackhole_route_at_the_first_router_leaves_the_place_unknown() {
    let Some(world) = World::new("a_blackhole_route_at_the_first_router") else { return };
    world.ip(Node::Router1, &["route add blackhole 10.91.3.2/32"]);
    let run = trace(&world, SERVER[V4]);
    run.shows(
        "trace.no_icmp",
        &["nothing can be said about where", "a filter on this machine not excluded"],
    );
}

#[test]
fn an_output_filter_of_this_machine_that_drops_everything_looks_the_same() {
    let Some(world) = World::new("an_output_filter_that_drops_everything") else { return };
    world.rule(Node::Client, "output", "meta l4proto tcp drop");
    trace(&world, SERVER[V4]).shows("trace.no_icmp", &["a filter on this machine not excluded"]);
}

#[test]
fn an_output_filter_of_this_machine_for_the_port_is_before_the_first_hop() {
    let Some(world) = World::new("an_output_filter_for_the_port") else { return };
    world.rule(Node::Client, "output", "tcp dport 1688 drop");
    let run = trace(&world, SERVER[V4]);
    run.shows("trace.silent_drop", &["on this machine or at the entry of hop 1", ROUTER1[V4]]);
    assert!(run.entry["trace"]["place"]["after"].is_null());
}

#[test]
fn an_output_filter_of_this_machine_that_rejects_is_named() {
    let Some(world) = World::new("an_output_filter_that_rejects_is_named") else { return };
    world.rule(Node::Client, "output", "tcp dport 1688 reject with icmpx type admin-prohibited");
    for family in [V4, V6] {
        let run = trace(&world, SERVER[family]);
        run.shows("trace.local_filter", &["This machine itself", CLIENT[family]]);
        assert_eq!(*run.sender(), json!(CLIENT[family]));
    }
}

#[test]
fn routers_that_send_the_syn_in_a_circle_are_named() {
    let Some(world) = World::new("routers_that_send_the_syn_in_a_circle") else { return };
    world.ip(Node::Router2, &["route add 10.91.3.2/32 via 10.91.2.1"]);
    let run = trace(&world, SERVER[V4]);
    run.shows("trace.loop", &[ROUTER1[V4], ROUTER2[V4]]);
}

#[test]
fn an_address_that_nobody_has_is_reported_by_the_last_router() {
    let Some(world) = World::new("an_address_that_nobody_has") else { return };
    world.set(Node::Router2, "ipv4/neigh/east/retrans_time_ms", "100");
    let run = trace(&world, "10.91.3.99");
    run.shows("trace.host_unreachable", &["The router at hop 2", ROUTER2[V4], "(3/1)"]);
}

#[test]
fn a_path_longer_than_the_trace_asks_for_more_hops() {
    let Some(world) = World::new("a_path_longer_than_the_trace") else { return };
    let run = trace_with(&world, &[SERVER[V4], "--max-hops", "2", "--timeout", "1s"]);
    run.shows("trace.too_far", &["hop 2, the last one tried"]);
}

#[test]
fn a_redirected_port_is_answered_before_the_host() {
    let Some(world) = World::new("a_redirected_port_is_answered_before_the_host") else { return };
    let _proxy =
        world.inside(Node::Router1, || std::net::TcpListener::bind("0.0.0.0:1688").unwrap());
    world.redirect(Node::Router1, "tcp dport 1688 redirect");
    let run = trace(&world, SERVER[V4]);
    run.shows("trace.answered_early", &["accepts the connection in its name", "hop 3"]);
}

#[test]
fn a_path_with_a_branch_that_drops_is_reached_in_part() {
    let Some(world) = World::new("a_path_with_a_branch_that_drops") else { return };
    // Of the connections that are new here, every second one falls into a hole for good.
    world.nft(
        Node::Router2,
        &[
            "add table inet world",
            "add set inet world passed { type inet_service; }",
            "add set inet world lost { type inet_service; }",
            "add chain inet world forward { type filter hook forward priority 0; }",
            "add rule inet world forward tcp dport 1688 tcp sport @passed accept",
            "add rule inet world forward tcp dport 1688 tcp sport @lost drop",
            "add rule inet world forward tcp dport 1688 numgen inc mod 2 == 0 add @lost { tcp sport } drop",
            "add rule inet world forward tcp dport 1688 add @passed { tcp sport }",
        ],
    );
    let run = trace_with(&world, &[SERVER[V4], "--max-hops", "3", "--timeout", "1500ms"]);
    run.shows("trace.reached_in_part", &["3"]);
}

#[test]
fn an_echo_is_informative_and_says_where_the_kernel_forbids_it() {
    let Some(world) = World::new("an_echo_is_informative") else { return };
    let echo = |target: &str| {
        let run = trace_with(&world, &[target, "--ping", "--timeout", "2s"]);
        run.entry["trace"]["echo"].clone()
    };
    world.set(Node::Client, "ipv4/ping_group_range", "1 0");
    assert_eq!(echo(SERVER[V4]), json!({ "kind": "not_allowed", "sent": 0 }));
    world.set(Node::Client, "ipv4/ping_group_range", "0 2147483647");
    for family in [V4, V6] {
        assert_eq!(echo(SERVER[family])["kind"], "answered");
    }
    world.rule(Node::Server, "input", "icmp type echo-request drop");
    assert_eq!(echo(SERVER[V4])["kind"], "silent");
    world.rule(
        Node::Router2,
        "forward",
        "icmp type echo-request reject with icmp type admin-prohibited",
    );
    let answer = echo(SERVER[V4]);
    assert_eq!(
        (&answer["kind"], &answer["icmp"]["from"]),
        (&json!("unreachable"), &json!(ROUTER2[V4]))
    );
}

#[test]
fn the_text_has_a_picture_that_reads_without_colour() {
    let Some(world) = World::new("the_text_has_a_picture_that_reads_without_colour") else {
        return;
    };
    world.rule(Node::Router2, "forward", "tcp dport 1688 drop");
    let shown = text(&world, &[SERVER[V4], "--timeout", "2s"]);
    assert!(shown.starts_with("CRITICAL trace.silent_drop  10.91.3.2:1688\n"), "{shown}");
    assert!(shown.contains("   1688  you--1--2--X    no answer from behind hop 2"), "{shown}");
    assert!(shown.contains("    443  you--1--2--[3]  open\n"), "{shown}");
    assert!(shown.contains("    445  you--1--2--[3]  closed (reset)\n"), "{shown}");
    assert!(!shown.contains('\u{1b}'));
    assert!(shown.lines().all(|line| !line.ends_with(' ')), "{shown}");
}
