//! Extended error information, [MS-EERR], as it may follow a bind_nak or a fault. It is recognised
//! and carried; its NDR content is not interpreted, since no KMS host is known to send it.

use crate::guid::Guid;
use crate::wire::{ByteOrder, Misuse, Writer};

/// Extended error information behind its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedError<'a> {
    /// The NDR-encoded information, [MS-EERR] 2.2.1, as it came.
    pub blob: &'a [u8],
}

impl<'a> ExtendedError<'a> {
    /// The signature that announces it in a bind_nak, [MS-RPCE] 2.2.2.9.
    pub const SIGNATURE: Guid = match Guid::parse("90740320-fad0-11d3-82d7-009027b130ab") {
        Ok(guid) => guid,
        Err(_) => Guid::ZERO,
    };

    /// The information in `bytes`, when they begin with the signature.
    #[must_use]
    pub fn recognise(bytes: &'a [u8]) -> Option<Self> {
        let (signature, blob) = bytes.split_first_chunk::<16>()?;
        (Guid::from_le_bytes(*signature) == Self::SIGNATURE).then_some(Self { blob })
    }

    /// Bytes of signature and information.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        self.blob.len().saturating_add(16)
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        writer.bytes("signature", &Self::SIGNATURE.to_wire(ByteOrder::Little))?;
        writer.bytes("extended error", self.blob)
    }
}
