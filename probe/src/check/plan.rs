//! The DNS part of a check: from targets to the addresses to be probed, in order, with an entry
//! already finished for everything that has no address.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::entry::{DnsFacts, Entry, NoDnsFacts, StageFacts, StageReport};
use super::{Beside, Family, Options};
use crate::dns::system::SystemConfig;
use crate::stage::Stage;
use crate::stage::resolve::{self, DnsCode, Endpoint, Observation, Resolved};
use crate::target::{Asked, Target};
use crate::verdict::table::dns as rows;
use crate::verdict::{Finding, Verdict, judge};

/// One future entry.
pub(crate) enum Planned {
    /// Finished: there is nothing to connect to.
    Done(Box<Entry>),
    /// To be probed.
    Probe(Box<Probe>),
}

/// An address to be probed.
#[derive(Clone)]
pub(crate) struct Probe {
    pub(super) target: String,
    pub(super) host: String,
    pub(super) address: SocketAddr,
    pub(super) stages: Vec<StageReport>,
    pub(super) findings: Vec<Finding>,
}

/// What the look-ups of one target gave: several for a search through suffixes.
pub(crate) type LookedUp = anyhow::Result<Vec<Resolved>>;

/// Looks everything up that needs it.
pub(super) fn plan(targets: &[Asked], options: &Options) -> anyhow::Result<Vec<Planned>> {
    let search = [Asked::search_list()];
    let targets = if targets.is_empty() { &search } else { targets };
    let needs_dns = targets.iter().any(|asked| !matches!(asked.target, Target::Address(_)));
    let system = if needs_dns { load_system(options)? } else { SystemConfig::default() };
    let has_resolver = !system.servers.is_empty() || !options.resolvers.is_empty();
    let source = system.source.clone();
    let nowhere = system.search.is_empty();
    let mut looked_up =
        if needs_dns { look_up(targets, system, options)? } else { BTreeMap::new() };
    let mut planned = Vec::new();
    for (index, asked) in targets.iter().enumerate() {
        match &asked.target {
            Target::Address(address) => planned.push(self::address(&asked.text, *address)),
            Target::SearchList if nowhere && !has_resolver => planned.push(no_dns(&source)),
            Target::SearchList if nowhere => bail!(
                "no target given, and `{source}` has no search suffix to look in: name a domain or \
                 a host"
            ),
            _ => {
                let resolved = looked_up.remove(&index).unwrap_or_else(|| Ok(Vec::new()))?;
                planned.extend(plan_resolved(asked, resolved, options));
            }
        }
    }
    Ok(planned)
}

/// Plans an address, which needs no look-up; `target` is the text that named it.
pub(crate) fn address(target: &str, address: SocketAddr) -> Planned {
    Planned::Probe(Box::new(Probe {
        target: target.to_owned(),
        host: address.ip().to_string(),
        address,
        stages: Vec::new(),
        findings: Vec::new(),
    }))
}

/// Named resolvers replace a configuration that cannot be read.
fn load_system(options: &Options) -> anyhow::Result<SystemConfig> {
    match SystemConfig::load() {
        Ok(system) => Ok(system),
        Err(_) if !options.resolvers.is_empty() => Ok(SystemConfig::default()),
        Err(error) => Err(error.into()),
    }
}

fn look_up(
    targets: &[Asked],
    system: SystemConfig,
    options: &Options,
) -> anyhow::Result<BTreeMap<usize, LookedUp>> {
    let dns = resolve::Options {
        ask_system: options.ask_system,
        origin: options.origin,
        ..resolve::Options::new(system, &options.resolvers, options.timeouts.dns)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the DNS client")?;
    Ok(runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for (index, asked) in targets.iter().enumerate() {
            let (target, dns) = (asked.target.clone(), dns.clone());
            tasks.spawn(async move { (index, look_up_one(&target, &dns).await) });
        }
        tasks.join_all().await.into_iter().collect()
    }))
}

