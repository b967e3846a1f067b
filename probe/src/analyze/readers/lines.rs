//! Lines and rows of bounded length.

use std::io::{self, BufRead};

/// Lines of a text. Of a longer one the beginning is kept.
pub(super) struct Lines<'a> {
    inner: &'a mut dyn BufRead,
    line: Vec<u8>,
    text: String,
    number: u64,
}

impl<'a> Lines<'a> {
    /// Bytes of one line that are kept.
    pub(super) const BYTES_MAX: usize = 1 << 20;

    /// The lines of `inner`, where `before` lines went before.
    pub(super) fn after(inner: &'a mut dyn BufRead, before: u64) -> Self {
        Self { inner, line: Vec::new(), text: String::new(), number: before }
    }

    /// The next line without its end, and its number.
    ///
    /// # Errors
    /// What the input returns.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot lend its buffer")]
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, &str)>> {
        self.line.clear();
        match read_until(self.inner, b'\n', &mut self.line, Self::BYTES_MAX)? {
            Found::End if self.line.is_empty() => return Ok(None),
            Found::TooLong | Found::Delimiter | Found::End => {}
        }
        self.number += 1;
        while matches!(self.line.last(), Some(b'\n' | b'\r')) {
            self.line.pop();
        }
        self.text.clear();
        match std::str::from_utf8(&self.line) {
            Ok(text) => self.text.push_str(text),
            Err(_) => self.text.push_str(&String::from_utf8_lossy(&self.line)),
        }
        Ok(Some((self.number, &self.text)))
    }
}

impl std::fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("number", &self.number).finish_non_exhaustive()
    }
}

/// The number of a row's first line, and its cells unless it is too long.
pub(super) type Row<'a> = (u64, Option<&'a [String]>);

/// What ended a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The delimiter, which is the last byte.
    Delimiter,
    /// The end of the input.
    End,
    /// The limit; the rest up to the delimiter is gone.
    TooLong,
}

/// Appends what comes up to `delimiter`, at most until `out` has `most` bytes.
///
/// # Errors
/// What the input returns.
pub(super) fn read_until(
    inner: &mut dyn BufRead,
    delimiter: u8,
    out: &mut Vec<u8>,
    most: usize,
) -> io::Result<Found> {
    let mut is_too_long = false;
    loop {
        let ready = match inner.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            ready => ready?,
        };
        if ready.is_empty() {
            return Ok(if is_too_long { Found::TooLong } else { Found::End });
        }
        let (piece, is_found) = match ready.iter().position(|byte| *byte == delimiter) {
            Some(at) => (ready.get(..=at).unwrap_or(ready), true),
            None => (ready, false),
        };
        let count = piece.len();
        let room = most.saturating_sub(out.len());
        is_too_long |= count > room;
        out.extend_from_slice(piece.get(..room.min(count)).unwrap_or_default());
        inner.consume(count);
        if is_found {
            return Ok(if is_too_long { Found::TooLong } else { Found::Delimiter });
        }
    }
}

/// Rows of a table (RFC 4180): cells between delimiters, quoted where they must be, over several
/// lines if need be.
pub(super) struct Rows<'a> {
    inner: &'a mut dyn BufRead,
    delimiter: u8,
    cells: Vec<String>,
    line: u64,
}

impl<'a> Rows<'a> {
    /// Bytes of one row; a longer one is no row.
    pub(super) const BYTES_MAX: usize = 256 << 10;
    /// Cells of one row.
    pub(super) const CELLS_MAX: usize = 256;

    /// The rows of `inner`, where `before` lines went before.
    pub(super) fn after(inner: &'a mut dyn BufRead, delimiter: u8, before: u64) -> Self {
        Self { inner, delimiter, cells: Vec::new(), line: before }
    }

    /// The next row and the number of its first line; a row that is too long is `Some(None)`.
    ///
    /// # Errors
    /// What the input returns.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot lend its buffer")]
    pub(super) fn next(&mut self) -> io::Result<Option<Row<'_>>> {
        let first = self.line + 1;
        let mut raw = Vec::new();
        let (mut counted, mut is_quoted) = (0, false);
        loop {
            match read_until(self.inner, b'\n', &mut raw, Self::BYTES_MAX)? {
                Found::End if raw.is_empty() => return Ok(None),
                Found::TooLong => {
                    self.line += 1;
                    return Ok(Some((first, None)));
                }
                Found::End => {
                    self.line += 1;
                    break;
                }
                Found::Delimiter => self.line += 1,
            }
            // Within quotes there is an odd number of them so far.
            let new = raw.get(counted..).unwrap_or_default();
            is_quoted ^= new.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
            counted = raw.len();
            if !is_quoted {
                break;
            }
        }
        self.cells = split(&String::from_utf8_lossy(&raw), char::from(self.delimiter));
        Ok(Some((first, Some(&self.cells))))
    }
}

impl std::fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("line", &self.line).finish_non_exhaustive()
    }
}

/// The cells of one row.
#[must_use]
pub(super) fn split(row: &str, delimiter: char) -> Vec<String> {
    let mut cells = Vec::new();
    let mut cell = String::new();
    let mut is_quoted = false;
    let mut characters = row.trim_end_matches(['\r', '\n']).chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if is_quoted || cell.is_empty() => is_quoted = !is_quoted,
            other if other == delimiter && !is_quoted => {
                if cells.len() + 1 >= Rows::CELLS_MAX {
                    break;
                }
                cells.push(std::mem::take(&mut cell));
            }
            other => cell.push(other),
        }
    }
    cells.push(cell);
    cells
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_line_beyond_the_limit_keeps_its_beginning_and_the_next_is_whole() {
        let text = format!("{}\nnext\r\nlast", "x".repeat(Lines::BYTES_MAX + 10));
        let mut input = text.as_bytes();
        let mut lines = Lines::after(&mut input, 0);
        assert_eq!(lines.next().unwrap().unwrap().1.len(), Lines::BYTES_MAX);
        assert_eq!(lines.next().unwrap(), Some((2, "next")));
        assert_eq!(lines.next().unwrap(), Some((3, "last")));
        assert_eq!(lines.next().unwrap(), None);
    }

    #[test]
    fn rows_go_over_lines_and_a_quote_that_never_ends_is_bounded() {
        let text = "a,\"b\nc \"\"d\"\"\",e\nf\n";
        let mut input = text.as_bytes();
        let mut rows = Rows::after(&mut input, b',', 0);
        let (line, cells) = rows.next().unwrap().unwrap();
        assert_eq!((line, cells.unwrap()), (1, &["a", "b\nc \"d\"", "e"].map(str::to_owned)[..]));
        assert_eq!(rows.next().unwrap().unwrap().0, 3);
        assert_eq!(rows.next().unwrap(), None);

        let endless = format!("\"{}", "x\n".repeat(Rows::BYTES_MAX));
        let mut input = endless.as_bytes();
        let mut rows = Rows::after(&mut input, b',', 0);
        assert_eq!(rows.next().unwrap().unwrap().1, None);
    }
}
