//! What the next desk needs: for each thing that is wrong, who must act, the flow or name concerned,
//! the evidence, and the rule or record to add. A pure function of the report.

mod owner;
mod rule;
mod show;

use std::net::{IpAddr, SocketAddr};

use crate::check::{Entry, Report, StageFacts};
use crate::discover::records::{self, Creation};
use crate::stage::resolve::DnsCode;
use crate::verdict::{Severity, Verdict};

pub use owner::Owner;
pub use rule::{Flow, Protocol, Recipe};

/// One request to one owner.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who must act.
    pub owner: Owner,
    /// What is wrong.
    pub verdict: &'a Verdict,
    /// Where it was seen.
    pub entry: &'a Entry,
    /// The traffic concerned, as far as its ends are known.
    pub flow: Option<Flow>,
    /// Who objected to it, if anybody did: the sender of an ICMP error.
    pub hop: Option<IpAddr>,
    /// Rules that let the traffic through, one per kind of device.
    pub rules: Vec<Recipe>,
    /// Records to add or change.
    pub records: Vec<Creation>,
}

/// The tickets as text; one that says so if nothing is wrong.
#[must_use]
pub fn text(report: &Report) -> String {
    show::tickets(report, &requests(report))
}

/// Everything from a warning up, each cause once, in the order of the report.
#[must_use]
pub fn requests(report: &Report) -> Vec<Request<'_>> {
    let mut requests: Vec<Request<'_>> = Vec::new();
    for entry in &report.entries {
        let findings = entry.findings.iter().map(|finding| &finding.verdict);
        for verdict in std::iter::once(&entry.verdict).chain(findings) {
            let repeats = requests.iter().any(|known| known.verdict.cause == verdict.cause);
            if verdict.severity >= Severity::Warning && !repeats {
                requests.push(request(entry, verdict));
            }
        }
    }
    requests
}

fn request<'a>(entry: &'a Entry, verdict: &'a Verdict) -> Request<'a> {
    let owner = Owner::of(verdict.row.code);
    let flow = flow(entry, verdict);
    let rules = match &flow {
        Some(flow) if owner.opens_ports(verdict.row.code) => rule::recipes(flow, owner),
        _ => Vec::new(),
    };
    Request {
        owner,
        verdict,
        entry,
        flow,
        hop: hop(entry),
        rules,
        records: records(entry, verdict),
    }
}

/// The connection of the entry, or the question to the DNS server where that is what failed.
fn flow(entry: &Entry, verdict: &Verdict) -> Option<Flow> {
    if verdict.row.code.starts_with("dns.") {
        return dns_flow(entry);
    }
    let destination = SocketAddr::new(entry.address?, entry.port?);
    let source = entry.stages.iter().find_map(|stage| match &stage.facts {
        StageFacts::Tcp(facts) => facts.connect.source,
        _ => None,
    });
    Some(Flow { source: source.map(|own| own.ip()), destination, protocols: &[Protocol::Tcp] })
}

fn dns_flow(entry: &Entry) -> Option<Flow> {
    let view = entry.dns()?.resolved.facts.deciding_view()?;
    let hosts = view.hosts.iter().flat_map(|host| &host.lookups);
    let source = view.service.iter().chain(hosts).find_map(|lookup| lookup.last()?.source);
    let protocols = &[Protocol::Udp, Protocol::Tcp];
    Some(Flow { source, destination: view.resolver, protocols })
}

fn hop(entry: &Entry) -> Option<IpAddr> {
    entry.stages.iter().find_map(|stage| match &stage.facts {
        StageFacts::Tcp(facts) => facts.connect.icmp?.from,
        _ => None,
    })
}

fn records(entry: &Entry, verdict: &Verdict) -> Vec<Creation> {
    let Some(dns) = entry.dns() else { return Vec::new() };
    match verdict.row.code {
        "dns.nxdomain" | "dns.nodata" | "dns.no_service" => records::missing(&dns.resolved),
        "dns.target_unresolved" => {
            let host = entry.host.as_deref().map_or_else(String::new, |host| format!("{host}. "));
            let mut missing = records::missing(&dns.resolved);
            missing.retain(|record| record.zone_line.starts_with(&host));
            missing
        }
        "dns.cname_target" => records::corrected(&dns.resolved, DnsCode::CnameTarget),
        "dns.port_zero" => records::corrected(&dns.resolved, DnsCode::PortZero),
        _ => Vec::new(),
    }
}
