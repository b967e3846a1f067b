//! The records that are missing, in the words of the servers that would hold them. Pure.
//!
//! Only plain names are put into commands: a name of the network could otherwise carry shell text.

use serde::Serialize;

use crate::dns::lookup::Lookup;
use crate::dns::message::Service;
use crate::dns::name::DomainName;
use crate::stage::resolve::{DnsCode, HostAnswer, Resolved, View};

/// One record to create, four ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Creation {
    /// What it is, and what to put in the place of an example.
    pub purpose: String,
    /// A line of a zone file (BIND, Knot, NSD).
    pub zone_line: String,
    /// A line of dnsmasq's configuration.
    pub dnsmasq: String,
    /// A script for nsupdate (RFC 2136).
    pub nsupdate: String,
    /// A command for a Windows DNS server.
    pub windows: String,
}

/// What to create so that the domain has a usable KMS host; empty if nothing is missing, or if a
/// missing name is not plain.
#[must_use]
pub fn missing(resolved: &Resolved) -> Vec<Creation> {
    let Some(view) = resolved.facts.deciding_view() else { return Vec::new() };
    let domain = &resolved.facts.name;
    if !domain.is_plain() {
        return Vec::new();
    }
    let absent = view.code.is_missing() || view.code == DnsCode::NoService;
    if absent {
        return service(domain, &resolved.facts.question, view).into_iter().collect();
    }
    let unresolved = view.hosts.iter().filter(|host| host.code.is_missing());
    let creatable = unresolved.filter(|answer| {
        let host = &answer.host;
        host.is_plain() && !host.looks_like_address() && host.doubled_suffix().is_none()
    });
    let created = creatable.take(MAX_CREATIONS);
    created.map(|answer| address(&answer.host, &zone_of_host(answer, domain))).collect()
}

/// What to put in the place of SRV records with port 0, or whose target is an alias, as `code` asks.
/// Only plain names. A record that is there does not tell its zone, so nsupdate is left to find it.
#[must_use]
pub fn corrected(resolved: &Resolved, code: DnsCode) -> Vec<Creation> {
    let Some(view) = resolved.facts.deciding_view() else { return Vec::new() };
    let (domain, owner) = (&resolved.facts.name, &resolved.facts.question);
    let corrections = view.records.iter().filter_map(|record| {
        let Service { priority, weight, port, target } = &record.service;
        let alias = view.host(target).and_then(|host| host.aliases.last());
        let host = alias.unwrap_or(target);
        let purpose = match (code, *port, alias) {
            (DnsCode::PortZero, 0, _) => format!(
                "SRV record of {target} with a port, in place of the one with port 0; replace \
                 {PORT} if `slmgr /dlv` on the host says otherwise"
            ),
            (DnsCode::CnameTarget, _, Some(_)) => format!(
                "SRV record that names the host itself, in place of the one that names the alias \
                 {target}"
            ),
            _ => return None,
        };
        let purpose = format!(
            "{purpose}; where {domain} lies within a larger zone, name that one in the Windows command"
        );
        let wanted = if *port == 0 { PORT } else { *port };
        let is_plain = domain.is_plain() && target.is_plain() && host.is_plain();
        let old = format!("{owner}. IN SRV {priority} {weight} {port} {target}.");
        let numbers = [*priority, *weight, wanted];
        is_plain.then(|| Creation {
            purpose,
            nsupdate: format!(
                "update delete {old}\nupdate add {owner}. {TTL} IN SRV {priority} \
                 {weight} {wanted} {host}.\nsend\n"
            ),
            ..srv(owner, domain, numbers, host)
        })
    });
    corrections.take(MAX_CREATIONS).collect()
}

/// An SRV record, four ways, without a purpose.
fn srv(
    owner: &DomainName,
    zone: &DomainName,
    [priority, weight, port]: [u16; 3],
    host: &DomainName,
) -> Creation {
    let name = relative(owner, zone);
    Creation {
        purpose: String::new(),
        zone_line: format!("{owner}. {TTL} IN SRV {priority} {weight} {port} {host}."),
        dnsmasq: format!("srv-host={owner},{host},{port},{priority},{weight}"),
        nsupdate: format!(
            "zone {zone}\nupdate add {owner}. {TTL} IN SRV {priority} {weight} {port} {host}.\nsend\n"
        ),
        windows: format!(
            "Add-DnsServerResourceRecord -Srv -ZoneName '{zone}' -Name '{name}' -DomainName \
             '{host}' -Priority {priority} -Weight {weight} -Port {port} -TimeToLive 01:00:00"
        ),
    }
}

