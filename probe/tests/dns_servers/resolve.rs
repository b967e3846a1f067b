//! The stage against hand-made servers: what no well-kept server does.

use std::net::Ipv4Addr;

use hickory_proto::op::ResponseCode;
use kms_probe::dns::name::DomainName;
use kms_probe::dns::system::SystemConfig;
use kms_probe::stage::resolve::view::{MAX_ADDRESSES, MAX_HOSTS};
use kms_probe::stage::resolve::{self, AddressSource, DnsCode, Options};

use crate::skip::{self, Need};
use crate::{AMPLE, SHORT, fake, name, options};

const SERVICE: &str = "_vlmcs._tcp.corp.test";

fn codes(resolved: &resolve::Resolved) -> Vec<DnsCode> {
    resolved.observations.iter().map(|observation| observation.code).collect()
}

async fn domain(records: Vec<hickory_proto::rr::Record>) -> resolve::Resolved {
    let server = fake::with_records(records).await;
    resolve::domain(&name("corp.test"), &options(&[server])).await.unwrap()
}

#[tokio::test]
async fn no_resolver_is_a_value() {
    let resolved = resolve::domain(&name("corp.test"), &options(&[])).await.unwrap();
    assert_eq!(resolved.code, DnsCode::NoResolver);
    let resolved = resolve::host(&name("kms1.corp.test"), 1688, &options(&[])).await;
    assert_eq!(resolved.code, DnsCode::NoResolver);
}

#[tokio::test]
async fn additional_records_are_used_and_said_to_be() {
    let mut queries = 0;
    let server = fake::answering(move |_, answer| {
        queries += 1;
        assert_eq!(queries, 1, "the addresses came with the first answer");
        answer.add_answer(fake::srv(SERVICE, 0, 0, 1688, "kms1.corp.test"));
        answer.add_additional(fake::address("kms1.corp.test", "192.0.2.1"));
        answer.add_additional(fake::address("kms1.corp.test", "2001:db8::1"));
        answer.add_additional(fake::address("stranger.corp.test", "192.0.2.66"));
    })
    .await;
    let resolved = resolve::domain(&name("corp.test"), &options(&[server])).await.unwrap();
    assert_eq!(resolved.code, DnsCode::Ok);
    assert_eq!(resolved.endpoints.len(), 2);
    assert!(resolved.endpoints.iter().all(|e| e.source == AddressSource::Additional));
}

#[tokio::test]
async fn a_family_missing_in_the_additional_records_is_looked_up() {
    let server = fake::answering(|query, answer| match fake::asked(query).as_str() {
        SERVICE => {
            answer.add_answer(fake::srv(SERVICE, 0, 0, 1688, "kms1.corp.test"));
            answer.add_additional(fake::address("kms1.corp.test", "192.0.2.1"));
        }
        _ => {
            answer.add_answer(fake::address("kms1.corp.test", "2001:db8::1"));
        }
    })
    .await;
    let resolved = resolve::domain(&name("corp.test"), &options(&[server])).await.unwrap();
    let sources: Vec<_> = resolved.endpoints.iter().map(|e| e.source).collect();
    assert_eq!(sources, [AddressSource::Additional, AddressSource::Lookup]);
}

#[tokio::test]
async fn one_bad_record_among_good_ones_is_a_finding_not_the_verdict() {
    let resolved = domain(vec![
        fake::srv(SERVICE, 0, 50, 1688, "kms1.corp.test"),
        fake::srv(SERVICE, 0, 30, 0, "kms1.corp.test"),
        fake::srv(SERVICE, 0, 20, 1688, "gone.corp.test"),
        fake::srv(SERVICE, 5, 0, 0, "."),
        fake::address("kms1.corp.test", "192.0.2.1"),
    ])
    .await;
    assert_eq!(resolved.code, DnsCode::Ok);
    assert_eq!(
        codes(&resolved),
        [DnsCode::PortZero, DnsCode::NoService, DnsCode::TargetUnresolved]
    );
    assert_eq!(resolved.endpoints.len(), 1);
    assert_eq!(resolved.observations[2].values["why"], "NXDOMAIN");
}

