//! What a check does beside its stages: a port that should be closed, and an ICMP echo.

use std::io::Read as _;
use std::net::TcpListener;
use std::thread;

use serde_json::json;

use crate::run::{Run, check};
use crate::world::{Node, ROUTER2, SERVER, V4, V6, World};

/// A machine on the path that completes every handshake and says nothing.
fn silent_proxy(world: &World) {
    let listener = world.inside(Node::Router2, || TcpListener::bind("[::]:8080").unwrap());
    thread::spawn(move || {
        // Connections stay open until the other end closes them.
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || stream.read_to_end(&mut Vec::new()));
        }
    });
    world.redirect(Node::Router2, "tcp dport 1-65535 redirect to :8080");
}

fn finding(run: &Run) -> &serde_json::Value {
    let findings = run.report["targets"][0]["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{:#}", run.report);
    &findings[0]
}

#[test]
fn a_proxy_that_accepts_everything_is_found_by_a_port_that_should_be_closed() {
    let test = "a_proxy_that_accepts_everything_is_found";
    let Some(world) = World::new(test) else { return };
    silent_proxy(&world);
    for family in [V4, V6] {
        let arguments = [SERVER[family], "--closed-port", "9", "--bind-timeout", "500ms"];
        let run = check(&world, &arguments);
        run.shows("bind.timeout");
        let found = finding(&run);
        assert_eq!(
            (&found["code"], &found["severity"], &found["facts"]),
            (&json!("tcp.accepts_all"), &json!("critical"), &json!({ "closed_port": "9" }))
        );
        let cause = found["cause"].as_str().unwrap();
        assert!(cause.contains("TCP 9") && cause.contains("proves nothing"), "{cause}");
        let closed = &run.report["targets"][0]["closed_port"];
        assert_eq!((&closed["port"], &closed["state"]), (&json!(9), &json!("listening")));
    }
    let run = check(&world, &[SERVER[V4], "--closed-port", "9", "--depth", "tcp"]);
    run.shows("tcp.ok");
    assert_eq!(finding(&run)["severity"], "warning");
    let text = world.probe(&["check", SERVER[V4], "--closed-port", "9", "--depth", "tcp"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("  closed   open "), "{text}");
    assert!(text.contains("TCP 9 opens although it should be closed"), "{text}");
}

#[test]
fn a_load_balancer_that_accepts_everything_and_serves_is_a_warning() {
    let test = "a_load_balancer_that_accepts_everything_and_serves";
    let Some(world) = World::new(test) else { return };
    // Every port of the server leads to its KMS host.
    world.redirect(Node::Server, "tcp dport 1-65535 redirect to :1688");
    let run = check(&world, &[SERVER[V4], "--closed-port", "9"]);
    run.shows("rpc.ok");
    assert_eq!(finding(&run)["severity"], "warning");
    let cause = finding(&run)["cause"].as_str().unwrap();
    assert!(cause.contains("the RPC bind was answered"), "{cause}");
}

#[test]
fn a_port_that_is_closed_or_filtered_is_no_finding() {
    let Some(world) = World::new("a_port_that_is_closed_or_filtered") else { return };
    let closed_port = |expected: &str| {
        let run = check(&world, &[SERVER[V4], "--closed-port", "9", "--tcp-timeout", "1s"]);
        run.shows("rpc.ok");
        assert_eq!(run.report["targets"][0]["findings"], json!([]));
        assert_eq!(run.report["targets"][0]["closed_port"]["state"], expected);
    };
    closed_port("not listening");
    world.rule(Node::Router2, "forward", "tcp dport 9 drop");
    closed_port("filtered");
    world.clear_rules(Node::Router2);
    world.rule(Node::Router2, "forward", "tcp dport 9 reject");
    closed_port("filtered");
    let run = check(&world, &[SERVER[V4]]);
    assert_eq!(run.report["targets"][0]["closed_port"], json!(null));
}

#[test]
fn an_echo_beside_a_check_informs_and_changes_no_verdict() {
    let Some(world) = World::new("an_echo_beside_a_check") else { return };
    let ping = |verdict: &str, target: &str| {
        let run = check(&world, &[target, "--ping", "--tcp-timeout", "1s"]);
        run.shows(verdict);
        run.report["targets"][0]["ping"].clone()
    };
    world.set(Node::Client, "ipv4/ping_group_range", "1 0");
    assert_eq!(ping("rpc.ok", SERVER[V4]), json!({ "kind": "not_allowed", "sent": 0 }));
    let text = world.probe(&["check", SERVER[V4], "--ping"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("ICMP echo not allowed here (ping_group_range)"), "{text}");
    world.set(Node::Client, "ipv4/ping_group_range", "0 2147483647");
    for family in [V4, V6] {
        assert_eq!(ping("rpc.ok", SERVER[family])["kind"], "answered");
    }
    world.rule(Node::Server, "input", "icmp type echo-request drop");
    assert_eq!(ping("rpc.ok", SERVER[V4])["kind"], "silent");
    world.rule(
        Node::Router2,
        "forward",
        "icmp type echo-request reject with icmp type admin-prohibited",
    );
    let answer = ping("rpc.ok", SERVER[V4]);
    assert_eq!(
        (&answer["kind"], &answer["icmp"]["from"]),
        (&json!("unreachable"), &json!(ROUTER2[V4]))
    );
    world.clear_rules(Node::Router2);
    world.clear_rules(Node::Server);
    world.rule(Node::Router2, "forward", "tcp dport 1688 drop");
    assert_eq!(ping("tcp.timeout", SERVER[V4])["kind"], "answered");
}
