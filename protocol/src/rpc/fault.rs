//! fault, C706 12.6.4.7 and [MS-RPCE] 2.2.2.8.

use super::status::Status;
use crate::wire::{Malformed, Misuse, Reader, Writer};

/// Body of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault<'a> {
    /// Advisory; a server only promises that it is not zero.
    pub alloc_hint: u32,
    /// Presentation context, in full.
    pub context_id: u16,
    /// Cancels that were received for the call.
    pub cancel_count: u8,
    /// Microsoft's flags: bit 0 says that extended error information follows.
    pub flags: u8,
    /// Why the call was refused.
    pub status: Status,
    /// What follows the 32 bytes of a bare fault: extended error information, or the stub data of
    /// other implementations.
    pub rest: &'a [u8],
}

impl<'a> Fault<'a> {
    /// Flag: extended error information follows.
    pub const EXTENDED_ERROR: u8 = 0x01;

    /// A bare fault, 32 bytes as a PDU.
    #[must_use]
    pub const fn new(context_id: u16, status: Status) -> Fault<'static> {
        Fault { alloc_hint: 32, context_id, cancel_count: 0, flags: 0, status, rest: &[] }
    }

    /// Bytes of the body, without the common header.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        self.rest.len().saturating_add(16)
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let alloc_hint = reader.u32("alloc_hint")?;
        let context_id = reader.u16("p_cont_id")?;
        let cancel_count = reader.u8("cancel_count")?;
        let flags = reader.u8("flags")?;
        let status = Status(reader.u32("status")?);
        reader.take("reserved", 4)?;
        Ok(Self { alloc_hint, context_id, cancel_count, flags, status, rest: reader.rest() })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        writer.u32("alloc_hint", self.alloc_hint)?;
        writer.u16("p_cont_id", self.context_id)?;
        writer.u8("cancel_count", self.cancel_count)?;
        writer.u8("flags", self.flags)?;
        writer.u32("status", self.status.0)?;
        writer.u32("reserved", 0)?;
        writer.bytes("rest", self.rest)
    }
}
