//! From what was seen to the verdict and to the observations beside it. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use super::code::DnsCode;
use super::compare::split_view;
use super::endpoint::{host_endpoints, service_endpoints, system_endpoints};
use super::view::{HostAnswer, ServiceRecord, View};
use super::words::{count, note, shown, why_unresolved};
use super::{Facts, Resolved};
use crate::dns::exchange::{Exchange, Outcome};

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

/// The result for a domain.
pub(super) fn of_domain(facts: Facts, elapsed_us: u64) -> Resolved {
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
    observations.extend(overrides(&facts));
    let endpoints = if code == DnsCode::Ok { service_endpoints(&facts) } else { Vec::new() };
    let observations = distinct(observations, &reason);
    Resolved { code, reason, observations, endpoints, elapsed_us, facts }
}

/// The result for a host name. Where DNS has no address and this machine has one, the machine's
/// own is checked, and said so.
pub(super) fn of_host(facts: Facts, elapsed_us: u64) -> Resolved {
    let from_system = system_endpoints(&facts);
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
    observations.extend(half_failed(&facts));
    observations.extend(split_view(&facts));
    observations.extend(overrides(&facts));
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
    pub(super) fn of(code: DnsCode, facts: &Facts, view: Option<&View>) -> Self {
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

    pub(super) fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
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

/// Resolvers that have an address of the host and failed on the other address family. Names of the
/// search list that do not exist are no failure.
fn half_failed(facts: &Facts) -> Vec<Observation> {
    let healthy = facts.views.iter().filter(|view| view.code == DnsCode::Ok);
    let failed = healthy.flat_map(|view| failed_hosts(facts, view));
    failed.filter(|observation| observation.code != DnsCode::TargetUnresolved).collect()
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

/// What the operating system says of a host where DNS says otherwise.
fn overrides(facts: &Facts) -> Vec<Observation> {
    let Some(view) = facts.deciding_view() else { return Vec::new() };
    let trusted = facts.system.iter().filter(|answer| !answer.addresses.is_empty());
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

/// Observations kept at most.
const MAX_OBSERVATIONS: usize = 64;
