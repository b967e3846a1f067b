//! Lines as the "Info:" of event 12290 has them: what `kms-sim journal export --format event12290`
//! writes.

use std::io::{self, BufRead};

use super::super::record::{HOST_PROCESSED, Unit};
use super::super::records::Sink;
use super::event::parse_request;
use super::lines::Lines;

/// Whether one of the first lines is such a line.
pub(super) fn recognises(start: &str) -> bool {
    let mut names = super::super::names::Names::new(false);
    let mut lines = start.lines().filter(|line| !line.trim().is_empty()).take(LOOK_LINES);
    lines.any(|line| {
        is_candidate(line)
            && parse_request(HOST_PROCESSED, line.trim(), Default::default(), &mut names)
                .is_some_and(|event| event.cmid.is_some())
    })
}

/// Reads all lines.
pub(super) fn read(text: &mut dyn BufRead, before: u64, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut lines = Lines::after(text, before);
    let mut has_any = false;
    while let Some((number, line)) = lines.next()? {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        sink.read();
        let place = sink.place(Unit::Line, number);
        let event = match is_candidate(line) {
            true => parse_request(HOST_PROCESSED, line, place, sink.names()),
            false => None,
        };
        let Some(mut event) = event else {
            sink.skipped();
            continue;
        };
        event.time = event.client_time;
        sink.event(event);
        has_any = true;
    }
    if has_any {
        sink.note("lines of event 12290 hold the client's time only, which stands for the host's");
    }
    Ok(())
}

fn is_candidate(line: &str) -> bool {
    line.starts_with("0x") || line.starts_with("0X")
}

const LOOK_LINES: usize = 20;
