//! Events of clients as lines: what `kms-sim fleet run --client-events` writes. Date, client, event id
//! and the values after "Info:", two spaces between them.

use std::io::{self, BufRead};

use super::super::moment::Moment;
use super::super::record::{CLIENT_PROCESSED, CLIENT_SENT, Unit};
use super::super::records::Sink;
use super::event::RawEvent;
use super::lines::Lines;

/// Whether one of the first lines is such a line.
pub(super) fn recognises(start: &str) -> bool {
    let mut lines = start.lines().filter(|line| !line.trim().is_empty()).take(LOOK_LINES);
    lines.any(|line| Line::of(line).is_some())
}

/// Reads all lines.
pub(super) fn read(text: &mut dyn BufRead, before: u64, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut lines = Lines::after(text, before);
    let mut raw = RawEvent::default();
    while let Some((number, line)) = lines.next()? {
        if line.trim().is_empty() {
            continue;
        }
        sink.read();
        let Some(line) = Line::of(line) else {
            sink.skipped();
            continue;
        };
        raw.clear();
        (raw.id, raw.time) = (line.id, Some(line.time));
        line.client.clone_into(&mut raw.computer);
        line.info.clone_into(&mut raw.message);
        let place = sink.place(Unit::Line, number);
        match raw.interpret(place, sink.names()) {
            Some(event) => sink.event(event),
            None => sink.skipped(),
        }
    }
    Ok(())
}

struct Line<'a> {
    time: Moment,
    client: &'a str,
    id: u32,
    info: &'a str,
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let mut parts = line.trim().splitn(4, "  ");
        let (time, client, id, info) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let id = match id {
            "12288" => CLIENT_SENT,
            "12289" => CLIENT_PROCESSED,
            _ => return None,
        };
        Some(Self { time: Moment::parse(time)?, client, id, info })
    }
}

const LOOK_LINES: usize = 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use super::super::super::records::Records;
    use super::*;

    #[test]
    fn a_request_and_its_answer_are_read_and_the_rest_is_counted() {
        let text = "2026-01-05T02:05:46Z  desks-9  12288  0x00000000, 0x00000000, kms-1:1688, \
             df2fc087-5522-4cea-a137-497133c6e0bc, 2026/01/05 02:05, 0, 1, 249120, \
             7e5b90ff-6c8e-5775-9dc3-4538d0e15940, 25\n\
             2026-01-05T02:05:46Z  desks-9  12289  0x00000000, 0x04000000, 0, 0, 1, 120, 10080, \
             2026/01/05 02:05\n\
             2026-01-05T02:05:46Z  desks-9  12290  0x0\nrubbish\n";
        assert!(recognises(text) && !recognises("2026-01-05  x  1  y\n"));
        let mut records = Records::default();
        read(&mut text.as_bytes(), 0, &mut records.begin("x".to_owned())).unwrap();
        let [sent, processed] = records.events.as_slice() else { panic!("{:?}", records.events) };
        assert_eq!(records.names.text(sent.computer), "desks-9");
        assert_eq!(records.names.text(sent.host), "kms-1:1688");
        assert_eq!(sent.time.to_string(), "2026-01-05 02:05:46");
        assert_eq!((processed.count, processed.is_bound), (Some(1), Some(false)));
        assert_eq!(records.files.first().unwrap().skipped, 2);
    }
}
