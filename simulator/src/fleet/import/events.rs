//! Events as XML: what `wevtutil qe /f:xml` and `ToXml()` write, with or without a root element.
//!
//! Each `<Event>` is cut out of the stream and parsed alone: no root is needed, and no document type
//! is ever read, so that entities cannot expand.

use std::io::{BufRead, Read as _};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event as Xml};

use super::request::Sighting;
use super::{Bad, Sink, moment, text};

/// Reads all events, and passes over those with other ids.
pub(super) fn read(text: &mut dyn BufRead, sink: &mut dyn Sink) -> Result<(), Bad> {
    let mut blocks = Blocks { text, block: Vec::new(), line: 1, began: None };
    while let Some((line, block)) = blocks.next()? {
        let raw = Raw::parse(block)
            .map_err(|error| (line, format!("an event that is no XML: {error}")))?;
        if raw.id.trim() != "12290" || !raw.is_of_a_host() {
            sink.pass_over();
            continue;
        }
        let Some(mut seen) = raw.data.iter().find_map(|data| Sighting::parse(data)) else {
            return Err((line, "an event 12290 without its nine values".to_owned()));
        };
        // The host's own time, where the event has one: a client's clock may be off.
        seen.time = moment::parse(&raw.time).or(seen.time);
        seen.host = Some(raw.computer);
        sink.take(line, seen)?;
    }
    match blocks.began {
        Some(line) => Err((line, "an event that is cut off".to_owned())),
        None => Ok(()),
    }
}

/// What an event says, as text.
#[derive(Default)]
struct Raw {
    id: String,
    provider: String,
    time: String,
    computer: String,
    data: Vec<String>,
}

impl Raw {
    fn parse(block: &str) -> Result<Self, String> {
        let mut reader = Reader::from_str(block);
        let mut raw = Self::default();
        let (mut element, mut value) = (Vec::new(), String::new());
        loop {
            match reader.read_event().map_err(|error| error.to_string())? {
                Xml::Start(start) => {
                    value.clear();
                    element = start.local_name().as_ref().to_vec();
                    raw.attributes(&start);
                }
                Xml::Empty(start) => raw.attributes(&start),
                Xml::Text(part) => value.push_str(&part.decode().map_err(|e| e.to_string())?),
                Xml::CData(part) => value.push_str(&part.decode().map_err(|e| e.to_string())?),
                Xml::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(character)) => value.push(character),
                    _ => value.push_str(entity(&reference)),
                },
                Xml::End(_) => {
                    let value = std::mem::take(&mut value);
                    match std::mem::take(&mut element).as_slice() {
                        b"EventID" => raw.id = value,
                        b"Computer" => raw.computer = value,
                        b"Data" | b"Message" if raw.data.len() < VALUES_MAX => raw.data.push(value),
                        _ => {}
                    }
                }
                Xml::Eof => return Ok(raw),
                Xml::Decl(_) | Xml::PI(_) | Xml::DocType(_) | Xml::Comment(_) => {}
            }
        }
    }

    fn attributes(&mut self, start: &BytesStart<'_>) {
        let attribute = |name: &str| {
            let found = start.try_get_attribute(name).ok()??;
            Some(found.unescape_value().ok()?.into_owned())
        };
        match start.local_name().as_ref() {
            b"TimeCreated" => self.time = attribute("SystemTime").unwrap_or_default(),
            // Old sources have their name in `EventSourceName`, with a GUID in `Name`.
            b"Provider" => {
                for name in ["Name", "EventSourceName"].iter().filter_map(|name| attribute(name)) {
                    self.provider.push_str(&name.to_ascii_lowercase());
                    self.provider.push(' ');
                }
            }
            _ => {}
        }
    }

    /// Whether a KMS host logged it, under any of the names that the source has had.
    fn is_of_a_host(&self) -> bool {
        self.provider.is_empty() || PROVIDERS.iter().any(|known| self.provider.contains(known))
    }
}

/// The five entities that XML has; any other stands for nothing.
fn entity(name: &[u8]) -> &'static str {
    match name {
        b"lt" => "<",
        b"gt" => ">",
        b"amp" => "&",
        b"quot" => "\"",
        b"apos" => "'",
        _ => "",
    }
}

/// Cuts `<Event>`s out of a stream.
struct Blocks<'a> {
    text: &'a mut dyn BufRead,
    block: Vec<u8>,
    line: u64,
    /// The line in which the open event began.
    began: Option<u64>,
}

impl Blocks<'_> {
    fn next(&mut self) -> Result<Option<(u64, &str)>, Bad> {
        let mut tag = Vec::new();
        self.block.clear();
        loop {
            tag.clear();
            let mut limited = (&mut *self.text).take(EVENT_BYTES_MAX + 1);
            let read = limited.read_until(b'>', &mut tag);
            read.map_err(|error| (self.line, format!("cannot read it: {error}")))?;
            if tag.is_empty() {
                return Ok(None);
            }
            let at = tag.iter().rposition(|byte| *byte == b'<').unwrap_or(0);
            let element = tag.get(at..).unwrap_or_default();
            let begins = element.starts_with(b"<Event>") || element.starts_with(b"<Event ");
            let before = tag.get(..at).unwrap_or_default();
            let line = self.line + breaks(before);
            self.line += breaks(&tag);
            match (begins, self.began) {
                (true, Some(began)) => {
                    return Err((began, "an event that is cut off by the next".to_owned()));
                }
                (true, None) => {
                    self.began = Some(line);
                    self.block.extend_from_slice(element);
                }
                (false, Some(_)) => self.block.extend_from_slice(&tag),
                (false, None) => {}
            }
            if tag.len() as u64 > EVENT_BYTES_MAX || self.block.len() as u64 > EVENT_BYTES_MAX {
                let line = self.began.unwrap_or(line);
                return Err((line, format!("an event longer than {EVENT_BYTES_MAX} bytes")));
            }
            if element.starts_with(b"</Event>")
                && let Some(began) = self.began.take()
            {
                let block = std::str::from_utf8(&self.block);
                return Ok(Some((began, block.map_err(|_| (began, text::NOT_TEXT.to_owned()))?)));
            }
        }
    }
}

fn breaks(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

const PROVIDERS: [&str; 6] = [
    "security-spp",
    "licensing-slc",
    "kmsrequests",
    "software protection",
    "software licensing",
    "key management service",
];
/// Bytes of an event, and of what stands between two.
pub(super) const EVENT_BYTES_MAX: u64 = 256 << 10;
/// Values of an event.
const VALUES_MAX: usize = 32;
