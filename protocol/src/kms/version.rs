//! Protocol versions 4.0, 5.0 and 6.0.

use core::fmt;

/// The versions that a KMS host answers. On the wire: minor, then major, 16 bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 4.0: base and MAC in the clear. Windows Vista to Windows 7.
    V4,
    /// 5.0: encrypted. Windows 8.
    V5,
    /// 6.0: encrypted, with a hardware id and a MAC in the response. Windows 8.1 and later.
    V6,
}

impl Version {
    /// All versions, oldest first.
    pub const ALL: [Self; 3] = [Self::V4, Self::V5, Self::V6];

    /// The version of a wire value; `None` for any other, a minor version other than 0 included.
    #[must_use]
    pub const fn from_wire(value: u32) -> Option<Self> {
        match value {
            0x0004_0000 => Some(Self::V4),
            0x0005_0000 => Some(Self::V5),
            0x0006_0000 => Some(Self::V6),
            _ => None,
        }
    }

    /// The wire value: `major << 16`.
    #[must_use]
    pub const fn to_wire(self) -> u32 {
        (self.major() as u32) << 16
    }

    /// 4, 5 or 6.
    #[must_use]
    pub const fn major(self) -> u16 {
        match self {
            Self::V4 => 4,
            Self::V5 => 5,
            Self::V6 => 6,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.0", self.major())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn the_major_version_is_the_high_half_of_the_wire_value() {
        for (version, wire, text) in [
            (Version::V4, [0, 0, 4, 0], "4.0"),
            (Version::V5, [0, 0, 5, 0], "5.0"),
            (Version::V6, [0, 0, 6, 0], "6.0"),
        ] {
            assert_eq!(version.to_wire().to_le_bytes(), wire);
            assert_eq!(Version::from_wire(version.to_wire()).unwrap(), version);
            assert_eq!(version.to_string(), text);
        }
    }

    #[test]
    fn every_other_value_is_no_version() {
        for value in [0, 4, 0x0003_0000, 0x0007_0000, 0x0006_0001, 0x0004_0001, u32::MAX] {
            assert_eq!(Version::from_wire(value), None, "{value:#010x}");
        }
    }
}
