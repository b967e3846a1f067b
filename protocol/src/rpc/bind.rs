//! bind and alter_context share one body, C706 12.6.4.3 and 12.6.4.1.

use super::context::ContextList;
use crate::wire::{Malformed, Misuse, Reader, Writer};

/// Body of a bind or an alter_context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bind<'a> {
    /// Largest fragment that the client will send, in bytes.
    pub max_xmit_frag: u16,
    /// Largest fragment that the client can receive, in bytes.
    pub max_recv_frag: u16,
    /// Association group to join; 0 asks for a new one.
    pub assoc_group_id: u32,
    /// Contexts that the client proposes.
    pub contexts: ContextList<'a>,
}

impl<'a> Bind<'a> {
    /// Bytes of the body, without the common header.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        8 + self.contexts.encoded_len()
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            max_xmit_frag: reader.u16("max_xmit_frag")?,
            max_recv_frag: reader.u16("max_recv_frag")?,
            assoc_group_id: reader.u32("assoc_group_id")?,
            contexts: ContextList::decode(reader)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        writer.u16("max_xmit_frag", self.max_xmit_frag)?;
        writer.u16("max_recv_frag", self.max_recv_frag)?;
        writer.u32("assoc_group_id", self.assoc_group_id)?;
        self.contexts.encode(writer)
    }
}
