//! Reports of our own: JSON documents, lines of JSON, and rows of a journal as such lines.

use std::io::{self, BufRead, Read as _};

use serde_json::Value;

use super::super::record::{DnsAnswer, OwnVerdict, Unit};
use super::super::records::Sink;
use super::FileKind;
use super::lines::{Found, Lines};
use super::table::journal_event;
use crate::analyze::moment::Moment;
use crate::verdict::{Row, table};

/// What the JSON at the start of a text is.
pub(super) fn kind(start: &str) -> Option<FileKind> {
    let first_line = start.lines().next().unwrap_or_default();
    if let Ok(Value::Object(object)) = serde_json::from_str::<Value>(first_line)
        && object.contains_key("host_time")
        && object.contains_key("kind")
    {
        return Some(FileKind::JournalLines);
    }
    let has = |key: &str| start.contains(&format!("\"{key}\""));
    let is_own = has("verdict") || has("schema_version") || has("findings");
    is_own.then_some(FileKind::Report)
}

/// Reads a document, or one per line.
pub(super) fn read(text: &mut dyn BufRead, before: u64, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut first = Vec::new();
    // A document may well be one line.
    if super::lines::read_until(text, b'\n', &mut first, DOCUMENT_BYTES_MAX)? == Found::TooLong {
        too_long(sink);
        return Ok(());
    }
    let Ok(value) = serde_json::from_slice::<Value>(&first) else {
        return read_document(&first, text, before, sink);
    };
    let mut is_useful = take(&value, before + 1, sink);
    let mut lines = Lines::after(text, before + 1);
    while let Some((number, line)) = lines.next()? {
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(line) {
            Ok(value) => is_useful |= take(&value, number, sink),
            Err(_) => {
                sink.read();
                sink.skipped();
            }
        }
    }
    if !is_useful {
        sink.problem(NO_VERDICT);
    }
    Ok(())
}

fn read_document(
    first: &[u8],
    text: &mut dyn BufRead,
    before: u64,
    sink: &mut Sink<'_>,
) -> io::Result<()> {
    let mut document = first.to_vec();
    text.take(DOCUMENT_BYTES_MAX as u64).read_to_end(&mut document)?;
    if document.len() > DOCUMENT_BYTES_MAX {
        too_long(sink);
        return Ok(());
    }
    match serde_json::from_slice(&document) {
        Ok(value) => {
            if !take(&value, before + 1, sink) {
                sink.problem(NO_VERDICT);
            }
        }
        Err(error) => sink.problem(format!("no valid JSON: {error}")),
    }
    Ok(())
}

fn too_long(sink: &mut Sink<'_>) {
    sink.problem(format!(
        "a document of more than {} MiB: --format ndjson makes one line of each row",
        DOCUMENT_BYTES_MAX >> 20
    ));
}

/// Takes what a document says; false where it has nothing that counts here.
fn take(value: &Value, line: u64, sink: &mut Sink<'_>) -> bool {
    if value.get("host_time").is_some() && value.get("kind").is_some() {
        sink.read();
        let field = |name: &str| match value.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        if let Some(event) = journal_event(&field, line, sink) {
            sink.event(event);
        }
        return true;
    }
    let time = text_of(value, "started").and_then(Moment::parse).unwrap_or(Moment::UNKNOWN);
    let (mut has_entries, mut is_useful) = (false, false);
    for domain in value.get("domains").and_then(Value::as_array).into_iter().flatten() {
        has_entries = true;
        is_useful |= take_domain(domain, line, time, sink);
    }
    for list in ["targets", "rows"] {
        for entry in value.get(list).and_then(Value::as_array).into_iter().flatten() {
            has_entries = true;
            match entry.get("targets").and_then(Value::as_array) {
                Some(places) => {
                    for place in places {
                        is_useful |= take_entry(place, entry, line, time, sink);
                    }
                }
                None => is_useful |= take_entry(entry, entry, line, time, sink),
            }
        }
    }
    if !has_entries {
        is_useful = take_entry(value, value, line, time, sink);
    }
    is_useful
}

