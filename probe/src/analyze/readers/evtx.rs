//! Windows event logs (EVTX), by the evtx crate, whose chunks have budgets of their own.

use std::io::{Read, Seek};

use evtx::{EvtxParser, ParserSettings};

use super::super::records::Sink;
use super::event::RawEvent;
use super::xml;

/// Reads all records. A record or chunk that is broken costs itself only.
pub(super) fn read(file: impl Read + Seek, sink: &mut Sink<'_>) {
    let mut parser = match EvtxParser::from_read_seek(file) {
        Ok(parser) => parser.with_configuration(ParserSettings::new().indent(false)),
        Err(error) => return sink.problem(format!("no header of an event log: {}", first(&error))),
    };
    let mut raw = RawEvent::default();
    let (mut ordinal, mut failed, mut is_any_read) = (0, 0, false);
    for record in parser.records() {
        ordinal += 1;
        match record {
            Ok(record) => {
                (failed, is_any_read) = (0, true);
                sink.read();
                xml::take(&record.data, record.event_record_id, &mut raw, sink);
            }
            Err(error) => {
                failed += 1;
                sink.skipped();
                sink.note(format!("a record could not be read: {}", first(&error)));
                if failed > FAILURES_MAX {
                    return sink.problem("too many records in a row could not be read");
                }
            }
        }
        if ordinal > RECORDS_MAX {
            return sink.problem(format!("only its first {RECORDS_MAX} records were read"));
        }
    }
    if ordinal > 0 && !is_any_read {
        sink.problem("none of its records could be read");
    }
}

/// The first line of an error, cut: the rest may quote the file.
fn first(error: &evtx::err::EvtxError) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().chars().take(ERROR_CHARS_MAX).collect()
}

const RECORDS_MAX: u64 = 20_000_000;
const FAILURES_MAX: u32 = 10_000;
const ERROR_CHARS_MAX: usize = 160;
