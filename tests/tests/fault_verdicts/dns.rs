//! Faults of the embedded DNS server.

use std::net::{Ipv6Addr, SocketAddr};

use kms_protocol::kms::product;
use kms_simulator::dns::{DnsServer, HostRecord, Zone};
use kms_tests::harness::server::LabServer;
use kms_tests::skip::{self, Need};

use super::cases::{Case, DNS};
use super::{check, codes, rules, run_all};

#[test]
fn every_fault_of_dns_gets_its_verdict() {
    let test = "every_fault_of_dns_gets_its_verdict";
    // Split views are told apart by the address that a client asks from.
    if !skip::require(test, &[Need::Ipv6Loopback]) {
        return;
    }
    run_all(DNS, run);
}

fn run(case: &Case) -> Vec<&'static str> {
    let server = LabServer::with(|config| {
        config.initial_counts = vec![(product::WINDOWS_APP_ID, 50)];
        config.faults = rules(case.rules);
    });
    let host = HostRecord {
        port: server.address().port(),
        ..HostRecord::new("kms1", [server.address().ip()])
    };
    let zone = Zone::new("lab.test").and_then(|zone| zone.host(host)).unwrap();
    let dns = DnsServer::start(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)), zone).unwrap();
    dns.set_choice(Some(server.0.dns_faults()));
    let port = dns.address().port();
    let v4 = format!("127.0.0.1:{port}").parse().unwrap();
    let mut resolvers = vec![v4];
    if case.expected == ["dns.split_view"] {
        resolvers.push(format!("[::1]:{port}").parse().unwrap());
    }
    codes(&check("lab.test", case, resolvers))
}
