//! Findings about who is who: machine ids and names, hosts of DNS and hosts in use.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::super::names::{Name, Names};
use super::super::records::Records;
use super::super::timeline::{Client, Timeline};
use super::{Gathered, Seen, Subject};

pub(super) fn find(records: &Records, timeline: &Timeline, gathered: &mut Gathered) {
    duplicates(records, timeline, gathered);
    changes(records, timeline, gathered);
    hosts(records, timeline, gathered);
}

/// One machine id under several names.
fn duplicates(records: &Records, timeline: &Timeline, gathered: &mut Gathered) {
    for client in timeline.clients.iter().filter(|client| client.names.len() > 1) {
        let distinct: BTreeSet<String> =
            client.names.iter().map(|name| records.names.normal(*name)).collect();
        if distinct.len() < 2 {
            continue;
        }
        let name = client.names.iter().next().copied().unwrap_or_default();
        let Some(seen) = seen_of(records, client, name) else { continue };
        let shown = || list(client.names.iter().copied(), &records.names);
        let count = distinct.len();
        if client.is_shared {
            gathered.add("identity.duplicate_cmid", &seen, || {
                format!("{count} machines use it: {}", shown())
            });
        } else {
            gathered.add("identity.name_changes", &seen, || {
                format!("{count} names one after the other: {}", shown())
            });
        }
    }
}

/// One name with several machine ids.
fn changes(records: &Records, timeline: &Timeline, gathered: &mut Gathered) {
    let mut by_name: BTreeMap<String, Vec<(&Client, Name)>> = BTreeMap::new();
    for client in &timeline.clients {
        // A machine id that is shared says nothing of the names that share it.
        if let (1, Some(name)) = (client.names.len(), client.names.iter().next()) {
            by_name.entry(records.names.normal(*name)).or_default().push((client, *name));
        }
    }
    for clients in by_name.values().filter(|clients| clients.len() > 1) {
        // Windows and Office on one machine have an id each.
        let windows = clients.iter().filter(|(client, _)| !is_office(records, client)).count();
        let office = clients.len() - windows;
        let most = windows.max(office);
        let (Some((client, name)), true) = (clients.last(), most > 1) else { continue };
        let Some(mut seen) = seen_of(records, client, *name) else { continue };
        seen.subject = Subject::Named(*name);
        gathered.add("identity.cmid_changes", &seen, || {
            format!("{most} client machine ids for the same kind of product")
        });
    }
}

fn is_office(records: &Records, client: &Client) -> bool {
    let event = records.events.get(client.last_event);
    let sku = event.map(|event| records.names.guid(event.sku));
    let product = sku.and_then(|sku| kms_protocol::kms::product::Product::by_sku_id(&sku));
    match product {
        Some(product) => product.app_id == kms_protocol::kms::product::OFFICE_APP_ID,
        None => false,
    }
}

/// Hosts that DNS names, against hosts that clients use.
fn hosts(records: &Records, timeline: &Timeline, gathered: &mut Gathered) {
    let published: BTreeMap<String, (Name, &super::super::record::DnsAnswer)> = records
        .dns
        .iter()
        .flat_map(|answer| answer.hosts.iter().map(move |host| (*host, answer)))
        .map(|(host, answer)| (key(records.names.text(host)), (host, answer)))
        .collect();
    for answer in records.dns.iter().filter(|answer| answer.hosts.is_empty() && answer.rcode == 3) {
        let subject = Subject::Named(answer.question);
        let seen = Seen { subject, place: answer.place, time: answer.time, code: None };
        gathered.add("dns.no_answer_for_kms", &seen, || {
            "the name does not exist, or has no such record".to_owned()
        });
    }
    if published.is_empty() {
        return;
    }
    let mut used = BTreeSet::new();
    for client in &timeline.clients {
        for host in &client.hosts {
            used.insert(key(records.names.text(*host)));
            let text = records.names.text(*host);
            if published.contains_key(&key(text)) || is_address(text) {
                continue;
            }
            let Some(mut seen) = seen_of(records, client, *host) else { continue };
            seen.subject = Subject::Named(*host);
            gathered.add("discovery.host_not_published", &seen, || {
                "clients asked it, and no answer of DNS names it".to_owned()
            });
        }
    }
    for license in &records.licenses {
        for host in [license.registered_host, license.found_host] {
            used.insert(key(records.names.text(host)));
        }
        let host = license.registered_host;
        if host.is_some() && !published.contains_key(&key(records.names.text(host))) {
            let subject = Subject::Named(host);
            let time = super::super::moment::Moment::UNKNOWN;
            let seen = Seen { subject, place: license.place, time, code: None };
            gathered.add("discovery.host_not_published", &seen, || {
                "a client has it set by hand or policy, and no answer of DNS names it".to_owned()
            });
        }
    }
    // Addresses in use do not tell which of the names are.
    let used_any = used.iter().any(|host| !host.is_empty() && !is_address(host));
    for (host, (name, answer)) in published.iter().filter(|_| used_any) {
        if used.contains(host) {
            continue;
        }
        let subject = Subject::Named(*name);
        let seen = Seen { subject, place: answer.place, time: answer.time, code: None };
        gathered.add("discovery.host_not_used", &seen, || {
            "it is published, and no client was seen to use it".to_owned()
        });
    }
}

/// A host without its port and the dot at its end, in small letters.
fn key(text: &str) -> String {
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    host.trim_end_matches('.').to_lowercase()
}

fn is_address(text: &str) -> bool {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    text.parse::<SocketAddr>().is_ok() || bare.parse::<IpAddr>().is_ok()
}

fn seen_of(records: &Records, client: &Client, name: Name) -> Option<Seen> {
    let event = records.events.get(client.last_event)?;
    let subject = Subject::Client(client.cmid, name);
    Some(Seen { subject, place: event.place, time: event.time, code: None })
}

/// The first few names.
fn list(names: impl Iterator<Item = Name>, all: &Names) -> String {
    let shown: Vec<String> = names.take(SHOWN).map(|name| all.show(name).into_owned()).collect();
    shown.join(", ")
}

const SHOWN: usize = 5;
