//! Tables: events that PowerShell or the Event Viewer exported, rows of a journal, and rows of our
//! own sweep. Which columns are what is read off the headings.

use std::io::{self, BufRead};

use kms_protocol::guid::Guid;

use super::super::moment::Moment;
use super::super::record::{Event, HOST_PROCESSED, OwnVerdict, Unit};
use super::super::records::Sink;
use super::FileKind;
use super::event::{RawEvent, code};
use super::lines::{Rows, split};

/// What the table at the start of a text is.
pub(super) fn kind(start: &str) -> Option<FileKind> {
    let heading = start.lines().map(str::trim).find(|line| !is_before_heading(line))?;
    let (_, columns) = columns(heading)?;
    Some(columns.kind)
}

/// Reads all rows.
pub(super) fn read(text: &mut dyn BufRead, before: u64, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut line = before;
    let (delimiter, columns) = loop {
        let mut heading = Vec::new();
        super::lines::read_until(text, b'\n', &mut heading, Rows::BYTES_MAX)?;
        if heading.is_empty() {
            return Ok(());
        }
        line += 1;
        if let Some(found) = columns(String::from_utf8_lossy(&heading).trim()) {
            break found;
        }
    };
    let mut rows = Rows::after(text, delimiter, line);
    let mut raw = RawEvent::default();
    while let Some((line, cells)) = rows.next()? {
        if cells.is_some_and(|cells| cells.iter().all(String::is_empty)) {
            continue;
        }
        sink.read();
        let Some(cells) = cells else {
            sink.skipped();
            continue;
        };
        match columns.kind {
            FileKind::JournalTable => take_journal(&columns, cells, line, sink),
            FileKind::Report => take_verdict(&columns, cells, line, sink),
            _ => take_event(&columns, cells, line, &mut raw, sink),
        }
    }
    Ok(())
}

/// Which column holds what.
struct Columns {
    kind: FileKind,
    headings: Vec<String>,
    at: Vec<Option<usize>>,
}

impl Columns {
    /// The cell of the column that one of the lists of headings names.
    fn cell<'a>(&self, cells: &'a [String], what: usize) -> &'a str {
        let at = self.at.get(what).copied().flatten();
        at.and_then(|at| cells.get(at)).map_or("", |cell| cell.trim())
    }

    /// The cell of the column with this heading.
    fn named<'a>(&self, cells: &'a [String], heading: &str) -> &'a str {
        let at = self.headings.iter().position(|known| known == heading);
        at.and_then(|at| cells.get(at)).map_or("", |cell| cell.trim())
    }
}

/// The columns that a line of headings names, if they are those of a known table.
fn columns(heading: &str) -> Option<(u8, Columns)> {
    let delimiter = *[b',', b';', b'\t']
        .iter()
        .max_by_key(|delimiter| heading.bytes().filter(|byte| byte == *delimiter).count())?;
    let small = |cell: String| cell.trim().trim_start_matches('\u{feff}').to_lowercase();
    let headings: Vec<String> =
        split(heading, char::from(delimiter)).into_iter().map(small).collect();
    let has = |name: &str| headings.iter().any(|heading| heading == name);
    let at: Vec<Option<usize>> = EVENT_HEADINGS
        .iter()
        .map(|names| headings.iter().position(|heading| names.contains(&heading.as_str())))
        .collect();
    let is_there = |what: usize| at.get(what).copied().flatten().is_some();
    let kind = if has("hresult") && has("cmid") && has("client_time") && has("kind") {
        FileKind::JournalTable
    } else if has("verdict") && has("target") && has("severity") {
        FileKind::Report
    } else if is_there(ID) && (is_there(MESSAGE) || is_there(TIME)) {
        FileKind::EventsTable
    } else {
        return None;
    };
    Some((delimiter, Columns { kind, headings, at }))
}

fn take_event(
    columns: &Columns,
    cells: &[String],
    line: u64,
    raw: &mut RawEvent,
    sink: &mut Sink<'_>,
) {
    raw.clear();
    let Ok(id) = columns.cell(cells, ID).parse() else { return sink.skipped() };
    raw.id = id;
    raw.provider.push_str(columns.cell(cells, PROVIDER));
    if !raw.is_about_activation() {
        return;
    }
    let time = columns.cell(cells, TIME);
    raw.time = Moment::parse(time);
    if raw.time.is_some() && !time.ends_with('Z') {
        sink.note("times of the table have no zone and are taken as UTC");
    }
    raw.computer.push_str(columns.cell(cells, COMPUTER));
    // The Event Viewer leaves the text without a heading, behind all others.
    let message = match columns.cell(cells, MESSAGE) {
        "" => cells.last().map_or("", String::as_str),
        message => message,
    };
    raw.message.push_str(message);
    let record = columns.cell(cells, RECORD).parse().ok();
    let place = match record {
        Some(record) => sink.place(Unit::Record, record),
        None => sink.place(Unit::Line, line),
    };
    match raw.interpret(place, sink.names()) {
        Some(event) => sink.event(event),
        None => sink.skipped(),
    }
}

/// A row of a journal, of which requests alone are wanted.
fn take_journal(columns: &Columns, cells: &[String], line: u64, sink: &mut Sink<'_>) {
    let fields = |name: &str| columns.named(cells, name).to_owned();
    if let Some(event) = journal_event(&fields, line, sink) {
        sink.event(event);
    }
}

