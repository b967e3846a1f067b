//! auth3, [MS-RPCE] 2.2.2.5: the third leg of an authentication. It is never answered.

use crate::wire::{Malformed, Misuse, Reader, Writer};

/// Body of an auth3: four bytes that mean nothing, kept as they came. The credentials are in the
/// auth trailer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Auth3 {
    /// Arbitrary bytes that a receiver ignores.
    pub pad: [u8; 4],
}

impl Auth3 {
    /// Bytes of the body, without the common header.
    pub const LEN: usize = 4;

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { pad: reader.array("pad")? })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        writer.bytes("pad", &self.pad)
    }
}
