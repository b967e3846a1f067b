//! A journal file of kms-sim.

use std::path::Path;

use kms_protocol::filetime::FileTime;
use kms_simulator::journal::{Cursor, Filter, OutcomeKind, PAGE_ROWS_MAX, Reader, Row, Subject};

use super::super::moment::Moment;
use super::super::names::Names;
use super::super::record::{Event, HOST_PROCESSED, Place, Unit};
use super::super::records::Sink;

/// Reads all requests.
pub(super) fn read(path: &Path, sink: &mut Sink<'_>) {
    let reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(error) => return sink.problem(error.to_string()),
    };
    let filter = Filter { requests_only: true, ..Filter::default() };
    let mut after = 0;
    loop {
        let rows = match reader.page(&filter, Cursor::After(after), PAGE_ROWS_MAX) {
            Ok(rows) => rows,
            Err(error) => return sink.problem(error.to_string()),
        };
        let Some(last) = rows.last() else { return };
        after = last.number;
        for row in &rows {
            sink.read();
            let place = sink.place(Unit::Record, row.number);
            if let Some(event) = event(row, place, sink.names()) {
                sink.event(event);
            }
        }
    }
}

fn event(row: &Row, place: Place, names: &mut Names) -> Option<Event> {
    let Subject::Request(exchange) = &row.subject else { return None };
    let mut event = Event::new(HOST_PROCESSED, place);
    event.time = moment(row.host_time);
    event.hresult = exchange.hresult;
    event.address = names.name(&exchange.peer.ip().to_string());
    event.count = exchange.answer.map(|answer| answer.count);
    event.is_foreign_key = exchange.outcome == OutcomeKind::ForeignKey;
    if let Some(request) = &exchange.request {
        event.set_request(request, names);
    }
    Some(event)
}

impl Event {
    /// What a request on the wire says of its client.
    pub(super) fn set_request(&mut self, request: &kms_protocol::kms::Request, names: &mut Names) {
        self.client_time = moment(request.client_time);
        self.cmid = names.id(request.cmid);
        self.sku = names.id(request.sku_id);
        let name: String = request.machine_name.chars().collect();
        self.name = names.name(&name);
        self.n_policy = Some(request.n_policy);
        self.minutes = Some(request.binding_expiration_minutes);
        self.status = u8::try_from(request.license_status.0).ok();
    }
}

fn moment(time: FileTime) -> Moment {
    let (seconds, nanos) = time.to_unix();
    seconds.checked_mul(1000).map_or(Moment::UNKNOWN, |millis| {
        Moment::from_millis(millis + i64::from(nanos) / 1_000_000)
    })
}
