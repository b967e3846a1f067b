//! Text in whatever encoding a Windows machine wrote it, as UTF-8.

use std::io::{self, BufRead, Read};

use encoding_rs::{Decoder, GBK, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use oem_cp::code_table::{DECODING_TABLE_CP437, DECODING_TABLE_CP850};

/// Encodings that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Encoding {
    /// UTF-8.
    #[value(name = "utf-8")]
    Utf8,
    /// UTF-16, little-endian: what PowerShell 5 writes with `>`.
    #[value(name = "utf-16le")]
    Utf16Le,
    /// UTF-16, big-endian.
    #[value(name = "utf-16be")]
    Utf16Be,
    /// OEM code page of the United States.
    #[value(name = "437")]
    Cp437,
    /// OEM code page of western Europe.
    #[value(name = "850")]
    Cp850,
    /// ANSI code page of western Europe.
    #[value(name = "1252")]
    Cp1252,
    /// Code page of simplified Chinese.
    #[value(name = "936")]
    Cp936,
}

impl Encoding {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16LE",
            Self::Utf16Be => "UTF-16BE",
            Self::Cp437 => "code page 437",
            Self::Cp850 => "code page 850",
            Self::Cp1252 => "code page 1252",
            Self::Cp936 => "code page 936",
        }
    }

    /// The encoding of a text that begins with `start`, and whether that is certain. A mark at the
    /// beginning or the shape of UTF-8 and UTF-16 is certain; a code page is the likelier one.
    #[must_use]
    pub fn of(start: &[u8]) -> (Self, bool) {
        match start {
            [0xEF, 0xBB, 0xBF, ..] => return (Self::Utf8, true),
            [0xFF, 0xFE, ..] => return (Self::Utf16Le, true),
            [0xFE, 0xFF, ..] => return (Self::Utf16Be, true),
            _ => {}
        }
        if let Some(utf16) = unmarked_utf16(start) {
            return (utf16, true);
        }
        match std::str::from_utf8(start) {
            Ok(_) => (Self::Utf8, true),
            // A character that is cut at the end of the piece is no error.
            Err(error) if error.error_len().is_none() => (Self::Utf8, true),
            Err(_) => (code_page(start), false),
        }
    }
}

/// Mostly Latin text has a zero in every other byte.
fn unmarked_utf16(start: &[u8]) -> Option<Encoding> {
    let (pairs, _) = start.as_chunks::<2>();
    if pairs.len() < 2 {
        return None;
    }
    let low_zero = pairs.iter().filter(|[low, _]| *low == 0).count();
    let high_zero = pairs.iter().filter(|[_, high]| *high == 0).count();
    let is_many = |zeros: usize| zeros * 10 >= pairs.len() * 3;
    match (is_many(high_zero), is_many(low_zero)) {
        (true, false) => Some(Encoding::Utf16Le),
        (false, true) => Some(Encoding::Utf16Be),
        _ => None,
    }
}

/// Chinese has its high bytes in pairs; German umlauts stand alone, below 0xA0 in an OEM code page
/// and above 0xBF in the ANSI one.
fn code_page(start: &[u8]) -> Encoding {
    let (mut paired, mut single, mut oem, mut ansi) = (0usize, 0usize, 0usize, 0usize);
    let mut bytes = start.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte < 0x80 {
            continue;
        }
        if byte >= 0xA1 && bytes.next_if(|next| *next >= 0xA1).is_some() {
            paired += 1;
            continue;
        }
        single += 1;
        match byte {
            0x80..=0x9F | 0xE1 => oem += 1,
            0xC0..=0xFF => ansi += 1,
            _ => {}
        }
    }
    if paired >= 2 && paired > 4 * single {
        Encoding::Cp936
    } else if oem >= ansi {
        Encoding::Cp850
    } else {
        Encoding::Cp1252
    }
}

/// A reader of UTF-8 over bytes in another encoding. What cannot be decoded becomes U+FFFD.
pub struct Decoded<R> {
    inner: R,
    form: Form,
    raw: Vec<u8>,
    text: Vec<u8>,
    at: usize,
    is_at_end: bool,
    bytes_left: u64,
}

enum Form {
    Rs(Box<Decoder>),
    Table(&'static [char; 128]),
}

impl<R: Read> Decoded<R> {
    /// A reader over `inner`, of which at most `bytes_max` bytes are read.
    pub fn new(inner: R, encoding: Encoding, bytes_max: u64) -> Self {
        let form = match encoding {
            Encoding::Utf8 => Form::Rs(Box::new(UTF_8.new_decoder_with_bom_removal())),
            Encoding::Utf16Le => Form::Rs(Box::new(UTF_16LE.new_decoder_with_bom_removal())),
            Encoding::Utf16Be => Form::Rs(Box::new(UTF_16BE.new_decoder_with_bom_removal())),
            Encoding::Cp1252 => Form::Rs(Box::new(WINDOWS_1252.new_decoder_without_bom_handling())),
            Encoding::Cp936 => Form::Rs(Box::new(GBK.new_decoder_without_bom_handling())),
            Encoding::Cp437 => Form::Table(&DECODING_TABLE_CP437),
            Encoding::Cp850 => Form::Table(&DECODING_TABLE_CP850),
        };
        Self {
            inner,
            form,
            raw: vec![0; CHUNK],
            text: Vec::new(),
            at: 0,
            is_at_end: false,
            bytes_left: bytes_max,
        }
    }

