//! A discovery as a tree of text. Everything that came from the network is escaped already.

use super::records::Creation;
use super::{Discovery, Domain};
use crate::dns::exchange::{EdnsUse, Exchange, Outcome, Transport};
use crate::dns::local::LocalAnswer;
use crate::dns::message::Response;
use crate::stage::resolve::{AddressSource, DnsCode, HostAnswer, Observation, ServiceRecord, View};

/// The discovery for people to read.
#[must_use]
pub fn text(discovery: &Discovery) -> String {
    let mut out = String::new();
    if discovery.domains.is_empty() {
        out.push_str("no domain was given, and this machine has no search suffix\n");
    }
    for (index, domain) in discovery.domains.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        domain_tree(discovery, domain).render(&mut out);
        for creation in &domain.to_create {
            creation_text(creation, &mut out);
        }
    }
    out.push('\n');
    out.push_str(WHO_DOES_NOT_ASK);
    out
}

fn domain_tree(discovery: &Discovery, domain: &Domain) -> Tree {
    let facts = &domain.resolved.facts;
    let mut root = Tree::new(format!("{}  {}", domain.domain, domain.resolved.code));
    if discovery.from_search_list {
        let is_chosen = discovery.chosen().is_some_and(|chosen| chosen.domain == domain.domain);
        let role = if is_chosen { "a client ends its search here" } else { "a search suffix" };
        root.label.push_str(&format!("  ({role})"));
    }
    let asked = match facts.views.len() {
        0 => "no resolver to ask".to_owned(),
        1 => "asked of 1 resolver".to_owned(),
        n => format!("asked of {n} resolvers"),
    };
    let mut service =
        Tree::new(format!("{} SRV, {asked} (from {})", facts.question, facts.resolvers_from));
    service.children.extend(facts.views.iter().map(view_tree));
    root.children.push(service);
    if domain.client_order.len() > 1 {
        root.children.push(order_tree(discovery.seed, domain));
    }
    let system: Vec<Tree> = facts.system.iter().filter_map(system_tree).collect();
    if !system.is_empty() {
        root.children
            .push(Tree { label: "this machine's own answer".to_owned(), children: system });
    }
    let notes: Vec<Tree> = domain.resolved.observations.iter().map(observation_tree).collect();
    if !notes.is_empty() {
        root.children.push(Tree { label: "findings".to_owned(), children: notes });
    }
    root
}

fn system_tree(answer: &LocalAnswer) -> Option<Tree> {
    let addresses: Vec<String> = answer.addresses.iter().map(ToString::to_string).collect();
    let from = if answer.in_hosts_file { "  (hosts file)" } else { "" };
    let text = format!("{}  {}{from}", answer.host, addresses.join(", "));
    (!addresses.is_empty()).then(|| Tree::new(text))
}

fn view_tree(view: &View) -> Tree {
    let mut label = format!("{}  {}", view.resolver, view.code);
    if let Some(exchange) = view.service.as_ref().and_then(|service| service.last()) {
        label.push_str(&format!("  {}", exchange_text(exchange)));
    }
    let mut tree = Tree::new(label);
    let aliases = view.service.iter().flat_map(|service| &service.aliases);
    tree.children.extend(aliases.map(|alias| Tree::new(format!("alias for {alias}"))));
    let mut priorities: Vec<u16> = view.records.iter().map(|r| r.service.priority).collect();
    priorities.dedup();
    for (rank, priority) in priorities.into_iter().enumerate() {
        let role = if rank == 0 { "tried first" } else { "only when all above have failed" };
        let mut group = Tree::new(format!("priority {priority}  ({role})"));
        let records = view.records.iter().filter(|r| r.service.priority == priority);
        group.children.extend(records.map(|record| record_tree(view, record)));
        tree.children.push(group);
    }
    if view.hosts_not_followed > 0 {
        let left = view.hosts_not_followed;
        tree.children.push(Tree::new(format!("{left} more targets, addresses not looked up")));
    }
    if let Some(bare) = view.bare_name.as_ref().filter(|bare| bare.code == DnsCode::Ok) {
        let mut host = Tree::new(format!("{} itself has an address; it may be a host", bare.host));
        host.children = address_trees(bare);
        tree.children.push(host);
    }
    tree
}

fn record_tree(view: &View, record: &ServiceRecord) -> Tree {
    let service = &record.service;
    let percent = record.share.of_priority * 100.0;
    let mut tree = Tree::new(format!(
        "{percent:5.1}%  {}:{}  weight {}  ttl {}",
        service.target, service.port, service.weight, record.ttl
    ));
    match view.host(&service.target) {
        _ if service.target.is_root() => tree.label.push_str("  (no service here)"),
        Some(host) => {
            let aliases = host.aliases.iter();
            tree.children.extend(aliases.map(|alias| Tree::new(format!("alias for {alias}"))));
            tree.children.extend(address_trees(host));
            if host.code != DnsCode::Ok {
                tree.children.push(Tree::new(format!("no usable address: {}", host.code)));
            }
        }
        None => {}
    }
    tree
}

fn address_trees(host: &HostAnswer) -> Vec<Tree> {
    let addresses = host.addresses.iter();
    addresses
        .map(|address| {
            let ttl = address.ttl.map(|ttl| format!("  ttl {ttl}")).unwrap_or_default();
            let source = match address.source {
                AddressSource::Additional => "  (came with the SRV record)",
                AddressSource::Lookup => "",
                AddressSource::OperatingSystem => "  (this machine's own)",
            };
            let unusable = if address.is_usable() { "" } else { "  (no host's address)" };
            Tree::new(format!("{}{ttl}{source}{unusable}", address.address))
        })
        .collect()
}

