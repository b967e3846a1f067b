//! A trace from end to end: look-ups first, then every address found, one after the other so that
//! the routers they share can answer each.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::facts::TraceFacts;
use super::judge::{self, Conclusion};
use super::path::{self, PortPath};
use super::{Options, TRACES_MAX, names, payload, sockets, table};
use crate::check;
use crate::dns::system::SystemConfig;
use crate::stage::Stage;
use crate::stage::echo::{self, EchoFacts};
use crate::target::{Asked, Target};
use crate::verdict::{Severity, Verdict};

/// Everything that one run traced.
#[derive(Clone, Debug)]
pub struct Report {
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// One entry per address, and one per target that has none.
    pub entries: Vec<Entry>,
}

/// One address, or a target that leads to none.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The target as it was given.
    pub target: String,
    /// The host, once it is known.
    pub host: Option<String>,
    /// The port, once it is known.
    pub port: Option<u16>,
    /// The address, once it is known.
    pub address: Option<IpAddr>,
    /// The verdict: of the look-ups where they failed, or else of the trace.
    pub verdict: Verdict,
    /// The trace, where there was an address.
    pub traced: Option<Box<Traced>>,
}

/// A finished trace.
#[derive(Clone, Debug)]
pub struct Traced {
    /// What it saw.
    pub facts: TraceFacts,
    /// The same by port and hop; the port that matters first.
    pub paths: Vec<PortPath>,
    /// What it shows.
    pub conclusion: Conclusion,
    /// Names of routers, where they were asked for and are known.
    pub names: BTreeMap<IpAddr, String>,
    /// The ICMP echo, where one was asked for.
    pub echo: Option<EchoFacts>,
}

/// An address to be traced.
struct Planned {
    target: String,
    host: String,
    address: SocketAddr,
}

/// Traces every address of `targets`, and hands each entry to `each` as soon as it is there. `dns`
/// says how names are looked up.
///
/// # Errors
/// This program's own failures: an unreadable resolver configuration, no descriptors, too many
/// addresses; or what `each` returns.
pub fn run(
    targets: &[Asked],
    options: &Options,
    dns: &check::Options,
    mut each: impl FnMut(&Entry) -> anyhow::Result<()>,
) -> anyhow::Result<Report> {
    let started = jiff::Timestamp::now().to_string();
    let (planned, mut entries) = plan(targets, dns)?;
    if planned.len() > TRACES_MAX {
        bail!("{} addresses to trace, and at most {TRACES_MAX} at once: name fewer", planned.len());
    }
    for entry in &entries {
        each(entry)?;
    }
    let resolvers = if options.names { resolvers(dns) } else { Vec::new() };
    for planned in planned {
        let entry = trace(planned, options, &resolvers)?;
        each(&entry)?;
        entries.push(entry);
    }
    Ok(Report { started, entries })
}

impl Report {
    /// The worst severity.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let severities = self.entries.iter().map(|entry| entry.verdict.severity);
        severities.max().unwrap_or(Severity::Ok)
    }

    /// The first of the worst verdicts.
    #[must_use]
    pub fn worst(&self) -> Option<&Verdict> {
        let severity = self.severity();
        self.entries.iter().map(|entry| &entry.verdict).find(|v| v.severity == severity)
    }
}

/// Addresses to trace, and entries for targets without one.
fn plan(targets: &[Asked], dns: &check::Options) -> anyhow::Result<(Vec<Planned>, Vec<Entry>)> {
    let mut planned: Vec<Planned> = Vec::new();
    let mut entries = Vec::new();
    let mut add = |one: Planned| {
        if !planned.iter().any(|known| known.address == one.address) {
            planned.push(one);
        }
    };
    let mut names = Vec::new();
    for asked in targets {
        match asked.target {
            Target::Address(address) => {
                add(Planned { target: asked.text.clone(), host: address.ip().to_string(), address })
            }
            _ => names.push(asked.clone()),
        }
    }
    if names.is_empty() && !targets.is_empty() {
        return Ok((planned, entries));
    }
    let looked_up = check::run(&names, &check::Options { depth: Stage::Dns, ..dns.clone() })?;
    for entry in looked_up.entries {
        match (entry.host, entry.port, entry.address) {
            (Some(host), Some(port), Some(address)) => {
                let address = SocketAddr::new(address, port);
                add(Planned { target: entry.target, host, address });
            }
            (host, port, address) => entries.push(Entry {
                target: entry.target,
                host,
                port,
                address,
                verdict: entry.verdict,
                traced: None,
            }),
        }
    }
    Ok((planned, entries))
}

fn trace(planned: Planned, options: &Options, resolvers: &[SocketAddr]) -> anyhow::Result<Entry> {
    let Planned { target, host, address } = planned;
    let (facts, echo) = thread::scope(|scope| {
        let ping = || echo::echo(options.origin, address, options.timeout);
        let echo = options.ping.then(|| scope.spawn(ping));
        let facts = sockets::trace(address, options);
        (facts, echo.and_then(|echo| echo.join().ok()))
    });
    let mut facts = facts.with_context(|| format!("cannot trace `{address}`"))?;
    let paths = path::paths(&facts);
    let mut conclusion = conclude(&host, &facts, &paths)?;
    if std::ptr::eq(conclusion.verdict.row, &table::REACHED) {
        let left = options.timeout.saturating_sub(Duration::from_micros(facts.elapsed_us));
        facts.payload = payload::send(options.origin, address, left.max(PAYLOAD_TIMEOUT_MIN))?;
        conclusion = conclude(&host, &facts, &paths)?;
    }
    let names = look_up_names(&paths, options, resolvers)?;
    Ok(Entry {
        target,
        host: Some(host),
        port: Some(address.port()),
        address: Some(address.ip()),
        verdict: conclusion.verdict.clone(),
        traced: Some(Box::new(Traced { facts, paths, conclusion, names, echo })),
    })
}

fn conclude(host: &str, facts: &TraceFacts, paths: &[PortPath]) -> anyhow::Result<Conclusion> {
    judge::conclude(host, facts, paths).context("a trace without a port shows nothing")
}

fn look_up_names(
    paths: &[PortPath],
    options: &Options,
    resolvers: &[SocketAddr],
) -> anyhow::Result<BTreeMap<IpAddr, String>> {
    if !options.names {
        return Ok(BTreeMap::new());
    }
    let mut addresses: Vec<IpAddr> = paths
        .iter()
        .flat_map(|path| &path.hops)
        .flat_map(|hop| &hop.answers)
        .filter_map(|answer| answer.from)
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the DNS client")?;
    Ok(runtime.block_on(names::look_up(&addresses, resolvers, options.timeout)))
}

/// Whom to ask for names. A machine without resolvers has no names, which is no failure here.
fn resolvers(dns: &check::Options) -> Vec<SocketAddr> {
    if dns.resolvers.is_empty() {
        SystemConfig::load().map(|system| system.servers).unwrap_or_default()
    } else {
        dns.resolvers.clone()
    }
}

/// A payload gets this much time even where the SYNs have used all of it.
const PAYLOAD_TIMEOUT_MIN: Duration = Duration::from_secs(1);
