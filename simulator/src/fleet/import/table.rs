//! Tables with headings: an inventory, event 12290 as `Export-Csv` and the Event Viewer write it, and
//! `kms-sim journal export --format csv`.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use kms_page::text::escape;
use kms_protocol::kms::Hresult;

use super::request::{Sighting, code};
use super::{Bad, Sink, moment};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Name,
    Cmid,
    Product,
    Sku,
    Time,
    Site,
    Host,
    NPolicy,
    Result,
    Status,
    Kind,
    EventId,
    Message,
}

/// What separates the cells under this row of headings; `None` where it has no heading that is known.
pub(super) fn delimiter(row: &str) -> Option<u8> {
    let count = |delimiter: &u8| row.bytes().filter(|byte| byte == delimiter).count();
    let delimiter = [b',', b';', b'\t'].into_iter().rev().max_by_key(count)?;
    let cells = row.split(char::from(delimiter));
    let known: Vec<Column> =
        cells.filter_map(|cell| column(cell.trim().trim_matches('"'))).collect();
    let is_some = |wanted: &[Column]| known.iter().any(|column| wanted.contains(column));
    is_some(&[Column::Name, Column::Cmid, Column::EventId]).then_some(delimiter)
}

/// Reads all rows.
pub(super) fn read(text: &mut dyn BufRead, delimiter: u8, sink: &mut dyn Sink) -> Result<(), Bad> {
    let since = Rc::new(Cell::new(0));
    let metered = Metered { input: text, since: Rc::clone(&since) };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .buffer_capacity(BUFFER_BYTES)
        .from_reader(metered);
    let headings = reader.headers().map_err(|error| (1, wrong(&error)))?.clone();
    let columns: Vec<Option<Column>> =
        headings.iter().map(|heading| column(heading.trim())).collect();
    for (heading, _) in headings.iter().zip(&columns).filter(|(_, column)| column.is_none()) {
        sink.unused(heading);
    }
    let is_log = columns.contains(&Some(Column::EventId));
    let mut record = csv::StringRecord::new();
    loop {
        since.set(0);
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => {
                let at = error.position().map_or(line, csv::Position::line);
                return Err((at, wrong(&error)));
            }
        }
        let line = record.position().map_or(line, csv::Position::line);
        let row = Row { columns: &columns, record: &record };
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let seen = if is_log { row.event() } else { row.machine() };
        match seen.map_err(|what| (line, what))? {
            Some(seen) => sink.take(line, seen)?,
            None => sink.pass_over(),
        }
    }
}

/// One row under its headings.
struct Row<'a> {
    columns: &'a [Option<Column>],
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    fn cell(&self, wanted: Column) -> Option<&str> {
        let mut at = self.columns.iter().zip(self.record);
        let (_, cell) = at.find(|(column, _)| **column == Some(wanted))?;
        let cell = cell.trim();
        // What was made harmless for a spreadsheet has a `'` in front.
        let cell = cell.strip_prefix('\'').unwrap_or(cell);
        (!cell.is_empty()).then_some(cell)
    }

    /// A row of a log; `None` of another event.
    fn event(&self) -> Result<Option<Sighting>, String> {
        if self.cell(Column::EventId) != Some("12290") {
            return Ok(None);
        }
        // The Event Viewer gives its last column, the text, no heading.
        let message = self.cell(Column::Message).or_else(|| self.record.iter().next_back());
        let Some(mut seen) = Sighting::parse(message.unwrap_or_default()) else {
            return Err("an event 12290 without its nine values".to_owned());
        };
        seen.time = self.cell(Column::Time).and_then(moment::parse).or(seen.time);
        // In a log the machine is the host.
        seen.host = self.cell(Column::Host).or_else(|| self.cell(Column::Name)).map(str::to_owned);
        Ok(Some(seen))
    }

    /// A row of an inventory, or of a journal's table; `None` of a row that is about no client.
    fn machine(&self) -> Result<Option<Sighting>, String> {
        if self.cell(Column::Kind).is_some_and(|kind| kind != "request") {
            return Ok(None);
        }
        let text = |column| self.cell(column).map(str::to_owned);
        let parsed = |column, what: &str| match self.cell(column) {
            None => Ok(None),
            Some(cell) => match super::guid(cell) {
                Some(guid) => Ok(Some(guid)),
                None => Err(format!(
                    "`{}` is not {what}, such as `36f27b39-2fd5-440b-be67-a09996d27a38`",
                    escape(cell)
                )),
            },
        };
        let (name, cmid) = (text(Column::Name), parsed(Column::Cmid, "a CMID")?);
        if name.is_none() && cmid.is_none() {
            return match self.cell(Column::Kind) {
                Some(_) => Ok(None),
                None => Err("a row with neither a name nor a CMID".to_owned()),
            };
        }
        let time = match self.cell(Column::Time) {
            None => None,
            Some(cell) => Some(moment::parse(cell).ok_or_else(|| {
                format!("`{}` is not a time, such as `2026-11-24 10:47`", escape(cell))
            })?),
        };
        Ok(Some(Sighting {
            cmid,
            name,
            sku: parsed(Column::Sku, "an activation id")?,
            product: text(Column::Product),
            n_policy: self.cell(Column::NPolicy).and_then(|cell| cell.parse().ok()),
            time,
            host: text(Column::Host),
            site: text(Column::Site),
            result: self.cell(Column::Result).and_then(code).map(Hresult),
            status: self.cell(Column::Status).and_then(|cell| cell.parse().ok()),
        }))
    }
}

/// What is under a heading; words are known in any case and with anything between them.
fn column(heading: &str) -> Option<Column> {
    let plain: String = heading.chars().filter(char::is_ascii_alphanumeric).collect();
    Some(match plain.to_ascii_lowercase().as_str() {
        "name" | "client" | "clientname" | "computer" | "computername" | "hostname" | "machine"
        | "machinename" | "device" | "devicename" => Column::Name,
        "cmid" | "clientmachineid" => Column::Cmid,
        "product" | "productname" | "os" | "operatingsystem" | "edition" => Column::Product,
        "skuid" | "activationid" => Column::Sku,
        "lastcontact" | "lastseen" | "lastlogon" | "hosttime" | "timecreated" | "dateandtime" => {
            Column::Time
        }
        "site" | "location" | "branch" => Column::Site,
        "host" | "kmshost" | "kmsserver" => Column::Host,
        "npolicy" => Column::NPolicy,
        "hresult" => Column::Result,
        "licensestatus" | "licencestatus" => Column::Status,
        "kind" => Column::Kind,
        "id" | "eventid" => Column::EventId,
        "message" | "description" => Column::Message,
        _ => return None,
    })
}

fn wrong(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => super::text::NOT_TEXT.to_owned(),
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    }
}

/// Refuses to go on where one record takes too much.
struct Metered<'a> {
    input: &'a mut dyn BufRead,
    since: Rc<Cell<usize>>,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since.get() > RECORD_BYTES_MAX {
            let what =
                format!("a row longer than {RECORD_BYTES_MAX} bytes: is a quotation mark open?");
            return Err(io::Error::other(what));
        }
        let count = self.input.read(buffer)?;
        self.since.set(self.since.get() + count);
        Ok(count)
    }
}

/// Bytes of a row, give or take what is read ahead.
pub(super) const RECORD_BYTES_MAX: usize = 256 << 10;
const BUFFER_BYTES: usize = 8 << 10;
