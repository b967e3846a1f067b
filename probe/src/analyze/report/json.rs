//! An analysis as JSON, in the shape of `docs/schema/analyze.schema.json`.

use std::io;

use kms_protocol::kms::Hresult;
use serde::Serialize;

use super::super::Analysis;
use super::super::findings::{Case, Finding};
use super::super::record::{Conversation, License, Place, Tool};
use super::super::records::{FileReport, Records};
use super::text;
use crate::report::json;

#[derive(Serialize)]
struct Shape<'a> {
    schema_version: u32,
    tool: json::Tool,
    files: Vec<File<'a>>,
    events: usize,
    clients_seen: usize,
    from: Option<String>,
    to: Option<String>,
    left_out: u64,
    findings: Vec<JsonFinding<'a>>,
    clients: Vec<Client>,
    licenses: Vec<JsonLicense<'a>>,
    conversations: Vec<JsonConversation<'a>>,
    verdict: &'static str,
    severity: &'static str,
}

#[derive(Serialize)]
struct File<'a> {
    name: &'a str,
    kind: Option<&'static str>,
    encoding: Option<&'static str>,
    read: u64,
    used: u64,
    skipped: u64,
    notes: &'a [String],
    problem: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonFinding<'a> {
    code: &'static str,
    severity: &'static str,
    cause: &'static str,
    remedy: &'static str,
    total: u64,
    cases: Vec<JsonCase<'a>>,
}

#[derive(Serialize)]
struct JsonCase<'a> {
    subject: String,
    detail: &'a str,
    codes: Vec<Code>,
    times: u64,
    from: Option<String>,
    to: Option<String>,
    over: bool,
    evidence: [Evidence<'a>; 2],
}

#[derive(Serialize)]
struct Code {
    code: String,
    symbol: Option<&'static str>,
    meaning: Option<&'static str>,
    remedy: Option<&'static str>,
}

#[derive(Serialize)]
struct Evidence<'a> {
    file: &'a str,
    unit: &'static str,
    number: u64,
}

#[derive(Serialize)]
struct Client {
    cmid: String,
    names: Vec<String>,
    addresses: Vec<String>,
    hosts: Vec<String>,
    sent: u64,
    answers: u64,
    host_saw: u64,
    failures: u64,
    first: Option<String>,
    last: Option<String>,
    last_success: Option<String>,
    last_result: Option<String>,
}

#[derive(Serialize)]
struct JsonLicense<'a> {
    tool: &'static str,
    language: Option<&'static str>,
    product: &'a str,
    partial_key: Option<&'a str>,
    status: Option<u8>,
    minutes: Option<u32>,
    cmid: Option<String>,
    registered_host: Option<String>,
    found_host: Option<String>,
    activation_interval: Option<u32>,
    renewal_interval: Option<u32>,
    evidence: Evidence<'a>,
}

#[derive(Serialize)]
struct JsonConversation<'a> {
    ends: String,
    time: Option<String>,
    reached: &'static str,
    ended: String,
    versions: &'a [String],
    requests: u32,
    answers: u32,
    code: Option<String>,
    evidence: Evidence<'a>,
}

/// Writes the report.
///
/// # Errors
/// What `out` returns.
pub fn write(analysis: &Analysis, out: &mut dyn io::Write) -> io::Result<()> {
    json::write(&shape(analysis), out)
}

fn shape(analysis: &Analysis) -> Shape<'_> {
    let records = &analysis.records;
    let span = analysis.timeline.span;
    let worst = analysis.findings.first();
    Shape {
        schema_version: json::SCHEMA_VERSION,
        tool: json::Tool::THIS,
        files: records.files.iter().map(file).collect(),
        events: records.events.len(),
        clients_seen: analysis.timeline.clients.len(),
        from: span.and_then(|(first, _)| first.rfc3339()),
        to: span.and_then(|(_, last)| last.rfc3339()),
        left_out: records.left_out + records.names.left_out(),
        findings: analysis.findings.iter().map(|one| finding(one, records)).collect(),
        clients: clients(analysis),
        licenses: records.licenses.iter().map(|one| license(one, records)).collect(),
        conversations: records.conversations.iter().map(|one| conversation(one, records)).collect(),
        verdict: worst.map_or("analyze.ok", |finding| finding.row.code),
        severity: analysis.severity().name(),
    }
}

