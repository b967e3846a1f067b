//! From what was seen to the verdict, the observations beside it and the endpoints to check. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::code::DnsCode;
use super::view::{AddressSource, HostAnswer, ServiceRecord, View};
use super::{Facts, Options, Resolved};
use crate::dns::exchange::{EdnsUse, Exchange, Outcome};
use crate::dns::local::LocalAnswer;
use crate::dns::name::DomainName;

/// One thing worth saying, as a code and the values that its sentence needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// What it is.
    pub code: DnsCode,
    /// Values by name: `resolver`, `source`, `qname`, `target`, `canonical`, `detail`, `error`,
    /// `attempts`, `why`, `views`, `os_answer`, `dns_answer`, `dns_note`, `bare_name`; each only
    /// where it applies. All are printable ASCII.
    pub values: BTreeMap<&'static str, String>,
}

/// Something to connect to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Endpoint {
    /// Host name.
    pub host: DomainName,
    /// TCP port.
    pub port: u16,
    /// Its address.
    pub address: IpAddr,
    /// The part of all clients that gets this host and port while every host works, from 0 to 1;
    /// its addresses share it. None for a host given by name.
    pub share: Option<f64>,
    /// The same among the clients that have come down to its priority.
    pub share_of_priority: Option<f64>,
    /// SRV priority.
    pub priority: Option<u16>,
    /// SRV weight.
    pub weight: Option<u16>,
    /// Where the address comes from.
    pub source: AddressSource,
    /// The resolvers that lead to it; none if only the operating system does.
    pub resolvers: Vec<SocketAddr>,
}

/// The result for a domain.
pub(super) fn of_domain(facts: Facts, options: &Options, elapsed_us: u64) -> Resolved {
    let Some(deciding) = facts.deciding_view() else {
        return without_resolver(facts, elapsed_us);
    };
    let code = deciding.code;
    let reason = reason(&facts, deciding);
    let mut observations = Vec::new();
    observations.extend(failed_views(&facts, deciding));
    observations.extend(deciding.records.iter().filter_map(|r| flawed(&facts, deciding, r)));
    observations.extend(facts.views.iter().flat_map(|view| failed_hosts(&facts, view)));
    observations.extend(facts.views.iter().flat_map(|view| aliases(&facts, view)));
    observations.extend(split_view(&facts));
    observations.extend(overrides(&facts, options));
    let endpoints = if code == DnsCode::Ok { service_endpoints(&facts) } else { Vec::new() };
    let observations = distinct(observations, &reason);
    Resolved { code, reason, observations, endpoints, elapsed_us, facts }
}

/// The result for a host name. Where DNS has no address and this machine has one, the machine's
/// own is checked, and said so.
pub(super) fn of_host(facts: Facts, options: &Options, elapsed_us: u64) -> Resolved {
    let from_system = system_endpoints(&facts, options);
    let Some(deciding) = facts.deciding_view() else {
        if from_system.is_empty() {
            return without_resolver(facts, elapsed_us);
        }
        let reason = Observation::of(DnsCode::Ok, &facts, None);
        return Resolved {
            code: DnsCode::Ok,
            reason,
            observations: Vec::new(),
            endpoints: from_system,
            elapsed_us,
            facts,
        };
    };
    let mut reason = reason(&facts, deciding);
    let mut observations = Vec::new();
    observations.extend(failed_views(&facts, deciding));
    observations.extend(split_view(&facts));
    observations.extend(overrides(&facts, options));
    let mut endpoints = host_endpoints(&facts);
    if deciding.code != DnsCode::Ok && !from_system.is_empty() {
        if !deciding.is_definite() {
            observations.push(reason);
        }
        endpoints = from_system;
        reason = Observation::of(DnsCode::Ok, &facts, Some(deciding));
    } else if deciding.code != DnsCode::Ok {
        endpoints.clear();
    }
    let observations = distinct(observations, &reason);
    Resolved { code: reason.code, reason, observations, endpoints, elapsed_us, facts }
}

impl Observation {
    fn of(code: DnsCode, facts: &Facts, view: Option<&View>) -> Self {
        let mut observation = Self { code, values: BTreeMap::new() };
        observation.set("qname", facts.question.to_string());
        if let Some(view) = view {
            observation.set("resolver", view.resolver.to_string());
        }
        observation
    }

