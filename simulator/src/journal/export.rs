//! Rows as text: for people, for scripts, for spreadsheets, and as a KMS host's event log has them.

use std::fmt;
use std::io::{self, Write};

use kms_page::Sheet;
use kms_page::text::{escape, is_dangerous};
use kms_protocol::filetime::FileTime;
use kms_protocol::kms::Hresult;
use serde::Serialize;

use super::row::{Row, Subject};
use crate::event_log;
use crate::model::HostName;

/// Forms of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One line per row, for people.
    #[default]
    Text,
    /// One JSON object per line.
    Jsonl,
    /// A table for spreadsheets: nothing in it becomes a formula.
    Csv,
    /// What event 12290 of a KMS host says of each request; events and requests that could not be
    /// read have none.
    #[value(name = "event12290")]
    Event12290,
}

/// Writes rows in one form.
pub struct Exporter<W: Write> {
    out: Form<W>,
    names_hosts: bool,
}

enum Form<W: Write> {
    Text(W),
    Jsonl(W),
    Csv(Box<Sheet<W>>),
    Event12290(W),
}

/// A row as scripts see it. Names and order are fixed; what does not apply is null or empty.
#[derive(Debug, Serialize)]
pub struct FlatRow {
    pub(crate) number: u64,
    pub(crate) kind: &'static str,
    pub(crate) time: String,
    pub(crate) host_time: String,
    pub(crate) peer: Option<String>,
    pub(crate) outcome: Option<&'static str>,
    pub(crate) reason: Option<String>,
    pub(crate) hresult: Option<String>,
    pub(crate) count: Option<u32>,
    pub(crate) counted: Option<bool>,
    pub(crate) activation_interval_minutes: Option<u32>,
    pub(crate) renewal_interval_minutes: Option<u32>,
    pub(crate) cmid: Option<String>,
    pub(crate) cmid_previous: Option<String>,
    pub(crate) client: Option<String>,
    pub(crate) product: Option<&'static str>,
    pub(crate) app_id: Option<String>,
    pub(crate) sku_id: Option<String>,
    pub(crate) kms_id: Option<String>,
    pub(crate) n_policy: Option<u32>,
    pub(crate) version: Option<String>,
    pub(crate) client_time: Option<String>,
    pub(crate) license_status: Option<u32>,
    pub(crate) expiration_minutes: Option<u32>,
    pub(crate) vm: Option<bool>,
    pub(crate) ndr: Option<&'static str>,
    pub(crate) fault_rule: Option<String>,
    pub(crate) fault_kind: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) host: HostName,
}

impl<W: Write> Exporter<W> {
    /// An exporter to `out`; a table begins with its headings.
    ///
    /// # Errors
    /// What `out` returns.
    pub fn new(out: W, format: Format) -> io::Result<Self> {
        let out = match format {
            Format::Text => Form::Text(out),
            Format::Jsonl => Form::Jsonl(out),
            Format::Csv => Form::Csv(Box::new(Sheet::new(out, COLUMNS)?)),
            Format::Event12290 => Form::Event12290(out),
        };
        Ok(Self { out, names_hosts: false })
    }

    /// Lets lines for people name the host of each row, where there are several.
    #[must_use]
    pub fn naming_hosts(self, names_hosts: bool) -> Self {
        Self { names_hosts, ..self }
    }

    /// One row.
    ///
    /// # Errors
    /// What the output returns.
    pub fn row(&mut self, row: &Row) -> io::Result<()> {
        match &mut self.out {
            Form::Text(out) => {
                write!(out, "{}", Text(row))?;
                if self.names_hosts {
                    write!(out, "  host {}", row.host)?;
                }
                writeln!(out)
            }
            Form::Jsonl(out) => {
                writeln!(out, "{}", plain_json(&serde_json::to_string(&FlatRow::from(row))?))
            }
            Form::Csv(sheet) => sheet.row(FlatRow::from(row).cells()?),
            Form::Event12290(out) => match event_12290(row) {
                Some(line) => writeln!(out, "{line}"),
                None => Ok(()),
            },
        }
    }

    /// Passes on what is held back.
    ///
    /// # Errors
    /// What the output returns.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Form::Text(out) | Form::Jsonl(out) | Form::Event12290(out) => out.flush(),
            Form::Csv(sheet) => sheet.flush(),
        }
    }
}

impl<W: Write> fmt::Debug for Exporter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

impl From<&Row> for FlatRow {
    fn from(row: &Row) -> Self {
        let mut flat = Self::empty(row);
        let fault = match &row.subject {
            Subject::Event(event) => {
                flat.kind = event.kind.as_str();
                flat.peer = event.peer.map(|peer| peer.to_string());
                flat.detail = Some(event.detail.clone());
                &event.fault
            }
            Subject::Request(exchange) => {
                flat.peer = Some(exchange.peer.to_string());
                flat.outcome = Some(exchange.outcome.as_str());
                flat.reason = exchange.reason.as_deref().map(str::to_owned);
                flat.hresult = exchange.hresult.map(|hresult| format!("{hresult:#010X}"));
                flat.count = exchange.answer.map(|answer| answer.count);
                flat.counted = Some(exchange.counted);
                flat.activation_interval_minutes =
                    exchange.answer.map(|answer| answer.activation_interval_minutes);
                flat.renewal_interval_minutes =
                    exchange.answer.map(|answer| answer.renewal_interval_minutes);
                flat.client = exchange.client();
                flat.product = exchange.product().map(|product| product.name);
                flat.ndr = Some(super::store::ndr_text(exchange.ndr));
                flat.set_request(exchange.request.as_ref());
                &exchange.fault
            }
        };
        flat.fault_rule = fault.as_ref().map(|fault| fault.rule.clone());
        flat.fault_kind = fault.as_ref().map(|fault| fault.kind.clone());
        flat
    }
}

