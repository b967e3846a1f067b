//! Findings from events.

use std::collections::{HashMap, HashSet};

use kms_protocol::kms::Hresult;

use super::super::moment::{DAY, Moment};
use super::super::names::{Id, Name};
use super::super::record::{
    ACTIVATION_FAILED, AD_ACTIVATED, CLIENT_PROCESSED, CLIENT_SENT, Event, FIRMWARE_KEY,
    FLAG_NOT_ENOUGH_COUNT, HOST_FAILED, PUBLISH_FAILED,
};
use super::super::records::Records;
use super::super::timeline::{Client, Missing, SILENCE, Timeline};
use super::{Gathered, Seen, Subject};

pub(super) fn find(records: &Records, timeline: &Timeline, gathered: &mut Gathered) {
    let mut machines = HashMap::new();
    for event in &records.events {
        if event.id == CLIENT_SENT && event.cmid.is_some() {
            machines.insert(event.computer, event.cmid);
        }
        let Some(subject) = subject(event, &machines) else { continue };
        let seen = Seen { subject, place: event.place, time: event.time, code: event.hresult };
        of_result(records, event, &seen, gathered);
        of_state(event, &seen, gathered);
    }
    unanswered(records, timeline, gathered);
    silent(timeline, records, gathered);
    too_few(records, timeline, gathered);
}

/// Whom an event concerns: a client, as long as its id is known, or the machine that logged it.
fn subject(event: &Event, machines: &HashMap<Name, Id>) -> Option<Subject> {
    let cmid = match event.id {
        PUBLISH_FAILED => return Some(Subject::Named(event.name)),
        HOST_FAILED => return Some(Subject::Named(event.computer)),
        CLIENT_PROCESSED | ACTIVATION_FAILED => {
            machines.get(&event.computer).copied().unwrap_or(Id::NONE)
        }
        _ => event.cmid,
    };
    let name = if event.is_of_host() { event.name } else { event.computer };
    if cmid.is_some() {
        return Some(Subject::Client(cmid, name));
    }
    let name = if name.is_some() { name } else { event.address };
    Some(if name.is_some() { Subject::Named(name) } else { Subject::All })
}

fn of_result(records: &Records, event: &Event, seen: &Seen, gathered: &mut Gathered) {
    let code = event.hresult.unwrap_or(0);
    if event.is_foreign_key {
        return gathered.add("client.foreign_key", seen, || {
            "its request could not be opened with the lab's key".to_owned()
        });
    }
    if let Some((finding, words)) = told_by_id(event.id) {
        return gathered.add(finding, seen, || words.to_owned());
    }
    let is_low = event.flags & FLAG_NOT_ENOUGH_COUNT != 0
        || (code == 0 && event.count.zip(event.n_policy).is_some_and(|(count, n)| count < n));
    if is_low {
        return gathered.add("client.count_low", seen, || match (event.count, event.n_policy) {
            (Some(count), Some(needed)) => {
                format!("the host told a count of {count}, and the client needs {needed}")
            }
            (Some(count), None) => format!("the host told a count of {count}, which is too low"),
            _ => "the count is too low".to_owned(),
        });
    }
    if code == 0 {
        return;
    }
    match event.id {
        PUBLISH_FAILED => {
            return gathered.add("host.dns_publishing_failed", seen, || explained(code));
        }
        HOST_FAILED => return gathered.add("host.start_failed", seen, || explained(code)),
        CLIENT_SENT | CLIENT_PROCESSED | ACTIVATION_FAILED => {}
        _ if event.is_of_host() => {}
        _ => return,
    }
    gathered.add(meaning(code), seen, || {
        let host = records.names.show(event.host);
        match host.is_empty() {
            true => explained(code),
            false => format!("{} (host {host})", explained(code)),
        }
    });
}

/// Events that say something by their id alone. 1003, a finished check of the licensing status, says
/// nothing that is wrong.
const fn told_by_id(id: u32) -> Option<(&'static str, &'static str)> {
    match id {
        AD_ACTIVATED => Some(("client.activated_by_directory", "logged 12308")),
        FIRMWARE_KEY => Some(("client.firmware_key", "logged 1058")),
        _ => None,
    }
}

/// The finding that a code calls for.
const fn meaning(code: u32) -> &'static str {
    match code {
        0x8007_06BA | 0x8007_06BF | 0x8007_05B4 | 0xC002_0017 | 0x8007_139F | 0xC004_F074
        | 0xC004_F039 => "client.host_unreachable",
        0x8007_232B | 0x8007_232A | 0x8007_251D | 0x8007_267C | 0x8009_2328 | 0x8007_007B => {
            "client.dns_failed"
        }
        0xC004_F06C => "client.skew",
        0xC004_F038 => "client.count_low",
        0xC004_F042 | 0xC004_F015 | 0xC004_F069 => "client.product_not_covered",
        0xC004_F041 => "client.host_not_activated",
        0xC004_F014 | 0xC004_F050 | 0xC004_F051 | 0xC004_C001 | 0xC004_C003 | 0xC004_F035 => {
            "client.wrong_key"
        }
        0xC004_F009 => "client.expired",
        _ => "client.refused",
    }
}

