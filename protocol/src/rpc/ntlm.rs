//! The first two messages of NTLM, [MS-NLMP] 2.2.1.1 and 2.2.1.2, as far as a server shows them to
//! anybody who asks: its names, its version and its time. The third message, which would prove an
//! identity, does not exist here.
//!
//! A bind whose trailer carries [`NEGOTIATE`] is answered, where the server takes NTLM, by a
//! bind_ack whose trailer carries a [`Challenge`].

use crate::filetime::FileTime;
use crate::wire::{ByteOrder, Expected, Malformed, Reader};

/// The message that asks for a challenge: no name, no domain, and the flags that Windows clients
/// send. One of them asks for the target information, in which the time is.
pub const NEGOTIATE: [u8; 40] = *b"NTLMSSP\0\x01\0\0\0\x97\x82\x08\xe2\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a\x00\x61\x4a\0\0\0\x0f";

/// A challenge: what a server says of itself before anybody has proved anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// What the server agreed to, [MS-NLMP] 2.2.2.5.
    pub flags: u32,
    /// Version of the server's operating system, where it says one.
    pub version: Option<OsVersion>,
    /// Names and time, already checked; empty where the server gives none.
    pairs: &'a [u8],
}

/// Version of an operating system, [MS-NLMP] 2.2.2.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OsVersion {
    /// Major version.
    pub major: u8,
    /// Minor version.
    pub minor: u8,
    /// Build number.
    pub build: u16,
}

/// One attribute of the server, [MS-NLMP] 2.2.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvPair<'a> {
    /// What it is about. Unknown ids survive.
    pub id: AvId,
    /// Its value.
    pub value: &'a [u8],
}

/// Attribute number. Unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AvId(pub u16);

impl<'a> Challenge<'a> {
    /// Reads a whole message, the credentials of a trailer.
    ///
    /// # Errors
    /// [`Malformed`] when it is no challenge, points outside itself, or its attributes are cut.
    pub fn decode(message: &'a [u8]) -> Result<Self, Malformed> {
        let reader = &mut Reader::new(message, ByteOrder::Little);
        if reader.array::<8>("Signature")? != *SIGNATURE {
            let expected = Expected::Text("the signature `NTLMSSP`");
            return Err(Malformed::new(0, "Signature", 0, expected));
        }
        let kind = reader.u32("MessageType")?;
        if kind != CHALLENGE_TYPE {
            let expected = Expected::Exactly(u64::from(CHALLENGE_TYPE));
            return Err(Malformed::new(8, "MessageType", u64::from(kind), expected));
        }
        reader.take("TargetNameFields", 8)?;
        let flags = reader.u32("NegotiateFlags")?;
        reader.take("ServerChallenge", 8)?;
        let mut challenge = Self { flags, version: None, pairs: &[] };
        if flags & TARGET_INFO != 0 {
            challenge.pairs = Self::target_info(message, reader)?;
        }
        if flags & VERSION != 0 && message.len() >= VERSION_OFFSET + 8 {
            challenge.version = Some(Self::os_version(message)?);
        }
        Ok(challenge)
    }

    fn target_info(message: &'a [u8], fields: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
        fields.take("Reserved", 8)?;
        let len = usize::from(fields.u16("TargetInfoLen")?);
        fields.u16("TargetInfoMaxLen")?;
        let offset = fields.u32("TargetInfoBufferOffset")?;
        let room = message.len().saturating_sub(len);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let Some(info) = message.get(start..).and_then(|rest| rest.get(..len)) else {
            let expected = Expected::AtMost(room as u64);
            return Err(Malformed::new(44, "TargetInfoBufferOffset", u64::from(offset), expected));
        };
        let reader = &mut Reader::at(info, start, ByteOrder::Little);
        while let Some(pair) = AvPair::decode(reader)? {
            pair.check(reader.offset())?;
        }
        let used = info.len().saturating_sub(reader.left());
        Ok(info.get(..used).unwrap_or(info))
    }

