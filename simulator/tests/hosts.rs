//! Several hosts in one process: what each has of its own, and what they share.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Client, Reply, request, windows};
use kms_protocol::filetime::FileTime;
use kms_simulator::fault::{FaultSet, RuleId, Source, parse_compact};
use kms_simulator::journal::{Durability, JournalConfig};
use kms_simulator::model::{HostName, HostPolicy, IntervalMinutes};
use kms_simulator::serve::{
    Change, Clock, HOSTS_MAX, Handle, HostConfig, Rate, ServeConfig, Server, Shift, host_seed,
    machine_time,
};

#[test]
fn each_host_has_its_own_count_policy_and_rules() {
    let server = Server::start(ServeConfig {
        own_faults: rules(&["hresult code=0xC004F042"]),
        further: vec![
            HostConfig {
                policy: HostPolicy { activation_interval: minutes(15), ..HostPolicy::default() },
                initial_counts: vec![(windows().app_id, 24)],
                ..host("kms2")
            },
            HostConfig {
                policy: HostPolicy { activated: false, ..HostPolicy::default() },
                ..host("kms3")
            },
        ],
        ..config()
    })
    .unwrap();
    let [first, second, third] = server.hosts() else { unreachable!("three hosts") };
    assert!(is_error(&ask(first, 1), 0xC004_F042), "its own rule");
    assert!(is_error(&ask(third, 1), 0xC004_F041), "it is not activated");
    let Reply::Answer(response) = ask(second, 1) else { unreachable!("it answers") };
    let response = response.response;
    assert_eq!((response.count, response.activation_interval_minutes), (25, 15));
    let counts: Vec<u32> = server.hosts().iter().map(|host| host.count(windows().app_id)).collect();
    assert_eq!(counts, [0, 25, 0]);
    let requests: Vec<u64> = server.hosts().iter().map(|host| host.totals().requests).collect();
    assert_eq!((requests, server.totals().requests), (vec![1, 1, 1], 3));
    assert_eq!(server.host(&name("kms2")).unwrap().addresses(), second.addresses());
    assert!(server.host(&name("kms4")).is_none());
}

#[test]
fn rules_for_every_host_strike_after_a_hosts_own_and_all_can_be_changed_while_it_runs() {
    let server = Server::start(ServeConfig {
        faults: rules(&["hresult id=every code=0xC004F042"]),
        own_faults: rules(&["hresult id=own code=0xC004F041 limit=1"]),
        further: vec![host("kms2")],
        ..config()
    })
    .unwrap();
    let [first, second] = server.hosts() else { unreachable!("two hosts") };
    assert!(is_error(&ask(first, 1), 0xC004_F041), "its own is asked first");
    assert!(is_error(&ask(first, 1), 0xC004_F042), "and the one for every host after it");
    assert!(is_error(&ask(second, 1), 0xC004_F042));
    server.faults().remove(&"every".parse().unwrap()).unwrap();
    add(second.faults(), "refuse id=closed");
    assert_eq!(ask(first, 1).count(), 1);
    assert!(eventually(|| TcpStream::connect(second.addresses()[0]).is_err()));
    assert_eq!(ask(first, 2).count(), 2, "the other host goes on listening");
    second.faults().remove(&"closed".parse().unwrap()).unwrap();
    assert!(eventually(|| TcpStream::connect(second.addresses()[0]).is_ok()));
    assert_eq!(ask(second, 1).count(), 1);
}

#[test]
fn one_clock_moves_all_hosts_and_expiry_follows_it() {
    let clock = Clock::REAL.with_rate(machine_time(), Rate::FROZEN);
    let server =
        Server::start(ServeConfig { clock, further: vec![host("kms2")], ..config() }).unwrap();
    for host in server.hosts() {
        assert_eq!(ask_at(host, 1, server.clock().now()).count(), 1);
    }
    server.hosts()[1].change_clock(Change::Step(Shift::Forward(Duration::from_secs(31 * 86_400))));
    for host in server.hosts() {
        assert_eq!(host.clock().now(), server.clock().now());
        assert_eq!(host.count(windows().app_id), 0, "{} has expired", host.name());
        assert_eq!(ask_at(host, 2, server.clock().now()).count(), 1);
    }
}

