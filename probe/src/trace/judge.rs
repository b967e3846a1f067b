//! From the paths of a trace to its conclusion. Pure: every rule is a test without a network.
//!
//! What decides, in this order: how the port that matters ends; how far away the host is, as the
//! control ports show it; then the last router that answered. What no answer shows is not claimed.

use std::net::IpAddr;

use super::caveat::{self, Caveat};
use super::facts::TraceFacts;
use super::path::{End, PortPath};
use super::payload::PayloadOutcome;
use super::place::{Place, PlaceHop};
use super::table;
use super::words::{self, Values};
use crate::platform::{IcmpError, IcmpVersion};
use crate::verdict::{Row, Verdict, judge};

/// What a trace shows.
#[derive(Clone, Debug)]
pub struct Conclusion {
    /// The verdict, with its sentences.
    pub verdict: Verdict,
    /// Where on the path it happens, where the answers tell.
    pub place: Option<Place>,
    /// Who said so, where somebody did.
    pub sender: Option<IpAddr>,
    /// What the trace cannot know.
    pub caveats: Vec<Caveat>,
}

/// Concludes from what a trace of `host` saw; `paths` are those of `facts`.
#[must_use]
pub fn conclude(host: &str, facts: &TraceFacts, paths: &[PortPath]) -> Option<Conclusion> {
    let (target, controls) = paths.split_first()?;
    let case = Case { host, facts, target, controls: controls.iter().collect() };
    let finding = match target.end {
        End::SynAck { ttl } => case.answered(ttl),
        End::Reset { ttl } => case.reset(ttl),
        End::Rejected { ttl, icmp } => case.rejected(ttl, icmp),
        End::NotSent { error } => {
            let verdict = judge::tcp(&words::endpoint(host, facts), &words::unsent(facts, error));
            Found { verdict, place: None, sender: None }
        }
        End::Silent => case.silent(),
    };
    let Found { verdict, place, sender } = finding;
    let caveats = caveat::of(facts, target, controls, verdict.row);
    Some(Conclusion { verdict, place, sender, caveats })
}

/// A conclusion without its caveats.
struct Found {
    verdict: Verdict,
    place: Option<Place>,
    sender: Option<IpAddr>,
}

struct Case<'a> {
    host: &'a str,
    facts: &'a TraceFacts,
    target: &'a PortPath,
    controls: Vec<&'a PortPath>,
}

/// How far away the host is at least, and how that is known.
struct Distance {
    hops: u8,
    /// A SYN-ACK is less easily forged than a reset or explained by a longer branch.
    is_certain: bool,
    words: String,
}