    /// Whether the limit of bytes ended it.
    pub fn is_cut(&self) -> bool {
        self.bytes_left == 0
    }

    fn refill(&mut self) -> io::Result<()> {
        self.text.clear();
        self.at = 0;
        while self.text.is_empty() && !self.is_at_end {
            let most = usize::try_from(self.bytes_left).unwrap_or(CHUNK).min(CHUNK);
            let room = self.raw.get_mut(..most).unwrap_or_default();
            let count = if room.is_empty() { 0 } else { self.inner.read(room)? };
            self.bytes_left = self.bytes_left.saturating_sub(count as u64);
            self.is_at_end = count == 0;
            let bytes = self.raw.get(..count).unwrap_or_default();
            decode(&mut self.form, bytes, self.is_at_end, &mut self.text);
        }
        Ok(())
    }
}

fn decode(form: &mut Form, bytes: &[u8], is_last: bool, text: &mut Vec<u8>) {
    match form {
        Form::Rs(decoder) => {
            let room = decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(4 * CHUNK);
            text.resize(room, 0);
            let (_, _, written, _) = decoder.decode_to_utf8(bytes, text, is_last);
            text.truncate(written);
        }
        Form::Table(table) => {
            let mut buffer = [0; 4];
            for byte in bytes {
                let character = match byte {
                    0..0x80 => char::from(*byte),
                    high => {
                        let index = usize::from(high - 0x80);
                        table.get(index).copied().unwrap_or(char::REPLACEMENT_CHARACTER)
                    }
                };
                text.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            }
        }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let count = ready.len().min(out.len());
        if let (Some(from), Some(to)) = (ready.get(..count), out.get_mut(..count)) {
            to.copy_from_slice(from);
        }
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.text.len() {
            self.refill()?;
        }
        Ok(self.text.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
    }
}

impl<R> std::fmt::Debug for Decoded<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoded").finish_non_exhaustive()
    }
}

const CHUNK: usize = 64 << 10;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn read(bytes: &[u8]) -> (Encoding, String) {
        let (encoding, _) = Encoding::of(bytes);
        let mut text = String::new();
        Decoded::new(bytes, encoding, u64::MAX).read_to_string(&mut text).unwrap();
        (encoding, text)
    }

    fn utf16(text: &str, to_bytes: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn every_encoding_is_recognised_and_read() {
        let german = "Lizenzstatus: Lizenziert, für Prüfung größer";
        let chinese = "许可证状态: 已授权\n批量激活过期: 259197 分钟(180 天)";
        let marked = |text: &str| format!("\u{feff}{text}");
        let cases = [
            (german.as_bytes().to_vec(), Encoding::Utf8, german),
            (marked(german).into_bytes(), Encoding::Utf8, german),
            (utf16(&marked(german), u16::to_le_bytes), Encoding::Utf16Le, german),
            (utf16(&marked(german), u16::to_be_bytes), Encoding::Utf16Be, german),
            (utf16(german, u16::to_le_bytes), Encoding::Utf16Le, german),
            (utf16(german, u16::to_be_bytes), Encoding::Utf16Be, german),
            (WINDOWS_1252.encode(german).0.into_owned(), Encoding::Cp1252, german),
            (GBK.encode(chinese).0.into_owned(), Encoding::Cp936, chinese),
        ];
        for (bytes, encoding, text) in cases {
            assert_eq!(read(&bytes), (encoding, text.to_owned()), "{encoding:?}");
        }
        let oem = b"Lizenzstatus: Lizenziert, f\x81r Pr\x81fung gr\x94\xe1er".to_vec();
        assert_eq!(read(&oem), (Encoding::Cp850, german.to_owned()));
    }

    #[test]
    fn a_code_page_can_be_named_and_the_two_oem_pages_differ() {
        let mut text = String::new();
        Decoded::new(&[0x9B_u8][..], Encoding::Cp437, 9).read_to_string(&mut text).unwrap();
        Decoded::new(&[0x9B_u8][..], Encoding::Cp850, 9).read_to_string(&mut text).unwrap();
        assert_eq!(text, "¢ø");
    }

    #[test]
    fn no_more_is_read_than_the_limit() {
        let mut decoded = Decoded::new(io::repeat(b'x'), Encoding::Utf8, 100_000);
        let mut text = String::new();
        decoded.read_to_string(&mut text).unwrap();
        assert_eq!(text.len(), 100_000);
        assert!(decoded.is_cut());
    }
}
