//! `kms-probe discover`: DNS only. Which KMS hosts each domain publishes, as every resolver sees
//! it, which part of the clients each would get, and what to create where something is missing.

pub mod records;
mod text;

use std::net::SocketAddr;

use serde::Serialize;

pub use text::text;

use crate::dns::message::Service;
use crate::dns::name::{DomainName, NameError};
use crate::dns::srv;
use crate::stage::resolve::{self, DnsCode, Resolved};
use crate::verdict::{Severity, table};
use records::Creation;

/// What to discover.
#[derive(Clone, Debug)]
pub struct Options {
    /// The domains; without one, every search suffix of the machine.
    pub domains: Vec<DomainName>,
    /// Whom to ask, and how long.
    pub resolve: resolve::Options,
    /// Seed of the order that one client would draw.
    pub seed: u64,
}

/// What was discovered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Discovery {
    /// The resolvers asked, in the configured order.
    pub resolvers: Vec<SocketAddr>,
    /// Where the list of resolvers comes from.
    pub resolvers_from: String,
    /// The domains are the machine's search suffixes: a client takes the first that works.
    pub from_search_list: bool,
    /// Seed of each `client_order`.
    pub seed: u64,
    /// One entry per domain, in the order given.
    pub domains: Vec<Domain>,
}

/// One domain.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Domain {
    /// The domain.
    pub domain: DomainName,
    /// The verdict, its facts and what is worth saying beside it.
    #[serde(flatten)]
    pub resolved: Resolved,
    /// The order in which one client, with the seed, would try the hosts (RFC 2782).
    pub client_order: Vec<Service>,
    /// What to create, where records are missing.
    pub to_create: Vec<Creation>,
}

impl Discovery {
    /// The first domain that leads to a host: where a client without configuration ends up.
    #[must_use]
    pub fn chosen(&self) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.resolved.code == DnsCode::Ok)
    }

    /// The worst severity, findings included: of every domain that was named, or of the suffix where
    /// a client ends, for the suffixes before it are only tried on the way.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let chosen = self.chosen().filter(|_| self.from_search_list);
        let domains = match chosen {
            Some(chosen) => std::slice::from_ref(chosen),
            None => self.domains.as_slice(),
        };
        domains.iter().map(Domain::severity).max().unwrap_or(Severity::Critical)
    }
}

impl Domain {
    fn severity(&self) -> Severity {
        let of =
            |code: DnsCode| table::find(code.code()).map_or(Severity::Critical, |row| row.severity);
        // As in a check: beside an answer nothing is worse than a warning.
        let beside = self.resolved.observations.iter().map(|it| of(it.code).min(Severity::Warning));
        beside.max().unwrap_or(Severity::Ok).max(of(self.resolved.code))
    }
}

/// Looks every domain up at every resolver, one domain after the other.
///
/// # Errors
/// [`NameError::TooLong`] if `_vlmcs._tcp.` does not fit in front of a domain.
pub async fn run(options: &Options) -> Result<Discovery, NameError> {
    let from_search_list = options.domains.is_empty();
    let asked = if from_search_list { &options.resolve.search } else { &options.domains };
    let mut domains = Vec::new();
    for domain in asked {
        let resolved = resolve::domain(domain, &options.resolve).await?;
        let client_order = client_order(&resolved, options.seed);
        let to_create = records::missing(&resolved);
        domains.push(Domain { domain: domain.clone(), resolved, client_order, to_create });
    }
    Ok(Discovery {
        resolvers: options.resolve.resolvers.clone(),
        resolvers_from: options.resolve.resolvers_from.clone(),
        from_search_list,
        seed: options.seed,
        domains,
    })
}

fn client_order(resolved: &Resolved, seed: u64) -> Vec<Service> {
    let records = resolved.facts.deciding_view().map(|view| view.records.as_slice());
    let services: Vec<Service> =
        records.unwrap_or_default().iter().map(|record| record.service.clone()).collect();
    srv::order(&services, seed).into_iter().filter_map(|i| services.get(i).cloned()).collect()
}
