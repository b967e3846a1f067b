//! bind_ack and alter_context_resp share one body, C706 12.6.4.4 and 12.6.4.2.

use super::header::Header;
use super::result::ResultList;
use crate::wire::{Expected, Malformed, Misuse, Reader, Writer};

/// Body of a bind_ack or an alter_context_resp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindAck<'a> {
    /// Largest fragment that the server will send, in bytes.
    pub max_xmit_frag: u16,
    /// Largest fragment that the server takes, in bytes.
    pub max_recv_frag: u16,
    /// The association group that the connection belongs to.
    pub assoc_group_id: u32,
    /// Secondary address: the port as text with its NUL, as it stands on the wire. An
    /// alter_context_resp has no byte here at all.
    pub sec_addr: &'a [u8],
    /// One result per offered context.
    pub results: ResultList<'a>,
}

impl<'a> BindAck<'a> {
    /// The secondary address without its NUL.
    #[must_use]
    pub fn sec_addr_text(&self) -> &'a [u8] {
        match self.sec_addr {
            [text @ .., 0] => text,
            text => text,
        }
    }

    /// Bytes of the body, without the common header.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        // Padding is counted from the start of the PDU; the 16-byte header does not change it.
        10usize.saturating_add(self.sec_addr.len()).next_multiple_of(4) + self.results.encoded_len()
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let max_xmit_frag = reader.u16("max_xmit_frag")?;
        let max_recv_frag = reader.u16("max_recv_frag")?;
        let assoc_group_id = reader.u32("assoc_group_id")?;
        let sec_addr_len = reader.u16("sec_addr_length")?;
        let sec_addr = reader.take("sec_addr", usize::from(sec_addr_len))?;
        reader.align("sec_addr padding", 4)?;
        let results = ResultList::decode(reader)?;
        Ok(Self { max_xmit_frag, max_recv_frag, assoc_group_id, sec_addr, results })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        let sec_addr_len = u16::try_from(self.sec_addr.len()).map_err(|_| {
            let expected = Expected::AtMost(u64::from(u16::MAX));
            Misuse::new(Header::LEN + 8, "sec_addr_length", self.sec_addr.len() as u64, expected)
        })?;
        writer.u16("max_xmit_frag", self.max_xmit_frag)?;
        writer.u16("max_recv_frag", self.max_recv_frag)?;
        writer.u32("assoc_group_id", self.assoc_group_id)?;
        writer.u16("sec_addr_length", sec_addr_len)?;
        writer.bytes("sec_addr", self.sec_addr)?;
        writer.align("sec_addr padding", 4)?;
        self.results.encode(writer)
    }
}