    fn set(&mut self, key: &'static str, value: impl Into<String>) {
        self.values.insert(key, value.into());
    }

    fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.set(key, value);
        self
    }

    /// Adds what the exchange that failed has to tell.
    fn with_exchange(mut self, exchange: &Exchange) -> Self {
        self.set("resolver", exchange.server.to_string());
        self.set("qname", exchange.question.name.to_string());
        self.set("attempts", count(exchange.attempts as usize, "attempt"));
        if let Some(source) = exchange.source {
            self.set("source", source.to_string());
        }
        match &exchange.outcome {
            Outcome::Unreachable(error) => self.set("error", error.to_string()),
            Outcome::TruncatedNoTcp { tcp } => self.set("error", tcp.to_string()),
            Outcome::Malformed { detail } => self.set("detail", detail.as_str()),
            _ => {}
        }
        match note(exchange) {
            note if note.is_empty() => self,
            note => self.with("dns_note", note),
        }
    }
}

fn without_resolver(facts: Facts, elapsed_us: u64) -> Resolved {
    let reason = Observation::of(DnsCode::NoResolver, &facts, None)
        .with("detail", format!("`{}` names no server", facts.resolvers_from));
    Resolved {
        code: DnsCode::NoResolver,
        reason,
        observations: Vec::new(),
        endpoints: Vec::new(),
        elapsed_us,
        facts,
    }
}

/// Why the view is what it is.
fn reason(facts: &Facts, view: &View) -> Observation {
    let mut observation = Observation::of(view.code, facts, Some(view));
    if let Some(exchange) = deciding_exchange(view) {
        observation = observation.with_exchange(exchange);
    }
    if let Some(bare) = view.bare_name.as_ref().filter(|bare| bare.code == DnsCode::Ok) {
        observation.set("bare_name", bare.host.to_string());
    }
    match view.code {
        DnsCode::TargetUnresolved => match view.hosts.iter().find(|host| host.code.is_missing()) {
            Some(host) => observation.with_target(host),
            None => observation,
        },
        DnsCode::PortZero => match view.records.iter().find(|r| r.service.port == 0) {
            Some(record) => observation.with("target", record.service.target.to_string()),
            None => observation,
        },
        DnsCode::NoService => observation.with("target", "."),
        _ => observation,
    }
}

impl Observation {
    fn with_target(mut self, host: &HostAnswer) -> Self {
        self.set("target", host.host.to_string());
        self.set("why", why_unresolved(host));
        self
    }
}

/// The exchange that gave the view its code: the one with that outcome, and where the code speaks
/// of records that did arrive, the one that brought them.
fn deciding_exchange(view: &View) -> Option<&Exchange> {
    let hosts = view.hosts.iter().flat_map(|host| &host.lookups);
    let exchanges: Vec<&Exchange> =
        view.service.iter().chain(hosts).filter_map(|lookup| lookup.last()).collect();
    let with_code = |exchange: &&&Exchange| DnsCode::of(&exchange.outcome) == view.code;
    exchanges.iter().find(with_code).or(exchanges.first()).copied()
}

/// Resolvers that failed, beside the one that decided.
fn failed_views(facts: &Facts, deciding: &View) -> Vec<Observation> {
    let others = facts.views.iter().filter(|view| view.resolver != deciding.resolver);
    others.filter(|view| !view.is_definite()).map(|view| reason(facts, view)).collect()
}

/// A record that no client can use, among others.
fn flawed(facts: &Facts, view: &View, record: &ServiceRecord) -> Option<Observation> {
    let code = match &record.service {
        service if service.target.is_root() => DnsCode::NoService,
        service if service.port == 0 => DnsCode::PortZero,
        _ => return None,
    };
    let target = record.service.target.to_string();
    Some(Observation::of(code, facts, Some(view)).with("target", target))
}

