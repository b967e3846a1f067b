//! One resolver's view: what it says of the service, of every target, and of a host name.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::code::DnsCode;
use crate::dns::exchange::{Outcome, Patience};
use crate::dns::lookup::{Lookup, lookup};
use crate::dns::message::{Question, Record, RecordData, RecordType, Service};
use crate::dns::name::DomainName;
use crate::dns::srv::{self, Share};

/// What one resolver says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    /// The resolver.
    pub resolver: SocketAddr,
    /// What a client that has only this resolver would meet.
    pub code: DnsCode,
    /// From the first query to the last answer, in microseconds.
    pub elapsed_us: u64,
    /// The SRV look-up; none for a host name.
    pub service: Option<Lookup>,
    /// The SRV records: best priority first, then the largest weight.
    pub records: Vec<ServiceRecord>,
    /// The targets, or the host names tried, in the order of the records.
    pub hosts: Vec<HostAnswer>,
    /// Targets beyond [`MAX_HOSTS`], whose addresses were not looked up.
    pub hosts_not_followed: usize,
    /// The addresses of the domain's own name, looked up where it has no SRV record: it may be a
    /// host.
    pub bare_name: Option<HostAnswer>,
}

/// One SRV record, and the clients that it gets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServiceRecord {
    /// Its content.
    #[serde(flatten)]
    pub service: Service,
    /// Seconds that a cache may keep it.
    pub ttl: u32,
    /// Its part of the clients.
    pub share: Share,
}

/// What one resolver says of one host name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostAnswer {
    /// The host name.
    pub host: DomainName,
    /// `dns.ok` if there is a usable address, otherwise why there is none.
    pub code: DnsCode,
    /// Its addresses.
    pub addresses: Vec<Address>,
    /// The names that it is an alias of, in order.
    pub aliases: Vec<DomainName>,
    /// The look-ups made; none where additional records had both address families.
    pub lookups: Vec<Lookup>,
}

/// An address and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Address {
    /// IPv4 or IPv6.
    pub address: IpAddr,
    /// Seconds that a cache may keep it.
    pub ttl: Option<u32>,
    /// Where it comes from.
    pub source: AddressSource,
}

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressSource {
    /// It came along with the SRV record, in the additional section.
    Additional,
    /// It was looked up.
    Lookup,
    /// The operating system gave it, and DNS does not have it.
    OperatingSystem,
}

impl Address {
    /// False for addresses that no host has, such as the 0.0.0.0 of a filtering resolver.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let broadcast = matches!(self.address, IpAddr::V4(address) if address.is_broadcast());
        !self.address.is_unspecified() && !self.address.is_multicast() && !broadcast
    }
}

impl HostAnswer {
    /// The addresses to which a connection makes sense.
    pub fn usable(&self) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(|address| address.is_usable())
    }

    /// True unless a failure left it open whether there are addresses.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        self.lookups.iter().all(|lookup| lookup.outcome().is_definite())
    }
}

impl View {
    /// The outcome that made this resolver say yes, no or nothing.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        match &self.service {
            Some(service) => service.outcome().is_definite(),
            None => self.code == DnsCode::Ok || self.hosts.iter().all(HostAnswer::is_definite),
        }
    }

    /// What it says of this host.
    #[must_use]
    pub fn host(&self, host: &DomainName) -> Option<&HostAnswer> {
        self.hosts.iter().find(|answer| answer.host == *host)
    }
}

/// Asks `resolver` for the service, then for the addresses of its targets.
pub(super) async fn of_domain(
    resolver: SocketAddr,
    domain: DomainName,
    service: DomainName,
    patience: Patience,
    at_once: Arc<Semaphore>,
) -> View {
    let begun = tokio::time::Instant::now();
    let question = Question { name: service, record_type: RecordType::Srv };
    let found = lookup(resolver, &question, patience).await;
    let records = service_records(&found.records);
    let mut names: Vec<DomainName> = Vec::new();
    for record in &records {
        let target = &record.service.target;
        if !target.is_root() && !names.contains(target) {
            names.push(target.clone());
        }
    }
    let hosts_not_followed = names.len().saturating_sub(MAX_HOSTS);
    names.truncate(MAX_HOSTS);
    let additionals: Arc<[Record]> = additionals(&found).into();
    let hosts = of_targets(resolver, names, additionals, patience, at_once).await;
    let bare_name = match found.outcome() {
        Outcome::NxDomain | Outcome::NoData => Some(of_host(resolver, domain, &[], patience).await),
        _ => None,
    };
    let code = domain_code(&found.outcome(), &records, &hosts);
    let elapsed_us = micros(begun);
    let service = Some(found);
    View { resolver, code, elapsed_us, service, records, hosts, hosts_not_followed, bare_name }
}

/// Asks `resolver` for the addresses of each candidate name until one has some.
pub(super) async fn of_host_names(
    resolver: SocketAddr,
    candidates: Vec<DomainName>,
    patience: Patience,
) -> View {
    let begun = tokio::time::Instant::now();
    let mut hosts = Vec::new();
    for candidate in candidates {
        let answer = of_host(resolver, candidate, &[], patience).await;
        let ends = answer.code == DnsCode::Ok || !answer.is_definite();
        hosts.push(answer);
        if ends {
            break;
        }
    }
    View {
        resolver,
        code: hosts.last().map_or(DnsCode::NxDomain, |answer| answer.code),
        elapsed_us: micros(begun),
        service: None,
        records: Vec::new(),
        hosts,
        hosts_not_followed: 0,
        bare_name: None,
    }
}