#[tokio::test]
async fn a_target_that_is_an_address_or_lost_its_final_dot_is_explained() {
    let resolved = domain(vec![fake::srv(SERVICE, 0, 0, 1688, "192.0.2.1")]).await;
    assert_eq!(resolved.code, DnsCode::TargetUnresolved);
    assert!(resolved.reason.values["why"].contains("IP address"), "{:?}", resolved.reason);
    let resolved = domain(vec![fake::srv(SERVICE, 0, 0, 1688, "kms1.corp.test.corp.test")]).await;
    assert!(resolved.reason.values["why"].contains("corp.test stands twice"));
}

#[tokio::test]
async fn a_filtering_resolvers_zero_address_is_no_address() {
    let resolved = domain(vec![
        fake::srv(SERVICE, 0, 0, 1688, "kms1.corp.test"),
        fake::address("kms1.corp.test", "0.0.0.0"),
        fake::address("kms1.corp.test", "::"),
    ])
    .await;
    assert_eq!(resolved.code, DnsCode::TargetUnresolved);
    assert_eq!(resolved.reason.values["why"], "its address 0.0.0.0 is no host's");
    assert!(resolved.endpoints.is_empty());
}

#[tokio::test]
async fn a_domain_that_is_a_host_keeps_its_verdict_and_says_so() {
    let resolved = domain(vec![fake::address("corp.test", "192.0.2.1")]).await;
    assert_eq!(resolved.code, DnsCode::NxDomain);
    assert_eq!(resolved.reason.values["bare_name"], "corp.test");
    assert!(resolved.reason.values["dns_note"].contains("120 s"), "{:?}", resolved.reason);
}

#[tokio::test]
async fn the_first_resolver_that_answers_decides_and_failing_ones_are_reported() {
    let closed = fake::closed(Ipv4Addr::LOCALHOST.into()).await;
    let refusing =
        fake::answering(|_, answer| answer.metadata.response_code = ResponseCode::Refused).await;
    let good = fake::with_records(vec![
        fake::srv(SERVICE, 0, 0, 1688, "kms1.corp.test"),
        fake::address("kms1.corp.test", "192.0.2.1"),
    ])
    .await;
    let resolvers = options(&[closed, refusing, good]);
    let resolved = resolve::domain(&name("corp.test"), &resolvers).await.unwrap();
    assert_eq!(resolved.code, DnsCode::Ok);
    assert_eq!(resolved.facts.decided_by, Some(good));
    assert_eq!(codes(&resolved), [DnsCode::Unreachable, DnsCode::Refused]);
    assert_eq!(resolved.observations[0].values["resolver"], closed.to_string());

    let resolved = resolve::domain(&name("corp.test"), &options(&[closed])).await.unwrap();
    assert_eq!((resolved.code, codes(&resolved)), (DnsCode::Unreachable, vec![]));
}

#[tokio::test]
async fn different_addresses_of_one_target_are_a_split_view_and_all_are_checked() {
    let with_address = async |address: &str| {
        fake::with_records(vec![
            fake::srv(SERVICE, 0, 0, 1688, "kms1.corp.test"),
            fake::address("kms1.corp.test", address),
        ])
        .await
    };
    let (a, b) = (with_address("192.0.2.1").await, with_address("192.0.2.2").await);
    let resolved = resolve::domain(&name("corp.test"), &options(&[a, b])).await.unwrap();
    assert_eq!(codes(&resolved), [DnsCode::SplitView]);
    assert_eq!(resolved.endpoints.len(), 2);

    let same = with_address("192.0.2.1").await;
    let resolved = resolve::domain(&name("corp.test"), &options(&[a, same])).await.unwrap();
    assert_eq!(codes(&resolved), []);
    assert_eq!(resolved.endpoints[0].resolvers, [a, same]);
}

#[tokio::test]
async fn a_machine_that_knows_better_than_dns_is_a_local_override() {
    let server = fake::with_records(vec![
        fake::srv(SERVICE, 0, 0, 1688, "localhost"),
        fake::address("localhost", "192.0.2.1"),
    ])
    .await;
    let options = Options { ask_system: true, resolvers_overridden: false, ..options(&[server]) };
    let resolved = resolve::domain(&name("corp.test"), &options).await.unwrap();
    assert_eq!((resolved.code, codes(&resolved)), (DnsCode::Ok, vec![DnsCode::LocalOverride]));
    assert_eq!(resolved.observations[0].values["dns_answer"], "192.0.2.1");
}