/// Targets whose addresses are missing or could not be looked up.
fn failed_hosts(facts: &Facts, view: &View) -> Vec<Observation> {
    let observe = |host: &HostAnswer| {
        let mut exchanges = host.lookups.iter().filter_map(|lookup| lookup.last());
        let failure = exchanges.find(|exchange| !exchange.outcome.is_definite());
        match (host.code, failure) {
            (code, None) if code.is_missing() => Some(
                Observation::of(DnsCode::TargetUnresolved, facts, Some(view)).with_target(host),
            ),
            // One address family can fail while the other is there: a server that mishandles AAAA.
            (_, Some(exchange)) => Some(
                Observation::of(DnsCode::of(&exchange.outcome), facts, Some(view))
                    .with_exchange(exchange)
                    .with_target(host),
            ),
            _ => None,
        }
    };
    view.hosts.iter().filter_map(observe).collect()
}

fn aliases(facts: &Facts, view: &View) -> Vec<Observation> {
    let hosts = view.hosts.iter();
    hosts
        .filter_map(|host| {
            let canonical = host.aliases.last()?.to_string();
            let observation = Observation::of(DnsCode::CnameTarget, facts, Some(view));
            let target = host.host.to_string();
            Some(observation.with("target", target).with("canonical", canonical))
        })
        .collect()
}

/// What a resolver says, in a form that can be compared: order, TTL and letter case left out.
#[derive(PartialEq, Eq)]
struct Saying<'a> {
    records: BTreeSet<(u16, u16, u16, &'a DomainName)>,
    addresses: BTreeMap<&'a DomainName, BTreeSet<IpAddr>>,
}

fn saying(view: &View) -> Saying<'_> {
    let record = |record: &'_ ServiceRecord| {
        let service = &record.service;
        (service.priority, service.weight, service.port)
    };
    let records = view.records.iter().map(|r| {
        let (priority, weight, port) = record(r);
        (priority, weight, port, &r.service.target)
    });
    let hosts = view.hosts.iter().filter(|host| host.is_definite());
    let addresses = hosts.map(|h| (&h.host, h.addresses.iter().map(|a| a.address).collect()));
    Saying { records: records.collect(), addresses: addresses.collect() }
}

/// Two resolvers that both answered and say different things.
fn split_view(facts: &Facts) -> Option<Observation> {
    let views: Vec<&View> = facts.views.iter().filter(|view| view.is_definite()).collect();
    let first = saying(views.first()?);
    let differs = views.iter().skip(1).any(|view| !agrees(&first, &saying(view)));
    differs.then(|| {
        let shown = views.iter().take(MAX_SHOWN).map(|view| describe(view));
        let more = views.len().saturating_sub(MAX_SHOWN);
        let mut text = shown.collect::<Vec<_>>().join("; ");
        if more > 0 {
            text.push_str(&format!("; and {more} more"));
        }
        Observation::of(DnsCode::SplitView, facts, None).with("views", text)
    })
}

/// Addresses are compared for the hosts that both could look up.
fn agrees(a: &Saying<'_>, b: &Saying<'_>) -> bool {
    let same = |(host, addresses): (&&DomainName, &BTreeSet<IpAddr>)| {
        b.addresses.get(*host).is_none_or(|others| others == addresses)
    };
    a.records == b.records && a.addresses.iter().all(same)
}

fn describe(view: &View) -> String {
    let mut said: Vec<String> = Vec::new();
    for record in view.records.iter().take(MAX_SHOWN) {
        let service = &record.service;
        let host = view.host(&service.target);
        let addresses = host.map(|host| shown(host.addresses.iter().map(|a| a.address)));
        said.push(format!(
            "{}:{} priority {} weight {}{}",
            service.target,
            service.port,
            service.priority,
            service.weight,
            addresses.map(|text| format!(" at {text}")).unwrap_or_default()
        ));
    }
    if view.service.is_none() {
        let answers = view.hosts.iter().filter(|host| host.code == DnsCode::Ok);
        said.extend(answers.map(|host| shown(host.addresses.iter().map(|a| a.address))));
    }
    if view.records.len() > MAX_SHOWN {
        said.push(format!("and {} more", view.records.len() - MAX_SHOWN));
    }
    match said.is_empty() {
        true => format!("{} says {}", view.resolver, code_words(view.code)),
        false => format!("{} says {}", view.resolver, said.join(", ")),
    }
}