async fn of_targets(
    resolver: SocketAddr,
    names: Vec<DomainName>,
    additionals: Arc<[Record]>,
    patience: Patience,
    at_once: Arc<Semaphore>,
) -> Vec<HostAnswer> {
    let mut tasks = JoinSet::new();
    for (index, name) in names.into_iter().enumerate() {
        let (additionals, at_once) = (Arc::clone(&additionals), Arc::clone(&at_once));
        tasks.spawn(async move {
            let _turn = at_once.acquire().await;
            (index, of_host(resolver, name, &additionals, patience).await)
        });
    }
    let mut answers = tasks.join_all().await;
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// The addresses of one host: from `additionals` where a family is there, else by look-up.
async fn of_host(
    resolver: SocketAddr,
    host: DomainName,
    additionals: &[Record],
    patience: Patience,
) -> HostAnswer {
    let family = async |record_type: RecordType| {
        let along = addresses(&host, record_type, additionals);
        if !along.is_empty() {
            return (along, None);
        }
        let question = Question { name: host.clone(), record_type };
        let found = lookup(resolver, &question, patience).await;
        (addresses_of(&found.records), Some(found))
    };
    let (v4, v6) = tokio::join!(family(RecordType::A), family(RecordType::Aaaa));
    let lookups: Vec<Lookup> = [v4.1, v6.1].into_iter().flatten().collect();
    let aliases =
        lookups.iter().map(|found| found.aliases.clone()).max_by_key(Vec::len).unwrap_or_default();
    let addresses: Vec<Address> = v4.0.into_iter().chain(v6.0).take(MAX_ADDRESSES).collect();
    let code = host_code(&addresses, &lookups);
    HostAnswer { host, code, addresses, aliases, lookups }
}

fn additionals(found: &Lookup) -> Vec<Record> {
    let response = found.last().and_then(|exchange| exchange.response.as_ref());
    response.map(|response| response.additionals.clone()).unwrap_or_default()
}

fn addresses(host: &DomainName, record_type: RecordType, records: &[Record]) -> Vec<Address> {
    let of_host = records.iter().filter(|r| r.name == *host && r.data.is(record_type));
    of_host.filter_map(|record| address(record, AddressSource::Additional)).collect()
}

fn addresses_of(records: &[Record]) -> Vec<Address> {
    records.iter().filter_map(|record| address(record, AddressSource::Lookup)).collect()
}

fn address(record: &Record, source: AddressSource) -> Option<Address> {
    match record.data {
        RecordData::Address(address) => Some(Address { address, ttl: Some(record.ttl), source }),
        _ => None,
    }
}

fn service_records(records: &[Record]) -> Vec<ServiceRecord> {
    let mut services: Vec<(Service, u32)> = records
        .iter()
        .filter_map(|record| match &record.data {
            RecordData::Service(service) => Some((service.clone(), record.ttl)),
            _ => None,
        })
        .collect();
    services.sort_by(|(a, _), (b, _)| {
        let rank = |s: &Service| (s.priority, u16::MAX - s.weight);
        rank(a).cmp(&rank(b)).then_with(|| (&a.target, a.port).cmp(&(&b.target, b.port)))
    });
    let plain: Vec<Service> = services.iter().map(|(service, _)| service.clone()).collect();
    let shares = srv::shares(&plain);
    let with_shares = services.into_iter().zip(shares);
    with_shares.map(|((service, ttl), share)| ServiceRecord { service, ttl, share }).collect()
}

/// What a client meets: addresses, or the first thing that keeps it from having any.
fn domain_code(outcome: &Outcome, records: &[ServiceRecord], hosts: &[HostAnswer]) -> DnsCode {
    if *outcome != Outcome::Answer {
        return DnsCode::of(outcome);
    }
    let host = |record: &ServiceRecord| hosts.iter().find(|h| h.host == record.service.target);
    let offered: Vec<_> = records.iter().filter(|r| !r.service.target.is_root()).collect();
    if offered.is_empty() {
        return DnsCode::NoService;
    }
    let with_port: Vec<_> = offered.into_iter().filter(|r| r.service.port != 0).collect();
    if with_port.is_empty() {
        return DnsCode::PortZero;
    }
    let codes = with_port.iter().filter_map(|record| host(record)).map(|host| host.code);
    match codes.min() {
        Some(DnsCode::Ok) => DnsCode::Ok,
        Some(code) if code.is_missing() => DnsCode::TargetUnresolved,
        Some(code) => code,
        None => DnsCode::TargetUnresolved,
    }
}

fn host_code(addresses: &[Address], lookups: &[Lookup]) -> DnsCode {
    if addresses.iter().any(Address::is_usable) {
        return DnsCode::Ok;
    }
    let outcomes: Vec<Outcome> = lookups.iter().map(Lookup::outcome).collect();
    let failure = outcomes.iter().find(|outcome| !outcome.is_definite());
    match failure {
        Some(outcome) => DnsCode::of(outcome),
        None if outcomes.contains(&Outcome::NxDomain) => DnsCode::NxDomain,
        None => DnsCode::NoData,
    }
}

fn micros(begun: tokio::time::Instant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Targets whose addresses are looked up at most, per resolver.
pub const MAX_HOSTS: usize = 256;

/// Addresses kept at most, per host.
pub const MAX_ADDRESSES: usize = 64;
