//! PDUs made by hand, C706 12.6: every field can be wrong on purpose.

/// Flag: first fragment.
pub const FIRST: u8 = 0x01;
/// Flag: last fragment.
pub const LAST: u8 = 0x02;
/// Flag of requests: a cancel is pending. The same bit asks for header signing in a bind.
pub const PENDING_CANCEL: u8 = 0x04;
/// Flag of binds: header signing.
pub const HDR_SIGN: u8 = 0x04;
/// Flag of binds: concurrent multiplexing.
pub const CONC_MPX: u8 = 0x10;
/// Flag of faults: the call was not executed.
pub const DID_NOT_EXECUTE: u8 = 0x20;
/// Flag: "maybe" semantics.
pub const MAYBE: u8 = 0x40;
/// Flag: an object UUID is present.
pub const OBJECT_UUID: u8 = 0x80;
/// First and last fragment at once.
pub const WHOLE: u8 = FIRST | LAST;
/// Flags of a fault that refuses a PDU without running it.
pub const F23: u8 = WHOLE | DID_NOT_EXECUTE;

/// PDU types by number.
pub mod ptype {
    #![allow(missing_docs, reason = "the names are the specification's")]
    pub const REQUEST: u8 = 0;
    pub const RESPONSE: u8 = 2;
    pub const FAULT: u8 = 3;
    pub const BIND: u8 = 11;
    pub const BIND_ACK: u8 = 12;
    pub const BIND_NAK: u8 = 13;
    pub const ALTER: u8 = 14;
    pub const ALTER_RESP: u8 = 15;
    pub const AUTH3: u8 = 16;
    pub const SHUTDOWN: u8 = 17;
    pub const CO_CANCEL: u8 = 18;
    pub const ORPHANED: u8 = 19;
}

/// A syntax identifier as it stands on a little-endian wire.
pub type Syntax = [u8; 20];

/// The KMS interface, 51c82175-844e-4750-b0d8-ec255555bc06 version 1.0.
pub const KMS: Syntax = [
    0x75, 0x21, 0xc8, 0x51, 0x4e, 0x84, 0x50, 0x47, 0xb0, 0xd8, 0xec, 0x25, 0x55, 0x55, 0xbc, 0x06,
    1, 0, 0, 0,
];
/// NDR, 8a885d04-1ceb-11c9-9fe8-08002b104860 version 2.0.
pub const NDR32: Syntax = [
    0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60,
    2, 0, 0, 0,
];
/// NDR64, 71710533-beba-4937-8319-b5dbef9ccc36 version 1.0.
pub const NDR64: Syntax = [
    0x33, 0x05, 0x71, 0x71, 0xba, 0xbe, 0x37, 0x49, 0x83, 0x19, 0xb5, 0xdb, 0xef, 0x9c, 0xcc, 0x36,
    1, 0, 0, 0,
];
/// The endpoint mapper, e1af8308-5d1f-11c9-91a4-08002b14a0fa version 3.0: not offered here.
pub const EPMAPPER: Syntax = [
    0x08, 0x83, 0xaf, 0xe1, 0x1f, 0x5d, 0xc9, 0x11, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa,
    3, 0, 0, 0,
];
/// The nil UUID, version 0.
pub const ZERO: Syntax = [0; 20];

/// Bind-time feature negotiation asking for `mask`, [MS-RPCE] 2.2.2.14.
#[must_use]
pub fn features(mask: u8) -> Syntax {
    let mut syntax = [0; 20];
    syntax[..8].copy_from_slice(&[0x2c, 0x1c, 0xb7, 0x6c, 0x12, 0x98, 0x40, 0x45]);
    syntax[8] = mask;
    syntax[16] = 1;
    syntax
}

/// One offered presentation context.
#[must_use]
pub fn element(id: u16, interface: Syntax, transfer: &[Syntax]) -> Vec<u8> {
    let mut bytes = id.to_le_bytes().to_vec();
    bytes.extend([u8::try_from(transfer.len()).unwrap_or(u8::MAX), 0]);
    bytes.extend(interface);
    bytes.extend(transfer.iter().flatten());
    bytes
}

/// The usual context: the KMS interface in NDR32.
#[must_use]
pub fn kms32(id: u16) -> Vec<u8> {
    element(id, KMS, &[NDR32])
}

/// A PDU under construction. Lengths are computed unless they are forced.
#[derive(Clone, Debug)]
pub struct Draft {
    version: [u8; 2],
    ptype: u8,
    flags: u8,
    drep: [u8; 4],
    frag_length: Option<u16>,
    auth_length: Option<u16>,
    call_id: u32,
    body: Vec<u8>,
    trailer: Vec<u8>,
}

impl Draft {
    /// A PDU with this body.
    #[must_use]
    pub const fn new(ptype: u8, call_id: u32, body: Vec<u8>) -> Self {
        Self {
            version: [5, 0],
            ptype,
            flags: WHOLE,
            drep: [0x10, 0, 0, 0],
            frag_length: None,
            auth_length: None,
            call_id,
            body,
            trailer: Vec::new(),
        }
    }

    /// Sets the protocol version.
    #[must_use]
    pub const fn version(mut self, major: u8, minor: u8) -> Self {
        self.version = [major, minor];
        self
    }

    /// Sets all flags.
    #[must_use]
    pub const fn flags(mut self, flags: u8) -> Self {
        self.flags = flags;
        self
    }

