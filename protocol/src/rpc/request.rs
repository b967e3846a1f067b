//! request, C706 12.6.4.9.

use super::header::PfcFlags;
use crate::guid::Guid;
use crate::wire::{Malformed, Misuse, Reader, Writer};

/// Body of a request fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Advisory size of all stub data still to come, in bytes; any value is legal.
    pub alloc_hint: u32,
    /// Presentation context of the call.
    pub context_id: u16,
    /// Operation number.
    pub opnum: u16,
    /// Object UUID; present exactly when the header says so.
    pub object: Option<Guid>,
    /// Stub data of this fragment, without auth padding.
    pub stub: &'a [u8],
}

impl<'a> Request<'a> {
    /// Bytes before the stub, the common header included and no object UUID.
    pub const STUB_OFFSET: usize = 24;

    /// Bytes of the body, without the common header.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        let object = if self.object.is_some() { 16 } else { 0 };
        self.stub.len().saturating_add(8 + object)
    }

    pub(super) fn decode(reader: &mut Reader<'a>, flags: PfcFlags) -> Result<Self, Malformed> {
        let alloc_hint = reader.u32("alloc_hint")?;
        let context_id = reader.u16("p_cont_id")?;
        let opnum = reader.u16("opnum")?;
        let object = match flags.contains(PfcFlags::OBJECT_UUID) {
            true => Some(reader.guid("object")?),
            false => None,
        };
        Ok(Self { alloc_hint, context_id, opnum, object, stub: reader.rest() })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        writer.u32("alloc_hint", self.alloc_hint)?;
        writer.u16("p_cont_id", self.context_id)?;
        writer.u16("opnum", self.opnum)?;
        if let Some(object) = &self.object {
            writer.guid("object", object)?;
        }
        writer.bytes("stub", self.stub)
    }
}
