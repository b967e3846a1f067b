//! dnsmasq, BIND and Knot: the probe says what `dig` says, and each failure is caused for real.

use std::net::SocketAddr;

use kms_probe::discover;
use kms_probe::dns::exchange::{Outcome, TcpFailure, Transport, exchange};
use kms_probe::dns::lookup::lookup;
use kms_probe::stage::resolve::{self, DnsCode};

use crate::skip::Need;
use crate::{ample, answers, daemon, fake, name, options, skip, srv};

const BIND: &[Need] = &[Need::Tool("named"), Need::Tool("dig")];
const KNOT: &[Need] = &[Need::Tool("knotd"), Need::Tool("dig")];
const DNSMASQ: &[Need] = &[Need::Tool("dnsmasq"), Need::Tool("dig")];

/// Every name of the zone, over UDP and, for the 120 records, over TCP.
async fn says_what_dig_says(server: SocketAddr, names: &[&str]) {
    for domain in names {
        let service = format!("_vlmcs._tcp.{domain}");
        let found = lookup(server, &srv(&service), ample()).await;
        assert_eq!(found.outcome(), Outcome::Answer, "{domain}");
        assert_eq!(
            answers::of_probe(&found.records),
            answers::of_dig(server, &service),
            "{domain}"
        );
    }
    let service = "_vlmcs._tcp.many.corp.test";
    let found = lookup(server, &srv(service), ample()).await;
    let exchange = found.last().unwrap();
    assert_eq!((&exchange.outcome, exchange.transport), (&Outcome::Answer, Transport::Tcp));
    assert_eq!(found.records.len(), daemon::MANY);
    assert_eq!(answers::of_probe(&found.records), answers::of_dig(server, service));
}

/// What the stage concludes of each case in the zone.
async fn concludes_each_case(server: SocketAddr) {
    let resolver = options(&[server]);
    for (domain, code) in [
        ("corp.test", DnsCode::Ok),
        ("alias.corp.test", DnsCode::Ok),
        ("many.corp.test", DnsCode::Ok),
        ("nobody.corp.test", DnsCode::NxDomain),
        ("text.corp.test", DnsCode::NoData),
        ("dangling.corp.test", DnsCode::TargetUnresolved),
        ("zero.corp.test", DnsCode::PortZero),
    ] {
        let resolved = resolve::domain(&name(domain), &resolver).await.unwrap();
        assert_eq!(resolved.code, code, "{domain}: {:?}", resolved.reason);
    }
    let resolved = resolve::domain(&name("corp.test"), &resolver).await.unwrap();
    let endpoints: Vec<_> = resolved
        .endpoints
        .iter()
        .map(|e| (e.host.to_string(), e.port, e.address.to_string(), e.share.unwrap()))
        .collect();
    let expected = [
        ("kms1.corp.test", 1688, "192.0.2.1", 0.75),
        ("kms1.corp.test", 1688, "2001:db8::1", 0.75),
        ("kms2.corp.test", 1688, "192.0.2.2", 0.25),
        ("backup.corp.test", 1689, "2001:db8::3", 0.0),
    ];
    let expected = expected.map(|(host, port, ip, share)| (host.into(), port, ip.into(), share));
    assert_eq!(endpoints, expected);
    let resolved = resolve::domain(&name("alias.corp.test"), &resolver).await.unwrap();
    let finding = &resolved.observations[0];
    assert_eq!(finding.code, DnsCode::CnameTarget);
    assert_eq!(finding.values["canonical"], "kms1.corp.test");
}

const NAMES: &[&str] = &["corp.test", "alias.corp.test", "dangling.corp.test", "zero.corp.test"];

#[tokio::test]
async fn bind_is_read_as_dig_reads_it() {
    if !skip::require("bind_is_read_as_dig_reads_it", BIND) {
        return;
    }
    let server = daemon::bind_with_zone().await;
    says_what_dig_says(server.address, &[NAMES, &["none.corp.test"]].concat()).await;
    concludes_each_case(server.address).await;
    let resolved =
        resolve::domain(&name("none.corp.test"), &options(&[server.address])).await.unwrap();
    assert_eq!(resolved.code, DnsCode::NoService);
    assert!(resolved.observations.is_empty(), "{:?}", resolved.observations);
}

#[tokio::test]
async fn knot_is_read_as_dig_reads_it() {
    if !skip::require("knot_is_read_as_dig_reads_it", KNOT) {
        return;
    }
    let server = daemon::knot().await;
    says_what_dig_says(server.address, &[NAMES, &["none.corp.test"]].concat()).await;
    concludes_each_case(server.address).await;
}

#[tokio::test]
async fn dnsmasq_is_read_as_dig_reads_it() {
    if !skip::require("dnsmasq_is_read_as_dig_reads_it", DNSMASQ) {
        return;
    }
    let records = daemon::dnsmasq_records();
    let server = daemon::dnsmasq(&records, "_vlmcs._tcp.corp.test").await;
    says_what_dig_says(server.address, NAMES).await;
    concludes_each_case(server.address).await;
}

