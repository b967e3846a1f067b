//! Views compared with each other. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Facts;
use super::code::DnsCode;
use super::observe::Observation;
use super::view::View;
use super::words::{MAX_SHOWN, code_words, shown};
use crate::dns::name::DomainName;

/// Two resolvers that both answered and say different things.
pub(super) fn split_view(facts: &Facts) -> Option<Observation> {
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

/// What a resolver says, in a form that can be compared: order, TTL and letter case left out.
struct Saying<'a> {
    records: BTreeSet<(u16, u16, u16, &'a DomainName)>,
    addresses: BTreeMap<&'a DomainName, BTreeSet<IpAddr>>,
}

fn saying(view: &View) -> Saying<'_> {
    let services = view.records.iter().map(|record| &record.service);
    let records = services.map(|s| (s.priority, s.weight, s.port, &s.target));
    let hosts = view.hosts.iter().filter(|host| host.is_definite());
    let addresses = hosts.map(|h| (&h.host, h.addresses.iter().map(|a| a.address).collect()));
    Saying { records: records.collect(), addresses: addresses.collect() }
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