/// The event that one row of a journal stands for, whatever form the row has.
pub(super) fn journal_event(
    field: &dyn Fn(&str) -> String,
    line: u64,
    sink: &mut Sink<'_>,
) -> Option<Event> {
    let outcome = field("outcome");
    if outcome.is_empty() {
        return None;
    }
    let place = match field("number").parse() {
        Ok(number) => sink.place(Unit::Record, number),
        Err(_) => sink.place(Unit::Line, line),
    };
    let names = sink.names();
    let mut event = Event::new(HOST_PROCESSED, place);
    let guid = |name: &str| Guid::parse(&field(name)).ok();
    let number = |name: &str| field(name).parse::<u32>().ok();
    let time = |name: &str| Moment::parse(&field(name)).unwrap_or(Moment::UNKNOWN);
    // The host's clock is what its policy goes by.
    event.time = time("host_time");
    event.client_time = time("client_time");
    event.hresult = code(&field("hresult"));
    event.cmid = guid("cmid").map(|guid| names.id(guid)).unwrap_or_default();
    event.sku = guid("sku_id").map(|guid| names.id(guid)).unwrap_or_default();
    event.name = names.name(&field("client"));
    let peer = field("peer");
    let address = peer.rsplit_once(':').map_or(peer.as_str(), |(address, _)| address);
    event.address = names.name(address.trim_start_matches('[').trim_end_matches(']'));
    event.n_policy = number("n_policy");
    event.count = number("count");
    event.minutes = number("expiration_minutes");
    event.status = number("license_status").and_then(|status| u8::try_from(status).ok());
    event.is_foreign_key = outcome == "foreign-key";
    Some(event)
}

/// A row of a sweep.
fn take_verdict(columns: &Columns, cells: &[String], line: u64, sink: &mut Sink<'_>) {
    let field = |name: &str| columns.named(cells, name);
    let target = sink.names().name(field("target"));
    let remedy = field("remedy");
    let verdict = OwnVerdict {
        place: sink.place(Unit::Line, line),
        target,
        code: field("verdict").to_owned(),
        severity: field("severity").to_owned(),
        cause: field("cause").to_owned(),
        remedy: (!remedy.is_empty()).then(|| remedy.to_owned()),
    };
    sink.verdict(verdict);
}

/// PowerShell 5 writes the type first.
fn is_before_heading(line: &str) -> bool {
    line.is_empty() || line.starts_with("#TYPE")
}

const ID: usize = 0;
const MESSAGE: usize = 1;
const TIME: usize = 2;
const PROVIDER: usize = 3;
const COMPUTER: usize = 4;
const RECORD: usize = 5;

/// Headings of Get-WinEvent, Get-EventLog and the Event Viewer (English, German, Chinese).
const EVENT_HEADINGS: [&[&str]; 6] = [
    &["id", "eventid", "event id", "ereignis-id", "事件 id", "事件id"],
    &["message", "description", "nachricht", "beschreibung", "消息"],
    &[
        "timecreated",
        "time created",
        "timegenerated",
        "date and time",
        "datum und uhrzeit",
        "日期和时间",
    ],
    &["providername", "provider", "source", "quelle", "来源"],
    &["machinename", "computer", "computername", "计算机"],
    &["recordid", "record id", "index"],
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::super::records::Records;
    use super::*;

    fn records(text: &str) -> Records {
        let mut records = Records::default();
        let mut input = text.as_bytes();
        read(&mut input, 0, &mut records.begin("x.csv".to_owned())).unwrap();
        records
    }

    const INFO: &str = "0xC004F06C, 0x00000000, kms1.corp.test:1688, \
        36f27b39-2fd5-440b-be67-a09996d27a38, 2026/11/24 10:47, 0, 1, 41760, \
        68531fb9-5511-4989-97be-d11a0f55633f, 25";

    #[test]
    fn what_powershell_exports_is_read() {
        let text = format!(
            "#TYPE System.Diagnostics.Eventing.Reader.EventLogRecord\n\
             \"Message\",\"Id\",\"ProviderName\",\"RecordId\",\"MachineName\",\"TimeCreated\"\n\
             \"The client has sent\nan activation request.\nInfo:\n{INFO}\",\"12288\",\
             \"Microsoft-Windows-Security-SPP\",\"77\",\"pc-01\",\"11/24/2026 10:48:00 AM\"\n\
             \"other\",\"12288\",\"VSS\",\"78\",\"pc-01\",\"11/24/2026 10:48:00 AM\"\n"
        );
        assert_eq!(kind(&text), Some(FileKind::EventsTable));
        let records = records(&text);
        assert_eq!(records.events.len(), 1);
        let event = records.events.first().unwrap();
        assert_eq!((event.place.unit, event.place.number), (Unit::Record, 77));
        assert_eq!(event.time.to_string(), "2026-11-24 10:48:00");
        assert_eq!(records.names.text(event.computer), "pc-01");
    }

    #[test]
    fn what_the_event_viewer_exports_is_read_in_german_and_with_semicolons() {
        let text = format!(
            "Ebene;Datum und Uhrzeit;Quelle;Ereignis-ID;Aufgabenkategorie\r\n\
             Informationen;24.11.2026 10:48:00;Security-SPP;12288;Keine;\"Der Client hat \
             gesendet.\nInformationen:\n{INFO}\"\r\n"
        );
        let records = records(&text);
        let event = records.events.first().unwrap();
        assert_eq!(event.hresult, Some(0xC004_F06C));
        assert_eq!(event.time.to_string(), "2026-11-24 10:48:00");
        assert_eq!((event.place.unit, event.place.number), (Unit::Line, 2));
    }

    #[test]
    fn another_table_is_not_taken_for_events() {
        assert_eq!(kind("name,age\nx,3\n"), None);
    }
}
