//! From two snapshots to their differences. Pure.

use std::time::Duration;

use serde_json::Value;

use super::pair::pairs;
use super::snapshot::{PastEntry, PastFinding, PastStage, Snapshot};
use super::{Change, Direction, What};
use crate::verdict::{Severity, judge};

/// Everything that differs, in the order of the check that is `now`.
#[must_use]
pub fn compare(before: &Snapshot, now: &Snapshot) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut targets: Vec<&str> = Vec::new();
    for pair in pairs(&before.targets, &now.targets) {
        let Some(entry) = pair.1.or(pair.0) else { continue };
        if !targets.contains(&entry.target.as_str()) {
            targets.push(&entry.target);
            changes.extend(records(&entry.target, before, now));
        }
        match pair {
            (Some(before), Some(now)) => changes.extend(entries(before, now)),
            (None, Some(now)) => changes.push(came(now)),
            (Some(before), None) => changes.push(went(before)),
            (None, None) => {}
        }
    }
    changes
}

/// Whether a time differs from an earlier one by more than chance: more than threefold, and by
/// more than 20 ms.
#[must_use]
pub(super) fn is_beyond_noise(shorter_us: u64, longer_us: u64) -> bool {
    longer_us > shorter_us.saturating_mul(3) && longer_us - shorter_us > NOISE_US
}

fn entries(before: &PastEntry, now: &PastEntry) -> Vec<Change> {
    let mut changes = Vec::new();
    if before.verdict != now.verdict || before.severity != now.severity {
        let shown =
            |entry: &PastEntry| Some(format!("{} {}", entry.severity.name(), entry.verdict));
        let direction = by_severity(before.severity, now.severity);
        changes.push(Change {
            before: shown(before),
            now: shown(now),
            ..change(now, What::Verdict, "verdict", direction)
        });
    }
    if before.host == now.host {
        let port = |entry: &PastEntry| entry.port.map(|port| port.to_string());
        changes.extend(differs(now, What::Address, "port", port(before), port(now)));
        let (old, new) = (before.address.clone(), now.address.clone());
        changes.extend(differs(now, What::Address, "address", old, new));
    }
    changes.extend(findings(before, now));
    for stage in &now.stages {
        if let Some(old) = before.stage(&stage.stage) {
            changes.extend(latency(now, old, stage));
            changes.extend(facts(now, old, stage));
        }
    }
    changes
}

fn latency(entry: &PastEntry, before: &PastStage, now: &PastStage) -> Option<Change> {
    // What failed took as long as it was allowed to.
    let both_ok = before.verdict == now.verdict && now.verdict.ends_with(".ok");
    let direction = match (before.elapsed_us, now.elapsed_us) {
        (old, new) if both_ok && is_beyond_noise(old, new) => Direction::Worse,
        (old, new) if both_ok && is_beyond_noise(new, old) => Direction::Better,
        _ => return None,
    };
    let shown = |stage: &PastStage| Some(judge::duration(Duration::from_micros(stage.elapsed_us)));
    Some(Change {
        before: shown(before),
        now: shown(now),
        ..change(entry, What::Latency, &now.stage, direction)
    })
}

/// Facts that stay the same while nothing is changed: (stage, place in its facts, name).
const FACTS: &[(&str, &str, &str)] = &[
    ("dns", "/resolver", "resolver that decided"),
    ("dns", "/endpoint/share", "share of the clients"),
    ("dns", "/endpoint/source", "origin of the address"),
    ("tcp", "/state", "port"),
    ("tcp", "/source", "source address"),
    ("tcp", "/icmp/from", "hop that sent the ICMP error"),
    ("bind", "/answer/type", "answer to the bind"),
    ("bind", "/answer/max_xmit_frag", "largest fragment"),
    ("bind", "/answer/kms_sim_mark", "kms-sim mark"),
    ("rpc", "/fault/status", "fault"),
    ("kms", "/hresult", "HRESULT"),
    ("kms", "/answer/epid", "ePID"),
    ("kms", "/answer/hardware_id", "hardware id"),
];

/// A fact that one of the two checks did not find out is no difference.
fn facts(entry: &PastEntry, before: &PastStage, now: &PastStage) -> Vec<Change> {
    let of_stage = FACTS.iter().filter(|(stage, ..)| *stage == now.stage);
    let changes = of_stage.filter_map(|(_, place, name)| {
        let value = |stage: &PastStage| stage.facts.pointer(place).and_then(|v| shown(place, v));
        let (before, now) = (value(before)?, value(now)?);
        differs(entry, What::Fact, name, Some(before), Some(now))
    });
    changes.collect()
}