#[tokio::test]
async fn tcp_refused_after_truncation_is_its_own_verdict() {
    let needs = [BIND, KNOT].concat();
    if !skip::require("tcp_refused_after_truncation_is_its_own_verdict", &needs) {
        return;
    }
    for server in [daemon::bind_with_zone().await, daemon::knot().await] {
        let relay = fake::udp_relay(server.address).await;
        let found = lookup(relay, &srv("_vlmcs._tcp.many.corp.test"), ample()).await;
        assert_eq!(found.outcome(), Outcome::TruncatedNoTcp { tcp: TcpFailure::Refused });
        let resolved = resolve::domain(&name("many.corp.test"), &options(&[relay])).await.unwrap();
        assert_eq!(resolved.code, DnsCode::TruncatedNoTcp);
        assert_eq!(resolved.reason.values["error"], "TCP refuses the connection");
    }
}

#[tokio::test]
async fn a_zone_that_does_not_load_is_servfail() {
    if !skip::require("a_zone_that_does_not_load_is_servfail", BIND) {
        return;
    }
    let zones = "zone \"corp.test\" { type primary; file \"absent.zone\"; };";
    let server = daemon::bind("recursion no;", zones, "_vlmcs._tcp.corp.test").await;
    let found = exchange(server.address, &srv("_vlmcs._tcp.corp.test"), ample()).await;
    assert_eq!(found.outcome, Outcome::ServFail);
    let resolved = resolve::domain(&name("corp.test"), &options(&[server.address])).await.unwrap();
    assert_eq!(resolved.code, DnsCode::ServFail);
}

#[tokio::test]
async fn a_resolver_whose_forwarder_is_dead_is_servfail() {
    if !skip::require("a_resolver_whose_forwarder_is_dead_is_servfail", BIND) {
        return;
    }
    let dead = fake::closed(std::net::Ipv4Addr::LOCALHOST.into()).await;
    let options_of_bind = format!(
        "recursion yes; forward only; forwarders {{ {} port {}; }};",
        dead.ip(),
        dead.port()
    );
    let server = daemon::bind(&options_of_bind, "", "_vlmcs._tcp.corp.test").await;
    let resolved = resolve::domain(&name("corp.test"), &options(&[server.address])).await.unwrap();
    assert_eq!(resolved.code, DnsCode::ServFail);
}

#[tokio::test]
async fn a_server_without_the_zone_that_does_not_recurse_refuses() {
    if !skip::require("a_server_without_the_zone_that_does_not_recurse_refuses", BIND) {
        return;
    }
    let server = daemon::bind("recursion no;", daemon::BIND_ZONE, "_vlmcs._tcp.corp.test").await;
    let resolved = resolve::domain(&name("other.test"), &options(&[server.address])).await.unwrap();
    assert_eq!(resolved.code, DnsCode::Refused);
}

#[tokio::test]
async fn an_access_list_is_refused() {
    if !skip::require("an_access_list_is_refused", BIND) {
        return;
    }
    let options_of_bind = "recursion no; allow-query { none; };";
    let server = daemon::bind(options_of_bind, daemon::BIND_ZONE, "_vlmcs._tcp.corp.test").await;
    let resolved = resolve::domain(&name("corp.test"), &options(&[server.address])).await.unwrap();
    assert_eq!(resolved.code, DnsCode::Refused);
    assert_eq!(resolved.reason.values["source"], "127.0.0.1");
    // BIND says why, in an Extended DNS Error, and people see it.
    let options = discover::Options {
        domains: vec![name("corp.test")],
        resolve: options(&[server.address]),
        seed: 1,
    };
    let text = discover::text(&discover::run(&options).await.unwrap());
    assert!(text.contains("EDE 18 Prohibited"), "{text}");
}

#[tokio::test]
async fn two_real_servers_that_disagree_are_a_split_view() {
    let needs = [BIND, DNSMASQ].concat();
    if !skip::require("two_real_servers_that_disagree_are_a_split_view", &needs) {
        return;
    }
    let bind = daemon::bind_with_zone().await;
    let records = "srv-host=_vlmcs._tcp.corp.test,old.corp.test,1688\n\
                   host-record=old.corp.test,192.0.2.99";
    let dnsmasq = daemon::dnsmasq(records, "_vlmcs._tcp.corp.test").await;
    let resolvers = options(&[bind.address, dnsmasq.address]);
    let resolved = resolve::domain(&name("corp.test"), &resolvers).await.unwrap();
    assert_eq!(resolved.code, DnsCode::Ok);
    let codes: Vec<_> = resolved.observations.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [DnsCode::SplitView]);
    let old = resolved.endpoints.iter().find(|e| e.host == name("old.corp.test")).unwrap();
    assert_eq!(old.resolvers, [dnsmasq.address]);
}
