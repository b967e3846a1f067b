//! GUIDs and their two orders: as printed, and with the first three fields in wire order.

use core::fmt;
use core::str::FromStr;

use crate::wire::ByteOrder;

/// A GUID, held in the order in which it is printed.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 16]);

/// Text that is not a GUID in its 8-4-4-4-12 form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseGuidError {
    /// Byte offset of the first character that does not fit.
    pub offset: usize,
}

impl Guid {
    /// The GUID of sixteen zero bytes.
    pub const ZERO: Self = Self([0; 16]);

    /// A GUID from its bytes in printed order.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Bytes in printed order.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// A GUID from 16 wire bytes: the first three fields in `order`, the rest as printed.
    #[must_use]
    pub const fn from_wire(bytes: [u8; 16], order: ByteOrder) -> Self {
        match order {
            ByteOrder::Big => Self(bytes),
            ByteOrder::Little => Self(swap(bytes)),
        }
    }

    /// The inverse of [`Guid::from_wire`].
    #[must_use]
    pub const fn to_wire(&self, order: ByteOrder) -> [u8; 16] {
        match order {
            ByteOrder::Big => self.0,
            ByteOrder::Little => swap(self.0),
        }
    }

    /// A GUID from its little-endian form, the only one in KMS payloads.
    #[must_use]
    pub const fn from_le_bytes(bytes: [u8; 16]) -> Self {
        Self(swap(bytes))
    }

    /// The little-endian form, the only one in KMS payloads.
    #[must_use]
    pub const fn to_le_bytes(&self) -> [u8; 16] {
        swap(self.0)
    }

    /// Whether all bytes are zero.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        u128::from_be_bytes(self.0) == 0
    }

    /// The name-based GUID (RFC 9562, version 5) of `name` in `namespace`.
    #[must_use]
    pub fn v5(namespace: &Self, name: &[u8]) -> Self {
        Self(uuid::Uuid::new_v5(&uuid::Uuid::from_bytes(namespace.0), name).into_bytes())
    }

    /// Parses the 8-4-4-4-12 form, for constants too.
    ///
    /// # Errors
    /// [`ParseGuidError`] with the offset of the first character that does not fit.
    pub const fn parse(text: &str) -> Result<Self, ParseGuidError> {
        let text = text.as_bytes();
        let mut bytes = [0u8; 16];
        let mut at = 0;
        let mut digits = 0;
        while digits < 32 {
            if matches!(digits, 8 | 12 | 16 | 20) && at < text.len() && is_group_start(digits, at) {
                if text[at] != b'-' {
                    return Err(ParseGuidError { offset: at });
                }
                at += 1;
            }
            let value = if at < text.len() { hex_digit(text[at]) } else { None };
            let Some(value) = value else {
                return Err(ParseGuidError { offset: at });
            };
            bytes[digits / 2] = (bytes[digits / 2] << 4) | value;
            digits += 1;
            at += 1;
        }
        if at == text.len() { Ok(Self(bytes)) } else { Err(ParseGuidError { offset: at }) }
    }
}

/// A dash is due before digit `digits` unless it has been consumed already.
const fn is_group_start(digits: usize, at: usize) -> bool {
    let dashes_before = match digits {
        8 => 0,
        12 => 1,
        16 => 2,
        _ => 3,
    };
    at == digits + dashes_before
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

const fn swap(b: [u8; 16]) -> [u8; 16] {
    [
        b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13],
        b[14], b[15],
    ]
}

impl FromStr for Guid {
    type Err = ParseGuidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ParseGuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not a GUID (8-4-4-4-12 hexadecimal digits): wrong at character {}",
            self.offset + 1
        )
    }
}

impl core::error::Error for ParseGuidError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    extern crate std;
    use super::*;
    use std::string::ToString;

    const KMS: &str = "51c82175-844e-4750-b0d8-ec255555bc06";

    #[test]
    fn the_little_endian_form_swaps_only_the_first_three_fields() {
        let guid: Guid = KMS.parse().unwrap();
        let wire = [
            0x75, 0x21, 0xc8, 0x51, 0x4e, 0x84, 0x50, 0x47, 0xb0, 0xd8, 0xec, 0x25, 0x55, 0x55,
            0xbc, 0x06,
        ];
        assert_eq!(guid.to_le_bytes(), wire);
        assert_eq!(Guid::from_le_bytes(wire).to_string(), KMS);
        assert_eq!(Guid::from_wire(guid.to_wire(ByteOrder::Big), ByteOrder::Big), guid);
    }

    #[test]
    fn text_that_is_not_a_guid_is_refused_where_it_goes_wrong() {
        for (text, offset) in [
            ("", 0),
            ("51c82175844e4750b0d8ec255555bc06", 8),
            ("51c82175-844e-4750-b0d8-ec255555bc0", 35),
            ("51c82175-844e-4750-b0d8-ec255555bc060", 36),
            ("51c82175-844e-4750-b0d8-ec255555bcg6", 34),
            ("-51c82175-844e-4750-b0d8-ec255555bc6", 0),
        ] {
            assert_eq!(Guid::parse(text), Err(ParseGuidError { offset }), "{text}");
        }
    }
}
