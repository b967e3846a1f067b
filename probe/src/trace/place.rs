//! Where on the path something happens, as far as the answers of routers tell. Pure.

use std::net::IpAddr;

use serde::Serialize;

use super::path::{AnswerKind, End, Hop, PortPath};

/// A stretch of the path: behind `after` and not behind `before`.
///
/// A filter in a router's forwarding is behind that router's TTL check, so `after` itself belongs
/// to the stretch; a filter at an interface is before the check, so `before` belongs to it too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The last hop known to be passed; `None` is this machine.
    pub after: Option<PlaceHop>,
    /// The first hop known to be beyond, from a port that gets there; `None` where none does.
    pub before: Option<PlaceHop>,
}

/// A hop with everybody who answers there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlaceHop {
    /// TTL of the SYNs.
    pub ttl: u8,
    /// The routers, or the host; several on a load-balanced path.
    pub addresses: Vec<IpAddr>,
    /// Whether it is the host, and not a router before it.
    pub is_host: bool,
}

impl Place {
    /// Where a silent port ends, beside ports that may get further.
    #[must_use]
    pub fn of_silence(target: &PortPath, controls: &[&PortPath]) -> Self {
        let after = target.last_router().map(PlaceHop::of_routers);
        let passed = after.as_ref().map_or(0, |hop| hop.ttl);
        Self { after, before: first_beyond(passed, controls) }
    }

    /// Where something answers a SYN of this TTL without being hop `ttl` itself.
    #[must_use]
    pub fn of_answer(ttl: u8, paths: &[&PortPath]) -> Self {
        let after = (1..ttl).rev().find_map(|nearer| hop_at(nearer, paths));
        Self { after, before: hop_at(ttl, paths) }
    }

    /// True if no hop lies between the two ends.
    #[must_use]
    pub fn is_adjacent(&self) -> bool {
        let after = self.after.as_ref().map_or(0, |hop| hop.ttl);
        self.before.as_ref().is_some_and(|before| before.ttl == after.saturating_add(1))
    }

    /// In words, for a sentence.
    #[must_use]
    pub fn words(&self) -> String {
        let silent = "no router in between answers on any port";
        match (&self.after, &self.before) {
            (None, None) => "at a place that no answer tells".to_owned(),
            (Some(after), None) => format!("at or just after {after}"),
            (Some(after), Some(_)) if self.is_adjacent() => format!("at or just after {after}"),
            (Some(after), Some(before)) => format!("between {after} and {before}; {silent}"),
            (None, Some(before)) if before.is_host && before.ttl == 1 => {
                "on this machine or on the host itself, for no router lies in between".to_owned()
            }
            (None, Some(before)) if self.is_adjacent() => {
                format!("on this machine or at the entry of {before}")
            }
            (None, Some(before)) => {
                format!("on this machine or anywhere before {before}; {silent}")
            }
        }
    }

    /// Whom to ask, in words.
    #[must_use]
    pub fn owners(&self) -> String {
        match (&self.after, &self.before) {
            (Some(after), Some(before)) if !before.is_host => {
                format!("{} and of {}", after.names(), before.names())
            }
            (Some(after), _) => format!("{} and of the next device behind it", after.names()),
            (None, Some(before)) if before.is_host => "this machine and of the host".to_owned(),
            (None, Some(before)) => format!("this machine and of {}", before.names()),
            (None, None) => "this machine and of the devices on the path".to_owned(),
        }
    }
}

impl PlaceHop {
    /// The routers of a hop.
    #[must_use]
    pub fn of_routers(hop: &Hop) -> Self {
        Self { ttl: hop.ttl, addresses: hop.routers(), is_host: false }
    }

    /// The addresses, `a or b` where there are several.
    #[must_use]
    pub fn names(&self) -> String {
        let names = self.addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>();
        if names.is_empty() { format!("hop {}", self.ttl) } else { names.join(" or ") }
    }
}

impl std::fmt::Display for PlaceHop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_host {
            write!(f, "the host (hop {})", self.ttl)
        } else if self.addresses.is_empty() {
            write!(f, "hop {}", self.ttl)
        } else {
            write!(f, "hop {} ({})", self.ttl, self.names())
        }
    }
}

/// The nearest hop behind `passed` where any of these ports gets an answer.
fn first_beyond(passed: u8, paths: &[&PortPath]) -> Option<PlaceHop> {
    let answered = paths.iter().flat_map(|path| &path.hops).filter(|hop| {
        hop.ttl > passed && hop.answers.iter().any(|answer| is_on_the_way(answer.kind))
    });
    hop_at(answered.map(|hop| hop.ttl).min()?, paths)
}

/// Who answers at this TTL, over these ports.
fn hop_at(ttl: u8, paths: &[&PortPath]) -> Option<PlaceHop> {
    let hops = || paths.iter().filter_map(|path| path.hop(ttl));
    let mut addresses: Vec<IpAddr> = Vec::new();
    for router in hops().flat_map(Hop::routers) {
        if !addresses.contains(&router) {
            addresses.push(router);
        }
    }
    if !addresses.is_empty() {
        return Some(PlaceHop { ttl, addresses, is_host: false });
    }
    let host =
        paths.iter().filter(|path| matches!(path.end, End::SynAck { .. } | End::Reset { .. }));
    let from =
        host.filter_map(|path| path.hop(ttl)).flat_map(|hop| &hop.answers).find_map(|a| a.from)?;
    Some(PlaceHop { ttl, addresses: vec![from], is_host: true })
}

/// Whether an answer shows that the SYN got as far as its sender, and could have gone on.
fn is_on_the_way(kind: AnswerKind) -> bool {
    matches!(kind, AnswerKind::TimeExceeded | AnswerKind::SynAck | AnswerKind::Reset)
}
