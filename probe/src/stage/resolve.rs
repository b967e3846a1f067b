//! The DNS stage: from a domain or a host name to the addresses to be checked, as each configured
//! resolver and this machine itself see them. Returns facts; prints nothing.
//!
//! How a name is searched:
//!
//! - A domain is taken as it is, a single label too: `_vlmcs._tcp.<domain>`.
//! - Without a target, each search suffix is such a domain, in order, as for a Windows client; the
//!   first that leads to an address ends the search.
//! - A host name with fewer dots than `ndots` (a single label, by default) is tried with each
//!   suffix and then as it is; any other host name only as it is. `localhost` is never asked of DNS.
//!
//! All resolvers are asked at the same time. The first in the configured order that says yes or no
//! decides; a resolver that fails is passed over, as clients do, and is reported beside.

pub mod code;
mod compare;
mod endpoint;
mod observe;
pub mod view;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use code::DnsCode;
pub use endpoint::Endpoint;
pub use observe::Observation;
pub use view::{Address, AddressSource, HostAnswer, ServiceRecord, View};

use crate::dns::exchange::Patience;
use crate::dns::local::{self, LocalAnswer};
use crate::dns::name::{DomainName, NameError};
use crate::dns::system::{MAX_SERVERS, SystemConfig};
use crate::platform::origin::Origin;

/// Whom to ask, and how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// The resolvers, in order.
    pub resolvers: Vec<SocketAddr>,
    /// Where they come from, for people.
    pub resolvers_from: String,
    /// They were named on the command line: then of this machine only the hosts file is asked, for
    /// the rest of the operating system would ask other DNS servers.
    pub resolvers_overridden: bool,
    /// Suffixes for short host names and for a search without target.
    pub search: Vec<DomainName>,
    /// Host names with fewer dots are tried with the suffixes.
    pub ndots: usize,
    /// The stage ends by then.
    pub timeout: Duration,
    /// UDP queries per question before silence counts as silence.
    pub attempts: u32,
    /// Whether the operating system is asked as well.
    pub ask_system: bool,
    /// From where queries leave.
    pub origin: Origin,
}

impl Options {
    /// The system's configuration, or `resolvers` in place of its servers where there are any.
    #[must_use]
    pub fn new(system: SystemConfig, resolvers: &[SocketAddr], timeout: Duration) -> Self {
        let overridden = !resolvers.is_empty();
        let named = if overridden { resolvers.to_vec() } else { system.servers };
        let mut distinct: Vec<SocketAddr> = Vec::new();
        for resolver in named {
            if !distinct.contains(&resolver) && distinct.len() < MAX_SERVERS {
                distinct.push(resolver);
            }
        }
        let from = if overridden { "--resolver".to_owned() } else { system.source };
        Self {
            resolvers: distinct,
            resolvers_from: from,
            resolvers_overridden: overridden,
            search: system.search,
            ndots: system.ndots,
            timeout,
            attempts: DEFAULT_ATTEMPTS,
            ask_system: true,
            origin: Origin::default(),
        }
    }

    fn patience(&self) -> Patience {
        Patience::of(self.timeout, self.attempts).leaving_from(self.origin)
    }
}

/// What came of the stage for one name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Resolved {
    /// The verdict.
    pub code: DnsCode,
    /// What is behind the verdict.
    pub reason: Observation,
    /// What is worth saying beside it.
    pub observations: Vec<Observation>,
    /// What to check next; each (host, port, address) once. Empty unless the code is `dns.ok`.
    pub endpoints: Vec<Endpoint>,
    /// From the first query to the last answer, in microseconds.
    pub elapsed_us: u64,
    /// Everything that was seen.
    pub facts: Facts,
}

/// Everything that was seen of one name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Facts {
    /// Domain or host name, as asked for.
    pub name: DomainName,
    /// The name that was looked up: the service's name, or the host name.
    pub question: DomainName,
    /// The port for a host name; SRV records bring their own.
    pub port: Option<u16>,
    /// Where the list of resolvers comes from.
    pub resolvers_from: String,
    /// One view per resolver, in the configured order.
    pub views: Vec<View>,
    /// The resolver whose view decided.
    pub decided_by: Option<SocketAddr>,
    /// What the operating system says of the hosts.
    pub system: Vec<LocalAnswer>,
}

impl Facts {
    /// The view that decided: the first, in the configured order, that says yes or no, or else the
    /// first.
    #[must_use]
    pub fn deciding_view(&self) -> Option<&View> {
        self.views.iter().find(|view| view.is_definite()).or(self.views.first())
    }
}