    /// Sets the data representation; the fields stay little-endian.
    #[must_use]
    pub const fn drep(mut self, drep: [u8; 4]) -> Self {
        self.drep = drep;
        self
    }

    /// Forces a `frag_length`.
    #[must_use]
    pub const fn frag_length(mut self, frag_length: u16) -> Self {
        self.frag_length = Some(frag_length);
        self
    }

    /// Forces an `auth_length`.
    #[must_use]
    pub const fn auth_length(mut self, auth_length: u16) -> Self {
        self.auth_length = Some(auth_length);
        self
    }

    /// Sets the fragment sizes of a bind or alter_context.
    #[must_use]
    pub fn sizes(self, max_xmit: u16, max_recv: u16) -> Self {
        self.patch(0, &max_xmit.to_le_bytes()).patch(2, &max_recv.to_le_bytes())
    }

    /// Sets the association group of a bind or alter_context.
    #[must_use]
    pub fn group(self, id: u32) -> Self {
        self.patch(4, &id.to_le_bytes())
    }

    /// Sets the `alloc_hint` of a request.
    #[must_use]
    pub fn alloc_hint(self, hint: u32) -> Self {
        self.patch(0, &hint.to_le_bytes())
    }

    /// Sets the operation number of a request.
    #[must_use]
    pub fn opnum(self, opnum: u16) -> Self {
        self.patch(6, &opnum.to_le_bytes())
    }

    /// Adds an auth trailer, padding before it so that it begins on a multiple of four, and says
    /// how much padding that was.
    #[must_use]
    pub fn auth(mut self, auth_type: u8, level: u8, credentials: &[u8]) -> Self {
        let padding = (4 - self.body.len() % 4) % 4;
        self.body.extend(std::iter::repeat_n(0, padding));
        let padding = u8::try_from(padding).unwrap_or(0);
        self.auth_unaligned([auth_type, level, padding, 0], credentials)
    }

    /// Adds an auth trailer where the body ends, aligned or not: type, level, padding, reserved.
    #[must_use]
    pub fn auth_unaligned(mut self, head: [u8; 4], credentials: &[u8]) -> Self {
        self.trailer = head.to_vec();
        self.trailer.extend(0u32.to_le_bytes());
        self.trailer.extend(credentials);
        let length = u16::try_from(credentials.len()).unwrap_or(u16::MAX);
        Self { auth_length: Some(length), ..self }
    }

    /// The bytes to send.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let len = HEADER_LEN + self.body.len() + self.trailer.len();
        let len = self.frag_length.unwrap_or_else(|| u16::try_from(len).unwrap_or(u16::MAX));
        let mut bytes = self.version.to_vec();
        bytes.extend([self.ptype, self.flags]);
        bytes.extend(self.drep);
        bytes.extend(len.to_le_bytes());
        bytes.extend(self.auth_length.unwrap_or(0).to_le_bytes());
        bytes.extend(self.call_id.to_le_bytes());
        bytes.extend(&self.body);
        bytes.extend(&self.trailer);
        bytes
    }

    fn patch(mut self, at: usize, value: &[u8]) -> Self {
        for (place, byte) in self.body.iter_mut().skip(at).zip(value) {
            *place = *byte;
        }
        self
    }
}

/// A bind offering these contexts.
#[must_use]
pub fn bind(call_id: u32, elements: &[Vec<u8>]) -> Draft {
    Draft::new(ptype::BIND, call_id, context_list(elements))
}

/// An alter_context offering these contexts.
#[must_use]
pub fn alter(call_id: u32, elements: &[Vec<u8>]) -> Draft {
    Draft::new(ptype::ALTER, call_id, context_list(elements))
}

/// A request for operation 0.
#[must_use]
pub fn request(call_id: u32, context_id: u16, stub: &[u8]) -> Draft {
    let hint = u32::try_from(stub.len()).unwrap_or(u32::MAX);
    let mut body = hint.to_le_bytes().to_vec();
    body.extend(context_id.to_le_bytes());
    body.extend([0, 0]);
    body.extend(stub);
    Draft::new(ptype::REQUEST, call_id, body)
}

/// A co_cancel.
#[must_use]
pub const fn co_cancel(call_id: u32) -> Draft {
    Draft::new(ptype::CO_CANCEL, call_id, Vec::new())
}

/// An orphaned.
#[must_use]
pub const fn orphaned(call_id: u32) -> Draft {
    Draft::new(ptype::ORPHANED, call_id, Vec::new())
}

fn context_list(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::from([0xd0, 0x16, 0xd0, 0x16, 0, 0, 0, 0]);
    body.extend([u8::try_from(elements.len()).unwrap_or(u8::MAX), 0, 0, 0]);
    body.extend(elements.iter().flatten());
    body
}

const HEADER_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bind_with_three_contexts_has_the_size_of_the_published_example() {
        let elements = [kms32(0), element(1, KMS, &[NDR64]), element(2, KMS, &[features(3)])];
        let bytes = bind(2, &elements).bytes();
        assert_eq!(bytes.len(), 160);
        assert_eq!(
            bytes.get(..16),
            Some(&[5, 0, 11, 3, 16, 0, 0, 0, 160, 0, 0, 0, 2, 0, 0, 0][..])
        );
    }
}
