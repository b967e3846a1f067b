//! The 16-byte header that every PDU begins with, C706 12.6.3.1.

use core::fmt;
use core::ops::BitOr;

use crate::wire::{ByteOrder, Expected, Malformed, Misuse, Reader, Violation, Writer};

/// The common header. `frag_length` counts the whole PDU, header and auth trailer included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Major and minor protocol version; 5.0 on every wire that matters here.
    pub version: (u8, u8),
    /// What kind of PDU this is.
    pub ptype: PduType,
    /// Flags, some of which mean different things in different PDUs.
    pub flags: PfcFlags,
    /// How the sender represents integers, characters and floating point.
    pub drep: DataRep,
    /// Bytes of the whole PDU.
    pub frag_length: u16,
    /// Bytes of the credentials alone: neither the 8-byte trailer header nor the padding.
    pub auth_length: u16,
    /// Matches an answer to its call; any value is legal.
    pub call_id: u32,
}

/// PDU type, C706 12.6.4. Unknown values survive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PduType(pub u8);

/// Header flags, C706 12.6.3.1 and [MS-RPCE] 2.2.2.3. Unknown bits survive.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PfcFlags(pub u8);

/// Data representation label, C706 14.1: integer order and character set, floating point form,
/// two reserved bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DataRep(pub [u8; 4]);

impl Header {
    /// Bytes of the header.
    pub const LEN: usize = 16;

    /// A little-endian 5.0 header whose lengths are filled in when the PDU is encoded.
    #[must_use]
    pub const fn new(ptype: PduType, flags: PfcFlags, call_id: u32) -> Self {
        Self {
            version: (5, 0),
            ptype,
            flags,
            drep: DataRep::LITTLE,
            frag_length: 0,
            auth_length: 0,
            call_id,
        }
    }

    /// Reads the header at the start of `bytes`, which may hold more than the header.
    ///
    /// # Errors
    /// [`Malformed`] when fewer than 16 bytes are there, or when `frag_length` cannot even hold
    /// the header, after which a stream cannot be resynchronised.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        // drep comes before the first multi-byte field, so that its order is known in time.
        let mut start = Reader::new(bytes, ByteOrder::Little);
        let version = (start.u8("rpc_vers")?, start.u8("rpc_vers_minor")?);
        let ptype = PduType(start.u8("ptype")?);
        let flags = PfcFlags(start.u8("pfc_flags")?);
        let drep = DataRep(start.array("drep")?);
        let mut rest = Reader::at(start.rest(), 8, drep.byte_order());
        let frag_length = rest.u16("frag_length")?;
        let auth_length = rest.u16("auth_length")?;
        let call_id = rest.u32("call_id")?;
        if usize::from(frag_length) < Self::LEN {
            let expected = Expected::AtLeast(Self::LEN as u64);
            return Err(Malformed::new(8, "frag_length", u64::from(frag_length), expected));
        }
        Ok(Self { version, ptype, flags, drep, frag_length, auth_length, call_id })
    }

    /// Writes the header; lengths as they stand.
    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        writer.u8("rpc_vers", self.version.0)?;
        writer.u8("rpc_vers_minor", self.version.1)?;
        writer.u8("ptype", self.ptype.0)?;
        writer.u8("pfc_flags", self.flags.0)?;
        writer.bytes("drep", &self.drep.0)?;
        writer.u16("frag_length", self.frag_length)?;
        writer.u16("auth_length", self.auth_length)?;
        writer.u32("call_id", self.call_id)
    }

    /// Checks what both ends require of any PDU: version 5.0 and a representation that is ASCII,
    /// IEEE and either integer order.
    ///
    /// # Errors
    /// [`Violation`] naming the first field that breaks it.
    pub fn check(&self) -> Result<(), Violation> {
        if self.version != (5, 0) {
            let got = u64::from(self.version.0) << 8 | u64::from(self.version.1);
            return Err(Violation::new(0, "rpc_vers", got, Expected::Text("5.0 (0x0500)")));
        }
        if !self.drep.is_supported() {
            let got = u64::from(u32::from_be_bytes(self.drep.0));
            let expected = Expected::Text("0x10000000 or 0x00000000 (ASCII, IEEE)");
            return Err(Violation::new(4, "drep", got, expected));
        }
        Ok(())
    }
}

