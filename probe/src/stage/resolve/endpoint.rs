//! What to connect to, from all that was found. Pure.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::Facts;
use super::view::{AddressSource, HostAnswer, View};
use crate::dns::name::DomainName;

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

/// Every address of every usable record, in every view; the shares are those of the view that
/// decided.
pub(super) fn service_endpoints(facts: &Facts) -> Vec<Endpoint> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    let deciding = facts.decided_by;
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

/// Every address that a resolver has for the host.
pub(super) fn host_endpoints(facts: &Facts) -> Vec<Endpoint> {
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

/// Every address that the operating system has for the host.
pub(super) fn system_endpoints(facts: &Facts) -> Vec<Endpoint> {
    let addresses = facts.system.iter().flat_map(|answer| &answer.addresses);
    addresses
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