fn file(file: &FileReport) -> File<'_> {
    File {
        name: &file.name,
        kind: file.kind.map(|kind| kind.words()),
        encoding: file.encoding,
        read: file.read,
        used: file.used,
        skipped: file.skipped,
        notes: &file.notes,
        problem: file.problem.as_deref(),
    }
}

fn finding<'a>(finding: &'a Finding, records: &'a Records) -> JsonFinding<'a> {
    JsonFinding {
        code: finding.row.code,
        severity: finding.severity.name(),
        cause: finding.row.cause,
        remedy: finding.row.remedy,
        total: finding.total,
        cases: finding.cases.iter().map(|one| case(one, records)).collect(),
    }
}

fn case<'a>(case: &'a Case, records: &'a Records) -> JsonCase<'a> {
    let failures = case.codes.iter().copied().filter(|code| *code != 0);
    JsonCase {
        subject: text::subject(case.subject, records),
        detail: &case.detail,
        codes: failures.map(code).collect(),
        times: case.times,
        from: case.from.rfc3339(),
        to: case.to.rfc3339(),
        over: case.is_over,
        evidence: [evidence(case.first, records), evidence(case.last, records)],
    }
}

fn code(code: u32) -> Code {
    let info = Hresult(code).info();
    Code {
        code: Hresult(code).to_string(),
        symbol: info.and_then(|info| info.symbol),
        meaning: info.map(|info| info.meaning),
        remedy: info.map(|info| info.remedy),
    }
}

fn evidence(place: Place, records: &Records) -> Evidence<'_> {
    Evidence {
        file: records.files.get(usize::from(place.file)).map_or("", |file| &file.name),
        unit: place.unit.word(),
        number: place.number,
    }
}

fn clients(analysis: &Analysis) -> Vec<Client> {
    let names = &analysis.records.names;
    let shown = |set: &std::collections::BTreeSet<super::super::names::Name>| {
        set.iter().map(|name| names.show(*name).into_owned()).collect()
    };
    let clients = analysis.timeline.clients.iter().take(CLIENTS_MAX);
    clients
        .map(|client| Client {
            cmid: names.show_id(client.cmid),
            names: shown(&client.names),
            addresses: shown(&client.addresses),
            hosts: shown(&client.hosts),
            sent: client.sent,
            answers: client.answers,
            host_saw: client.host_saw,
            failures: client.failures,
            first: client.first.rfc3339(),
            last: client.last.rfc3339(),
            last_success: client.last_success.rfc3339(),
            last_result: client.last_result.map(|code| Hresult(code).to_string()),
        })
        .collect()
}

fn license<'a>(license: &'a License, records: &'a Records) -> JsonLicense<'a> {
    let names = &records.names;
    let host =
        |name: super::super::names::Name| name.is_some().then(|| names.show(name).into_owned());
    JsonLicense {
        tool: match license.tool {
            Tool::Slmgr => "slmgr",
            Tool::Ospp => "ospp",
        },
        language: license.language,
        product: &license.product,
        partial_key: license.partial_key.as_deref(),
        status: license.status,
        minutes: license.minutes,
        cmid: license.cmid.is_some().then(|| names.show_id(license.cmid)),
        registered_host: host(license.registered_host),
        found_host: host(license.found_host),
        activation_interval: license.activation_interval,
        renewal_interval: license.renewal_interval,
        evidence: evidence(license.place, records),
    }
}

fn conversation<'a>(conversation: &'a Conversation, records: &'a Records) -> JsonConversation<'a> {
    JsonConversation {
        ends: text::ends(conversation, records),
        time: conversation.time.rfc3339(),
        reached: conversation.reached.name(),
        ended: super::super::findings::ended(conversation),
        versions: &conversation.versions,
        requests: conversation.requests,
        answers: conversation.answers,
        code: conversation.code.map(|code| Hresult(code).to_string()),
        evidence: evidence(conversation.place, records),
    }
}

/// Clients that are listed; all are counted.
const CLIENTS_MAX: usize = 10_000;
