//! The timeline as a table: one row for each event, in the order of time.

use std::io;

use kms_page::Sheet;
use kms_protocol::kms::Hresult;

use super::super::Analysis;
use super::text;

/// Writes all events.
///
/// # Errors
/// What `out` returns.
pub fn write(analysis: &Analysis, out: &mut dyn io::Write) -> io::Result<()> {
    let mut sheet = Sheet::new(out, HEADINGS)?;
    let names = &analysis.records.names;
    let number = |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
    for event in &analysis.records.events {
        sheet.row([
            event.time.rfc3339().unwrap_or_default(),
            event.id.to_string(),
            event.hresult.map(|code| Hresult(code).to_string()).unwrap_or_default(),
            names.show(event.name).into_owned(),
            names.show(event.computer).into_owned(),
            names.show(event.address).into_owned(),
            names.show(event.host).into_owned(),
            match event.cmid.is_some() {
                true => names.show_id(event.cmid),
                false => String::new(),
            },
            event.client_time.rfc3339().unwrap_or_default(),
            number(event.n_policy),
            number(event.count),
            number(event.status.map(u32::from)),
            number(event.minutes),
            text::place(event.place, &analysis.records),
        ])?;
    }
    sheet.flush()
}

const HEADINGS: [&str; 14] = [
    "time",
    "event",
    "hresult",
    "name",
    "computer",
    "address",
    "host",
    "cmid",
    "client_time",
    "n_policy",
    "count",
    "license_status",
    "minutes_left",
    "evidence",
];
