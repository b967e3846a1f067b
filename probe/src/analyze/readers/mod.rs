//! Readers: what a file is, told by its content and never by its name, and what it says.
//!
//! Every reader streams, holds at most a stated amount of the file at a time, and skips what it
//! cannot understand, counting it.

mod capture;
mod collector;
pub mod encoding;
mod event;
mod event_lines;
mod evtx;
mod journal;
mod license;
mod lines;
mod report;
mod request_lines;
mod table;
mod xml;

use std::fs::File;
use std::io::{self, BufRead, Read as _, Seek as _};
use std::path::Path;

use self::encoding::Decoded;
pub use self::encoding::Encoding;
use super::records::Sink;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Events as XML.
    EventsXml,
    /// Events as a table.
    EventsTable,
    /// A Windows event log.
    Evtx,
    /// Events 12288 and 12289 as lines.
    EventLines,
    /// Lines as event 12290 has them.
    RequestLines,
    /// A journal of kms-sim.
    Journal,
    /// Rows of a journal, as lines of JSON.
    JournalLines,
    /// Rows of a journal, as a table.
    JournalTable,
    /// Output of slmgr.vbs or ospp.vbs.
    Licenses,
    /// A report of kms-probe: JSON, lines of JSON, or a table.
    Report,
    /// Output of the collector script.
    Collected,
    /// A packet capture.
    Capture,
}

impl FileKind {
    /// The words in reports.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::EventsXml => "Windows events, XML",
            Self::EventsTable => "Windows events, table",
            Self::Evtx => "Windows event log",
            Self::EventLines => "events 12288 and 12289 as lines",
            Self::RequestLines => "event 12290 as lines",
            Self::Journal => "kms-sim journal",
            Self::JournalLines => "kms-sim journal, JSON lines",
            Self::JournalTable => "kms-sim journal, table",
            Self::Licenses => "slmgr or ospp output",
            Self::Report => "kms-probe report",
            Self::Collected => "kms-probe collector output",
            Self::Capture => "packet capture",
        }
    }
}

/// How to read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The encoding of all texts, in place of the one that their bytes suggest.
    pub encoding: Option<Encoding>,
    /// Ports of KMS hosts beside 1688, for captures.
    pub ports: Vec<u16>,
}

/// Reads one file. What is wrong with its content is said to `sink`.
///
/// # Errors
/// What the system says of the file.
pub fn read(path: &Path, options: &Options, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let mut start = Vec::new();
    file.by_ref().take(START_BYTES).read_to_end(&mut start)?;
    file.rewind()?;
    match binary_kind(&start) {
        Some(Binary::Kind(FileKind::Journal)) => {
            sink.kind(FileKind::Journal);
            journal::read(path, sink);
            Ok(())
        }
        Some(Binary::Kind(kind)) => {
            sink.kind(kind);
            read_binary(kind, file, options, sink);
            Ok(())
        }
        Some(Binary::Packed(what)) => {
            sink.problem(format!("{what}, which is not unpacked here: give the files in it"));
            Ok(())
        }
        None => read_text(file, &start, options, sink),
    }
}

/// Reads `content` as what `kind` says, whatever it is. A journal is SQLite's to read, from a file.
///
/// # Errors
/// None in practice: reading from memory.
pub fn read_bytes(
    kind: FileKind,
    content: &[u8],
    options: &Options,
    sink: &mut Sink<'_>,
) -> io::Result<()> {
    sink.kind(kind);
    read_binary(kind, io::Cursor::new(content), options, sink);
    let encoding = options.encoding.unwrap_or_else(|| Encoding::of(content).0);
    read_as(kind, &mut Decoded::new(content, encoding, TEXT_BYTES_MAX), 0, sink)
}

fn read_binary(
    kind: FileKind,
    content: impl io::Read + io::Seek + Send,
    options: &Options,
    sink: &mut Sink<'_>,
) {
    match kind {
        FileKind::Evtx => evtx::read(content, sink),
        FileKind::Capture => capture::read(content, options, sink),
        _ => {}
    }
}