/// What the operating system says of a host where DNS says otherwise.
fn overrides(facts: &Facts, options: &Options) -> Vec<Observation> {
    let Some(view) = facts.deciding_view() else { return Vec::new() };
    let trusted = facts.system.iter().filter(|answer| is_telling(answer, options));
    trusted
        .filter_map(|answer| {
            let said =
                if view.service.is_some() { view.host(&answer.host) } else { view.hosts.last() };
            let said = said.filter(|said| said.is_definite())?;
            let known: Vec<IpAddr> = said.addresses.iter().map(|a| a.address).collect();
            answer.addresses.iter().any(|address| !known.contains(address)).then(|| {
                Observation::of(DnsCode::LocalOverride, facts, Some(view))
                    .with("target", answer.host.to_string())
                    .with("os_answer", shown(answer.addresses.iter().copied()))
                    .with("dns_answer", shown(known.into_iter()))
                    .with(
                        "detail",
                        if answer.in_hosts_file { "hosts file" } else { "no hosts entry" },
                    )
            })
        })
        .collect()
}

/// Whether the answer says something about the names that the configured resolvers answer for.
fn is_telling(answer: &LocalAnswer, options: &Options) -> bool {
    !answer.addresses.is_empty() && (answer.in_hosts_file || !options.resolvers_overridden)
}

fn service_endpoints(facts: &Facts) -> Vec<Endpoint> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    let deciding = facts.decided_by;
    // The deciding view first: its shares are those of the clients.
    let order = |view: &&View| Some(view.resolver) != deciding;
    let mut views: Vec<&View> = facts.views.iter().collect();
    views.sort_by_key(order);
    for view in views {
        for record in view.records.iter().filter(|record| record.service.port != 0) {
            let host = view.host(&record.service.target);
            for address in host.into_iter().flat_map(HostAnswer::usable) {
                let endpoint = Endpoint {
                    host: record.service.target.clone(),
                    port: record.service.port,
                    address: address.address,
                    share: Some(record.share.of_all),
                    share_of_priority: Some(record.share.of_priority),
                    priority: Some(record.service.priority),
                    weight: Some(record.service.weight),
                    source: address.source,
                    resolvers: vec![view.resolver],
                };
                merge(&mut endpoints, endpoint);
            }
        }
    }
    endpoints
}

fn host_endpoints(facts: &Facts) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    for view in &facts.views {
        let found = view.hosts.iter().flat_map(|host| host.usable());
        for address in found {
            let endpoint = host_endpoint(facts, address.address, address.source);
            merge(&mut endpoints, Endpoint { resolvers: vec![view.resolver], ..endpoint });
        }
    }
    endpoints
}

fn system_endpoints(facts: &Facts, options: &Options) -> Vec<Endpoint> {
    let telling = facts
        .system
        .iter()
        .filter(|answer| facts.name.is_localhost() || is_telling(answer, options));
    telling
        .flat_map(|answer| &answer.addresses)
        .map(|address| host_endpoint(facts, *address, AddressSource::OperatingSystem))
        .collect()
}

fn host_endpoint(facts: &Facts, address: IpAddr, source: AddressSource) -> Endpoint {
    Endpoint {
        host: facts.name.clone(),
        port: facts.port.unwrap_or_default(),
        address,
        share: None,
        share_of_priority: None,
        priority: None,
        weight: None,
        source,
        resolvers: Vec::new(),
    }
}

/// Adds an endpoint, or what is new about one that is there: another record of the same resolver
/// adds its share, another resolver its name.
fn merge(endpoints: &mut Vec<Endpoint>, new: Endpoint) {
    let same = |old: &&mut Endpoint| {
        old.host == new.host && old.port == new.port && old.address == new.address
    };
    match endpoints.iter_mut().find(same) {
        None => endpoints.push(new),
        Some(old) if old.resolvers.first() == new.resolvers.first() => {
            let sum = |a: Option<f64>, b: Option<f64>| a.map(|a| a + b.unwrap_or_default());
            old.share = sum(old.share, new.share);
            if old.priority == new.priority {
                old.share_of_priority = sum(old.share_of_priority, new.share_of_priority);
            }
        }
        Some(old) => {
            let known = old.resolvers.clone();
            old.resolvers.extend(new.resolvers.into_iter().filter(|r| !known.contains(r)));
        }
    }
}