    fn os_version(message: &'a [u8]) -> Result<OsVersion, Malformed> {
        let bytes = message.get(VERSION_OFFSET..).unwrap_or(&[]);
        let reader = &mut Reader::at(bytes, VERSION_OFFSET, ByteOrder::Little);
        Ok(OsVersion {
            major: reader.u8("ProductMajorVersion")?,
            minor: reader.u8("ProductMinorVersion")?,
            build: reader.u16("ProductBuild")?,
        })
    }

    /// The attributes, in the server's order.
    pub fn pairs(&self) -> impl Iterator<Item = AvPair<'a>> + use<'a> {
        let mut reader = Reader::new(self.pairs, ByteOrder::Little);
        core::iter::from_fn(move || AvPair::decode(&mut reader).ok().flatten())
    }

    /// The server's clock when it wrote the challenge, in UTC. Windows sends it since Vista.
    #[must_use]
    pub fn timestamp(&self) -> Option<FileTime> {
        let pair = self.pairs().find(|pair| pair.id == AvId::TIMESTAMP)?;
        let ticks = *pair.value.first_chunk::<8>()?;
        Some(FileTime::from_ticks(u64::from_le_bytes(ticks)))
    }

    /// The characters of a name; `None` where the server does not give it or leaves it empty.
    #[must_use]
    pub fn name(&self, id: AvId) -> Option<impl Iterator<Item = char> + use<'a>> {
        let pair = self.pairs().find(|pair| pair.id == id && !pair.value.is_empty())?;
        Some(pair.chars())
    }
}

impl<'a> AvPair<'a> {
    /// The next attribute; `None` at the one that ends the list.
    fn decode(reader: &mut Reader<'a>) -> Result<Option<Self>, Malformed> {
        let id = AvId(reader.u16("AvId")?);
        let len = usize::from(reader.u16("AvLen")?);
        if id == AvId::END {
            return Ok(None);
        }
        Ok(Some(Self { id, value: reader.take("AvPair value", len)? }))
    }

    /// Whether the value can be what its id says. `end` is the offset behind it.
    fn check(&self, end: usize) -> Result<(), Malformed> {
        let len = self.value.len();
        let expected = match self.id {
            AvId::TIMESTAMP if len != 8 => Expected::Exactly(8),
            id if id.is_name() && !len.is_multiple_of(2) => Expected::MultipleOf(2),
            _ => return Ok(()),
        };
        Err(Malformed::new(end.saturating_sub(len + 2), "AvLen", len as u64, expected))
    }

    /// The value as UTF-16 text; a lone surrogate becomes U+FFFD.
    pub fn chars(&self) -> impl Iterator<Item = char> + use<'a> {
        let (units, _) = self.value.as_chunks::<2>();
        let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

impl AvId {
    /// Ends the list.
    pub const END: Self = Self(0);
    /// NetBIOS name of the computer.
    pub const NETBIOS_COMPUTER: Self = Self(1);
    /// NetBIOS name of its domain.
    pub const NETBIOS_DOMAIN: Self = Self(2);
    /// DNS name of the computer.
    pub const DNS_COMPUTER: Self = Self(3);
    /// DNS name of its domain.
    pub const DNS_DOMAIN: Self = Self(4);
    /// DNS name of its forest.
    pub const DNS_FOREST: Self = Self(5);
    /// The server's clock, a FILETIME.
    pub const TIMESTAMP: Self = Self(7);
    /// Service principal name.
    pub const TARGET_NAME: Self = Self(9);

    /// Whether the value is UTF-16 text.
    #[must_use]
    pub fn is_name(self) -> bool {
        (Self::NETBIOS_COMPUTER..=Self::DNS_FOREST).contains(&self) || self == Self::TARGET_NAME
    }
}

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
const CHALLENGE_TYPE: u32 = 2;

/// NTLMSSP_NEGOTIATE_TARGET_INFO and NTLMSSP_NEGOTIATE_VERSION.
const TARGET_INFO: u32 = 0x0080_0000;
const VERSION: u32 = 0x0200_0000;

const VERSION_OFFSET: usize = 48;