#[tokio::test]
async fn localhost_is_never_asked_of_dns() {
    let server = fake::udp(|_| panic!("asked")).await;
    let options = Options { ask_system: true, ..options(&[server]) };
    let resolved = resolve::host(&name("localhost"), 1688, &options).await;
    assert_eq!(resolved.code, DnsCode::Ok);
    assert!(resolved.endpoints.iter().all(|e| e.address.is_loopback() && e.port == 1688));
    assert!(resolved.endpoints.iter().all(|e| e.source == AddressSource::OperatingSystem));
}

#[tokio::test]
async fn a_host_name_gives_both_families_or_its_own_verdict() {
    let server = fake::with_records(vec![
        fake::address("kms1.corp.test", "192.0.2.1"),
        fake::address("kms1.corp.test", "2001:db8::1"),
        fake::srv("empty.corp.test", 0, 0, 0, "."),
    ])
    .await;
    let options = options(&[server]);
    let resolved = resolve::host(&name("kms1.corp.test"), 1699, &options).await;
    assert_eq!(resolved.code, DnsCode::Ok);
    let found: Vec<_> =
        resolved.endpoints.iter().map(|e| format!("{} {}", e.address, e.port)).collect();
    assert_eq!(found, ["192.0.2.1 1699", "2001:db8::1 1699"]);
    assert_eq!(resolve::host(&name("empty.corp.test"), 1, &options).await.code, DnsCode::NoData);
    assert_eq!(resolve::host(&name("gone.corp.test"), 1, &options).await.code, DnsCode::NxDomain);
}

#[tokio::test]
async fn a_short_host_name_is_tried_with_the_suffixes_first() {
    let server = fake::with_records(vec![fake::address("kms1.b.test", "192.0.2.1")]).await;
    let system = SystemConfig {
        search: vec![name("a.test"), name("b.test")],
        ndots: 1,
        ..SystemConfig::default()
    };
    let mut options = Options::new(system, &[server], AMPLE);
    options.ask_system = false;
    let resolved = resolve::host(&name("kms1"), 1688, &options).await;
    assert_eq!(resolved.code, DnsCode::Ok);
    let tried: Vec<DomainName> =
        resolved.facts.views[0].hosts.iter().map(|host| host.host.clone()).collect();
    assert_eq!(tried, [name("kms1.a.test"), name("kms1.b.test")]);
}

#[tokio::test]
async fn the_search_ends_at_the_first_suffix_that_leads_to_a_host() {
    let server = fake::with_records(vec![
        fake::srv("_vlmcs._tcp.b.test", 0, 0, 1688, "kms1.b.test"),
        fake::address("kms1.b.test", "192.0.2.1"),
    ])
    .await;
    let search = ["a.test", "b.test", "c.test"].map(name).to_vec();
    let options = Options { search, ..options(&[server]) };
    let tried = resolve::search(&options).await.unwrap();
    let codes: Vec<_> = tried.iter().map(|resolved| resolved.code).collect();
    assert_eq!(codes, [DnsCode::NxDomain, DnsCode::Ok]);
}

#[tokio::test]
async fn a_search_in_silence_ends_after_one_suffix() {
    let (_socket, server) = fake::silent(Ipv4Addr::LOCALHOST.into()).await;
    let search = vec![name("a.test"), name("b.test")];
    let options = Options { search, timeout: SHORT, ..options(&[server]) };
    let tried = resolve::search(&options).await.unwrap();
    assert_eq!(tried.len(), 1);
    assert_eq!(tried[0].code, DnsCode::Timeout);
}

