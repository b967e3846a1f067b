//! A cursor that writes into the caller's buffer; it never allocates.

use super::{ByteOrder, Expected, Misuse};
use crate::guid::Guid;

/// Writes fields in order; a buffer that is too small is the caller's error.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    offset: usize,
    order: ByteOrder,
}

impl<'a> Writer<'a> {
    /// Writes to `buffer` from offset 0.
    pub const fn new(buffer: &'a mut [u8], order: ByteOrder) -> Self {
        Self { buffer, offset: 0, order }
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The order in which integers are written.
    #[must_use]
    pub const fn order(&self) -> ByteOrder {
        self.order
    }

    /// Writes `bytes` as they are.
    ///
    /// # Errors
    /// [`Misuse`] when the buffer is too small.
    pub fn bytes(&mut self, field: &'static str, bytes: &[u8]) -> Result<(), Misuse> {
        let left = self.buffer.len().saturating_sub(self.offset);
        let end = self.offset.saturating_add(bytes.len());
        let Some(target) = self.buffer.get_mut(self.offset..end) else {
            let expected = Expected::Bytes(bytes.len() as u64);
            return Err(Misuse::new(self.offset, field, left as u64, expected));
        };
        target.copy_from_slice(bytes);
        self.offset = end;
        Ok(())
    }

    /// Writes one byte.
    ///
    /// # Errors
    /// [`Misuse`] when the buffer is too small.
    pub fn u8(&mut self, field: &'static str, value: u8) -> Result<(), Misuse> {
        self.bytes(field, &[value])
    }

    /// Writes two bytes in the writer's order.
    ///
    /// # Errors
    /// [`Misuse`] when the buffer is too small.
    pub fn u16(&mut self, field: &'static str, value: u16) -> Result<(), Misuse> {
        match self.order {
            ByteOrder::Little => self.bytes(field, &value.to_le_bytes()),
            ByteOrder::Big => self.bytes(field, &value.to_be_bytes()),
        }
    }

    /// Writes four bytes in the writer's order.
    ///
    /// # Errors
    /// [`Misuse`] when the buffer is too small.
    pub fn u32(&mut self, field: &'static str, value: u32) -> Result<(), Misuse> {
        match self.order {
            ByteOrder::Little => self.bytes(field, &value.to_le_bytes()),
            ByteOrder::Big => self.bytes(field, &value.to_be_bytes()),
        }
    }

    /// Writes eight bytes in the writer's order.
    ///
    /// # Errors
    /// [`Misuse`] when the buffer is too small.
    pub fn u64(&mut self, field: &'static str, value: u64) -> Result<(), Misuse> {
        match self.order {
            ByteOrder::Little => self.bytes(field, &value.to_le_bytes()),
            ByteOrder::Big => self.bytes(field, &value.to_be_bytes()),
        }
    }

    /// Writes a UUID whose first three fields follow the writer's order.
    ///
    /// # Errors
    /// [`Misuse`] when the buffer is too small.
    pub fn guid(&mut self, field: &'static str, value: &Guid) -> Result<(), Misuse> {
        self.bytes(field, &value.to_wire(self.order))
    }

    /// Writes zeros up to the next multiple of `alignment` (a power of two), counted from
    /// offset 0.
    ///
    /// # Errors
    /// [`Misuse`] when the buffer is too small.
    pub fn align(&mut self, field: &'static str, alignment: usize) -> Result<(), Misuse> {
        let pad = self.offset.wrapping_neg() & alignment.wrapping_sub(1);
        for _ in 0..pad {
            self.u8(field, 0)?;
        }
        Ok(())
    }

    /// Overwrites two bytes that were written before, in the writer's order: for lengths that are
    /// known only at the end.
    ///
    /// # Errors
    /// [`Misuse`] when `offset` has not been written.
    pub fn patch_u16(
        &mut self,
        field: &'static str,
        offset: usize,
        value: u16,
    ) -> Result<(), Misuse> {
        let bytes = match self.order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        };
        let end = offset.saturating_add(bytes.len());
        let written = self.offset;
        match self.buffer.get_mut(offset..end) {
            Some(target) if end <= written => {
                target.copy_from_slice(&bytes);
                Ok(())
            }
            _ => Err(Misuse::new(offset, field, written as u64, Expected::AtLeast(end as u64))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_full_buffer_is_the_callers_error_and_nothing_is_half_written() {
        let mut buffer = [0xee; 3];
        let mut writer = Writer::new(&mut buffer, ByteOrder::Big);
        writer.u16("a", 0x0102).unwrap();
        assert_eq!(writer.u16("b", 3).unwrap_err(), Misuse::new(2, "b", 1, Expected::Bytes(2)));
        assert_eq!(buffer, [1, 2, 0xee]);
    }

    #[test]
    fn only_written_bytes_can_be_patched() {
        let mut buffer = [0; 8];
        let mut writer = Writer::new(&mut buffer, ByteOrder::Little);
        writer.u32("a", 0).unwrap();
        assert!(writer.patch_u16("len", 3, 1).is_err());
        writer.patch_u16("len", 2, 0x1234).unwrap();
        assert_eq!(buffer, [0, 0, 0x34, 0x12, 0, 0, 0, 0]);
    }
}
