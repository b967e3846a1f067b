//! A journal of `kms-sim serve --journal`, page by page.

use std::path::Path;

use jiff::Timestamp;
use kms_protocol::filetime::FileTime;
use kms_protocol::kms::Hresult;

use super::request::Sighting;
use super::{Bad, Sink};
use crate::journal::{Cursor, Filter, OutcomeKind, PAGE_ROWS_MAX, Reader, Subject};

/// Reads all requests that could be read, of clients of the same lab. The "line" is the row's number.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), Bad> {
    let wrong = |error: crate::journal::JournalError| (0, error.to_string());
    let journal = Reader::open(path).map_err(wrong)?;
    let mut last = 0;
    loop {
        let page =
            journal.page(&Filter::default(), Cursor::After(last), PAGE_ROWS_MAX).map_err(wrong)?;
        let Some(end) = page.last() else { return Ok(()) };
        last = end.number;
        for row in &page {
            let Subject::Request(exchange) = &row.subject else {
                sink.pass_over();
                continue;
            };
            let (Some(request), true) =
                (&exchange.request, exchange.outcome != OutcomeKind::ForeignKey)
            else {
                sink.pass_over();
                continue;
            };
            let seen = Sighting {
                cmid: Some(request.cmid),
                name: exchange.client(),
                sku: Some(request.sku_id),
                product: exchange.product().map(|product| product.name.to_owned()),
                n_policy: Some(request.n_policy),
                time: time(row.host_time),
                host: Some(row.host.to_string()),
                site: None,
                result: exchange.hresult.map(Hresult),
                status: Some(request.license_status.0),
            };
            sink.take(row.number, seen)?;
        }
    }
}

fn time(host_time: FileTime) -> Option<Timestamp> {
    let seconds = i64::try_from(host_time.ticks() / 10_000_000).ok()?;
    Timestamp::from_second(seconds - UNIX_EPOCH_S).ok()
}

/// How an SQLite file begins.
pub(super) const MAGIC: &[u8] = b"SQLite format 3\0";
/// Seconds from 1601 to 1970.
const UNIX_EPOCH_S: i64 = 11_644_473_600;
