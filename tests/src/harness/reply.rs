//! A PDU that a server sent, taken apart by hand and checked to the last field.

#![allow(clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::pdu::{Syntax, ptype};

/// One whole PDU in a server's byte order, which here is little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply(pub Vec<u8>);

/// What a bind_ack or alter_context_resp says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Largest fragment that the server sends.
    pub max_xmit: u16,
    /// Largest fragment that the server takes.
    pub max_recv: u16,
    /// The association group.
    pub group: u32,
    /// Secondary address as on the wire, with its NUL.
    pub sec_addr: Vec<u8>,
    /// Result, reason and syntax by offered context.
    pub results: Vec<(u16, u16, Syntax)>,
}

impl Reply {
    /// The PDU type.
    #[must_use]
    pub fn ptype(&self) -> u8 {
        self.0[2]
    }

    /// The flags.
    #[must_use]
    pub fn flags(&self) -> u8 {
        self.0[3]
    }

    /// The call id.
    #[must_use]
    pub fn call_id(&self) -> u32 {
        self.u32(12)
    }

    /// Takes it as a bind_ack with these flags.
    #[track_caller]
    #[must_use]
    pub fn bind_ack(&self, call_id: u32, flags: u8) -> Ack {
        self.header(ptype::BIND_ACK, call_id, flags);
        self.ack()
    }

    /// Takes it as an alter_context_resp with these flags, which has no secondary address.
    #[track_caller]
    #[must_use]
    pub fn alter_resp(&self, call_id: u32, flags: u8) -> Ack {
        self.header(ptype::ALTER_RESP, call_id, flags);
        let ack = self.ack();
        assert_eq!(ack.sec_addr, b"", "an alter_context_resp has no secondary address");
        ack
    }

    /// Takes it as a bind_nak with this reason that names version 5.0 alone.
    #[track_caller]
    pub fn bind_nak(&self, call_id: u32, reason: u8) {
        let [a, b, c, d] = call_id.to_le_bytes();
        let expected =
            [5, 0, 13, 3, 16, 0, 0, 0, 24, 0, 0, 0, a, b, c, d, reason, 0, 1, 5, 0, 0, 0, 0];
        assert_eq!(self.0, expected, "bind_nak with reason {reason} expected, got {self}");
    }

    /// Takes it as a fault: everything but the alloc_hint, which only is not zero, is given.
    #[track_caller]
    pub fn fault(&self, flags: u8, call_id: u32, context_id: u16, status: u32) {
        self.header(ptype::FAULT, call_id, flags);
        assert_eq!(self.0.len(), 32, "a bare fault has 32 bytes: {self}");
        assert_ne!(self.u32(16), 0, "alloc_hint");
        assert_eq!(self.u16(20), context_id, "context id of {self}");
        assert_eq!(self.0[22..24], [0, 0], "cancel_count and flags");
        assert_eq!(self.u32(24), status, "status {status:#010x} expected, got {self}");
        assert_eq!(self.u32(28), 0, "reserved");
    }

    /// Takes it as a whole response and returns its stub.
    #[track_caller]
    #[must_use]
    pub fn response(&self, call_id: u32, context_id: u16) -> &[u8] {
        self.header(ptype::RESPONSE, call_id, 0x03);
        let stub = &self.0[24..];
        assert_eq!(self.u32(16) as usize, stub.len(), "alloc_hint");
        assert_eq!(self.u16(20), context_id & 0xFF, "context id");
        assert_eq!(self.0[22..24], [0, 0], "cancel_count and reserved");
        stub
    }

    #[track_caller]
    fn header(&self, ptype: u8, call_id: u32, flags: u8) {
        let [a, b, c, d] = call_id.to_le_bytes();
        let [low, high] = u16::try_from(self.0.len()).unwrap_or(0).to_le_bytes();
        let expected = [5, 0, ptype, flags, 16, 0, 0, 0, low, high, 0, 0, a, b, c, d];
        assert_eq!(self.0[..16], expected, "header of {self}");
    }

    #[track_caller]
    fn ack(&self) -> Ack {
        let text_len = usize::from(self.u16(24));
        let at = (26 + text_len).next_multiple_of(4);
        let count = usize::from(self.0[at]);
        assert_eq!(self.0.len(), at + 4 + 24 * count, "length of {self}");
        let result = |index: usize| {
            let at = at + 4 + 24 * index;
            let mut syntax = [0; 20];
            syntax.copy_from_slice(&self.0[at + 4..at + 24]);
            (self.u16(at), self.u16(at + 2), syntax)
        };
        Ack {
            max_xmit: self.u16(16),
            max_recv: self.u16(18),
            group: self.u32(20),
            sec_addr: self.0[26..26 + text_len].to_vec(),
            results: (0..count).map(result).collect(),
        }
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from(self.u16(at)) | u32::from(self.u16(at + 2)) << 16
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PDU type {} flags {:#04x}:", self.ptype(), self.flags())?;
        self.0.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
    }
}

/// Result of an accepted context.
#[must_use]
pub const fn accepted(syntax: Syntax) -> (u16, u16, Syntax) {
    (0, 0, syntax)
}

/// Result of a context whose interface is unknown.
pub const UNKNOWN_INTERFACE: (u16, u16, Syntax) = (2, 1, [0; 20]);

/// Result of a context of which no transfer syntax was taken.
pub const NO_SYNTAX: (u16, u16, Syntax) = (2, 2, [0; 20]);

/// Result of a feature element of which `mask` was granted.
#[must_use]
pub const fn granted(mask: u16) -> (u16, u16, Syntax) {
    (3, mask, [0; 20])
}

/// Status codes that servers answer with.
pub mod status {
    #![allow(missing_docs, reason = "the names are the specification's")]
    pub const ACCESS_DENIED: u32 = 5;
    pub const NO_CALL_ACTIVE: u32 = 0x6BD;
    pub const BAD_STUB_DATA: u32 = 0x6F7;
    pub const SEC_PKG_ERROR: u32 = 0x721;
    pub const OP_RNG_ERROR: u32 = 0x1C01_0002;
    pub const UNK_IF: u32 = 0x1C01_0003;
    pub const PROTO_ERROR: u32 = 0x1C01_000B;
    pub const SERVER_TOO_BUSY: u32 = 0x1C01_0014;
}