/// Neither a server nor a suffix: there is not even a name to ask for.
fn no_dns(source: &str) -> Planned {
    let detail = format!("`{source}` names neither a server nor a search suffix");
    let verdict = Verdict::of(&rows::NO_RESOLVER, &[("detail", detail)]);
    let stage = StageReport {
        stage: Stage::Dns,
        verdict: verdict.row.code,
        elapsed: Duration::ZERO,
        facts: StageFacts::NoDns(NoDnsFacts { resolvers_from: source.to_owned() }),
    };
    Planned::Done(Box::new(Entry {
        target: String::new(),
        host: None,
        port: None,
        address: None,
        stages: vec![stage],
        verdict,
        findings: Vec::new(),
        beside: Beside::default(),
    }))
}

/// Looks one target up.
pub(crate) async fn look_up_one(target: &Target, options: &resolve::Options) -> LookedUp {
    Ok(match target {
        Target::Address(_) => Vec::new(),
        Target::Host(host, port) => vec![resolve::host(host, *port, options).await],
        Target::Domain(domain) => vec![resolve::domain(domain, options).await?],
        Target::SearchList => resolve::search(options).await?,
    })
}

/// Plans what came of one target. Suffixes that were passed over before one that works are only
/// findings; when none works, each has its own entry.
pub(crate) fn plan_resolved(
    asked: &Asked,
    resolved: Vec<Resolved>,
    options: &Options,
) -> Vec<Planned> {
    let timeout = options.timeouts.dns;
    let any_ok = resolved.iter().any(|resolved| resolved.code == DnsCode::Ok);
    let mut passed_over = Vec::new();
    let mut planned = Vec::new();
    for resolved in resolved {
        let name = match asked.target {
            Target::SearchList => resolved.facts.name.to_string(),
            _ => asked.text.clone(),
        };
        let resolved = Arc::new(resolved);
        if resolved.code == DnsCode::Ok {
            planned.extend(plan_ok(&name, &resolved, &passed_over, options));
        } else if any_ok {
            let reason = &resolved.reason;
            passed_over.push(judge::dns_passed_over(&resolved.facts, reason, timeout));
        } else {
            let beside = findings(&resolved, |_| true, timeout);
            let place = Place { target: &name, host: None, port: None };
            planned.push(done(place, &resolved, true, &resolved.reason, beside, timeout));
        }
    }
    planned
}

/// Plans the endpoints of a look-up that found some, and an entry for each record without one.
fn plan_ok(
    target: &str,
    resolved: &Arc<Resolved>,
    passed_over: &[Finding],
    options: &Options,
) -> Vec<Planned> {
    let timeout = options.timeouts.dns;
    let unusable = records_without_endpoint(resolved, options.family);
    let about_unusable =
        |observation: &Observation| unusable.iter().any(|(_, _, reason)| reason == observation);
    let mut planned = Vec::new();
    for endpoint in usable(resolved, options.family) {
        let host = endpoint.host.to_string();
        let concerns = |observation: &Observation| {
            let target = observation.values.get("target");
            !about_unusable(observation) && target.is_none_or(|target| *target == host)
        };
        let mut beside = passed_over.to_vec();
        beside.extend(findings(resolved, concerns, timeout));
        let verdict = judge::dns(&resolved.facts, &resolved.reason, timeout);
        let stage = stage(resolved, &verdict, Some(endpoint.clone()), planned.is_empty());
        let address = SocketAddr::new(endpoint.address, endpoint.port);
        planned.push(if options.depth == Stage::Dns {
            Planned::Done(Box::new(Entry {
                target: target.to_owned(),
                host: Some(host),
                port: Some(endpoint.port),
                address: Some(endpoint.address),
                stages: vec![stage],
                verdict,
                findings: beside,
                beside: Beside::default(),
            }))
        } else {
            let (target, stages) = (target.to_owned(), vec![stage]);
            Planned::Probe(Box::new(Probe { target, host, address, stages, findings: beside }))
        });
    }
    for (host, port, reason) in &unusable {
        let place = Place { target, host: Some(host.clone()), port: Some(*port) };
        let with_views = planned.is_empty();
        planned.push(done(place, resolved, with_views, reason, Vec::new(), timeout));
    }
    planned
}

