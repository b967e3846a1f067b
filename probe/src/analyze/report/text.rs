//! An analysis for people: what was read, what is wrong, and the clients behind it.

use kms_protocol::kms::Hresult;

use super::super::Analysis;
use super::super::findings::{Case, Finding, Subject};
use super::super::record::{Conversation, Event, Place, Reached};
use super::super::records::{FileReport, Records};
use crate::report::{Style, escape};
use crate::verdict::Severity;

/// The report as text.
#[must_use]
pub fn text(analysis: &Analysis, style: Style) -> String {
    let mut text = String::new();
    opening(&mut text, analysis, style);
    for finding in &analysis.findings {
        push(&mut text, "");
        of_finding(&mut text, finding, &analysis.records, style);
    }
    conversations(&mut text, analysis, style);
    events(&mut text, analysis, style);
    text
}

fn opening(text: &mut String, analysis: &Analysis, style: Style) {
    let records = &analysis.records;
    let width = records.files.iter().map(|file| escape(&file.name).chars().count()).max();
    let width = width.unwrap_or(0).min(FILE_COLUMNS_MAX);
    for file in records.files.iter().take(FILES_SHOWN) {
        file_line(text, file, width);
    }
    if let more @ 1.. = records.files.len().saturating_sub(FILES_SHOWN) {
        push(text, &format!("and {more} more files"));
    }
    if records.left_out + records.names.left_out() > 0 {
        push(
            text,
            &format!(
                "INCOMPLETE: {} records and {} names beyond the limits were left out",
                records.left_out,
                records.names.left_out()
            ),
        );
    }
    push(text, "");
    let clients = analysis.timeline.clients.len();
    let span = match analysis.timeline.span {
        Some((first, last)) => format!(", from {first} to {last} (UTC)"),
        None => String::new(),
    };
    let line = format!(
        "{} events of {clients} clients{span}; {} licences, {} conversations, {} answers of DNS",
        records.events.len(),
        records.licenses.len(),
        records.conversations.len(),
        records.dns.len()
    );
    push(text, &style.strong(&line));
    if analysis.findings.is_empty() {
        let line = style.severity(Severity::Ok, "OK analyze.ok");
        push(text, &format!("{line}  nothing wrong was found in what these files show"));
    }
}

fn file_line(text: &mut String, file: &FileReport, width: usize) {
    let kind = file.kind.map_or("not read", |kind| kind.words());
    let encoding = file.encoding.map_or_else(String::new, |encoding| format!(", {encoding}"));
    let skipped = match file.skipped {
        0 => String::new(),
        some => format!(", {some} not understood"),
    };
    let name = escape(&file.name);
    push(
        text,
        &format!(
            "{name:<width$}  {kind}{encoding}: {} read, {} used{skipped}",
            file.read, file.used
        ),
    );
    for note in file.problem.iter().chain(&file.notes) {
        push(text, &format!("{:<width$}  {}", "", escape(note)));
    }
}

fn of_finding(text: &mut String, finding: &Finding, records: &Records, style: Style) {
    let word = format!("{} {}", finding.severity.name().to_uppercase(), finding.row.code);
    let over = finding.cases.iter().filter(|case| case.is_over).count();
    let count = match (finding.total, over) {
        (1, 0) => String::new(),
        (1, _) => "  over".to_owned(),
        (total, 0) => format!("  {total} cases"),
        (total, over) => format!("  {total} cases, {over} of them over"),
    };
    push(text, &format!("{}{count}", style.severity(finding.severity, &word)));
    let mut labelled = |label: &str, sentence: &str| {
        push(text, &style.labelled(&format!("  {label}"), LABEL_COLUMNS, sentence));
    };
    labelled("cause", finding.row.cause);
    labelled("remedy", finding.row.remedy);
    for case in finding.cases.iter().take(CASES_SHOWN) {
        labelled("seen", &of_case(case, records));
    }
    if let more @ 1.. = finding.total.saturating_sub(CASES_SHOWN as u64) {
        labelled("", &format!("and {more} more: --format json has up to 1000"));
    }
    let mut codes: Vec<u32> = finding.cases.iter().flat_map(|case| case.codes.clone()).collect();
    codes.sort_unstable();
    codes.dedup();
    for code in codes.into_iter().filter(|code| *code != 0).take(CODES_SHOWN) {
        if let Some(info) = Hresult(code).info() {
            labelled("code", &format!("{}: {} (source: {})", info.code, info.cause, info.source));
        }
    }
}

fn of_case(case: &Case, records: &Records) -> String {
    let who = subject(case.subject, records);
    let times = match case.times {
        1 => String::new(),
        times => format!(", {times} times"),
    };
    let when = match (case.from.is_known(), case.from == case.to) {
        (false, _) => String::new(),
        (true, true) => format!(", {}", case.from),
        (true, false) => format!(", {} to {}", case.from, case.to),
    };
    let over = if case.is_over { ", successful since then" } else { "" };
    let who = if who.is_empty() { who } else { format!("{who}: ") };
    escape(&format!("{who}{}{times}{when}{over} [{}]", case.detail, place(case.last, records)))
        .into_owned()
}

