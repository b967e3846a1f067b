//! Connect on loopback. What needs a network is in the namespace tests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use kms_probe::check::{self, Family};
use kms_probe::stage::Stage;
use kms_probe::target::Asked;
use socket2::{Domain, Socket, Type};

use crate::skip::{Need, require};
use crate::support::peer::Peer;
use crate::support::{check, facts, options, valid_json, verdict};

/// A port that is taken and on which nothing listens.
fn closed_port(address: IpAddr) -> (Socket, SocketAddr) {
    let address = SocketAddr::new(address, 0);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.bind(&address.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

#[test]
fn a_closed_port_is_refused_and_not_listening() {
    let (_socket, address) = closed_port(Ipv4Addr::LOCALHOST.into());
    let report = check(address, &options(Stage::Rpc));
    assert_eq!(verdict(&report), "tcp.refused");
    let tcp = facts(&report, "tcp");
    assert_eq!(tcp["state"], "not listening");
    assert_eq!(tcp["syns_sent"], 1);
    assert_eq!(tcp["icmp"], serde_json::Value::Null);
    let entry = &report["targets"][0];
    assert_eq!(entry["client_sees"], serde_json::json!(["0xC004F074", "0x800706BA"]));
    assert_eq!(entry["severity"], "critical");
    assert_eq!(report["verdict"], "tcp.refused");
}

#[test]
fn a_closed_port_is_refused_over_ipv6_too() {
    if !require("a_closed_port_is_refused_over_ipv6_too", &[Need::Ipv6Loopback]) {
        return;
    }
    let (_socket, address) = closed_port(Ipv6Addr::LOCALHOST.into());
    let report = check(address, &options(Stage::Rpc));
    assert_eq!(verdict(&report), "tcp.refused");
    assert_eq!(report["targets"][0]["address"], "::1");
}

#[test]
fn an_open_port_is_listening_and_nothing_more_is_claimed_at_depth_tcp() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let report = check(listener.local_addr().unwrap(), &options(Stage::Tcp));
    assert_eq!(verdict(&report), "tcp.ok");
    assert_eq!(facts(&report, "tcp")["state"], "listening");
    assert_eq!(report["targets"][0]["stages"].as_array().unwrap().len(), 1);
    assert!(report["targets"][0]["cause"].as_str().unwrap().contains("not yet activation"));
    let source = facts(&report, "tcp")["source"].as_str().unwrap();
    assert!(source.starts_with("127.0.0.1:"), "{source}");
}

#[test]
fn a_reset_right_after_the_handshake_belongs_to_the_bind_whoever_is_faster() {
    for _ in 0..50 {
        let peer = Peer::new(|end| end.reset());
        let report = check(peer.address, &options(Stage::Rpc));
        assert_eq!(verdict(&report), "bind.reset");
    }
}

#[test]
fn every_target_has_its_own_entry_in_the_order_given() {
    let (_one, first) = closed_port(Ipv4Addr::LOCALHOST.into());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let second = listener.local_addr().unwrap();
    let (_three, third) = closed_port(Ipv4Addr::LOCALHOST.into());
    let addresses = [first, second, third].map(|address| address.to_string());
    let asked: Vec<Asked> = addresses.iter().map(|a| Asked::parse(a, false).unwrap()).collect();
    let report = check::run(&asked, &options(Stage::Tcp)).unwrap();
    let report = valid_json(&report);
    let entries = report["targets"].as_array().unwrap();
    let got: Vec<_> = entries.iter().map(|e| e["target"].as_str().unwrap().to_owned()).collect();
    assert_eq!(got, addresses);
    let verdicts: Vec<_> = entries.iter().map(|e| e["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["tcp.refused", "tcp.ok", "tcp.refused"]);
    assert_eq!(report["verdict"], "tcp.refused", "the worst stands at the top");
}

#[test]
fn a_name_of_this_machine_is_checked_without_dns() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Asked::parse(&format!("localhost:{port}"), false).unwrap();
    let options =
        check::Options { family: Some(Family::V4), ask_system: true, ..options(Stage::Tcp) };
    let report = valid_json(&check::run(&[asked], &options).unwrap());
    assert_eq!(verdict(&report), "tcp.ok");
    let endpoint = &facts(&report, "dns")["endpoint"];
    assert_eq!(endpoint["source"], "operating_system");
    assert_eq!(report["targets"][0]["host"], "localhost");
}
