//! Events as XML: what `wevtutil qe /f:xml` and `ToXml()` write, with or without a root element,
//! with whatever stands between.
//!
//! Each `<Event>` is cut out of the stream and parsed alone: a broken one costs itself only, no
//! root is needed, and no document type is ever read, so that entities cannot expand.

use std::io::{self, BufRead};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event as Xml};

use super::super::moment::Moment;
use super::super::record::Unit;
use super::super::records::Sink;
use super::event::RawEvent;
use super::lines::{Found, read_until};

/// Whether a text holds events.
pub(super) fn recognises(start: &str) -> bool {
    start.contains("<Event ") || start.contains("<Event>") || start.contains("<Events>")
}

/// Reads all events.
pub(super) fn read(text: &mut dyn BufRead, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut blocks = Blocks::new(text);
    let mut raw = RawEvent::default();
    let mut ordinal = 0;
    while let Some(block) = blocks.next()? {
        ordinal += 1;
        sink.read();
        let Some(block) = block else {
            sink.skipped();
            continue;
        };
        take(block, ordinal, &mut raw, sink);
    }
    if blocks.is_open {
        sink.skipped();
        sink.note("the last event is cut off");
    }
    Ok(())
}

/// Reads one event into `sink`.
pub(super) fn take(block: &str, ordinal: u64, raw: &mut RawEvent, sink: &mut Sink<'_>) {
    // Most records of a log are about other things, and most of the work is in the parsing.
    if !may_be_about_activation(block) {
        return;
    }
    raw.clear();
    if parse(block, raw).is_none() {
        sink.skipped();
        return;
    }
    if !raw.is_about_activation() {
        return;
    }
    let place = sink.place(Unit::Record, raw.record.unwrap_or(ordinal));
    match raw.interpret(place, sink.names()) {
        Some(event) => sink.event(event),
        None => sink.skipped(),
    }
}

fn may_be_about_activation(block: &str) -> bool {
    let small = |part: &str| block.contains(part);
    small("SPP") || small("SLC") || small("Kms") || small("Software ") || small("Key Management")
}

/// What one event says; `None` where it is no XML.
fn parse(block: &str, raw: &mut RawEvent) -> Option<()> {
    let mut reader = Reader::from_str(block);
    reader.config_mut().check_end_names = false;
    let mut inside = Inside::Nothing;
    let mut value = String::new();
    loop {
        match reader.read_event().ok()? {
            Xml::Start(start) => {
                value.clear();
                inside = Inside::of(&start, raw);
            }
            Xml::Empty(start) => {
                if Inside::of(&start, raw) == Inside::Data {
                    raw.data.push(String::new());
                }
                inside = Inside::Nothing;
            }
            Xml::Text(text) => value.push_str(&text.decode().ok()?),
            Xml::CData(text) => value.push_str(&text.decode().ok()?),
            Xml::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(character)) => value.push(character),
                _ => value.push_str(named(&reference)),
            },
            Xml::End(_) => {
                inside.end(&value, raw);
                inside = Inside::Nothing;
                value.clear();
            }
            Xml::Eof => return Some(()),
            Xml::Decl(_) | Xml::PI(_) | Xml::DocType(_) | Xml::Comment(_) => {}
        }
    }
}

/// The five entities that XML has; any other stands for nothing.
fn named(name: &[u8]) -> &'static str {
    match name {
        b"lt" => "<",
        b"gt" => ">",
        b"amp" => "&",
        b"quot" => "\"",
        b"apos" => "'",
        _ => "",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Nothing,
    EventId,
    Record,
    Computer,
    Data,
    Message,
}

impl Inside {
    fn of(start: &BytesStart<'_>, raw: &mut RawEvent) -> Self {
        match start.local_name().as_ref() {
            b"Provider" => {
                // Old sources have their name in `EventSourceName`, with a GUID in `Name`.
                for key in ["Name", "EventSourceName"] {
                    if let Some(name) = attribute(start, key) {
                        raw.provider.push_str(&name);
                        raw.provider.push(' ');
                    }
                }
                Self::Nothing
            }
            b"TimeCreated" => {
                let time = attribute(start, "SystemTime");
                raw.time = time.and_then(|time| Moment::parse(&time));
                Self::Nothing
            }
            b"EventID" => Self::EventId,
            b"EventRecordID" => Self::Record,
            b"Computer" => Self::Computer,
            b"Data" => Self::Data,
            b"Message" => Self::Message,
            _ => Self::Nothing,
        }
    }

    fn end(self, value: &str, raw: &mut RawEvent) {
        match self {
            Self::Nothing => {}
            Self::EventId => raw.id = value.trim().parse().unwrap_or(0),
            Self::Record => raw.record = value.trim().parse().ok(),
            Self::Computer => value.clone_into(&mut raw.computer),
            Self::Data if raw.data.len() < VALUES_MAX => raw.data.push(value.to_owned()),
            Self::Data => {}
            Self::Message => value.clone_into(&mut raw.message),
        }
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = start.try_get_attribute(name).ok()??;
    Some(found.unescape_value().ok()?.into_owned())
}

/// Cuts `<Event>`s out of a stream.
struct Blocks<'a> {
    text: &'a mut dyn BufRead,
    block: Vec<u8>,
    is_open: bool,
}