/// Whom a case concerns, in words. Not escaped.
pub(crate) fn subject(subject: Subject, records: &Records) -> String {
    match subject {
        Subject::Client(cmid, name) => {
            let guid = records.names.show_id(cmid);
            match records.names.show(name) {
                name if name.is_empty() => format!("client {guid}"),
                name => format!("{name} ({guid})"),
            }
        }
        Subject::Named(name) => records.names.show(name).into_owned(),
        Subject::License(index) => {
            let license = usize::try_from(index).ok().and_then(|at| records.licenses.get(at));
            license.map_or_else(String::new, |license| license.product.clone())
        }
        Subject::Conversation(index) => {
            let found = usize::try_from(index).ok().and_then(|at| records.conversations.get(at));
            found.map_or_else(String::new, |conversation| ends(conversation, records))
        }
        Subject::All => String::new(),
    }
}

/// `192.0.2.1:50000 -> 192.0.2.2:1688`.
pub(crate) fn ends(conversation: &Conversation, records: &Records) -> String {
    if records.names.redacts() {
        return format!(
            "connection to port {} (packet {})",
            conversation.server.port(),
            conversation.place.number
        );
    }
    format!("{} -> {}", conversation.client, conversation.server)
}

/// `host.evtx record 4711`. Not escaped.
pub(crate) fn place(place: Place, records: &Records) -> String {
    let file = records.files.get(usize::from(place.file)).map_or("", |file| file.name.as_str());
    format!("{file} {} {}", place.unit.word(), place.number)
}

fn conversations(text: &mut String, analysis: &Analysis, style: Style) {
    let records = &analysis.records;
    if records.conversations.is_empty() {
        return;
    }
    push(text, "");
    push(text, &style.strong("conversations"));
    // A port check, or a client that gave up, says little: what spoke or failed comes first.
    let is_silent = |one: &&Conversation| one.requests == 0 && one.reached == Reached::Connected;
    let telling: Vec<_> = records.conversations.iter().filter(|one| !is_silent(one)).collect();
    for conversation in telling.iter().take(LINES_SHOWN) {
        let versions = match conversation.versions.as_slice() {
            [] => String::new(),
            versions => format!("  version {}", versions.join(", ")),
        };
        let line = format!(
            "{}  {}{versions}  {} requests, {} answers  {}",
            conversation.time,
            ends(conversation, records),
            conversation.requests,
            conversation.answers,
            super::super::findings::ended(conversation),
        );
        push(text, &escape(&line));
    }
    if let more @ 1.. = telling.len().saturating_sub(LINES_SHOWN) {
        push(text, &format!("and {more} more: --format json has all"));
    }
    if let silent @ 1.. = records.conversations.len() - telling.len() {
        push(text, &format!("{silent} connections that were made and closed without a request"));
    }
}

/// The timeline, as long as it fits on a few screens.
fn events(text: &mut String, analysis: &Analysis, style: Style) {
    let records = &analysis.records;
    if records.events.is_empty() {
        return;
    }
    push(text, "");
    push(text, &style.strong("timeline (UTC)"));
    for event in records.events.iter().take(LINES_SHOWN) {
        push(text, &escape(&event_line(event, records)));
    }
    more(text, records.events.len());
}

/// One event of the timeline. Not escaped.
pub(crate) fn event_line(event: &Event, records: &Records) -> String {
    let names = &records.names;
    let mut line = format!("{:<19}  {:>5}", event.time, event.id);
    if let Some(code) = event.hresult {
        line.push_str(&format!("  {}", Hresult(code)));
    }
    let who = if event.name.is_some() { event.name } else { event.computer };
    for name in [who, event.address] {
        if name.is_some() {
            line.push_str(&format!("  {}", names.show(name)));
        }
    }
    if event.host.is_some() {
        line.push_str(&format!("  to {}", names.show(event.host)));
    }
    if event.cmid.is_some() {
        line.push_str(&format!("  {}", names.show_id(event.cmid)));
    }
    if let Some(count) = event.count {
        line.push_str(&format!("  count {count}"));
    }
    line.push_str(&format!("  [{}]", place(event.place, records)));
    line
}

fn more(text: &mut String, count: usize) {
    if let more @ 1.. = count.saturating_sub(LINES_SHOWN) {
        push(text, &format!("and {more} more: --format csv has all"));
    }
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

const LABEL_COLUMNS: usize = 11;
const FILE_COLUMNS_MAX: usize = 40;
const FILES_SHOWN: usize = 50;
const CASES_SHOWN: usize = 10;
const CODES_SHOWN: usize = 4;
const LINES_SHOWN: usize = 40;