/// Each observation once, and none that repeats the verdict.
fn distinct(observations: Vec<Observation>, reason: &Observation) -> Vec<Observation> {
    let same = |a: &Observation, b: &Observation| {
        let key = |o: &Observation| {
            let subject = o.values.get("target").or(o.values.get("qname")).cloned();
            let about_one = o.code != DnsCode::CnameTarget && o.code != DnsCode::TargetUnresolved;
            (o.code, subject, about_one.then(|| o.values.get("resolver").cloned()))
        };
        key(a) == key(b)
    };
    let mut kept: Vec<Observation> = Vec::new();
    for observation in observations {
        let repeats = same(&observation, reason) || kept.iter().any(|k| same(k, &observation));
        if !repeats && kept.len() < MAX_OBSERVATIONS {
            kept.push(observation);
        }
    }
    kept
}

fn why_unresolved(host: &HostAnswer) -> String {
    if host.host.looks_like_address() {
        return "an IP address stands where a host name belongs".to_owned();
    }
    if let Some(unusable) = host.addresses.first() {
        return format!("its address {} is no host's", unusable.address);
    }
    if host.lookups.iter().any(|lookup| lookup.endless) {
        return "its chain of aliases does not end".to_owned();
    }
    let words = code_words(host.code);
    match host.host.doubled_suffix() {
        Some(suffix) => {
            format!("{words}; {suffix} stands twice in it, as if a final dot were missing")
        }
        None => words.to_owned(),
    }
}

/// What else the answer tells, to stand before the full stop of a sentence.
fn note(exchange: &Exchange) -> String {
    let mut note = String::new();
    if let Some(response) = &exchange.response {
        for error in &response.extended_errors {
            let name = error.name.map_or(format!("code {}", error.code), ToOwned::to_owned);
            note.push_str(&format!("; the server explains: {name}"));
            if !error.text.is_empty() {
                note.push_str(&format!(" (`{}`)", error.text));
            }
        }
        if exchange.outcome == Outcome::OtherRcode {
            note.push_str(&format!("; the response code is {}", response.rcode_name));
        }
        if response.referral {
            note.push_str("; it only refers to other servers, as one that does not recurse");
        }
        let denial = matches!(exchange.outcome, Outcome::NxDomain | Outcome::NoData);
        if let Some(negative) = response.negative.as_ref().filter(|_| denial) {
            let (zone, ttl) = (&negative.zone, negative.ttl);
            note.push_str(&format!(
                "; so says the zone `{zone}`, and caches may keep it for {ttl} s"
            ));
        }
    }
    if exchange.edns == EdnsUse::OnlyWithout {
        note.push_str("; it answered only a query without EDNS");
    }
    note
}

fn code_words(code: DnsCode) -> &'static str {
    match code {
        DnsCode::NxDomain => "NXDOMAIN",
        DnsCode::NoData => "no record",
        DnsCode::ServFail => "SERVFAIL",
        DnsCode::Refused => "REFUSED",
        DnsCode::Timeout => "nothing in time",
        DnsCode::Unreachable => "nothing, for it cannot be reached",
        DnsCode::TruncatedNoTcp => "too much for UDP",
        DnsCode::Malformed => "something unreadable",
        DnsCode::NoService => "no service here",
        _ => "no usable address",
    }
}

fn shown(addresses: impl Iterator<Item = IpAddr>) -> String {
    let all: Vec<IpAddr> = addresses.collect();
    let mut text: Vec<String> = all.iter().take(MAX_SHOWN).map(ToString::to_string).collect();
    if all.len() > MAX_SHOWN {
        text.push(format!("and {} more", all.len() - MAX_SHOWN));
    }
    if text.is_empty() { "no address".to_owned() } else { text.join(", ") }
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// Items listed at most in one sentence.
const MAX_SHOWN: usize = 8;

/// Observations kept at most.
const MAX_OBSERVATIONS: usize = 64;