/// What `discover` found in one domain.
fn take_domain(domain: &Value, line: u64, time: Moment, sink: &mut Sink<'_>) -> bool {
    sink.read();
    let (Some(name), Some(code)) = (text_of(domain, "domain"), text_of(domain, "code")) else {
        sink.skipped();
        return false;
    };
    let place = sink.place(Unit::Line, line);
    let target = sink.names().name(name);
    let mut hosts = Vec::new();
    for endpoint in domain.get("endpoints").and_then(Value::as_array).into_iter().flatten() {
        let port = endpoint.get("port").and_then(Value::as_u64);
        if let (Some(host), Some(port)) = (text_of(endpoint, "host"), port) {
            let host = sink.names().name(&format!("{host}:{port}"));
            // One entry for each of its addresses.
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
    }
    let row = table::rows().find(|row| row.code == code);
    sink.verdict(OwnVerdict {
        place,
        target,
        code: code.to_owned(),
        severity: row.map_or("", |row| row.severity.name()).to_owned(),
        cause: row.map(Row::general_cause).unwrap_or_default(),
        remedy: row.and_then(Row::general_remedy),
    });
    if !hosts.is_empty() {
        sink.dns(DnsAnswer { place, time, question: target, rcode: 0, hosts });
    }
    true
}

/// One entry with a verdict. In a sweep the row has the target, and its places the verdicts.
fn take_entry(entry: &Value, around: &Value, line: u64, time: Moment, sink: &mut Sink<'_>) -> bool {
    sink.read();
    let Some(code) = text_of(entry, "verdict") else {
        sink.skipped();
        return false;
    };
    let target = text_of(entry, "target").or_else(|| text_of(around, "target"));
    let target = sink.names().name(target.unwrap_or_default());
    let place = sink.place(Unit::Line, line);
    let owned = |name: &str| text_of(entry, name).unwrap_or_default().to_owned();
    sink.verdict(OwnVerdict {
        place,
        target,
        code: code.to_owned(),
        severity: owned("severity"),
        cause: owned("cause"),
        remedy: text_of(entry, "remedy").map(str::to_owned),
    });
    // What the check found in DNS tells which hosts a domain publishes.
    let is_domain = text_of(entry, "target") != text_of(entry, "host");
    if let (true, Some(host), Some(port)) =
        (is_domain, text_of(entry, "host"), entry.get("port").and_then(Value::as_u64))
        && stage_of(entry, "dns").is_some_and(|dns| text_of(dns, "verdict") == Some("dns.ok"))
    {
        let host = sink.names().name(&format!("{host}:{port}"));
        sink.dns(DnsAnswer { place, time, question: target, rcode: 0, hosts: vec![host] });
    }
    true
}

fn stage_of<'a>(entry: &'a Value, name: &str) -> Option<&'a Value> {
    let stages = entry.get("stages")?.as_array()?;
    stages.iter().find(|stage| text_of(stage, "stage") == Some(name))
}

fn text_of<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

const NO_VERDICT: &str = "it holds no verdict: of the reports of kms-probe those of check, sweep, \
                          discover, measure and trace are read";

const DOCUMENT_BYTES_MAX: usize = 32 << 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use super::super::super::records::Records;
    use super::*;

    fn records(text: &str) -> Records {
        let mut records = Records::default();
        let mut input = text.as_bytes();
        read(&mut input, 0, &mut records.begin("x.json".to_owned())).unwrap();
        records
    }

    #[test]
    fn verdicts_and_published_hosts_of_a_check_are_read() {
        let text = r#"{
          "schema_version": 1, "started": "2026-11-24T10:00:00Z", "verdict": "tcp.timeout",
          "targets": [{"target": "corp.test", "host": "kms1.corp.test", "port": 1688,
            "verdict": "tcp.timeout", "severity": "critical", "cause": "silence", "remedy": null,
            "stages": [{"stage": "dns", "verdict": "dns.ok"}]}]
        }"#;
        assert_eq!(kind(text), Some(FileKind::Report));
        let records = records(text);
        let verdict = records.verdicts.first().unwrap();
        assert_eq!((verdict.code.as_str(), verdict.remedy.as_deref()), ("tcp.timeout", None));
        let host = *records.dns.first().unwrap().hosts.first().unwrap();
        assert_eq!(records.names.text(host), "kms1.corp.test:1688");
    }

    #[test]
    fn what_discover_found_is_read_and_what_holds_no_verdict_is_refused() {
        let text = r#"{"schema_version":1,"domains":[
          {"domain":"corp.test","code":"dns.ok","endpoints":[
            {"host":"kms1.corp.test","port":1688,"address":"192.0.2.1"},
            {"host":"kms1.corp.test","port":1688,"address":"2001:db8::1"}]},
          {"domain":"lab.test","code":"dns.nxdomain","endpoints":[]}]}"#;
        let found = records(text);
        let [ok, missing] = found.verdicts.as_slice() else { panic!("{:?}", found.verdicts) };
        assert_eq!((ok.severity.as_str(), missing.severity.as_str()), ("ok", "critical"));
        assert!(missing.remedy.is_some() && !missing.cause.is_empty());
        assert_eq!(found.dns.first().unwrap().hosts.len(), 1);
        let other = r#"{"schema_version":1,"targets":[{"target":"x","services":[]}]}"#;
        let problem = records(other).files.first().unwrap().problem.clone();
        assert!(problem.unwrap().contains("no verdict"));
    }

    #[test]
    fn rows_of_a_journal_are_requests() {
        let text = "{\"number\":7,\"kind\":\"request\",\"host_time\":\"2026-11-24T10:00:00.000000Z\",\
             \"peer\":\"[2001:db8::1]:5000\",\"outcome\":\"accepted\",\"hresult\":\"0x00000000\",\
             \"count\":3,\"cmid\":\"36f27b39-2fd5-440b-be67-a09996d27a38\",\"client\":\"PC\"}\n\
             {\"number\":8,\"kind\":\"host-started\",\"host_time\":\"2026-11-24T10:00:00.000000Z\"}\n{broken\n";
        assert_eq!(kind(text), Some(FileKind::JournalLines));
        let records = records(text);
        let [event] = records.events.as_slice() else { panic!("{:?}", records.events) };
        assert_eq!(records.names.text(event.address), "2001:db8::1");
        assert_eq!((event.count, event.place.number), (Some(3), 7));
        assert_eq!(records.files.first().unwrap().skipped, 1);
    }

    #[test]
    fn what_is_nested_beyond_sense_is_refused() {
        let deep = format!("{{\"verdict\":{}", "[".repeat(100_000));
        let records = records(&deep);
        assert!(records.files.first().unwrap().problem.as_deref().unwrap().contains("JSON"));
    }
}
