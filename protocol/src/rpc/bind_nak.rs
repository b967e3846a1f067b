//! bind_nak, C706 12.6.4.5 and [MS-RPCE] 2.2.2.9.

use core::fmt;

use super::context::count_u8;
use super::extended_error::ExtendedError;
use crate::wire::{Malformed, Misuse, Reader, Writer};

/// Body of a bind_nak; the server closes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindNak<'a> {
    /// Why the bind was refused.
    pub reason: BindNakReason,
    /// Supported protocol versions as pairs of major and minor; old servers send none.
    pub versions: Versions<'a>,
    /// Extended error information, when the signature and room for it are there.
    pub extended_error: Option<ExtendedError<'a>>,
}

/// Protocol versions of a bind_nak: pairs of bytes, at most 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions<'a>(&'a [u8]);

/// Why a bind was refused. Unknown values survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BindNakReason(pub u16);

impl<'a> Versions<'a> {
    /// The one version there is: 5.0.
    pub const V5_0: Versions<'static> = Versions(&[5, 0]);

    /// Versions from pairs of major and minor; an odd last byte is not a version and is left out.
    #[must_use]
    pub fn from_pairs(bytes: &'a [u8]) -> Self {
        let whole = bytes.len().saturating_sub(bytes.len() % 2);
        Self(bytes.get(..whole).unwrap_or(&[]))
    }

    /// Major and minor, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, u8)> + 'a {
        let (pairs, _) = self.0.as_chunks::<2>();
        pairs.iter().map(|&[major, minor]| (major, minor))
    }
}

impl BindNakReason {
    /// No reason given.
    pub const NOT_SPECIFIED: Self = Self(0);
    /// Try again later.
    pub const TEMPORARY_CONGESTION: Self = Self(1);
    /// A limit of the server was reached.
    pub const LOCAL_LIMIT_EXCEEDED: Self = Self(2);
    /// Windows sends this for any protocol error in a bind.
    pub const PROTOCOL_VERSION_NOT_SUPPORTED: Self = Self(4);
    /// No such security provider here.
    pub const AUTHENTICATION_TYPE_NOT_RECOGNIZED: Self = Self(8);
    /// The security provider refused.
    pub const INVALID_CHECKSUM: Self = Self(9);

    /// The name in the specification.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "reason not specified",
            1 => "temporary congestion",
            2 => "local limit exceeded",
            3 => "called paddr unknown",
            4 => "protocol version not supported",
            5 => "default context not supported",
            6 => "user data not readable",
            7 => "no psap available",
            8 => "authentication type not recognized",
            9 => "invalid checksum",
            _ => return None,
        })
    }
}

impl<'a> BindNak<'a> {
    /// What Windows and Samba send: the reason and version 5.0, 24 bytes in all.
    #[must_use]
    pub const fn new(reason: BindNakReason) -> BindNak<'static> {
        BindNak { reason, versions: Versions::V5_0, extended_error: None }
    }

    /// Bytes of the body, without the common header.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let versions = 3usize.saturating_add(self.versions.0.len()).next_multiple_of(4);
        versions + self.extended_error.map_or(0, |error| error.encoded_len())
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let reason = BindNakReason(reader.u16("provider_reject_reason")?);
        if reader.left() == 0 {
            let versions = Versions(&[]);
            return Ok(Self { reason, versions, extended_error: None });
        }
        let count = reader.u8("n_protocols")?;
        let versions = Versions(reader.take("p_protocols", usize::from(count) * 2)?);
        // The padding is not always there, and nothing depends on it.
        let rest = match reader.align("versions padding", 4) {
            Ok(()) => reader.rest(),
            Err(_) => {
                reader.rest();
                &[]
            }
        };
        Ok(Self { reason, versions, extended_error: ExtendedError::recognise(rest) })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        let count = count_u8(writer, "n_protocols", self.versions.0.len() / 2)?;
        writer.u16("provider_reject_reason", self.reason.0)?;
        writer.u8("n_protocols", count)?;
        writer.bytes("p_protocols", self.versions.0)?;
        writer.align("versions padding", 4)?;
        self.extended_error.map_or(Ok(()), |error| error.encode(writer))
    }
}

impl fmt::Debug for BindNakReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for BindNakReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "unknown reason {}", self.0),
        }
    }
}