fn order_tree(seed: u64, domain: &Domain) -> Tree {
    let order = domain.client_order.iter().take(MAX_ORDER_SHOWN);
    let mut children: Vec<Tree> =
        order.map(|service| Tree::new(format!("{}:{}", service.target, service.port))).collect();
    let more = domain.client_order.len().saturating_sub(MAX_ORDER_SHOWN);
    if more > 0 {
        children.push(Tree::new(format!("and {more} more")));
    }
    Tree { label: format!("one client's order (drawn with seed {seed})"), children }
}

fn observation_tree(observation: &Observation) -> Tree {
    let value = |key: &str| observation.values.get(key).map_or("", String::as_str);
    let (target, resolver) = (value("target"), value("resolver"));
    let words = match observation.code {
        DnsCode::TargetUnresolved => format!("{target}: {} (says {resolver})", value("why")),
        DnsCode::CnameTarget => {
            format!("{target} is an alias for {}, which RFC 2782 forbids", value("canonical"))
        }
        DnsCode::PortZero => format!("the record for {target} has port 0"),
        DnsCode::NoService => "a record with the target `.` stands beside others".to_owned(),
        DnsCode::SplitView => value("views").to_owned(),
        DnsCode::LocalOverride => format!(
            "{target} is {} on this machine ({}) and {} in DNS",
            value("os_answer"),
            value("detail"),
            value("dns_answer")
        ),
        _ => {
            let about = format!("{resolver}, asked for {}", value("qname"));
            let why = ["error", "detail"].iter().find_map(|key| observation.values.get(*key));
            why.map_or(about.clone(), |why| format!("{about}: {why}"))
        }
    };
    Tree::new(format!("{}  {words}", observation.code))
}

/// Transport, effort and time, and everything of the answer that is not a record.
fn exchange_text(exchange: &Exchange) -> String {
    let transport = match exchange.transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
    };
    let plural = if exchange.attempts == 1 { "query" } else { "queries" };
    let (millis, tenths) = (exchange.elapsed_us / 1000, exchange.elapsed_us % 1000 / 100);
    let mut parts =
        vec![format!("{transport}, {} {plural}, {millis}.{tenths} ms", exchange.attempts)];
    parts.extend(exchange.answer_bytes.map(|octets| format!("{octets} bytes")));
    if let Some(response) = &exchange.response {
        parts.extend(response_parts(response));
    }
    match exchange.edns {
        EdnsUse::Refused => parts.push("EDNS refused".to_owned()),
        EdnsUse::OnlyWithout => parts.push("answered only without EDNS".to_owned()),
        EdnsUse::Unknown | EdnsUse::Answered | EdnsUse::Ignored => {}
    }
    parts.extend(exchange.strays.iter().map(|stray| format!("ignored: {}", stray.describe())));
    match &exchange.outcome {
        Outcome::Unreachable(error) => parts.push(error.to_string()),
        Outcome::TruncatedNoTcp { tcp } => parts.push(tcp.to_string()),
        Outcome::Malformed { detail } => parts.push(detail.clone()),
        _ => {}
    }
    parts.join(", ")
}

fn response_parts(response: &Response) -> Vec<String> {
    let mut parts = Vec::new();
    if response.authoritative {
        parts.push("authoritative".to_owned());
    }
    if response.referral {
        parts.push("only refers to other servers".to_owned());
    }
    if let Some(negative) = &response.negative {
        parts.push(format!("denied by zone {} for {} s", negative.zone, negative.ttl));
    }
    for error in &response.extended_errors {
        let name = error.name.unwrap_or("unregistered");
        let text = if error.text.is_empty() { String::new() } else { format!(" `{}`", error.text) };
        parts.push(format!("EDE {} {name}{text}", error.code));
    }
    parts
}

fn creation_text(creation: &Creation, out: &mut String) {
    let script: Vec<String> =
        creation.nsupdate.lines().map(|line| format!("      {line}\n")).collect();
    out.push_str(&format!(
        "  to create: {}\n    zone file:   {}\n    dnsmasq:     {}\n    nsupdate:\n{}    Windows:     {}\n",
        creation.purpose,
        creation.zone_line,
        creation.dnsmasq,
        script.concat(),
        creation.windows
    ));
}

/// A line and what hangs below it.
struct Tree {
    label: String,
    children: Vec<Self>,
}

impl Tree {
    fn new(label: String) -> Self {
        Self { label, children: Vec::new() }
    }

    fn render(&self, out: &mut String) {
        out.push_str(&self.label);
        out.push('\n');
        self.render_children("", out);
    }

    /// As deep as this module nests: five levels.
    fn render_children(&self, indent: &str, out: &mut String) {
        let last = self.children.len().saturating_sub(1);
        for (index, child) in self.children.iter().enumerate() {
            let (branch, below) =
                if index == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            out.push_str(&format!("{indent}{branch}{}\n", child.label));
            child.render_children(&format!("{indent}{below}"), out);
        }
    }
}

/// Microsoft Learn, "Troubleshooting KMS" (order in which a client searches) and slmgr's options.
const WHO_DOES_NOT_ASK: &str = "\
Not every client asks DNS: one with a fixed host (slmgr /skms, registry value
KeyManagementServiceName) never does until slmgr /ckms clears it, and one that remembers the host of
its last success tries that first, until slmgr /ckhc ends it.
";

const MAX_ORDER_SHOWN: usize = 16;