#[tokio::test]
async fn a_target_whose_look_up_fails_has_that_failures_verdict() {
    let server = fake::answering(|query, answer| match fake::asked(query).as_str() {
        SERVICE => {
            answer.add_answer(fake::srv(SERVICE, 0, 0, 1688, "kms1.corp.test"));
        }
        _ => answer.metadata.response_code = ResponseCode::ServFail,
    })
    .await;
    let resolved = resolve::domain(&name("corp.test"), &options(&[server])).await.unwrap();
    assert_eq!(resolved.code, DnsCode::ServFail);
    assert_eq!(resolved.reason.values["qname"], "kms1.corp.test");
}

#[tokio::test]
async fn a_server_that_mishandles_aaaa_is_a_finding_beside_the_ipv4_address() {
    let host = "kms1.corp.test";
    let server = fake::answering(move |query, answer| {
        match (fake::asked(query).as_str(), query.queries[0].query_type()) {
            (SERVICE, _) => answer.add_answer(fake::srv(SERVICE, 0, 0, 1688, host)),
            (_, hickory_proto::rr::RecordType::A) => {
                answer.add_answer(fake::address(host, "192.0.2.1"))
            }
            _ => {
                answer.metadata.response_code = ResponseCode::ServFail;
                answer
            }
        };
    })
    .await;
    let options = options(&[server]);
    let by_domain = resolve::domain(&name("corp.test"), &options).await.unwrap();
    let by_name = resolve::host(&name(host), 1688, &options).await;
    for resolved in [by_domain, by_name] {
        assert_eq!((resolved.code, codes(&resolved)), (DnsCode::Ok, vec![DnsCode::ServFail]));
        assert_eq!(resolved.endpoints.len(), 1);
    }
}

/// A fresh network namespace has no route at all. The test runs itself in one.
#[tokio::test]
async fn a_resolver_without_route_is_unreachable() {
    const INSIDE: &str = "KMS_TEST_INSIDE_NAMESPACE";
    let test = "a_resolver_without_route_is_unreachable";
    if std::env::var_os(INSIDE).is_some() {
        let server = "192.0.2.53:53".parse().unwrap();
        let resolved = resolve::domain(&name("corp.test"), &options(&[server])).await.unwrap();
        assert_eq!(resolved.code, DnsCode::Unreachable);
        assert_eq!(resolved.reason.values["error"], "ENETUNREACH");
        return;
    }
    if !skip::require(test, &[Need::NetworkNamespace]) {
        return;
    }
    let status = std::process::Command::new("unshare")
        .arg("--net")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("resolve::{test}")])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn hosts_addresses_and_observations_are_bounded() {
    let server = fake::answering(|query, answer| match fake::asked(query).as_str() {
        SERVICE => {
            let records = (0..MAX_HOSTS + 44)
                .map(|number| fake::srv(SERVICE, 0, 0, 1688, &format!("kms{number}.corp.test")));
            answer.add_answers(records);
        }
        _ => fake::deny(answer, ResponseCode::NXDomain, "corp.test"),
    })
    .await;
    let resolved = resolve::domain(&name("corp.test"), &options(&[server])).await.unwrap();
    assert_eq!(resolved.code, DnsCode::TargetUnresolved);
    let view = &resolved.facts.views[0];
    assert_eq!(view.records.len(), MAX_HOSTS + 44);
    assert_eq!((view.hosts.len(), view.hosts_not_followed), (MAX_HOSTS, 44));
    assert_eq!(resolved.observations.len(), 64);
    assert_eq!(kms_probe::discover::records::missing(&resolved).len(), 8);

    let host = "kms1.corp.test";
    let server = fake::answering(move |query, answer| {
        if query.queries[0].query_type() == hickory_proto::rr::RecordType::A {
            let records = (0..=MAX_ADDRESSES).map(|n| fake::address(host, &format!("192.0.2.{n}")));
            answer.add_answers(records);
        }
    })
    .await;
    let resolved = resolve::host(&name(host), 1688, &options(&[server])).await;
    assert_eq!(resolved.endpoints.len(), MAX_ADDRESSES);
}

#[test]
fn a_resolver_named_twice_is_asked_once() {
    let server = "192.0.2.53:53".parse().unwrap();
    let options = Options::new(SystemConfig::default(), &[server, server], AMPLE);
    assert_eq!(options.resolvers, [server]);
}
