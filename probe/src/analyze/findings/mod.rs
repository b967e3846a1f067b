//! What is wrong, with its evidence: the rows of a table, each with the cases that call for it.

mod events;
mod identity;
mod licenses;
mod network;
pub mod table;

use std::collections::{BTreeMap, HashMap};

use super::moment::Moment;
use super::names::{Id, Name};
use super::record::Place;
use super::records::Records;
use super::timeline::Timeline;
use crate::verdict::Severity;

pub(crate) use self::events::explained;
pub(crate) use self::network::ended;
pub use self::table::Row;

/// One row of the table with everything that calls for it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The row.
    pub row: &'static Row,
    /// How much it matters: the row's severity, or information where all of it is over.
    pub severity: Severity,
    /// Whom it concerns, at most [`CASES_MAX`].
    pub cases: Vec<Case>,
    /// How many there are in all.
    pub total: u64,
}

/// One client, host or other thing that a finding concerns.
#[derive(Clone, Debug)]
pub struct Case {
    /// Which it is.
    pub subject: Subject,
    /// What was seen, in a sentence.
    pub detail: String,
    /// The codes that were seen, at most [`CODES_MAX`].
    pub codes: Vec<u32>,
    /// Where it was seen first, and last.
    pub first: Place,
    /// The last of them.
    pub last: Place,
    /// When that was.
    pub from: Moment,
    /// When the last of them was.
    pub to: Moment,
    /// How often.
    pub times: u64,
    /// Whether the client succeeded afterwards.
    pub is_over: bool,
}

/// What a case concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A client, by its machine id and the name it used.
    Client(Id, Name),
    /// A machine, host, domain or address by its name.
    Named(Name),
    /// A licence, by its index.
    License(u32),
    /// A conversation, by its index.
    Conversation(u32),
    /// Everything that was read.
    All,
}

/// Gathers cases.
#[derive(Debug, Default)]
struct Gathered {
    cases: BTreeMap<(usize, Subject), Case>,
    counts: BTreeMap<usize, u64>,
}

/// What one case is made of.
struct Seen {
    subject: Subject,
    place: Place,
    time: Moment,
    code: Option<u32>,
}

impl Gathered {
    /// One more sign of `code`. The sentence is made for the first of each subject.
    fn add(&mut self, code: &'static str, seen: &Seen, detail: impl FnOnce() -> String) {
        let Some(index) = table::ROWS.iter().position(|row| row.code == code) else { return };
        if let Some(case) = self.cases.get_mut(&(index, seen.subject)) {
            case.times += 1;
            case.last = seen.place;
            case.to = seen.time;
            let new = seen.code.filter(|code| !case.codes.contains(code));
            case.codes.extend(new.filter(|_| case.codes.len() < CODES_MAX));
            return;
        }
        let count = self.counts.entry(index).or_default();
        *count += 1;
        if *count > GATHERED_MAX {
            return;
        }
        let case = Case {
            subject: seen.subject,
            detail: detail(),
            codes: seen.code.into_iter().collect(),
            first: seen.place,
            last: seen.place,
            from: seen.time,
            to: seen.time,
            times: 1,
            is_over: false,
        };
        self.cases.insert((index, seen.subject), case);
    }
}

/// Everything that is wrong, the worst first.
#[must_use]
pub fn of(records: &Records, timeline: &Timeline) -> Vec<Finding> {
    let mut gathered = Gathered::default();
    events::find(records, timeline, &mut gathered);
    identity::find(records, timeline, &mut gathered);
    licenses::find(records, &mut gathered);
    network::find(records, &mut gathered);
    unusual(records, &mut gathered);
    conclude(gathered, timeline)
}

/// Who behaves unlike the others.
fn unusual(records: &Records, gathered: &mut Gathered) {
    for one in super::anomaly::find(records) {
        let is_suspicious = one.score >= super::anomaly::SUSPICIOUS;
        let code = if is_suspicious { "anomaly.suspicious" } else { "anomaly.unusual" };
        let seen = Seen { subject: one.subject, place: one.place, time: one.time, code: None };
        gathered.add(code, &seen, || format!("score {}: {}", one.score, one.reasons.join("; ")));
    }
}

/// When clients were last served, by their id, and by their name in case they get another id.
struct Successes {
    by_id: HashMap<Id, Moment>,
    by_name: HashMap<Name, Moment>,
}

impl Successes {
    fn of(timeline: &Timeline) -> Self {
        let mut by_name: HashMap<Name, Moment> = HashMap::new();
        // What is shared says nothing of the one machine that a name stands for.
        let own = timeline.clients.iter().filter(|client| client.names.len() == 1);
        for client in own.filter(|client| client.last_name.is_some()) {
            let last = by_name.entry(client.last_name).or_insert(Moment::UNKNOWN);
            *last = client.last_success.max(*last);
        }
        let by_id = timeline.clients.iter().map(|client| (client.cmid, client.last_success));
        Self { by_id: by_id.collect(), by_name }
    }

    fn last(&self, cmid: Id, name: Name) -> Moment {
        let (by_id, by_name) = (self.by_id.get(&cmid), self.by_name.get(&name));
        by_id.max(by_name).copied().unwrap_or(Moment::UNKNOWN)
    }
}

fn conclude(gathered: Gathered, timeline: &Timeline) -> Vec<Finding> {
    let successes = Successes::of(timeline);
    let mut findings: BTreeMap<usize, Finding> = BTreeMap::new();
    for ((index, _), mut case) in gathered.cases {
        let Some(row) = table::ROWS.get(index) else { continue };
        if let (true, Subject::Client(cmid, name)) = (row.ends_with_success, case.subject) {
            let success = successes.last(cmid, name);
            // A request that tells of its client's state may be the one that mends it.
            let ends_itself = matches!(row.code, "client.validity_low" | "client.expired");
            case.is_over =
                success.is_known() && (success > case.to || (ends_itself && success == case.to));
        }
        let total = gathered.counts.get(&index).copied().unwrap_or(0);
        let finding = findings.entry(index).or_insert_with(|| Finding {
            row,
            severity: row.severity.min(Severity::Info),
            cases: Vec::new(),
            total,
        });
        if !case.is_over {
            finding.severity = row.severity;
        }
        finding.cases.push(case);
    }
    let mut findings: Vec<Finding> = findings.into_values().collect();
    for finding in &mut findings {
        // What goes on comes first, then what was seen most.
        finding.cases.sort_by_key(|case| (case.is_over, std::cmp::Reverse(case.times)));
        finding.cases.truncate(CASES_MAX);
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// Cases of one finding that are reported.
pub const CASES_MAX: usize = 1_000;
/// Cases of one finding that are gathered; further ones are counted.
const GATHERED_MAX: u64 = 50_000;
/// Codes of one case.
pub const CODES_MAX: usize = 8;

#[cfg(test)]
mod tests;