/// The SRV record, with an example for the host's name.
fn service(domain: &DomainName, owner: &DomainName, view: &View) -> Option<Creation> {
    let host = DomainName::parse("kms").ok()?.under(domain)?;
    let zone = zone_of(domain, view);
    let replaces =
        if view.code == DnsCode::NoService { ", in place of the one with `.`" } else { "" };
    let purpose = format!(
        "SRV record{replaces}; replace {host} by the name of the KMS host, and 1688 if it listens \
         elsewhere"
    );
    Some(Creation { purpose, ..srv(owner, &zone, [0, 0, PORT], &host) })
}

/// The address record of a target, with an address kept for examples (RFC 5737).
fn address(host: &DomainName, zone: &DomainName) -> Creation {
    let name = relative(host, zone);
    Creation {
        purpose: format!(
            "address record of {host}; replace {ADDRESS} by its address (AAAA for IPv6), or delete \
             the SRV record if the host is retired"
        ),
        zone_line: format!("{host}. {TTL} IN A {ADDRESS}"),
        dnsmasq: format!("host-record={host},{ADDRESS}"),
        nsupdate: format!("zone {zone}\nupdate add {host}. {TTL} IN A {ADDRESS}\nsend\n"),
        windows: format!(
            "Add-DnsServerResourceRecordA -ZoneName '{zone}' -Name '{name}' -IPv4Address '{ADDRESS}'"
        ),
    }
}

/// The zone that denied the record, if it is one that can hold it; otherwise the domain itself,
/// whose zone does not exist yet or was not named.
fn zone_of(domain: &DomainName, view: &View) -> DomainName {
    denied_by(view.service.iter(), domain).unwrap_or_else(|| domain.clone())
}

/// The zone that denied the address of a host; otherwise the domain, if the host is in it, or else
/// the name above the host.
fn zone_of_host(answer: &HostAnswer, domain: &DomainName) -> DomainName {
    let host = &answer.host;
    let otherwise = || if host.is_within(domain) { domain.clone() } else { host.parent() };
    denied_by(answer.lookups.iter(), host).unwrap_or_else(otherwise)
}

/// The zone that says there is no such record, if it is one that can hold it.
fn denied_by<'a>(
    lookups: impl Iterator<Item = &'a Lookup>,
    name: &DomainName,
) -> Option<DomainName> {
    let mut zones = lookups.filter_map(|lookup| {
        let response = lookup.last()?.response.as_ref()?;
        response.negative.as_ref().map(|negative| &negative.zone)
    });
    // A top-level domain or the root says that nothing below it exists.
    let holds = |zone: &&DomainName| zone.labels() > 1 || name.labels() == 1;
    zones.find(|zone| zone.is_plain() && name.is_within(zone)).filter(holds).cloned()
}

fn relative(name: &DomainName, zone: &DomainName) -> String {
    let (name, zone) = (name.to_string(), zone.to_string());
    if name.eq_ignore_ascii_case(&zone) {
        return "@".to_owned();
    }
    let cut = name.len().saturating_sub(zone.len() + 1);
    match name.split_at_checked(cut) {
        Some((front, back))
            if back.strip_prefix('.').is_some_and(|back| back.eq_ignore_ascii_case(&zone)) =>
        {
            front.to_owned()
        }
        _ => name,
    }
}

const TTL: u32 = 3600;
const PORT: u16 = 1688;
const ADDRESS: &str = "192.0.2.10";
const MAX_CREATIONS: usize = 8;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).unwrap()
    }

    #[test]
    fn names_are_made_relative_to_their_zone() {
        assert_eq!(
            relative(&name("_vlmcs._tcp.eu.corp.test"), &name("corp.test")),
            "_vlmcs._tcp.eu"
        );
        assert_eq!(relative(&name("Corp.test"), &name("corp.TEST")), "@");
        assert_eq!(relative(&name("xcorp.test"), &name("corp.test")), "xcorp.test");
        assert_eq!(relative(&name("test"), &name("corp.test")), "test");
    }

    #[test]
    fn an_address_record_goes_into_the_domain_or_beside_it() {
        let of = |host: &str| {
            let answer = HostAnswer {
                host: name(host),
                code: DnsCode::NxDomain,
                addresses: Vec::new(),
                aliases: Vec::new(),
                lookups: Vec::new(),
            };
            address(&answer.host, &zone_of_host(&answer, &name("corp.test")))
        };
        let inside = of("kms1.eu.corp.test");
        assert!(inside.windows.contains("-ZoneName 'corp.test' -Name 'kms1.eu'"), "{inside:?}");
        let outside = of("kms1.other.test");
        assert!(outside.nsupdate.starts_with("zone other.test\n"), "{outside:?}");
    }
}
