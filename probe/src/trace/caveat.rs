//! What a trace cannot know, said plainly. Pure.

use serde::Serialize;

use super::facts::TraceFacts;
use super::path::{AnswerKind, Hop, PortPath};
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
    if let Some(text) = rationed(target, controls) {
        add("rationed_icmp", text);
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
    let compares = is(&table::REACHED)
        || is(&table::PAYLOAD_STOPPED)
        || is(&table::REFUSED)
        || is(&table::PATH_SILENT);
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

/// The largest TTL that is known to be needed, where the hops before it are passed.
fn passed(path: &PortPath) -> Option<u8> {
    path.reached_at().or_else(|| path.last_router().map(|hop| hop.ttl))
}

/// Hops that answer one port and not another that passes them too, or only a repeated SYN.
fn rationed(target: &PortPath, controls: &[PortPath]) -> Option<String> {
    let paths = || std::iter::once(target).chain(controls);
    let is_rationed = |ttl: u8| {
        let passes = move |path: &&PortPath| {
            path.reached_at() > Some(ttl) || path.last_router().is_some_and(|hop| hop.ttl >= ttl)
        };
        let hops = || paths().filter(passes);
        let answers = |path: &PortPath| path.hop(ttl).is_some_and(Hop::has_router);
        let in_part = hops().any(answers) && !hops().all(answers);
        let answer = hops().filter_map(|path| path.hop(ttl)).flat_map(|hop| &hop.answers);
        let mut routers = answer.filter(|answer| answer.kind == AnswerKind::TimeExceeded);
        in_part || routers.any(|router| router.rtt_us >= REPEATED_SYN_US)
    };
    let last = paths().filter_map(passed).max()?;
    let fastest_end = paths().filter_map(fastest_answer_of_host).min();
    // Where the host itself is as slow, it is the distance.
    let is_near = fastest_end.is_none_or(|rtt| rtt < REPEATED_SYN_US);
    let hops: Vec<u8> = (1..=last).filter(|ttl| is_near && is_rationed(*ttl)).collect();
    (!hops.is_empty()).then(|| {
        format!(
            "Not every SYN gets an ICMP answer at {}: routers ration their ICMP, or packets are \
             lost; a missing answer proves less here, so repeat the trace after some seconds.",
            words::hops(&hops)
        )
    })
}

fn fastest_answer_of_host(path: &PortPath) -> Option<u64> {
    path.hop(path.reached_at()?)?.answers.iter().map(|answer| answer.rtt_us).min()
}

/// The kernel repeats a SYN after one second.
const REPEATED_SYN_US: u64 = 900_000;

/// Hops before the end that answer on no port.
fn silent_hops(target: &PortPath, controls: &[PortPath]) -> Option<String> {
    let paths = || std::iter::once(target).chain(controls);
    let last = paths().filter_map(passed).max()?;
    let answers =
        |ttl: u8| paths().any(|path| path.hop(ttl).is_some_and(|hop| !hop.answers.is_empty()));
    let silent: Vec<u8> = (1..last).filter(|ttl| !answers(*ttl)).collect();
    (!silent.is_empty()).then(|| {
        format!(
            "Nobody answers for {} on any port although the SYN passes there: routers need not \
             send ICMP, and that is no fault.",
            words::hops(&silent)
        )
    })
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
