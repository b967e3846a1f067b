//! What a trace cannot know, said plainly. Pure.

use serde::Serialize;

use super::facts::TraceFacts;
use super::path::{End, PortPath};
use super::table;
use super::words;
use crate::verdict::Row;

/// One limit of what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Caveat {
    /// A short name, for programs.
    pub code: &'static str,
    /// One sentence.
    pub text: String,
}

/// The limits of a trace that ended in `row`.
pub(super) fn of(
    facts: &TraceFacts,
    target: &PortPath,
    controls: &[PortPath],
    row: &'static Row,
) -> Vec<Caveat> {
    let is = |other: &'static Row| std::ptr::eq(row, other);
    let mut caveats = Vec::new();
    let mut add = |code, text: String| caveats.push(Caveat { code, text });
    if let Some(text) = silent_hops(target, controls) {
        add("silent_hops", text);
    }
    if let Some(text) = several_routers(target, controls) {
        add("load_balanced", text);
    }
    if is(&table::SILENT_DROP) || is(&table::PATH_SILENT) {
        add(
            "drop_or_lost_answer",
            "From this side a drop in the forwarding of the last router that answers, a drop just \
             behind it and an answer lost on the way back look the same; a capture on the host \
             tells them apart."
                .to_owned(),
        );
    }
    let compares = is(&table::REACHED) || is(&table::REFUSED) || is(&table::PATH_SILENT);
    let reached = |path: &PortPath| path.reached_at().is_some();
    if compares && !controls.iter().any(reached) {
        add(
            "no_control_port",
            format!(
                "No control port of {} is answered, so an answer in the host's name cannot be told \
                 from the host's own, nor a filter for this port from one for all; try \
                 `--control-port` with a port that is known to be open.",
                facts.address.ip()
            ),
        );
    }
    caveats
}

/// Hops before the end that answer on no port.
fn silent_hops(target: &PortPath, controls: &[PortPath]) -> Option<String> {
    let paths = || std::iter::once(target).chain(controls);
    // Silence counts only before something that is known to be further away.
    let known = |path: &PortPath| {
        let end = match path.end {
            End::Rejected { ttl, .. } => Some(ttl),
            _ => path.reached_at(),
        };
        end.or_else(|| path.last_router().map(|hop| hop.ttl))
    };
    let last = paths().filter_map(known).max()?;
    let answers =
        |ttl: u8| paths().any(|path| path.hop(ttl).is_some_and(|hop| !hop.answers.is_empty()));
    let silent: Vec<String> =
        (1..last).filter(|ttl| !answers(*ttl)).map(|ttl| ttl.to_string()).collect();
    match silent.as_slice() {
        [] => None,
        [only] => Some(format!(
            "Hop {only} answers on no port although the SYN passes it: its router sends no ICMP, or \
             too little of it; that is no fault."
        )),
        _ => Some(format!(
            "Hops {} answer on no port although the SYN passes them: their routers send no ICMP, or \
             too little of it; that is no fault.",
            silent.join(", ")
        )),
    }
}

/// Hops where several routers answer.
fn several_routers(target: &PortPath, controls: &[PortPath]) -> Option<String> {
    let mut hops: Vec<String> = Vec::new();
    for ttl in 1..=u8::MAX {
        let mut routers = Vec::new();
        for path in std::iter::once(target).chain(controls) {
            routers.extend(path.hop(ttl).map(|hop| hop.routers()).unwrap_or_default());
        }
        routers.sort_unstable();
        routers.dedup();
        if routers.len() > 1 {
            hops.push(format!("hop {ttl} ({})", words::addresses(&routers, "and")));
        }
    }
    (!hops.is_empty()).then(|| {
        format!(
            "Several routers answer at {}: the path is load-balanced, each probe may take another \
             branch, and neighbouring hops need not lie on one way.",
            hops.join(", ")
        )
    })
}
