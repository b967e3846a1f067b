//! From where a check leaves: a source address, an interface, and what is said of those that
//! cannot be.

use std::net::{SocketAddr, TcpListener};

use kms_simulator::dns::{DnsServer, HostRecord, Zone};
use serde_json::json;

use crate::run::check;
use crate::world::{CLIENT, Node, ROUTER1, SERVER, V4, V6, World};

/// A second address of the client on the same link, and a second link to the first router.
const SECOND: [&str; 2] = ["10.91.1.3", "fd91:1::3"];
const OTHER_LINK: [&str; 2] = ["10.91.4.2", "fd91:4::2"];

fn world_with_choice(test: &str) -> Option<World> {
    let world = World::new(test)?;
    let router1 = world.namespace(Node::Router1);
    world.ip(
        Node::Client,
        &[
            &format!("addr add {}/24 dev eth0", SECOND[V4]),
            &format!("-6 addr add {}/64 dev eth0 nodad", SECOND[V6]),
            &format!("link add eth1 type veth peer name west1 netns {router1}"),
            &format!("addr add {}/24 dev eth1", OTHER_LINK[V4]),
            &format!("-6 addr add {}/64 dev eth1 nodad", OTHER_LINK[V6]),
            "link set eth1 up",
        ],
    );
    world.ip(
        Node::Router1,
        &[
            "addr add 10.91.4.1/24 dev west1",
            "-6 addr add fd91:4::1/64 dev west1 nodad",
            "link set west1 up",
        ],
    );
    // The way out by the second link, which the kernel does not take by itself.
    world.ip(
        Node::Client,
        &[
            "route add default via 10.91.4.1 dev eth1 metric 9000",
            "-6 route add default via fd91:4::1 dev eth1 metric 9000",
        ],
    );
    Some(world)
}

#[test]
fn a_source_address_is_the_one_that_the_host_sees() {
    let Some(world) = world_with_choice("a_source_address_is_the_one_that_the_host_sees") else {
        return;
    };
    for family in [V4, V6] {
        // Only the second address may pass, so that a connect from the first would fail.
        let ip = if family == V4 { "ip" } else { "ip6" };
        let rule = format!("{ip} saddr {} tcp dport 1688 drop", CLIENT[family]);
        world.rule(Node::Router1, "forward", &rule);
        let run = check(&world, &[SERVER[family], "--source", SECOND[family]]);
        run.shows("rpc.ok");
        let tcp = run.facts("tcp");
        assert!(tcp["source"].as_str().unwrap().contains(SECOND[family]), "{tcp}");
        assert_eq!(tcp["origin"], json!({ "source": SECOND[family], "interface": null }));
    }
}

#[test]
fn an_interface_is_the_one_that_the_connection_leaves_by() {
    let Some(world) = world_with_choice("an_interface_is_the_one_that_it_leaves_by") else {
        return;
    };
    world.rule(Node::Router1, "forward", "iifname west tcp dport 1688 drop");
    for family in [V4, V6] {
        let run = check(&world, &[SERVER[family], "--interface", "eth1"]);
        run.shows("rpc.ok");
        let tcp = run.facts("tcp");
        assert!(tcp["source"].as_str().unwrap().contains(OTHER_LINK[family]), "{tcp}");
        assert_eq!(tcp["origin"], json!({ "source": null, "interface": "eth1" }));
        let both = ["--interface", "eth1", "--source", OTHER_LINK[family]];
        check(&world, &[&[SERVER[family]][..], &both].concat()).shows("rpc.ok");
    }
    let run = check(&world, &[SERVER[V4], "--interface", "eth0", "--tcp-timeout", "500ms"]);
    run.shows("tcp.timeout");
}

