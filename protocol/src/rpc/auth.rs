//! The authentication trailer, C706 13.2.6.1 and [MS-RPCE] 2.2.2.11. It is recognised and
//! bounded; this crate has no security provider and therefore refuses what asks for one.

use core::fmt;

use super::header::Header;
use crate::wire::{Expected, Malformed, Misuse, Reader, Writer};

/// The trailer at the end of a PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthTrailer<'a> {
    /// Security provider.
    pub auth_type: AuthType,
    /// Protection level.
    pub level: AuthLevel,
    /// Padding between body and trailer, in bytes.
    pub pad_length: u8,
    /// Reserved byte, kept as it came.
    pub reserved: u8,
    /// Which security context of the connection.
    pub context_id: u32,
    /// The credentials, `auth_length` bytes; at least one, as 0 says that there is no trailer.
    pub credentials: &'a [u8],
}

/// Security provider number. Unknown values survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuthType(pub u8);

/// Protection level. Unknown values survive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthLevel(pub u8);

impl<'a> AuthTrailer<'a> {
    /// Bytes before the credentials.
    pub const HEADER_LEN: usize = 8;

    /// Bytes of trailer and credentials.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        self.credentials.len().saturating_add(Self::HEADER_LEN)
    }

    /// Splits a whole PDU into what precedes the trailer (header included) and the trailer;
    /// `None` when the header announces none.
    ///
    /// # Errors
    /// [`Malformed`] when `auth_length` is more than the PDU holds, or when the trailer does not
    /// begin on a multiple of four from the start of the PDU.
    pub fn split(header: &Header, pdu: &'a [u8]) -> Result<(&'a [u8], Option<Self>), Malformed> {
        if header.auth_length == 0 {
            return Ok((pdu, None));
        }
        let trailer_len = usize::from(header.auth_length).saturating_add(Self::HEADER_LEN);
        let start = pdu.len().checked_sub(trailer_len).filter(|&start| start >= Header::LEN);
        let Some((body, trailer)) = start.and_then(|start| pdu.split_at_checked(start)) else {
            let room = pdu.len().saturating_sub(Header::LEN + Self::HEADER_LEN);
            let expected = Expected::AtMost(room as u64);
            return Err(Malformed::new(10, "auth_length", u64::from(header.auth_length), expected));
        };
        if !body.len().is_multiple_of(4) {
            let expected = Expected::MultipleOf(4);
            return Err(Malformed::new(
                body.len(),
                "auth trailer offset",
                body.len() as u64,
                expected,
            ));
        }
        let mut reader = Reader::at(trailer, body.len(), header.drep.byte_order());
        let trailer = Self::decode(&mut reader)?;
        Ok((body, Some(trailer)))
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            auth_type: AuthType(reader.u8("auth_type")?),
            level: AuthLevel(reader.u8("auth_level")?),
            pad_length: reader.u8("auth_pad_length")?,
            reserved: reader.u8("auth_reserved")?,
            context_id: reader.u32("auth_context_id")?,
            credentials: reader.rest(),
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        if !writer.offset().is_multiple_of(4) {
            let at = writer.offset();
            let expected = Expected::MultipleOf(4);
            return Err(Misuse::new(at, "auth trailer offset", at as u64, expected));
        }
        if self.credentials.is_empty() {
            // An `auth_length` of 0 says that there is no trailer at all.
            return Err(Misuse::new(10, "auth_length", 0, Expected::AtLeast(1)));
        }
        writer.u8("auth_type", self.auth_type.0)?;
        writer.u8("auth_level", self.level.0)?;
        writer.u8("auth_pad_length", self.pad_length)?;
        writer.u8("auth_reserved", self.reserved)?;
        writer.u32("auth_context_id", self.context_id)?;
        writer.bytes("credentials", self.credentials)
    }
}

impl AuthType {
    /// No authentication.
    pub const NONE: Self = Self(0);
    /// SPNEGO.
    pub const SPNEGO: Self = Self(9);
    /// NTLM.
    pub const NTLMSSP: Self = Self(10);
    /// Kerberos.
    pub const KERBEROS: Self = Self(16);

    /// The usual name.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "none",
            9 => "SPNEGO",
            10 => "NTLMSSP",
            16 => "Kerberos",
            17 => "DPA",
            18 => "MSN",
            21 => "Digest",
            68 => "Schannel",
            100 => "MSMQ",
            _ => return None,
        })
    }
}

impl AuthLevel {
    /// No protection.
    pub const NONE: Self = Self(1);
    /// Authentication when connecting.
    pub const CONNECT: Self = Self(2);
    /// Encryption of every packet: the highest level there is.
    pub const PRIVACY: Self = Self(6);

    /// Whether this level asks for authentication at all and is a level that exists.
    #[must_use]
    pub fn is_authenticated(self) -> bool {
        (Self::CONNECT..=Self::PRIVACY).contains(&self)
    }

    /// The usual name.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "none",
            2 => "connect",
            3 => "call",
            4 => "packet",
            5 => "integrity",
            6 => "privacy",
            _ => return None,
        })
    }
}

impl fmt::Debug for AuthType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "unknown auth type {}", self.0),
        }
    }
}

impl fmt::Debug for AuthLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "unknown auth level {}", self.0),
        }
    }
}