/// `0xC004F06C: the time of the request is not valid`.
pub(crate) fn explained(code: u32) -> String {
    match Hresult(code).info() {
        Some(info) => format!("{}: {}", info.code, info.meaning),
        None => format!("{}: {}", Hresult(code), crate::explain::decode(code).summary),
    }
}

/// What a request tells of its client's licence, whatever came of it.
fn of_state(event: &Event, seen: &Seen, gathered: &mut Gathered) {
    let (Some(status), Some(minutes)) = (event.status, event.minutes) else { return };
    if status == LICENSED && minutes < MINUTES_LOW {
        gathered.add("client.validity_low", seen, || {
            format!("{} days of its activation were left", minutes / MINUTES_PER_DAY)
        });
    }
    if status == NOTIFICATION {
        gathered.add("client.expired", seen, || {
            "its request says that it is in notification".to_owned()
        });
    }
}

fn unanswered(records: &Records, timeline: &Timeline, gathered: &mut Gathered) {
    for (at, missing) in &timeline.unanswered {
        let Some(event) = records.events.get(*at) else { continue };
        let subject = match event.cmid.is_some() {
            true => Subject::Client(event.cmid, event.computer),
            false => Subject::Named(event.computer),
        };
        let seen = Seen { subject, place: event.place, time: event.time, code: None };
        let host = records.names.show(event.host);
        let (code, words) = match missing {
            Missing::HostSawIt => ("client.reply_lost", "logged by the host, without a 12289"),
            Missing::NeverArrived => ("client.never_arrived", "not in the host's log of that time"),
            Missing::NotKnown => ("client.no_answer", "without a 12289 after it"),
        };
        gathered.add(code, &seen, || format!("12288 to {host}, {words}"));
    }
}

/// Clients whose last request is long ago, by the end of the host's log.
fn silent(timeline: &Timeline, records: &Records, gathered: &mut Gathered) {
    let Some((_, end)) = timeline.host_log else { return };
    let mut heard: HashMap<Name, Moment> = HashMap::new();
    for client in &timeline.clients {
        let last = heard.entry(client.last_name).or_insert(client.last);
        *last = client.last.max(*last);
    }
    // A machine with a new id goes on asking under its name.
    let goes_on = |client: &Client| {
        let last = heard.get(&client.last_name).filter(|_| client.last_name.is_some());
        last.is_some_and(|last| end.since(*last).is_some_and(|silence| silence <= SILENCE))
    };
    for client in timeline.clients.iter().filter(|client| client.host_saw > 0 && !goes_on(client)) {
        let Some(silence) = end.since(client.last).filter(|silence| *silence > SILENCE) else {
            continue;
        };
        let Some(last) = records.events.get(client.last_event) else { continue };
        let subject = Subject::Client(client.cmid, client.last_name);
        let seen = Seen { subject, place: last.place, time: last.time, code: None };
        gathered.add("client.stopped_asking", &seen, || {
            format!("its last request is {} days before the end of the log", silence / DAY)
        });
    }
}

/// Distinct clients of the last 30 days of the host's log against what they need.
fn too_few(records: &Records, timeline: &Timeline, gathered: &mut Gathered) {
    let Some((_, end)) = timeline.host_log else { return };
    let is_counted = |client: &&Client| {
        client.host_saw > 0 && end.since(client.last).is_some_and(|gap| gap <= COUNTED_FOR)
    };
    let counted: Vec<&Client> = timeline.clients.iter().filter(is_counted).collect();
    let needed: HashSet<u32> = counted.iter().filter_map(|client| client.n_policy).collect();
    let Some(most) = needed.into_iter().max().filter(|most| *most <= N_POLICY_MAX) else { return };
    let distinct = counted.len() as u64 + timeline.clients_left_out;
    let last = counted.iter().max_by_key(|client| client.last);
    let Some(last) = last.and_then(|client| records.events.get(client.last_event)) else { return };
    if distinct < u64::from(most) {
        let seen = Seen { subject: Subject::All, place: last.place, time: last.time, code: None };
        gathered.add("host.count_too_low", &seen, || {
            format!(
                "{distinct} distinct clients in the last 30 days of the log, and {most} are needed"
            )
        });
    }
}

/// How long a host counts a client.
const COUNTED_FOR: i64 = 30 * DAY;

/// A request can claim any need; no product needs more than this.
const N_POLICY_MAX: u32 = 1_000;

const LICENSED: u8 = 1;
const NOTIFICATION: u8 = 5;
const MINUTES_PER_DAY: u32 = 1_440;

/// 30 days: when Windows begins to warn.
pub(super) const MINUTES_LOW: u32 = 30 * MINUTES_PER_DAY;
