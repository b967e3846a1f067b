//! Syntax identifiers: which interface, which encoding, and the feature negotiation that Microsoft
//! hides in the place of an encoding, [MS-RPCE] 2.2.2.14.

use core::fmt;

use crate::guid::Guid;
use crate::wire::{ByteOrder, Malformed, Misuse, Reader, Writer};

/// An interface or a transfer syntax: UUID and version, 20 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SyntaxId {
    /// Which interface or encoding.
    pub uuid: Guid,
    /// Major version: the low half of the 32-bit version field.
    pub major: u16,
    /// Minor version: the high half of the 32-bit version field.
    pub minor: u16,
}

/// The bits of bind-time feature negotiation, [MS-RPCE] 2.2.2.14. Unknown bits survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BindTimeFeatures(pub u64);

impl SyntaxId {
    /// Bytes on the wire.
    pub const LEN: usize = 20;
    /// The zero syntax of a result that accepted nothing.
    pub const ZERO: Self = Self { uuid: Guid::ZERO, major: 0, minor: 0 };
    /// NDR, the 32-bit transfer syntax, version 2.
    pub const NDR32: Self = Self::of(guid("8a885d04-1ceb-11c9-9fe8-08002b104860"), 2);
    /// NDR64, version 1.
    pub const NDR64: Self = Self::of(guid("71710533-beba-4937-8319-b5dbef9ccc36"), 1);
    /// The KMS interface, version 1.0.
    pub const KMS: Self = Self::of(guid("51c82175-844e-4750-b0d8-ec255555bc06"), 1);

    /// Version `major`.0 of `uuid`.
    #[must_use]
    pub const fn of(uuid: Guid, major: u16) -> Self {
        Self { uuid, major, minor: 0 }
    }

    /// The pseudo transfer syntax that asks for bind-time features.
    #[must_use]
    pub const fn bind_time_features(features: BindTimeFeatures) -> Self {
        let [p0, p1, p2, p3, p4, p5, p6, p7] = FEATURE_PREFIX;
        let [m0, m1, m2, m3, m4, m5, m6, m7] = features.0.to_le_bytes();
        let bytes = [p0, p1, p2, p3, p4, p5, p6, p7, m0, m1, m2, m3, m4, m5, m6, m7];
        Self::of(Guid::from_bytes(bytes), 1)
    }

    /// The requested features, when this is the pseudo transfer syntax that asks for them.
    #[must_use]
    pub fn as_bind_time_features(&self) -> Option<BindTimeFeatures> {
        let (prefix, mask) = self.uuid.as_bytes().split_first_chunk::<8>()?;
        let mask = mask.first_chunk::<8>()?;
        let version_matches = (self.major, self.minor) == (1, 0);
        (version_matches && *prefix == FEATURE_PREFIX)
            .then(|| BindTimeFeatures(u64::from_le_bytes(*mask)))
    }

    pub(super) fn decode(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, Malformed> {
        let uuid = reader.guid(field)?;
        let version = reader.u32(field)?;
        #[allow(clippy::cast_possible_truncation, reason = "the two halves of a u32")]
        let (major, minor) = (version as u16, (version >> 16) as u16);
        Ok(Self { uuid, major, minor })
    }

    pub(super) fn encode(
        &self,
        writer: &mut Writer<'_>,
        field: &'static str,
    ) -> Result<(), Misuse> {
        writer.guid(field, &self.uuid)?;
        writer.u32(field, u32::from(self.minor) << 16 | u32::from(self.major))
    }
}

impl BindTimeFeatures {
    /// Several security contexts on one connection.
    pub const SECURITY_CONTEXT_MULTIPLEXING: Self = Self(1);
    /// The connection survives an orphaned call.
    pub const KEEP_CONNECTION_ON_ORPHAN: Self = Self(2);

    /// The features in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Display for SyntaxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}.{}", self.uuid, self.major, self.minor)
    }
}

/// First eight bytes of the feature UUID `6cb71c2c-9812-4540-…`, in printed order.
const FEATURE_PREFIX: [u8; 8] = [0x6c, 0xb7, 0x1c, 0x2c, 0x98, 0x12, 0x45, 0x40];

const fn guid(text: &str) -> Guid {
    match Guid::parse(text) {
        Ok(guid) => guid,
        Err(_) => Guid::ZERO,
    }
}

/// Reads syntax identifiers one after another out of validated bytes.
pub(super) fn read_at(bytes: &[u8], order: ByteOrder, index: usize) -> Option<SyntaxId> {
    let start = index.checked_mul(SyntaxId::LEN)?;
    let end = start.checked_add(SyntaxId::LEN)?;
    SyntaxId::decode(&mut Reader::new(bytes.get(start..end)?, order), "transfer_syntax").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_syntaxes_are_not_the_zero_fallback() {
        for syntax in [SyntaxId::NDR32, SyntaxId::NDR64, SyntaxId::KMS] {
            assert!(!syntax.uuid.is_zero());
        }
    }

    #[test]
    fn the_feature_mask_is_the_last_eight_bytes_little_endian() {
        let syntax = SyntaxId::bind_time_features(BindTimeFeatures(3));
        let bytes = syntax.uuid.to_le_bytes();
        assert_eq!(bytes[..8], [0x2c, 0x1c, 0xb7, 0x6c, 0x12, 0x98, 0x40, 0x45]);
        assert_eq!(bytes[8..], [3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(syntax.as_bind_time_features(), Some(BindTimeFeatures(3)));
        assert_eq!(SyntaxId::NDR64.as_bind_time_features(), None);
        assert_eq!(SyntaxId { major: 2, ..syntax }.as_bind_time_features(), None);
    }
}