impl PduType {
    /// A call with its stub data.
    pub const REQUEST: Self = Self(0);
    /// A successful answer.
    pub const RESPONSE: Self = Self(2);
    /// A refusal by the RPC layer.
    pub const FAULT: Self = Self(3);
    /// Opens the association.
    pub const BIND: Self = Self(11);
    /// Answers a bind.
    pub const BIND_ACK: Self = Self(12);
    /// Refuses a bind.
    pub const BIND_NAK: Self = Self(13);
    /// Adds presentation contexts.
    pub const ALTER_CONTEXT: Self = Self(14);
    /// Answers an alter_context.
    pub const ALTER_CONTEXT_RESP: Self = Self(15);
    /// Third leg of an authentication, [MS-RPCE] 2.2.2.5.
    pub const AUTH3: Self = Self(16);
    /// Server asks the client to close.
    pub const SHUTDOWN: Self = Self(17);
    /// Client asks to cancel a call.
    pub const CO_CANCEL: Self = Self(18);
    /// Client abandons a call.
    pub const ORPHANED: Self = Self(19);

    /// The name in the specification; `None` for a number that has none.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "request",
            1 => "ping",
            2 => "response",
            3 => "fault",
            4 => "working",
            5 => "nocall",
            6 => "reject",
            7 => "ack",
            8 => "cl_cancel",
            9 => "fack",
            10 => "cancel_ack",
            11 => "bind",
            12 => "bind_ack",
            13 => "bind_nak",
            14 => "alter_context",
            15 => "alter_context_resp",
            16 => "auth3",
            17 => "shutdown",
            18 => "co_cancel",
            19 => "orphaned",
            20 => "rts",
            _ => return None,
        })
    }
}

impl PfcFlags {
    /// First fragment of a call.
    pub const FIRST_FRAG: Self = Self(0x01);
    /// Last fragment of a call.
    pub const LAST_FRAG: Self = Self(0x02);
    /// A cancel is pending (request, response, fault).
    pub const PENDING_CANCEL: Self = Self(0x04);
    /// Header signing is supported (bind, alter_context and their answers).
    pub const SUPPORT_HEADER_SIGN: Self = Self(0x04);
    /// Concurrent multiplexing on one connection.
    pub const CONC_MPX: Self = Self(0x10);
    /// The call was not executed (fault).
    pub const DID_NOT_EXECUTE: Self = Self(0x20);
    /// "Maybe" call semantics.
    pub const MAYBE: Self = Self(0x40);
    /// An object UUID follows the request header.
    pub const OBJECT_UUID: Self = Self(0x80);
    /// First and last fragment at once.
    pub const WHOLE: Self = Self(0x03);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for PfcFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl DataRep {
    /// Little-endian, ASCII, IEEE: what Windows and this crate send.
    pub const LITTLE: Self = Self([0x10, 0, 0, 0]);
    /// Big-endian, ASCII, IEEE.
    pub const BIG: Self = Self([0, 0, 0, 0]);

    /// Integer order. Any high nibble but 1 reads as big-endian, as on the wire it must be 0 or 1.
    #[must_use]
    pub const fn byte_order(self) -> ByteOrder {
        let [integer_and_character, ..] = self.0;
        if integer_and_character >> 4 == 1 { ByteOrder::Little } else { ByteOrder::Big }
    }

    /// Whether this is one of the two forms that Windows and Samba accept.
    #[must_use]
    pub fn is_supported(self) -> bool {
        self == Self::LITTLE || self == Self::BIG
    }
}

impl From<ByteOrder> for DataRep {
    fn from(order: ByteOrder) -> Self {
        match order {
            ByteOrder::Little => Self::LITTLE,
            ByteOrder::Big => Self::BIG,
        }
    }
}

impl fmt::Debug for PduType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PduType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "unknown PDU type {}", self.0),
        }
    }
}

impl fmt::Debug for PfcFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}