/// Looks for the KMS hosts that `domain` publishes.
///
/// # Errors
/// [`NameError::TooLong`] if `_vlmcs._tcp.` does not fit in front of the domain.
pub async fn domain(domain: &DomainName, options: &Options) -> Result<Resolved, NameError> {
    let service = domain.kms_service()?;
    let (begun, patience) = (Instant::now(), options.patience());
    let at_once = Arc::new(Semaphore::new(MAX_HOSTS_AT_ONCE));
    let mut tasks = JoinSet::new();
    for (index, &resolver) in options.resolvers.iter().enumerate() {
        let (domain, service) = (domain.clone(), service.clone());
        let at_once = Arc::clone(&at_once);
        tasks.spawn(async move {
            (index, view::of_domain(resolver, domain, service, patience, at_once).await)
        });
    }
    let (views, system) = gather(tasks, Vec::new(), options, patience.deadline).await;
    let facts = facts(domain, service, None, options, views, system);
    Ok(observe::of_domain(facts, micros(begun)))
}

/// Looks for the addresses of one host.
pub async fn host(host: &DomainName, port: u16, options: &Options) -> Resolved {
    let (begun, patience) = (Instant::now(), options.patience());
    let candidates = candidates(host, options);
    let mut tasks = JoinSet::new();
    let asked = if host.is_localhost() { &[][..] } else { options.resolvers.as_slice() };
    for (index, &resolver) in asked.iter().enumerate() {
        let candidates = candidates.clone();
        tasks.spawn(
            async move { (index, view::of_host_names(resolver, candidates, patience).await) },
        );
    }
    let (views, system) = gather(tasks, vec![host.clone()], options, patience.deadline).await;
    let facts = facts(host, host.clone(), Some(port), options, views, system);
    observe::of_host(facts, micros(begun))
}

/// Looks for KMS hosts as a client without configuration does: in each search suffix, in order,
/// until one leads to an address. Each suffix has the whole timeout; when none of the resolvers
/// answers at all, the other suffixes are left out, for nobody would answer about them either.
/// Empty if the machine has no suffix.
///
/// # Errors
/// [`NameError::TooLong`] if `_vlmcs._tcp.` does not fit in front of a suffix.
pub async fn search(options: &Options) -> Result<Vec<Resolved>, NameError> {
    let mut tried = Vec::new();
    for suffix in &options.search {
        let resolved = domain(suffix, options).await?;
        let found = resolved.code == DnsCode::Ok;
        let silent = resolved.facts.views.iter().all(|view| {
            matches!(view.code, DnsCode::Timeout | DnsCode::Unreachable) && view.records.is_empty()
        });
        tried.push(resolved);
        if found || silent {
            break;
        }
    }
    Ok(tried)
}

/// The names under which a host is looked up, in order.
fn candidates(host: &DomainName, options: &Options) -> Vec<DomainName> {
    let mut names = Vec::new();
    if host.labels() <= options.ndots {
        names.extend(options.search.iter().filter_map(|suffix| host.under(suffix)));
    }
    names.push(host.clone());
    names
}

/// Collects the views in the configured order. As soon as one has names, the operating system is
/// asked about them too, so that a silent resolver does not keep it from answering.
async fn gather(
    mut views: JoinSet<(usize, View)>,
    names: Vec<DomainName>,
    options: &Options,
    deadline: Instant,
) -> (Vec<View>, Vec<LocalAnswer>) {
    let mut asked: Vec<DomainName> = Vec::new();
    let mut system = JoinSet::new();
    let source = match options.resolvers_overridden {
        true => local::Source::HostsFile,
        false => local::Source::System,
    };
    let mut ask = |names: Vec<DomainName>| {
        let new: Vec<_> = names.into_iter().filter(|name| !asked.contains(name)).collect();
        if options.ask_system && !new.is_empty() {
            asked.extend(new.iter().cloned());
            system.spawn(local::ask(new, source, deadline));
        }
    };
    ask(names);
    let mut found = Vec::new();
    while let Some(joined) = views.join_next().await {
        if let Ok((index, view)) = joined {
            if view.service.is_some() {
                ask(view.hosts.iter().map(|answer| answer.host.clone()).collect());
            }
            found.push((index, view));
        }
    }
    found.sort_by_key(|(index, _)| *index);
    let system = system.join_all().await.into_iter().flatten().collect();
    (found.into_iter().map(|(_, view)| view).collect(), system)
}

fn facts(
    name: &DomainName,
    question: DomainName,
    port: Option<u16>,
    options: &Options,
    views: Vec<View>,
    system: Vec<LocalAnswer>,
) -> Facts {
    let mut facts = Facts {
        name: name.clone(),
        question,
        port,
        resolvers_from: options.resolvers_from.clone(),
        views,
        decided_by: None,
        system,
    };
    facts.decided_by = facts.deciding_view().map(|view| view.resolver);
    facts
}

fn micros(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// UDP queries per question, unless asked otherwise: at 0, 1/3 and 2/3 of the timeout.
pub const DEFAULT_ATTEMPTS: u32 = 3;

/// Host names looked up at the same time, all resolvers together; each takes two sockets.
const MAX_HOSTS_AT_ONCE: usize = 32;
