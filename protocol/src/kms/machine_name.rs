//! The client's own name as it stands in a request: 64 UTF-16 units.

use core::fmt;

use super::utf16;
use crate::wire::{Expected, Malformed, Misuse, Reader, Writer};

/// A machine name: at most 63 units of text, padded with NULs to 64.
///
/// A received name keeps all its 64 units, whatever stands in them. `Display` and `Debug` escape
/// what a terminal or a log would act on; [`MachineName::chars`] gives the text as it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MachineName([u16; UNITS]);

impl MachineName {
    /// The name `text`.
    ///
    /// # Errors
    /// [`Misuse`] when it takes more than 63 UTF-16 units or contains a NUL: a name is never cut.
    pub fn new(text: &str) -> Result<Self, Misuse> {
        let len = text.encode_utf16().count();
        if len > TEXT_UNITS_MAX {
            let expected = Expected::AtMost(TEXT_UNITS_MAX as u64);
            return Err(Misuse::new(0, "machine name in UTF-16 units", len as u64, expected));
        }
        if let Some(offset) = text.find('\0') {
            let expected = Expected::Text("no NUL inside the name");
            return Err(Misuse::new(offset, "machine name", 0, expected));
        }
        let mut units = [0; UNITS];
        for (slot, unit) in units.iter_mut().zip(text.encode_utf16()) {
            *slot = unit;
        }
        Ok(Self(units))
    }

    /// A name from its 64 units as received.
    #[must_use]
    pub const fn from_units(units: [u16; UNITS]) -> Self {
        Self(units)
    }

    /// All 64 units.
    #[must_use]
    pub const fn units(&self) -> &[u16; UNITS] {
        &self.0
    }

    /// The text before the first NUL, unescaped; a lone surrogate becomes U+FFFD.
    pub fn chars(&self) -> impl Iterator<Item = char> + '_ {
        utf16::chars(&self.0)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bytes: [u8; 2 * UNITS] = reader.array("MachineName")?;
        let mut units = [0; UNITS];
        let (pairs, _) = bytes.as_chunks::<2>();
        for (unit, pair) in units.iter_mut().zip(pairs) {
            *unit = u16::from_le_bytes(*pair);
        }
        Ok(Self(units))
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        let mut bytes = [0; 2 * UNITS];
        let (pairs, _) = bytes.as_chunks_mut::<2>();
        for (pair, unit) in pairs.iter_mut().zip(self.0) {
            *pair = unit.to_le_bytes();
        }
        writer.bytes("MachineName", &bytes)
    }
}

impl Default for MachineName {
    fn default() -> Self {
        Self([0; UNITS])
    }
}

impl fmt::Display for MachineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        utf16::write_escaped(f, self.chars())
    }
}

impl fmt::Debug for MachineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MachineName({self})")
    }
}

/// UTF-16 units of the field.
const UNITS: usize = 64;

/// UTF-16 units of text that leave room for the terminating NUL.
const TEXT_UNITS_MAX: usize = UNITS - 1;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    extern crate std;
    use super::*;
    use std::string::{String, ToString};

    #[test]
    fn a_name_of_63_units_fits_and_of_64_is_refused_not_cut() {
        let longest = "n".repeat(63);
        assert_eq!(MachineName::new(&longest).unwrap().to_string(), longest);
        let error = MachineName::new(&"n".repeat(64)).unwrap_err();
        assert_eq!((error.0.got, error.0.expected), (64, Expected::AtMost(63)));
        // Each of these takes two units.
        assert!(MachineName::new(&"\u{1f5a5}".repeat(31)).is_ok());
        assert!(MachineName::new(&"\u{1f5a5}".repeat(32)).is_err());
    }

    #[test]
    fn a_nul_inside_a_name_is_refused_where_it_stands() {
        assert_eq!(MachineName::new("pc\0x").unwrap_err().0.offset, 2);
    }

    #[test]
    fn received_text_stops_at_the_first_nul_and_lone_surrogates_are_replaced() {
        let mut units = [0; 64];
        units[..5].copy_from_slice(&[0x50, 0xd800, 0x43, 0, 0x58]);
        let name = MachineName::from_units(units);
        assert_eq!(name.chars().collect::<String>(), "P\u{fffd}C");
        assert_eq!(name.units()[4], 0x58, "what follows the NUL is kept");
        let full = MachineName::from_units([0x41; 64]);
        assert_eq!(full.chars().count(), 64, "a name without NUL ends with its field");
    }

    #[test]
    fn printed_text_cannot_move_a_cursor_or_break_a_line() {
        let name = MachineName::new("a\u{1b}[2J\n\u{202e}b'\\é").unwrap();
        assert_eq!(name.to_string(), r"a\u{1b}[2J\n\u{202e}b'\\é");
        assert_eq!(name.chars().last(), Some('é'));
    }
}
