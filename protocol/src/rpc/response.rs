//! response, C706 12.6.4.10.

use crate::wire::{Malformed, Misuse, Reader, Writer};

/// Body of a response fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// Bytes of stub data still to come, this fragment included; advisory.
    pub alloc_hint: u32,
    /// Presentation context; Windows and Samba return only its low eight bits.
    pub context_id: u16,
    /// Cancels that were received for the call.
    pub cancel_count: u8,
    /// Stub data of this fragment, without auth padding.
    pub stub: &'a [u8],
}

impl<'a> Response<'a> {
    /// Bytes before the stub, the common header included.
    pub const STUB_OFFSET: usize = 24;

    /// Bytes of the body, without the common header.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        self.stub.len().saturating_add(8)
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let alloc_hint = reader.u32("alloc_hint")?;
        let context_id = reader.u16("p_cont_id")?;
        let cancel_count = reader.u8("cancel_count")?;
        reader.u8("reserved")?;
        Ok(Self { alloc_hint, context_id, cancel_count, stub: reader.rest() })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        writer.u32("alloc_hint", self.alloc_hint)?;
        writer.u16("p_cont_id", self.context_id)?;
        writer.u8("cancel_count", self.cancel_count)?;
        writer.u8("reserved", 0)?;
        writer.bytes("stub", self.stub)
    }
}