impl<'a> Blocks<'a> {
    fn new(text: &'a mut dyn BufRead) -> Self {
        Self { text, block: Vec::new(), is_open: false }
    }

    /// The next event; one that is too long is `Some(None)`.
    fn next(&mut self) -> io::Result<Option<Option<&str>>> {
        let mut tag = Vec::new();
        let mut is_too_long = false;
        self.block.clear();
        loop {
            tag.clear();
            let found = read_until(self.text, b'>', &mut tag, TAG_BYTES_MAX)?;
            if tag.is_empty() && found == Found::End {
                return Ok(None);
            }
            let at = tag.iter().rposition(|byte| *byte == b'<').unwrap_or(0);
            let element = tag.get(at..).unwrap_or_default();
            if element.starts_with(b"<Event>") || element.starts_with(b"<Event ") {
                // A new one before the end of the last: the last is lost.
                self.block.clear();
                self.block.extend_from_slice(element);
                self.is_open = true;
                is_too_long = found == Found::TooLong;
                continue;
            }
            if !self.is_open {
                continue;
            }
            if found == Found::TooLong || self.block.len() + tag.len() > EVENT_BYTES_MAX {
                is_too_long = true;
            } else {
                self.block.extend_from_slice(&tag);
            }
            if element.starts_with(b"</Event>") {
                self.is_open = false;
                let block = std::str::from_utf8(&self.block).ok();
                return Ok(Some(block.filter(|_| !is_too_long)));
            }
        }
    }
}

/// Bytes of one event, and of what stands between two `>`.
const EVENT_BYTES_MAX: usize = 256 << 10;
const TAG_BYTES_MAX: usize = 64 << 10;

/// Values of one event.
const VALUES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::super::records::Records;
    use super::*;

    fn records(text: &str) -> Records {
        let mut records = Records::default();
        let mut input = text.as_bytes();
        read(&mut input, &mut records.begin("x.xml".to_owned())).unwrap();
        records
    }

    fn event(id: u32, data: &str) -> String {
        format!(
            "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
             <Provider Name='Microsoft-Windows-Security-SPP' Guid='{{E23B33B0}}'/>\
             <EventID Qualifiers='16384'>{id}</EventID>\
             <TimeCreated SystemTime='2026-11-24T10:47:49.1234567Z'/>\
             <EventRecordID>4711</EventRecordID><Computer>pc-01.corp.test</Computer></System>\
             <EventData><Data>{data}</Data></EventData></Event>"
        )
    }

    const SENT: &str = "0x0, 0x0, kms1.corp.test:1688, 36f27b39-2fd5-440b-be67-a09996d27a38, \
                        2026/11/24 10:47, 0, 1, 41760, 68531fb9-5511-4989-97be-d11a0f55633f, 25";

    #[test]
    fn events_are_found_with_and_without_a_root_and_between_rubbish() {
        let one = event(12288, SENT);
        for text in [
            one.clone(),
            format!("<?xml version='1.0'?><Events>{one}\n{one}</Events>"),
            format!("C:\\> wevtutil qe Application /f:xml\r\n{one}garbage < > {one}"),
        ] {
            let records = records(&text);
            let event = records.events.first().unwrap();
            assert_eq!(event.place.number, 4711);
            assert_eq!(records.names.text(event.computer), "pc-01.corp.test");
            assert_eq!(event.time.to_string(), "2026-11-24 10:47:49");
            assert_eq!(records.names.text(event.host), "kms1.corp.test:1688");
        }
    }

    #[test]
    fn entities_are_characters_and_those_of_a_document_type_are_nothing() {
        let bomb = format!(
            "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>{}",
            event(12288, &SENT.replace("kms1.corp.test", "&b;k&amp;s&#49;"))
        );
        let records = records(&bomb);
        let event = records.events.first().unwrap();
        assert_eq!(records.names.text(event.host), "k&s1:1688");
    }

    #[test]
    fn a_broken_event_costs_itself_only() {
        let text = format!("<Event><System><Provider Name='SPP'{}", event(12288, SENT));
        assert_eq!(records(&text).events.len(), 1);
        let cut = records(event(12288, SENT).get(..300).unwrap());
        assert_eq!((cut.events.len(), cut.files.first().unwrap().skipped), (0, 1));
        let long = event(12288, &"x".repeat(EVENT_BYTES_MAX));
        let records = records(&format!("{long}{}", event(12288, SENT)));
        assert_eq!((records.events.len(), records.files.first().unwrap().skipped), (1, 1));
    }
}