#[test]
fn one_journal_restores_each_hosts_table_also_of_a_host_that_was_away() {
    let folder = tempfile::tempdir().unwrap();
    let journal = || Some(JournalConfig::new(folder.path().join("journal"), Durability::Full));
    let start = |further: Vec<HostConfig>| {
        Server::start(ServeConfig { journal: journal(), further, ..config() }).unwrap()
    };
    let server = start(vec![host("kms2"), host("kms3")]);
    for (host, clients) in server.hosts().iter().zip([1u8, 2, 3]) {
        (1..=clients).for_each(|client| assert_eq!(ask(host, client).count(), u32::from(client)));
    }
    drop(server);
    let server = start(vec![host("kms3"), host("kms4")]);
    assert_eq!(counts(&server), [1, 3, 0]);
    drop(server);
    let server = start(vec![host("kms2")]);
    assert_eq!(counts(&server), [1, 2]);
}

#[test]
fn hosts_that_contradict_each_other_are_refused_by_name() {
    let refused = |config| Server::start(config).unwrap_err().to_string();
    let error = refused(ServeConfig { further: vec![host("KMS1")], ..config() });
    assert!(error.contains("host `kms1`: the name of two hosts"), "{error}");
    let listen: Vec<SocketAddr> = vec!["127.0.0.1:1".parse().unwrap()];
    let further = vec![HostConfig { listen: listen.clone(), ..host("kms2") }];
    let error = refused(ServeConfig { listen, further, ..config() });
    assert!(error.contains("hosts `kms1` and `kms2`: both listen on `127.0.0.1:1`"), "{error}");
    let error = refused(ServeConfig { further: vec![HostConfig::new(name("kms2"))], ..config() });
    assert!(error.contains("host `kms2`: no address"), "{error}");
    let many = |count: usize| (1..count).map(|number| host(&format!("h{number}"))).collect();
    let error = refused(ServeConfig { further: many(HOSTS_MAX + 1), ..config() });
    assert!(error.contains("65 hosts are more than the 64"), "{error}");
    let workers = NonZeroUsize::MIN;
    let server = Server::start(ServeConfig { further: many(HOSTS_MAX), workers, ..config() });
    assert_eq!(server.unwrap().hosts().len(), HOSTS_MAX);
}

#[test]
fn a_hosts_seed_follows_from_the_servers_and_its_name() {
    assert_eq!(host_seed(1, &name("a")), host_seed(1, &name("A")));
    assert_ne!(host_seed(1, &name("a")), host_seed(1, &name("b")));
    assert_ne!(host_seed(1, &name("a")), host_seed(2, &name("a")));
}

fn config() -> ServeConfig {
    let workers = NonZeroUsize::new(2).unwrap();
    ServeConfig { listen: vec![LOOPBACK], workers, ..ServeConfig::default() }
}

fn host(text: &str) -> HostConfig {
    HostConfig { listen: vec![LOOPBACK], ..HostConfig::new(name(text)) }
}

fn name(text: &str) -> HostName {
    text.parse().unwrap()
}

fn minutes(minutes: u32) -> IntervalMinutes {
    minutes.to_string().parse().unwrap()
}

fn rules(texts: &[&str]) -> Arc<FaultSet> {
    let set = FaultSet::new(7);
    texts.iter().for_each(|text| add(&set, text));
    Arc::new(set)
}

fn add(set: &FaultSet, text: &str) {
    let rule = parse_compact(text, &RuleId::made_up("test", 1)).unwrap();
    set.add(rule, Source::Api, FileTime::default()).unwrap();
}

fn ask(host: &Handle, client: u8) -> Reply {
    Client::bind(host.addresses()[0]).unwrap().ask(&request(client))
}

fn ask_at(host: &Handle, client: u8, client_time: FileTime) -> Reply {
    let asked = kms_protocol::kms::Request { client_time, ..request(client) };
    Client::bind(host.addresses()[0]).unwrap().ask(&asked)
}

fn counts(server: &Server) -> Vec<u32> {
    server.hosts().iter().map(|host| host.count(windows().app_id)).collect()
}

fn is_error(reply: &Reply, code: u32) -> bool {
    matches!(reply, Reply::Error(got) if *got == code)
}

/// Workers heed a rule a moment after it was set.
fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        if Instant::now() > end {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

/// Far longer than anything takes that happens at all.
const PATIENCE: Duration = Duration::from_secs(30);

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