fn read_text(file: File, start: &[u8], options: &Options, sink: &mut Sink<'_>) -> io::Result<()> {
    let (encoding, is_certain) = match options.encoding {
        Some(encoding) => (encoding, true),
        None => Encoding::of(start),
    };
    let mut beginning = String::new();
    Decoded::new(start, encoding, START_BYTES).read_to_string(&mut beginning)?;
    let Some(kind) = text_kind(&beginning) else {
        sink.problem(match beginning.trim().is_empty() {
            true => "it is empty",
            false => "nothing in it is known here: no events, licences, packets or reports",
        });
        return Ok(());
    };
    sink.kind(kind);
    sink.encoding(encoding.name());
    if !is_certain {
        sink.note(format!(
            "the text is in no Unicode encoding and was read as {}: --encoding names another",
            encoding.name()
        ));
    }
    let mut text = Decoded::new(file, encoding, TEXT_BYTES_MAX);
    read_as(kind, &mut text, 0, sink)?;
    if text.is_cut() {
        sink.problem(format!("only its first {} GiB were read", TEXT_BYTES_MAX >> 30));
    }
    Ok(())
}

/// Reads a text whose kind is known, of which `before` lines are gone.
fn read_as(
    kind: FileKind,
    text: &mut dyn BufRead,
    before: u64,
    sink: &mut Sink<'_>,
) -> io::Result<()> {
    match kind {
        FileKind::EventsXml => xml::read(text, sink),
        FileKind::EventsTable | FileKind::JournalTable => table::read(text, before, sink),
        FileKind::EventLines => event_lines::read(text, before, sink),
        FileKind::RequestLines => request_lines::read(text, before, sink),
        FileKind::JournalLines | FileKind::Report => report::read(text, before, sink),
        FileKind::Licenses => license::read(text, before, sink),
        FileKind::Collected => collector::read(text, sink),
        FileKind::Evtx | FileKind::Journal | FileKind::Capture => Ok(()),
    }
}

enum Binary {
    Kind(FileKind),
    Packed(&'static str),
}

fn binary_kind(start: &[u8]) -> Option<Binary> {
    let known: [(&[u8], Binary); 11] = [
        (b"ElfFile\0", Binary::Kind(FileKind::Evtx)),
        (b"SQLite format 3\0", Binary::Kind(FileKind::Journal)),
        (&[0xA1, 0xB2, 0xC3, 0xD4], Binary::Kind(FileKind::Capture)),
        (&[0xD4, 0xC3, 0xB2, 0xA1], Binary::Kind(FileKind::Capture)),
        (&[0xA1, 0xB2, 0x3C, 0x4D], Binary::Kind(FileKind::Capture)),
        (&[0x4D, 0x3C, 0xB2, 0xA1], Binary::Kind(FileKind::Capture)),
        (&[0x0A, 0x0D, 0x0D, 0x0A], Binary::Kind(FileKind::Capture)),
        (ARCHIVE_START, Binary::Packed("a ZIP archive in another")),
        (&[0x1F, 0x8B], Binary::Packed("a gzip file")),
        (&[0x28, 0xB5, 0x2F, 0xFD], Binary::Packed("a zstd file")),
        (b"\xFD7zXZ", Binary::Packed("an xz file")),
    ];
    known.into_iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, kind)| kind)
}

/// Whether a file that begins so is no text.
#[must_use]
pub fn is_binary(start: &[u8]) -> bool {
    binary_kind(start).is_some()
}

/// Whether a file that begins so is an archive, which holds files of its own.
pub(super) fn is_archive(start: &[u8]) -> bool {
    start.starts_with(ARCHIVE_START)
}

/// What a text is, by its beginning.
fn text_kind(start: &str) -> Option<FileKind> {
    let trimmed = start.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if trimmed.starts_with(collector::FIRST_LINE) {
        return Some(FileKind::Collected);
    }
    if trimmed.starts_with(['{', '[']) {
        return report::kind(trimmed);
    }
    if trimmed.starts_with('<') {
        return xml::recognises(trimmed).then_some(FileKind::EventsXml);
    }
    table::kind(trimmed)
        .or_else(|| request_lines::recognises(trimmed).then_some(FileKind::RequestLines))
        .or_else(|| event_lines::recognises(trimmed).then_some(FileKind::EventLines))
        .or_else(|| license::recognises(trimmed).then_some(FileKind::Licenses))
        // A prompt or a command may stand before.
        .or_else(|| xml::recognises(trimmed).then_some(FileKind::EventsXml))
}

const ARCHIVE_START: &[u8] = b"PK\x03\x04";

/// Bytes at the beginning of a file that say what it is.
const START_BYTES: u64 = 64 << 10;

/// Bytes of a text that are read.
pub const TEXT_BYTES_MAX: u64 = 8 << 30;
