//! Facts of a trace in words, for its sentences.

use std::net::IpAddr;

use super::facts::TraceFacts;
use super::path::{End, FlowEnd, PortPath};
use super::place::Place;
use crate::stage::connect::{ConnectFacts, ConnectOutcome, SocketError};
use crate::verdict::judge::Endpoint;

/// The values of a sentence's placeholders.
#[derive(Clone, Debug)]
pub(super) struct Values(Vec<(&'static str, String)>);

impl Values {
    /// What every sentence may use.
    pub(super) fn of(host: &str, facts: &TraceFacts) -> Self {
        let source = facts.source.map_or("this machine".to_owned(), |source| source.to_string());
        Self(vec![
            ("endpoint", endpoint(host, facts).to_string()),
            ("address", facts.address.ip().to_string()),
            ("check_target", facts.address.to_string()),
            ("port", facts.address.port().to_string()),
            ("source", source),
        ])
    }

    pub(super) fn set(&mut self, name: &'static str, value: String) {
        self.0.push((name, value));
    }

    pub(super) fn into_list(self) -> Vec<(&'static str, String)> {
        self.0
    }
}

/// The endpoint of a trace, as other verdicts name it.
pub(super) fn endpoint(host: &str, facts: &TraceFacts) -> Endpoint {
    Endpoint { host: host.to_owned(), address: facts.address, source: facts.source }
}

/// A connect that failed before anything was sent, for the verdict that a check gives.
pub(super) fn unsent(facts: &TraceFacts, error: SocketError) -> ConnectFacts {
    ConnectFacts {
        outcome: ConnectOutcome::Failed,
        source: None,
        syns_sent: None,
        error: Some(error),
        icmp: None,
        origin: facts.origin,
        timeout_ms: facts.timeout_ms,
    }
}

/// A distance as a place: `from hop 3`, `from the local link (hop 1)`.
pub(super) fn distance(ttl: u8) -> String {
    if ttl == 1 { "from the local link (hop 1)".to_owned() } else { format!("from hop {ttl}") }
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn addresses(addresses: &[IpAddr], last_joint: &str) -> String {
    list(&addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>(), last_joint)
}

/// `hop 2`, `hops 1, 2 and 4`.
pub(super) fn hops(ttls: &[u8]) -> String {
    let plural = if ttls.len() == 1 { "" } else { "s" };
    format!("hop{plural} {}", list(&ttls.iter().map(u8::to_string).collect::<Vec<_>>(), "and"))
}

fn list(items: &[String], last_joint: &str) -> String {
    match items.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} {last_joint} {last}", rest.join(", ")),
    }
}

fn ports(paths: &[&PortPath]) -> String {
    let ports: Vec<_> = paths.iter().map(|path| path.port.to_string()).collect();
    format!("TCP {}", list(&ports, "and"))
}

/// How the flows ended that got no SYN-ACK: `stay silent`, `are reset`.
pub(super) fn flow_ends(flows: &[FlowEnd]) -> String {
    let is = |wanted: fn(&End) -> bool| flows.iter().any(|flow| wanted(&flow.end));
    let mut ends = Vec::new();
    if is(|end| matches!(end, End::Silent)) {
        ends.push("stay silent".to_owned());
    }
    if is(|end| matches!(end, End::Reset { .. })) {
        ends.push("are reset".to_owned());
    }
    let rejected = flows.iter().find_map(|flow| match flow.end {
        End::Rejected { icmp, .. } => Some(icmp),
        _ => None,
    });
    if let Some(icmp) = rejected {
        let from = icmp.from.map_or("a device on the path".to_owned(), |from| from.to_string());
        ends.push(format!("get {} from {from}", icmp.words()));
    }
    list(&ends, "or")
}

/// What the control ports add to an end of the target port.
pub(super) fn controls(target: &PortPath, controls: &[&PortPath]) -> String {
    if controls.is_empty() {
        return "no other port was tried for comparison".to_owned();
    }
    let reached: Vec<_> = controls.iter().copied().filter(|c| c.reached_at().is_some()).collect();
    if !reached.is_empty() {
        let (open, closed): (Vec<&PortPath>, Vec<&PortPath>) =
            reached.iter().partition(|path| matches!(path.end, End::SynAck { .. }));
        let mut ends = Vec::new();
        for (paths, state) in [(open, "open"), (closed, "closed")] {
            if !paths.is_empty() {
                ends.push(format!("{} ({state})", ports(&paths)));
            }
        }
        let verb = if reached.len() == 1 { "is" } else { "are" };
        return format!(
            "{} {verb} answered, so it is about TCP {} and not about the path as such",
            list(&ends, "and"),
            target.port
        );
    }
    let alike = controls.iter().all(|control| ends_alike(target, control));
    let verb = if controls.len() == 1 { "ends" } else { "end" };
    if alike {
        return format!(
            "{} {verb} in the same way, so it is about the address or the path and not about TCP {}",
            ports(controls),
            target.port
        );
    }
    let verb = if controls.len() == 1 { "is" } else { "are" };
    format!("{} {verb} not answered by the host either", ports(controls))
}

fn ends_alike(target: &PortPath, control: &PortPath) -> bool {
    let last = |path: &PortPath| path.last_router().map(|hop| hop.ttl);
    match (target.end, control.end) {
        (End::Silent, End::Silent) => last(target) == last(control),
        (End::Rejected { icmp: one, .. }, End::Rejected { icmp: other, .. }) => one == other,
        _ => false,
    }
}

/// Whom else to look at when a SYN vanishes.
pub(super) fn last_hint(place: &Place) -> String {
    let host_is_next = place.before.as_ref().is_some_and(|before| before.is_host);
    if host_is_next {
        "where they allow it, look at the host's own firewall (its rule SPPSVC-In-TCP is off by \
         default) and at the way back"
            .to_owned()
    } else {
        "where they allow it, look at the devices without a hop of their own in between".to_owned()
    }
}
