//! Three errors by who has to act: the bytes are wrong, the peer broke the rules, or the caller
//! misused this crate. All carry the same detail: offset, field, got, expected.

use core::fmt;

/// Where and what. `offset` counts bytes from the start of the PDU or stub being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Byte offset of the field in the PDU, stub or buffer.
    pub offset: usize,
    /// Name of the field, in the words of its specification.
    pub field: &'static str,
    /// The value found, or the number of bytes found.
    pub got: u64,
    /// What would have been right.
    pub expected: Expected,
}

/// What a field should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Exactly this value.
    Exactly(u64),
    /// This value or more.
    AtLeast(u64),
    /// This value or less.
    AtMost(u64),
    /// A multiple of this.
    MultipleOf(u64),
    /// This many bytes, where `got` says how many were left.
    Bytes(u64),
    /// Said in words.
    Text(&'static str),
}

/// The bytes cannot be what they claim to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub Detail);

/// The bytes are well formed, and the peer must not have sent them now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation(pub Detail);

/// The caller asked for something that this crate cannot do. Never caused by a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misuse(pub Detail);

impl Detail {
    /// A detail from its four parts.
    #[must_use]
    pub const fn new(offset: usize, field: &'static str, got: u64, expected: Expected) -> Self {
        Self { offset, field, got, expected }
    }
}

impl Malformed {
    /// See [`Detail::new`].
    #[must_use]
    pub const fn new(offset: usize, field: &'static str, got: u64, expected: Expected) -> Self {
        Self(Detail::new(offset, field, got, expected))
    }
}

impl Violation {
    /// See [`Detail::new`].
    #[must_use]
    pub const fn new(offset: usize, field: &'static str, got: u64, expected: Expected) -> Self {
        Self(Detail::new(offset, field, got, expected))
    }
}

impl Misuse {
    /// See [`Detail::new`].
    #[must_use]
    pub const fn new(offset: usize, field: &'static str, got: u64, expected: Expected) -> Self {
        Self(Detail::new(offset, field, got, expected))
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(value) => write!(f, "{value}"),
            Self::AtLeast(value) => write!(f, "at least {value}"),
            Self::AtMost(value) => write!(f, "at most {value}"),
            Self::MultipleOf(value) => write!(f, "a multiple of {value}"),
            Self::Bytes(value) => write!(f, "{value} more bytes"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at offset {}: got {}, expected {}",
            self.field, self.offset, self.got, self.expected
        )
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed {}", self.0)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer broke the rules: {}", self.0)
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "caller misuse: {}", self.0)
    }
}

impl core::error::Error for Malformed {}
impl core::error::Error for Violation {}
impl core::error::Error for Misuse {}
