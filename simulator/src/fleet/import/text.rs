//! Bytes of a file as UTF-8 text, and its lines, with a limit each.

use std::io::{self, BufRead, BufReader, Read};

use super::Bad;

/// `input` as UTF-8, whether it has no mark, one of UTF-8, or is UTF-16 as PowerShell writes it.
pub(super) fn utf8<'a>(input: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let mut input = BufReader::new(input);
    let start = input.fill_buf()?;
    let (mark, wide) = match start {
        [0xEF, 0xBB, 0xBF, ..] => (3, None),
        [0xFF, 0xFE, ..] => (2, Some(true)),
        [0xFE, 0xFF, ..] => (2, Some(false)),
        _ => (0, None),
    };
    input.consume(mark);
    Ok(match wide {
        None => Box::new(input),
        Some(is_little) => {
            let wide = Wide { input, is_little, high: None, out: Vec::new(), at: 0 };
            Box::new(BufReader::new(wide))
        }
    })
}

/// UTF-16 on its way to UTF-8. Half a pair becomes U+FFFD.
struct Wide<R> {
    input: R,
    is_little: bool,
    /// The first half of a pair whose second is in the next chunk.
    high: Option<u16>,
    out: Vec<u8>,
    at: usize,
}

impl<R: BufRead> Wide<R> {
    fn fill(&mut self) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(CHUNK_BYTES);
        self.input.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut bytes)?;
        let is_last = bytes.len() < CHUNK_BYTES;
        let (pairs, _) = bytes.as_chunks::<2>();
        let unit = |pair: &[u8; 2]| match self.is_little {
            true => u16::from_le_bytes(*pair),
            false => u16::from_be_bytes(*pair),
        };
        let mut units: Vec<u16> =
            self.high.take().into_iter().chain(pairs.iter().map(unit)).collect();
        if !is_last {
            self.high = units.pop_if(|unit| (0xD800..0xDC00).contains(unit));
        }
        self.at = 0;
        self.out.clear();
        let text: String = char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl<R: BufRead> Read for Wide<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.out.len() {
            self.fill()?;
        }
        let mut rest = self.out.get(self.at..).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

/// Lines of a text, numbered from 1.
pub(super) struct Lines<'a> {
    input: &'a mut dyn BufRead,
    line: Vec<u8>,
    number: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn new(input: &'a mut dyn BufRead) -> Self {
        Self { input, line: Vec::new(), number: 0 }
    }

    /// The next line with its number, without its end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &str)>, Bad> {
        self.line.clear();
        self.number += 1;
        let mut limited = (&mut *self.input).take(LINE_BYTES_MAX + 1);
        let read = limited.read_until(b'\n', &mut self.line);
        read.map_err(|error| (self.number, format!("cannot read it: {error}")))?;
        if self.line.is_empty() {
            return Ok(None);
        }
        if self.line.len() as u64 > LINE_BYTES_MAX {
            return Err((self.number, format!("a line longer than {LINE_BYTES_MAX} bytes")));
        }
        let line =
            std::str::from_utf8(&self.line).map_err(|_| (self.number, NOT_TEXT.to_owned()))?;
        Ok(Some((self.number, line.trim_end_matches(['\n', '\r']))))
    }
}

/// What to do about another code page.
pub(super) const NOT_TEXT: &str = "neither UTF-8 nor UTF-16: save the file as UTF-8";

/// Bytes of a line.
pub(super) const LINE_BYTES_MAX: u64 = 64 << 10;
const CHUNK_BYTES: usize = 8 << 10;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn utf16_of_either_order_and_marks_of_utf8_are_read_past_the_size_of_a_chunk() {
        let text = "a😀ü,".repeat(CHUNK_BYTES);
        let units: Vec<u16> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let marked = format!("\u{feff}{text}").into_bytes();
        for bytes in [little, big, marked, text.clone().into_bytes()] {
            let mut read = String::new();
            utf8(bytes.as_slice()).unwrap().read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
        }
    }

    #[test]
    fn a_line_has_so_many_bytes_and_no_more_and_is_text() {
        let most = usize::try_from(LINE_BYTES_MAX).unwrap();
        let text = format!("one\r\n{}", "x".repeat(most));
        let mut input = text.as_bytes();
        let mut lines = Lines::new(&mut input);
        assert_eq!(lines.next().unwrap(), Some((1, "one")));
        assert_eq!(lines.next().unwrap().unwrap().1.len(), most);
        assert_eq!(lines.next().unwrap(), None);
        let long = "x".repeat(most + 1);
        assert_eq!(Lines::new(&mut long.as_bytes()).next().unwrap_err().0, 1);
        assert_eq!(Lines::new(&mut &b"\xff\n"[..]).next().unwrap_err().1, NOT_TEXT);
    }
}
