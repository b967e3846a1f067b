//! The extended product id of a host: text of up to 63 UTF-16 units.

use core::fmt;

use super::utf16;
use crate::wire::{Expected, Malformed, Misuse, Reader, Writer};

/// A host's extended product id, as received; the lab's own is [`Epid::LAB`].
///
/// It can only be read: an answer sealed by this crate always carries [`Epid::LAB`], and nothing
/// takes another. Text that does not look like an ePID is kept. `Display` and `Debug` escape what a
/// terminal or a log would act on; [`Epid::chars`] gives the text as it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epid {
    units: [u16; UNITS_MAX],
    len: usize,
}

impl Epid {
    /// What every simulated host says: the grouping of an ePID, a platform id that no host can
    /// have, and build 0.
    pub const LAB: Self = Self::from_ascii(b"LAB01-00001-000-000001-03-1033-00000.0000-0012026");

    /// UTF-16 units of text, without the NUL.
    #[must_use]
    pub fn units(&self) -> &[u16] {
        self.units.get(..self.len).unwrap_or_default()
    }

    /// The text, unescaped; a lone surrogate becomes U+FFFD.
    pub fn chars(&self) -> impl Iterator<Item = char> + '_ {
        utf16::chars(self.units())
    }

    /// Whether the text is the one that the lab's hosts carry.
    #[must_use]
    pub fn is_lab(&self) -> bool {
        *self == Self::LAB
    }

    /// Bytes of the text on the wire, its NUL included: what PIDSize says.
    pub(super) const fn wire_len(&self) -> usize {
        2 * (self.len + 1)
    }

    /// Reads PIDSize and the text it announces.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = reader.offset();
        let size = reader.u32("PIDSize")?;
        let wrong = |expected| Malformed::new(at, "PIDSize", u64::from(size), expected);
        let byte_len = match usize::try_from(size) {
            Ok(len) if len <= SIZE_MAX => len,
            _ => return Err(wrong(Expected::AtMost(SIZE_MAX as u64))),
        };
        if byte_len < 2 {
            return Err(wrong(Expected::AtLeast(2)));
        }
        let at = reader.offset();
        let (pairs, odd) = reader.take("ePID", byte_len)?.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(wrong(Expected::MultipleOf(2)));
        }
        let mut epid = Self { units: [0; UNITS_MAX], len: pairs.len() - 1 };
        for (index, pair) in pairs.iter().enumerate() {
            let unit = u16::from_le_bytes(*pair);
            if (unit == 0) != (index == epid.len) {
                let expected = Expected::Text("one NUL, at the end");
                return Err(Malformed::new(at + 2 * index, "ePID", u64::from(unit), expected));
            }
            if let Some(slot) = epid.units.get_mut(index) {
                *slot = unit;
            }
        }
        Ok(epid)
    }

    /// Writes PIDSize and the text with its NUL.
    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        #[allow(clippy::cast_possible_truncation, reason = "at most 128")]
        writer.u32("PIDSize", self.wire_len() as u32)?;
        let mut bytes = [0; SIZE_MAX];
        let (pairs, _) = bytes.as_chunks_mut::<2>();
        for (pair, unit) in pairs.iter_mut().zip(self.units()) {
            *pair = unit.to_le_bytes();
        }
        writer.bytes("ePID", bytes.get(..self.wire_len()).unwrap_or_default())
    }

    /// ASCII text of at most 63 bytes. Private: the boundary is that nobody chooses an ePID.
    pub(super) const fn from_ascii(text: &[u8]) -> Self {
        assert!(text.len() <= UNITS_MAX, "an ePID has at most 63 units");
        let mut units = [0; UNITS_MAX];
        let mut index = 0;
        while index < text.len() {
            units[index] = text[index] as u16;
            index += 1;
        }
        Self { units, len: text.len() }
    }
}

impl fmt::Display for Epid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        utf16::write_escaped(f, self.chars())
    }
}

impl fmt::Debug for Epid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epid({self})")
    }
}

/// Largest PIDSize, in bytes, the NUL included.
pub(super) const SIZE_MAX: usize = 128;

const UNITS_MAX: usize = SIZE_MAX / 2 - 1;