impl Case<'_> {
    /// A SYN-ACK came back, in some flow at least.
    fn answered(&self, ttl: u8) -> Found {
        if let Some(found) = self.nearer_than_the_host(ttl, &table::ANSWERED_EARLY) {
            return found;
        }
        let mut values = self.values();
        values.set("hop", ttl.to_string());
        let flows = &self.target.flows;
        let answered = flows.iter().filter(|flow| matches!(flow.end, End::SynAck { .. })).count();
        let others = words::flow_ends(flows);
        if answered < flows.len() && !others.is_empty() {
            values.set("reached", answered.to_string());
            values.set("flows", flows.len().to_string());
            values.set("others", others);
            return found(&table::REACHED_IN_PART, values, None);
        }
        values.set("where", words::distance(ttl));
        if let Some(payload) = self.facts.payload {
            if let Some(how) = payload.stopped() {
                values.set("payload_end", how);
                return found(&table::PAYLOAD_STOPPED, values, None);
            }
            let note = match payload.outcome {
                PayloadOutcome::Answered => "but payload passes, for an RPC bind is answered",
                PayloadOutcome::NotRpc => NOT_RPC,
                _ => return found(&table::REACHED, values, None),
            };
            values.set("payload_note", note.to_owned());
        }
        found(&table::REACHED, values, None)
    }

    /// A reset came back: from the host or in its name.
    fn reset(&self, ttl: u8) -> Found {
        if let Some(found) = self.nearer_than_the_host(ttl, &table::RESET_ON_PATH) {
            return found;
        }
        let mut values = self.values();
        values.set("hop", ttl.to_string());
        let place = Place::of_answer(ttl, &self.all());
        let before = place.after.as_ref().map_or("this machine".to_owned(), PlaceHop::names);
        values.set("where", words::distance(ttl));
        let (distance, who) = match self.distance() {
            Some(distance) => {
                let behind = if place.after.is_some() { " behind its TTL check" } else { "" };
                let who = format!(
                    "nothing listens on TCP {} there, or a filter on {before}{behind} rejects it \
                     in the host's name, which looks the same from here",
                    self.target.port
                );
                (format!("that is where the host is ({})", distance.words), who)
            }
            None => {
                let who = "nothing listens there, or any device up to that distance rejects it in \
                           the host's name";
                (self.no_comparison(), who.to_owned())
            }
        };
        values.set("distance", distance);
        values.set("who", who);
        values.set("owners", place.after.as_ref().map_or("the path".to_owned(), PlaceHop::names));
        found(&table::REFUSED, values, Some(place))
    }

    /// An ICMP error came back.
    fn rejected(&self, ttl: u8, icmp: IcmpError) -> Found {
        let mut values = self.values();
        values.set("icmp", icmp.words());
        let own = icmp.from.is_some() && icmp.from == self.facts.source;
        if own {
            values.set("why", local_reason(&icmp).to_owned());
        }
        values.set("icmp_sender", self.sender(icmp.from, ttl));
        let device =
            icmp.from.map_or("the device that sent it".to_owned(), |from| from.to_string());
        values.set("icmp_device", device);
        let row = if own { &table::LOCAL_FILTER } else { row_of(&icmp) };
        Found { sender: icmp.from, ..found(row, values, self.sender_place(icmp.from)) }
    }

    /// Nothing but routers, or nothing at all.
    fn silent(&self) -> Found {
        let mut values = self.values();
        if let Some((first, members)) = circle(self.target) {
            values.set("hop", first.to_string());
            values.set("routers", words::addresses(&members, "and"));
            return found(&table::LOOP, values, None);
        }
        let place = Place::of_silence(self.target, &self.controls);
        values.set("owners", place.owners());
        values.set("place", place.words());
        if let Some(after) = &place.after {
            values.set("after", after.to_string());
        }
        let passed = place.after.as_ref().map_or(0, |hop| hop.ttl);
        if passed == self.facts.max_hops {
            values.set("hop", passed.to_string());
            return found(&table::TOO_FAR, values, None);
        }
        let any_router = self.all().iter().any(|path| path.last_router().is_some());
        let on_link = self.controls.iter().any(|path| path.reached_at() == Some(1));
        if !any_router && !on_link {
            return found(&table::NO_ICMP, values, None);
        }
        if place.before.is_none() {
            return found(&table::PATH_SILENT, values, Some(place));
        }
        values.set("last_hint", words::last_hint(&place));
        found(&table::SILENT_DROP, values, Some(place))
    }

    /// What every sentence may use.
    fn values(&self) -> Values {
        let mut values = Values::of(self.host, self.facts);
        values.set("control", words::controls(self.target, &self.controls));
        values
    }

    fn all(&self) -> Vec<&PortPath> {
        std::iter::once(self.target).chain(self.controls.iter().copied()).collect()
    }

    /// How far away the host is at least: as far as any control port reaches.
    fn distance(&self) -> Option<Distance> {
        let reached = self.controls.iter().filter_map(|path| {
            let (hops, how) = match path.end {
                End::SynAck { ttl } => (ttl, "a SYN-ACK"),
                End::Reset { ttl } => (ttl, "a reset"),
                _ => return None,
            };
            let words =
                format!("TCP {} is answered with {how} {}", path.port, words::distance(hops));
            let is_certain = matches!(path.end, End::SynAck { .. });
            Some(Distance { hops, is_certain, words })
        });
        let beyond = self.controls.iter().filter(|path| path.reached_at().is_none());
        let beyond = beyond.filter_map(|path| {
            let router = PlaceHop::of_routers(path.last_router()?);
            let words = format!("for TCP {} a router answers at {router}", path.port);
            Some(Distance { hops: router.ttl.saturating_add(1), is_certain: false, words })
        });
        reached.chain(beyond).max_by_key(|distance| (distance.hops, distance.is_certain))
    }

    /// That the target port is answered from nearer than the host in every flow, and where.
    fn nearer_than_the_host(&self, ttl: u8, row: &'static Row) -> Option<Found> {
        let latest = self.target.reached_latest()?;
        let distance = self.distance().filter(|distance| distance.hops > latest)?;
        let place = Place::of_answer(latest, &self.all());
        let mut values = self.values();
        values.set("hop", ttl.to_string());
        values.set("distance", distance.words);
        values.set("owners", place.owners());
        values.set("place", place.words());
        Some(found(row, values, Some(place)))
    }

    fn no_comparison(&self) -> String {
        if self.controls.is_empty() {
            "how far away the host is was not compared with another port".to_owned()
        } else {
            "how far away the host is stays unknown, for no control port gets as far".to_owned()
        }
    }

    /// The hop where an address answers "time exceeded" on any port.
    fn hop_of(&self, address: IpAddr) -> Option<u8> {
        let hops = self.all().into_iter().flat_map(|path| &path.hops);
        hops.filter(|hop| hop.routers().contains(&address)).map(|hop| hop.ttl).min()
    }

    fn sender(&self, from: Option<IpAddr>, ttl: u8) -> String {
        let Some(from) = from else { return "A device on the path".to_owned() };
        if from == self.facts.address.ip() {
            return format!("The host itself ({from})");
        }
        match self.hop_of(from) {
            Some(hop) => format!("The router at hop {hop} ({from})"),
            None => format!("The device {from}, met by SYNs of TTL {ttl},"),
        }
    }

    fn sender_place(&self, from: Option<IpAddr>) -> Option<Place> {
        let address = from.filter(|from| Some(*from) != self.facts.source)?;
        let ttl = self.hop_of(address)?;
        let after = PlaceHop { ttl, addresses: vec![address], is_host: false };
        Some(Place { after: Some(after), before: None })
    }
}