fn shown(place: &str, value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        // The client's port is another one each time.
        Value::String(text) if place == "/source" => {
            let address = text.parse::<std::net::SocketAddr>();
            Some(address.map_or_else(|_| text.clone(), |address| address.ip().to_string()))
        }
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn findings(before: &PastEntry, now: &PastEntry) -> Vec<Change> {
    let key = |finding: &PastFinding| {
        let subject = ["target", "qname"].iter().find_map(|name| finding.facts.get(*name));
        let subject = subject.and_then(Value::as_str).map_or_else(String::new, |s| format!(" {s}"));
        format!("{}{subject}", finding.code)
    };
    let has = |entry: &PastEntry, wanted: &str| entry.findings.iter().any(|f| key(f) == wanted);
    let came = now.findings.iter().filter(|finding| !has(before, &key(finding))).map(|finding| {
        let is_bad = finding.severity >= Severity::Warning;
        let direction = if is_bad { Direction::Worse } else { Direction::Neutral };
        let shown = Some(finding.severity.name().to_owned());
        Change { now: shown, ..change(now, What::Finding, &key(finding), direction) }
    });
    let went = before.findings.iter().filter(|finding| !has(now, &key(finding))).map(|finding| {
        let shown = Some(finding.severity.name().to_owned());
        Change { before: shown, ..change(now, What::Finding, &key(finding), Direction::Better) }
    });
    came.chain(went).collect()
}

/// An SRV record of a target: its content and TTL.
struct Record {
    content: String,
    ttl: u64,
}

/// Verdicts with which it is known which records there are; after any other, records are not gone
/// but unknown.
const IS_KNOWN: [&str; 6] = [
    "dns.ok",
    "dns.nxdomain",
    "dns.nodata",
    "dns.no_service",
    "dns.target_unresolved",
    "dns.port_zero",
];

/// The records of a target, which all its entries repeat, with whether the answer was
/// authoritative.
fn records_of(target: &str, snapshot: &Snapshot) -> Option<(Vec<Record>, bool)> {
    let entry = snapshot.targets.iter().find(|entry| entry.target == target)?;
    let stage = entry.stage("dns").filter(|stage| IS_KNOWN.contains(&stage.verdict.as_str()))?;
    let facts = &stage.facts;
    let record = |record: &Value| {
        let number = |name: &str| record.get(name).and_then(Value::as_u64);
        let target = record.get("target")?.as_str()?;
        let (priority, weight, port) = (number("priority")?, number("weight")?, number("port")?);
        let content = format!("{priority} {weight} {port} {target}");
        Some(Record { content, ttl: number("ttl")? })
    };
    let records = facts.get("records")?.as_array()?.iter().filter_map(record).collect();
    let resolver = facts.get("resolver");
    let views = facts.get("views").and_then(Value::as_array);
    let view = views.and_then(|views| views.iter().find(|view| view.get("resolver") == resolver));
    let exchanges = view.and_then(|view| view.pointer("/service/exchanges")?.as_array());
    let authoritative =
        exchanges.and_then(|all| all.last()?.pointer("/response/authoritative")?.as_bool());
    Some((records, authoritative.unwrap_or(false)))
}

fn records(target: &str, before: &Snapshot, now: &Snapshot) -> Vec<Change> {
    let Some(((old, old_is_authoritative), (new, new_is_authoritative))) =
        records_of(target, before).zip(records_of(target, now))
    else {
        return Vec::new();
    };
    let find = |records: &'_ [Record], content: &str| {
        records.iter().find(|record| record.content == content).map(|record| record.ttl)
    };
    let whole = |what, subject: &str| Change {
        target: target.to_owned(),
        host: None,
        port: None,
        address: None,
        what,
        subject: subject.to_owned(),
        before: None,
        now: None,
        direction: Direction::Neutral,
    };
    let mut changes = Vec::new();
    for record in &new {
        match find(&old, &record.content) {
            None => changes.push(Change {
                now: Some(record.content.clone()),
                ..whole(What::Record, "SRV record")
            }),
            Some(ttl) if ttl != record.ttl && old_is_authoritative && new_is_authoritative => {
                changes.push(Change {
                    before: Some(format!("{ttl} s")),
                    now: Some(format!("{} s", record.ttl)),
                    ..whole(What::Ttl, &record.content)
                });
            }
            Some(_) => {}
        }
    }
    let gone = old.iter().filter(|record| find(&new, &record.content).is_none());
    changes.extend(gone.map(|record| Change {
        before: Some(record.content.clone()),
        ..whole(What::Record, "SRV record")
    }));
    changes
}

fn came(now: &PastEntry) -> Change {
    let is_bad = now.severity >= Severity::Warning;
    let direction = if is_bad { Direction::Worse } else { Direction::Neutral };
    let shown = Some(format!("{} {}", now.severity.name(), now.verdict));
    Change { now: shown, ..change(now, What::Entry, "new", direction) }
}

fn went(before: &PastEntry) -> Change {
    let was_good = before.severity < Severity::Warning;
    let direction = if was_good { Direction::Worse } else { Direction::Better };
    let shown = Some(format!("{} {}", before.severity.name(), before.verdict));
    Change { before: shown, ..change(before, What::Entry, "gone", direction) }
}

fn differs(
    entry: &PastEntry,
    what: What,
    subject: &str,
    before: Option<String>,
    now: Option<String>,
) -> Option<Change> {
    let change = change(entry, what, subject, Direction::Neutral);
    (before != now).then_some(Change { before, now, ..change })
}

fn change(entry: &PastEntry, what: What, subject: &str, direction: Direction) -> Change {
    Change {
        target: entry.target.clone(),
        host: entry.host.clone(),
        port: entry.port,
        address: entry.address.clone(),
        what,
        subject: subject.to_owned(),
        before: None,
        now: None,
        direction,
    }
}

fn by_severity(before: Severity, now: Severity) -> Direction {
    match now.cmp(&before) {
        std::cmp::Ordering::Greater => Direction::Worse,
        std::cmp::Ordering::Less => Direction::Better,
        std::cmp::Ordering::Equal => Direction::Neutral,
    }
}

const NOISE_US: u64 = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_threefold_or_twenty_milliseconds() {
        assert!(!is_beyond_noise(100, 20_000), "200 times as long, but 20 ms");
        assert!(!is_beyond_noise(10_000, 30_000), "threefold, not more");
        assert!(is_beyond_noise(10_000, 30_001));
        assert!(is_beyond_noise(0, 20_001));
        assert!(!is_beyond_noise(u64::MAX, u64::MAX));
    }
}