#[test]
fn a_source_that_this_machine_does_not_have_is_unavailable() {
    let test = "a_source_that_this_machine_does_not_have_is_unavailable";
    let Some(world) = World::new(test) else { return };
    for (family, source) in [(V4, "192.0.2.77"), (V6, "2001:db8::77")] {
        let run = check(&world, &[SERVER[family], "--source", source]);
        run.shows("tcp.source_unavailable");
        assert!(run.cause().contains("nothing was sent"), "{}", run.cause());
        let remedy = run.report["targets"][0]["remedy"].as_str().unwrap();
        assert!(remedy.contains(source), "{remedy}");
        assert_eq!(run.facts("tcp")["error"]["kind"], "address_not_available");
    }
    world.ip(Node::Client, &["link add bare type veth peer name bare1", "link set bare up"]);
    let run = check(&world, &[SERVER[V4], "--interface", "bare"]);
    run.shows("tcp.source_unavailable");
    let remedy = run.report["targets"][0]["remedy"].as_str().unwrap();
    assert!(remedy.contains("interface bare") && remedy.contains("no IPv4 address"), "{remedy}");
}

#[test]
fn a_source_address_decides_the_family_and_queries_leave_from_it_too() {
    let Some(world) = world_with_choice("a_source_address_decides_the_family") else { return };
    let addresses = SERVER.map(|address| address.parse().unwrap());
    let zone = Zone::new("corp.test").unwrap().host(HostRecord::new("kms1", addresses)).unwrap();
    let at: SocketAddr = format!("{}:0", SERVER[V4]).parse().unwrap();
    let dns = world.inside(Node::Server, || DnsServer::start(at, zone).unwrap());
    let resolver = dns.address().to_string();
    for (family, expected_query_source) in [(V4, SECOND[V4]), (V6, CLIENT[V4])] {
        let run =
            check(&world, &["corp.test", "--resolver", &resolver, "--source", SECOND[family]]);
        run.shows("rpc.ok");
        assert_eq!(run.report["targets"][0]["address"], SERVER[family]);
        let view = &run.facts("dns")["views"][0];
        assert_eq!(view["service"]["exchanges"][0]["source"], expected_query_source, "{view:#}");
    }
    // A resolver is still asked where the source cannot be had, and the host's verdict says so.
    let run = check(&world, &["corp.test", "--resolver", &resolver, "--source", "192.0.2.77"]);
    run.shows("tcp.source_unavailable");
}

#[test]
fn origins_that_cannot_be_are_one_message_and_exit_code_2() {
    let Some(world) = World::new("origins_that_cannot_be_are_one_message") else { return };
    for command in ["check", "trace"] {
        for (arguments, parts) in [
            (&["--source", "10.91.1"][..], &["--source", "10.91.1"][..]),
            (&["--source", "10.91.1.2:7"], &["--source"]),
            (
                &["--interface", "nosuchif0"],
                &["--interface", "no such network interface", "`eth0`"],
            ),
            (&["--interface", "a/b"], &["--interface", "no such network interface"]),
            (&["--source", "fd91:1::2"], &["`10.91.3.2:1688` is not an IPv6", "`fd91:1::2`"]),
            (&["-6", "--source", "10.91.1.2"], &["--source `10.91.1.2` is not an IPv6 address"]),
        ] {
            let output = world.probe(&[&[command, SERVER[V4]], arguments].concat());
            let errors = String::from_utf8(output.stderr).unwrap();
            assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{errors}");
            for part in parts {
                assert!(errors.contains(part), "`{part}` is missing: {errors}");
            }
        }
    }
    let output = world.probe(&["check", SERVER[V4], "--closed-port", "1688"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(errors.contains("--closed-port names the port that is to be checked"), "{errors}");
}

#[test]
fn a_listener_on_the_router_is_reached_by_the_interface_alone() {
    let Some(world) = world_with_choice("a_listener_on_the_router_is_reached") else { return };
    let at = (ROUTER1[V4], 1688);
    let _listener = world.inside(Node::Router1, || TcpListener::bind(at).unwrap());
    world.rule(Node::Router1, "input", "iifname west1 tcp dport 1688 reject with tcp reset");
    check(&world, &[ROUTER1[V4], "--interface", "eth1"]).shows("tcp.refused");
    check(&world, &[ROUTER1[V4], "--interface", "eth0", "--depth", "tcp"]).shows("tcp.ok");
}