fn found(row: &'static Row, values: Values, place: Option<Place>) -> Found {
    Found { verdict: Verdict::of(row, &values.into_list()), place, sender: None }
}

/// The row of an ICMP error from elsewhere, by type and code (RFC 792, RFC 1812, RFC 4443).
fn row_of(icmp: &IcmpError) -> &'static Row {
    match (icmp.version, icmp.kind, icmp.code) {
        (IcmpVersion::Icmp, 3, 9 | 10 | 13 | 14 | 15) | (IcmpVersion::Icmpv6, 1, 1 | 5 | 6) => {
            &table::PROHIBITED
        }
        (IcmpVersion::Icmp, 3, 2 | 3) | (IcmpVersion::Icmpv6, 1, 4) => &table::PORT_UNREACHABLE,
        (IcmpVersion::Icmp, 3, 1 | 7 | 8 | 12) | (IcmpVersion::Icmpv6, 1, 3) => {
            &table::HOST_UNREACHABLE
        }
        _ => &table::NET_UNREACHABLE,
    }
}

fn local_reason(icmp: &IcmpError) -> &'static str {
    match (icmp.version, icmp.kind, icmp.code) {
        (IcmpVersion::Icmp, 3, 1) | (IcmpVersion::Icmpv6, 1, 3) => {
            "nobody on the local link answers for the next hop, or a rule here rejects it"
        }
        _ => "its own packet filter or a prohibiting route rejects it, and nothing leaves it",
    }
}

/// Where a circle of routers begins and who takes part: an address at three distances or more.
/// Two would also be a router that hands a packet on with its TTL unchanged.
fn circle(path: &PortPath) -> Option<(u8, Vec<IpAddr>)> {
    let mut seen: Vec<(IpAddr, Vec<u8>)> = Vec::new();
    for hop in &path.hops {
        for router in hop.routers() {
            match seen.iter_mut().find(|(address, _)| *address == router) {
                Some((_, ttls)) => ttls.push(hop.ttl),
                None => seen.push((router, vec![hop.ttl])),
            }
        }
    }
    seen.retain(|(_, ttls)| ttls.len() >= 2);
    let is_circle = seen.iter().any(|(_, ttls)| ttls.len() >= CIRCLE_DISTANCES_MIN);
    let first = seen.iter().filter_map(|(_, ttls)| ttls.first()).min()?;
    is_circle.then(|| (*first, seen.iter().map(|(address, _)| *address).collect()))
}

const CIRCLE_DISTANCES_MIN: usize = 3;

const NOT_RPC: &str = "and what answers an RPC bind does not speak RPC, so that something in between \
                       may accept connections in the host's name (`kms-probe check` says what)";

#[cfg(test)]
mod tests;
