//! Names: of the target before the trace, of routers after it.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::PTR;
use hickory_proto::rr::{Name, RData, Record};
use kms_simulator::dns::{DnsServer, HostRecord, Zone};
use serde_json::json;

use crate::run::{text, trace_with};
use crate::world::{Node, ROUTER1, ROUTER2, SERVER, V4, V6, World};

/// A server in the world that knows two names by address, one of them hostile.
fn reverse_dns(world: &World) -> SocketAddr {
    let bind = || UdpSocket::bind((SERVER[V4], 0)).unwrap();
    let socket = world.inside(Node::Server, bind);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let answer = answer(&Message::from_vec(&buffer[..length]).unwrap());
            socket.send_to(&answer.to_vec().unwrap(), client).unwrap();
        }
    });
    address
}

fn answer(query: &Message) -> Message {
    let question = query.queries[0].clone();
    let mut answer = Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
    let name = match question.name().to_ascii().as_str() {
        "1.1.91.10.in-addr.arpa." => Name::from_ascii("router1.corp.test.").ok(),
        "2.2.91.10.in-addr.arpa." => Name::from_labels([&b"\x1b[2J"[..], b"test"]).ok(),
        _ => None,
    };
    answer.add_query(question.clone());
    match name {
        Some(name) => {
            let data = RData::PTR(PTR(name));
            answer.add_answer(Record::from_rdata(question.name().clone(), 60, data));
        }
        None => answer.metadata.response_code = ResponseCode::NXDomain,
    }
    answer
}

#[test]
fn routers_are_named_on_request_and_hostile_names_are_harmless() {
    let Some(world) = World::new("routers_are_named_on_request") else { return };
    let resolver = reverse_dns(&world).to_string();
    let arguments = [SERVER[V4], "--names", "--resolver", &resolver];
    let names = &trace_with(&world, &arguments).entry["trace"]["names"];
    assert_eq!(names[ROUTER1[V4]], "router1.corp.test");
    assert!(names[SERVER[V4]].is_null());
    let shown = text(&world, &arguments);
    assert!(shown.contains(&format!("{} router1.corp.test ", ROUTER1[V4])), "{shown}");
    assert!(shown.contains(&format!("{} \\", ROUTER2[V4])) && !shown.contains('\u{1b}'), "{shown}");
    let unasked = trace_with(&world, &[SERVER[V4]]);
    assert_eq!(unasked.entry["trace"]["names"], json!({}));
}

#[test]
fn a_domain_leads_to_every_address_of_its_hosts_and_a_failure_to_a_dns_verdict() {
    let Some(world) = World::new("a_domain_leads_to_every_address") else { return };
    let zone = Zone::new("corp.test").unwrap();
    let addresses = SERVER.map(|address| address.parse().unwrap());
    let zone = zone.host(HostRecord::new("kms1", addresses)).unwrap();
    let at = format!("{}:0", SERVER[V4]).parse().unwrap();
    let dns = world.inside(Node::Server, || DnsServer::start(at, zone).unwrap());
    let resolver = dns.address().to_string();
    for (family, address) in [("-4", SERVER[V4]), ("-6", SERVER[V6])] {
        let run = trace_with(&world, &["corp.test", family, "--resolver", &resolver]);
        run.shows("trace.reached", &["kms1.corp.test"]);
        assert_eq!(
            (&run.entry["address"], &run.entry["target"]),
            (&json!(address), &json!("corp.test"))
        );
    }
    let run = trace_with(&world, &["gone.corp.test:1688", "--resolver", &resolver]);
    assert_eq!(run.code, 1);
    assert!(run.entry["verdict"].as_str().unwrap().starts_with("dns."), "{:#}", run.entry);
    assert!(run.entry["trace"].is_null());
}

#[test]
fn unusable_arguments_are_one_message_and_exit_code_2() {
    let Some(world) = World::new("unusable_arguments_are_one_message") else { return };
    for (arguments, part) in [
        (&["trace"][..], "TARGET"),
        (&["trace", "192.0.2.256"], "192.0.2.256"),
        (&["trace", "192.0.2.1", "--max-hops", "65"], "--max-hops"),
        (&["trace", "192.0.2.1", "--flows", "0"], "--flows"),
        (&["trace", "192.0.2.1", "--control-port", "0"], "--control-port"),
        (&["trace", "192.0.2.1", "-6"], "192.0.2.1"),
        (&["trace", "192.0.2.1", "--max-hops", "64", "--flows", "16"], "at most 900"),
    ] {
        let output = world.probe(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{errors}");
        assert!(errors.contains(part), "{errors}");
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
