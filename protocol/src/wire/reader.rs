//! A cursor over borrowed bytes that cannot panic: every read checks what is left first.

use super::{ByteOrder, Expected, Malformed};
use crate::guid::Guid;

/// Reads fields in order, and knows the offset of each for its error.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
    order: ByteOrder,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from offset 0.
    #[must_use]
    pub const fn new(bytes: &'a [u8], order: ByteOrder) -> Self {
        Self { rest: bytes, offset: 0, order }
    }

    /// Reads `bytes` and reports offsets as if they began at `offset` of something larger.
    #[must_use]
    pub const fn at(bytes: &'a [u8], offset: usize, order: ByteOrder) -> Self {
        Self { rest: bytes, offset, order }
    }

    /// Offset of the next byte.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes left.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The order in which integers are read.
    #[must_use]
    pub const fn order(&self) -> ByteOrder {
        self.order
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`Malformed`] when fewer are left.
    pub fn take(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], Malformed> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.short(field, len));
        };
        self.advance(rest, len);
        Ok(head)
    }

    /// The next `N` bytes, by value.
    ///
    /// # Errors
    /// [`Malformed`] when fewer are left.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Malformed> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.short(field, N));
        };
        let head = *head;
        self.advance(rest, N);
        Ok(head)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`Malformed`] at the end of the bytes.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, Malformed> {
        let [byte] = self.array(field)?;
        Ok(byte)
    }

    /// Two bytes in the reader's order.
    ///
    /// # Errors
    /// [`Malformed`] when fewer are left.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, Malformed> {
        let bytes = self.array(field)?;
        Ok(match self.order {
            ByteOrder::Little => u16::from_le_bytes(bytes),
            ByteOrder::Big => u16::from_be_bytes(bytes),
        })
    }

    /// Four bytes in the reader's order.
    ///
    /// # Errors
    /// [`Malformed`] when fewer are left.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, Malformed> {
        let bytes = self.array(field)?;
        Ok(match self.order {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        })
    }

    /// Eight bytes in the reader's order.
    ///
    /// # Errors
    /// [`Malformed`] when fewer are left.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, Malformed> {
        let bytes = self.array(field)?;
        Ok(match self.order {
            ByteOrder::Little => u64::from_le_bytes(bytes),
            ByteOrder::Big => u64::from_be_bytes(bytes),
        })
    }

    /// A UUID whose first three fields follow the reader's order.
    ///
    /// # Errors
    /// [`Malformed`] when fewer than 16 bytes are left.
    pub fn guid(&mut self, field: &'static str) -> Result<Guid, Malformed> {
        Ok(Guid::from_wire(self.array(field)?, self.order))
    }

    /// Skips up to the next multiple of `alignment` (a power of two), counted from offset 0.
    /// Content is not looked at: peers leave random bytes in their padding.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes end before it.
    pub fn align(&mut self, field: &'static str, alignment: usize) -> Result<(), Malformed> {
        let pad = self.offset.wrapping_neg() & alignment.wrapping_sub(1);
        self.take(field, pad).map(drop)
    }

    /// All that is left; the reader is then at its end.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.rest;
        self.advance(&[], rest.len());
        rest
    }

    /// Requires that nothing is left.
    ///
    /// # Errors
    /// [`Malformed`] with the number of bytes left over.
    pub fn finish(&self, field: &'static str) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Malformed::new(
            self.offset,
            field,
            self.rest.len() as u64,
            Expected::Text("no trailing bytes"),
        ))
    }

    fn advance(&mut self, rest: &'a [u8], by: usize) {
        self.rest = rest;
        self.offset = self.offset.saturating_add(by);
    }

    fn short(&self, field: &'static str, wanted: usize) -> Malformed {
        Malformed::new(self.offset, field, self.rest.len() as u64, Expected::Bytes(wanted as u64))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_short_read_names_offset_field_and_both_lengths() {
        let mut reader = Reader::new(&[1, 2, 3], ByteOrder::Little);
        assert_eq!(reader.u16("first").unwrap(), 0x0201);
        let error = reader.u32("second").unwrap_err();
        assert_eq!(error, Malformed::new(2, "second", 1, Expected::Bytes(4)));
        assert_eq!(reader.left(), 1, "a failed read consumes nothing");
    }

    #[test]
    fn integers_follow_the_announced_order() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(Reader::new(&bytes, ByteOrder::Big).u64("x").unwrap(), 0x0102_0304_0506_0708);
        assert_eq!(Reader::new(&bytes, ByteOrder::Little).u64("x").unwrap(), 0x0807_0605_0403_0201);
    }

    #[test]
    fn alignment_counts_from_the_outer_offset() {
        let mut reader = Reader::at(&[0xff, 7], 3, ByteOrder::Little);
        reader.align("pad", 4).unwrap();
        assert_eq!(reader.u8("value").unwrap(), 7);
        assert!(reader.finish("end").is_ok());
        assert!(Reader::at(&[], usize::MAX, ByteOrder::Little).align("pad", 8).is_err());
    }
}
