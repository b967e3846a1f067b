//! What kind of text a file is, by how it begins; its name says nothing.

use std::io::{self, BufRead, Cursor, Read};

use super::request::Sighting;
use super::{table, text};

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Events as XML.
    Events,
    /// Event 12290, a line each.
    Lines,
    /// A table with headings.
    Table { delimiter: u8 },
    /// A journal of `kms-sim serve`.
    Journal,
}

/// Why nobody can tell.
#[derive(Debug)]
pub(super) enum Unknown {
    Io(io::Error),
    What(String),
}

impl Kind {
    /// What it is called in the summary.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Events => "events as XML",
            Self::Lines => "lines of event 12290",
            Self::Table { .. } => "a table",
            Self::Journal => "a journal",
        }
    }
}

/// Looks at the beginning, and gives the whole back to be read.
pub(super) fn open<'a>(input: impl Read + 'a) -> Result<(Kind, Box<dyn BufRead + 'a>), Unknown> {
    let mut text = text::utf8(input).map_err(Unknown::Io)?;
    let mut head = Vec::new();
    text.by_ref().take(HEAD_BYTES).read_to_end(&mut head).map_err(Unknown::Io)?;
    // A character that is cut in two at the end is no mistake here.
    let shown = String::from_utf8_lossy(&head).into_owned();
    let kind = kind(&shown).map_err(Unknown::What)?;
    Ok((kind, Box::new(Cursor::new(head).chain(text))))
}

fn kind(head: &str) -> Result<Kind, String> {
    let first = head.lines().find(|line| !line.trim().is_empty()).ok_or("it is empty")?;
    if first.trim_start().starts_with("0x") && Sighting::parse(first).is_some() {
        return Ok(Kind::Lines);
    }
    if head.contains("<Event ") || head.contains("<Event>") || head.contains("<Events") {
        return Ok(Kind::Events);
    }
    match table::delimiter(first) {
        Some(delimiter) => Ok(Kind::Table { delimiter }),
        None => Err("it is neither events as XML, nor lines of event 12290, nor a journal, nor a \
                     table whose first row has a heading such as `name` or `cmid`"
            .to_owned()),
    }
}

/// Bytes that are looked at.
pub(super) const HEAD_BYTES: u64 = 64 << 10;