impl FlatRow {
    fn empty(row: &Row) -> Self {
        Self {
            number: row.number,
            kind: "request",
            time: real_time(row.real_time_us),
            host_time: host_time(row.host_time),
            peer: None,
            outcome: None,
            reason: None,
            hresult: None,
            count: None,
            counted: None,
            activation_interval_minutes: None,
            renewal_interval_minutes: None,
            cmid: None,
            cmid_previous: None,
            client: None,
            product: None,
            app_id: None,
            sku_id: None,
            kms_id: None,
            n_policy: None,
            version: None,
            client_time: None,
            license_status: None,
            expiration_minutes: None,
            vm: None,
            ndr: None,
            fault_rule: None,
            fault_kind: None,
            detail: None,
            host: row.host.clone(),
        }
    }

    fn set_request(&mut self, request: Option<&kms_protocol::kms::Request>) {
        let Some(request) = request else { return };
        self.cmid = Some(request.cmid.to_string());
        self.cmid_previous = Some(request.cmid_previous.to_string());
        self.app_id = Some(request.app_id.to_string());
        self.sku_id = Some(request.sku_id.to_string());
        self.kms_id = Some(request.kms_id.to_string());
        self.n_policy = Some(request.n_policy);
        self.version = Some(request.version.to_string());
        self.client_time = Some(host_time(request.client_time));
        self.license_status = Some(request.license_status.0);
        self.expiration_minutes = Some(request.binding_expiration_minutes);
        self.vm = Some(request.vm_info != 0);
    }

    /// The values in the order of [`COLUMNS`], as text.
    fn cells(&self) -> io::Result<Vec<String>> {
        let object = serde_json::to_value(self)?;
        let cell = |column: &&str| match object.get(*column) {
            None | Some(serde_json::Value::Null) => String::new(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        Ok(COLUMNS.iter().map(cell).collect())
    }
}

/// The same JSON, in which nothing acts on a terminal: such characters stand in strings only, and
/// there an escape means the same.
fn plain_json(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for character in json.chars() {
        if is_dangerous(character) {
            let mut units = [0; 2];
            let escapes = character.encode_utf16(&mut units).iter();
            plain.extend(escapes.map(|unit| format!("\\u{unit:04x}")));
        } else {
            plain.push(character);
        }
    }
    plain
}

/// A row for people.
struct Text<'a>(&'a Row);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flat = FlatRow::from(self.0);
        let or_dash = |text: &Option<String>| {
            text.as_deref().map_or_else(|| "-".to_owned(), |text| escape(text).into_owned())
        };
        write!(f, "{:>8}  {}  ", flat.number, flat.time)?;
        match flat.outcome {
            None => write!(
                f,
                "{:<11}  {}  {}",
                flat.kind,
                or_dash(&flat.peer),
                or_dash(&flat.detail).trim_end()
            )?,
            Some(outcome) => {
                write!(f, "{outcome:<11}  {}", flat.hresult.as_deref().unwrap_or("fault"))?;
                match flat.count {
                    Some(count) => write!(f, "  count {count:<3}")?,
                    None => write!(f, "  {}", or_dash(&flat.reason))?,
                }
                write!(f, "  {}  {}", or_dash(&flat.peer), or_dash(&flat.client))?;
                write!(f, "  {}  {}", or_dash(&flat.cmid), flat.product.unwrap_or("-"))?;
            }
        }
        if let (Some(rule), Some(kind)) = (&flat.fault_rule, &flat.fault_kind) {
            write!(f, "  fault {} ({})", escape(rule), escape(kind))?;
        }
        Ok(())
    }
}

/// What the "Key Management Service" log of a host says of a request.
#[must_use]
pub fn event_12290(row: &Row) -> Option<String> {
    let Subject::Request(exchange) = &row.subject else { return None };
    let (request, hresult) = (exchange.request.as_ref()?, exchange.hresult?);
    Some(event_log::event_12290(Hresult(hresult), &exchange.client()?, request))
}

/// RFC 3339 in UTC with microseconds.
fn real_time(real_time_us: i64) -> String {
    let nanos = real_time_us.rem_euclid(1_000_000) * 1000;
    let nanos = u32::try_from(nanos).unwrap_or(0);
    FileTime::from_unix(real_time_us.div_euclid(1_000_000), nanos)
        .map_or_else(String::new, host_time)
}

/// RFC 3339 in UTC with microseconds; a client's time may be one that no calendar has.
fn host_time(time: FileTime) -> String {
    let micros = time.ticks() % 10_000_000 / 10;
    format!("{}.{micros:06}Z", time.to_string().replace(' ', "T"))
}

/// The headings of the table, which are the keys of a JSON line.
pub const COLUMNS: [&str; 30] = [
    "number",
    "kind",
    "time",
    "host_time",
    "peer",
    "outcome",
    "reason",
    "hresult",
    "count",
    "counted",
    "activation_interval_minutes",
    "renewal_interval_minutes",
    "cmid",
    "cmid_previous",
    "client",
    "product",
    "app_id",
    "sku_id",
    "kms_id",
    "n_policy",
    "version",
    "client_time",
    "license_status",
    "expiration_minutes",
    "vm",
    "ndr",
    "fault_rule",
    "fault_kind",
    "detail",
    "host",
];