/// Endpoints in the order of clients: best priority first, then the largest share.
fn usable(resolved: &Resolved, family: Option<Family>) -> Vec<&Endpoint> {
    let wanted = |endpoint: &&Endpoint| {
        let address = SocketAddr::new(endpoint.address, endpoint.port);
        family.is_none_or(|family| family.has(&address))
    };
    let mut endpoints: Vec<_> = resolved.endpoints.iter().filter(wanted).collect();
    endpoints.sort_by_key(|endpoint| endpoint.priority);
    endpoints
}

/// Records, or the host, that lead to no address to connect to, with the reason.
fn records_without_endpoint(
    resolved: &Resolved,
    family: Option<Family>,
) -> Vec<(String, u16, Observation)> {
    let reachable = usable(resolved, family);
    let records = resolved.facts.deciding_view().map_or(&[][..], |view| view.records.as_slice());
    let mut wanted: Vec<(String, u16)> = records
        .iter()
        .map(|record| (record.service.target.to_string(), record.service.port))
        .collect();
    if let Some(port) = resolved.facts.port {
        wanted.push((resolved.facts.name.to_string(), port));
    }
    wanted.retain(|(host, port)| {
        !reachable.iter().any(|found| found.host.to_string() == *host && found.port == *port)
    });
    wanted
        .into_iter()
        .filter_map(|(host, port)| {
            let reason = why_without_endpoint(resolved, &host, port, family)?;
            Some((host, port, reason))
        })
        .collect()
}

fn why_without_endpoint(
    resolved: &Resolved,
    host: &str,
    port: u16,
    family: Option<Family>,
) -> Option<Observation> {
    let other_family = resolved.endpoints.iter().any(|found| found.host.to_string() == host);
    if let Some(family) = family.filter(|_| other_family && port != 0) {
        let mut values = resolved.reason.values.clone();
        values.insert("target", host.to_owned());
        values.insert("why", format!("no {} address, and no other was asked for", family.name()));
        return Some(Observation { code: DnsCode::TargetUnresolved, values });
    }
    let names_host = |observation: &&Observation| {
        let beside = matches!(observation.code, DnsCode::CnameTarget | DnsCode::LocalOverride);
        !beside && observation.values.get("target").is_some_and(|target| target == host)
    };
    resolved.observations.iter().find(names_host).cloned()
}

/// Whom an entry is about.
struct Place<'a> {
    target: &'a str,
    host: Option<String>,
    port: Option<u16>,
}

fn done(
    place: Place<'_>,
    resolved: &Arc<Resolved>,
    with_views: bool,
    reason: &Observation,
    findings: Vec<Finding>,
    timeout: Duration,
) -> Planned {
    let verdict = judge::dns(&resolved.facts, reason, timeout);
    let stage = stage(resolved, &verdict, None, with_views);
    Planned::Done(Box::new(Entry {
        target: place.target.to_owned(),
        host: place.host,
        port: place.port,
        address: None,
        stages: vec![stage],
        verdict,
        findings,
        beside: Beside::default(),
    }))
}

fn stage(
    resolved: &Arc<Resolved>,
    verdict: &Verdict,
    endpoint: Option<Endpoint>,
    with_views: bool,
) -> StageReport {
    StageReport {
        stage: Stage::Dns,
        verdict: verdict.row.code,
        elapsed: Duration::from_micros(resolved.elapsed_us),
        facts: StageFacts::Dns(DnsFacts { resolved: Arc::clone(resolved), endpoint, with_views }),
    }
}

fn findings(
    resolved: &Resolved,
    mut wanted: impl FnMut(&Observation) -> bool,
    timeout: Duration,
) -> Vec<Finding> {
    let observations = resolved.observations.iter().filter(|observation| wanted(observation));
    observations.map(|o| judge::dns_finding(&resolved.facts, o, timeout)).collect()
}
