//! A whole PDU: header, body and optional auth trailer.

use super::auth::AuthTrailer;
use super::auth3::Auth3;
use super::bind::Bind;
use super::bind_ack::BindAck;
use super::bind_nak::BindNak;
use super::fault::Fault;
use super::header::{Header, PduType, PfcFlags};
use super::request::Request;
use super::response::Response;
use crate::wire::{Expected, Malformed, Misuse, Reader, Writer};

/// One PDU, borrowing from the bytes it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The common header. When encoding, its type and lengths are taken from body and trailer.
    pub header: Header,
    /// The body by type.
    pub body: Body<'a>,
    /// The authentication trailer, if any.
    pub auth: Option<AuthTrailer<'a>>,
}

/// Body by PDU type. Only the types of the connection-oriented protocol have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// A call.
    Request(Request<'a>),
    /// Its answer.
    Response(Response<'a>),
    /// Its refusal.
    Fault(Fault<'a>),
    /// Opens the association.
    Bind(Bind<'a>),
    /// Accepts a bind.
    BindAck(BindAck<'a>),
    /// Refuses a bind.
    BindNak(BindNak<'a>),
    /// Adds contexts.
    AlterContext(Bind<'a>),
    /// Answers an alter_context.
    AlterContextResp(BindAck<'a>),
    /// Third leg of an authentication.
    Auth3(Auth3),
    /// Asks the client to close.
    Shutdown,
    /// Cancels a call.
    CoCancel,
    /// Abandons a call.
    Orphaned,
}

impl<'a> Packet<'a> {
    /// A little-endian PDU without trailer; lengths are filled in by [`Packet::encode`].
    #[must_use]
    pub fn new(flags: PfcFlags, call_id: u32, body: Body<'a>) -> Self {
        Self { header: Header::new(body.ptype(), flags, call_id), body, auth: None }
    }

    /// Reads one whole PDU: `bytes` must be exactly `frag_length` long.
    ///
    /// # Errors
    /// [`Malformed`] with the first field that cannot be what it claims to be.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let header = Header::decode(bytes)?;
        if bytes.len() != usize::from(header.frag_length) {
            let expected = Expected::Exactly(bytes.len() as u64);
            return Err(Malformed::new(8, "frag_length", u64::from(header.frag_length), expected));
        }
        let (before_trailer, auth) = AuthTrailer::split(&header, bytes)?;
        let body = Body::decode(&header, before_trailer, auth.as_ref())?;
        Ok(Self { header, body, auth })
    }

    /// Bytes of the whole PDU.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let pad = self.auth.map_or(0, |auth| usize::from(auth.pad_length));
        let trailer = self.auth.map_or(0, |auth| auth.encoded_len());
        Header::LEN
            .saturating_add(self.body.encoded_len())
            .saturating_add(pad)
            .saturating_add(trailer)
    }

    /// Writes the PDU at the start of `buffer`, in the byte order of its header, and returns its
    /// length. PDU type, `frag_length` and `auth_length` follow from the content.
    ///
    /// # Errors
    /// [`Misuse`] when the buffer is too small, a count or length has no room in its field, or
    /// the trailer would not be aligned or has no credentials.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, Misuse> {
        let len = self.encoded_len();
        let frag_length = length_u16(8, "frag_length", len)?;
        let auth_length =
            length_u16(10, "auth_length", self.auth.map_or(0, |auth| auth.credentials.len()))?;
        let ptype = self.body.ptype();
        let flags = self.body.with_object_flag(self.header.flags);
        let header = Header { ptype, flags, frag_length, auth_length, ..self.header };
        let mut writer = Writer::new(buffer, header.drep.byte_order());
        header.encode(&mut writer)?;
        self.body.encode(&mut writer)?;
        if let Some(auth) = &self.auth {
            for _ in 0..auth.pad_length {
                writer.u8("auth padding", 0)?;
            }
            auth.encode(&mut writer)?;
        }
        Ok(writer.offset())
    }
}

impl<'a> Body<'a> {
    /// The type that the header carries for this body.
    #[must_use]
    pub const fn ptype(&self) -> PduType {
        match self {
            Self::Request(_) => PduType::REQUEST,
            Self::Response(_) => PduType::RESPONSE,
            Self::Fault(_) => PduType::FAULT,
            Self::Bind(_) => PduType::BIND,
            Self::BindAck(_) => PduType::BIND_ACK,
            Self::BindNak(_) => PduType::BIND_NAK,
            Self::AlterContext(_) => PduType::ALTER_CONTEXT,
            Self::AlterContextResp(_) => PduType::ALTER_CONTEXT_RESP,
            Self::Auth3(_) => PduType::AUTH3,
            Self::Shutdown => PduType::SHUTDOWN,
            Self::CoCancel => PduType::CO_CANCEL,
            Self::Orphaned => PduType::ORPHANED,
        }
    }

    /// Bytes of the body, without header and trailer.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        match self {
            Self::Request(body) => body.encoded_len(),
            Self::Response(body) => body.encoded_len(),
            Self::Fault(body) => body.encoded_len(),
            Self::Bind(body) | Self::AlterContext(body) => body.encoded_len(),
            Self::BindAck(body) | Self::AlterContextResp(body) => body.encoded_len(),
            Self::BindNak(body) => body.encoded_len(),
            Self::Auth3(_) => Auth3::LEN,
            Self::Shutdown | Self::CoCancel | Self::Orphaned => 0,
        }
    }

    fn decode(
        header: &Header,
        before_trailer: &'a [u8],
        auth: Option<&AuthTrailer<'_>>,
    ) -> Result<Self, Malformed> {
        let content = before_trailer.get(Header::LEN..).unwrap_or(&[]);
        let reader = &mut Reader::at(content, Header::LEN, header.drep.byte_order());
        let body = match header.ptype {
            PduType::REQUEST => {
                let body = Request::decode(reader, header.flags)?;
                Self::Request(Request { stub: without_padding(body.stub, header, auth)?, ..body })
            }
            PduType::RESPONSE => {
                let body = Response::decode(reader)?;
                Self::Response(Response { stub: without_padding(body.stub, header, auth)?, ..body })
            }
            PduType::FAULT => {
                let body = Fault::decode(reader)?;
                Self::Fault(Fault { rest: without_padding(body.rest, header, auth)?, ..body })
            }
            PduType::BIND => Self::Bind(Bind::decode(reader)?),
            PduType::BIND_ACK => Self::BindAck(BindAck::decode(reader)?),
            PduType::BIND_NAK => Self::BindNak(BindNak::decode(reader)?),
            PduType::ALTER_CONTEXT => Self::AlterContext(Bind::decode(reader)?),
            PduType::ALTER_CONTEXT_RESP => Self::AlterContextResp(BindAck::decode(reader)?),
            PduType::AUTH3 => Self::Auth3(Auth3::decode(reader)?),
            PduType::SHUTDOWN => Self::Shutdown,
            PduType::CO_CANCEL => Self::CoCancel,
            PduType::ORPHANED => Self::Orphaned,
            PduType(other) => {
                let expected = Expected::Text("a connection-oriented PDU type");
                return Err(Malformed::new(2, "ptype", u64::from(other), expected));
            }
        };
        Ok(body)
    }

    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        match self {
            Self::Request(body) => body.encode(writer),
            Self::Response(body) => body.encode(writer),
            Self::Fault(body) => body.encode(writer),
            Self::Bind(body) | Self::AlterContext(body) => body.encode(writer),
            Self::BindAck(body) | Self::AlterContextResp(body) => body.encode(writer),
            Self::BindNak(body) => body.encode(writer),
            Self::Auth3(body) => body.encode(writer),
            Self::Shutdown | Self::CoCancel | Self::Orphaned => Ok(()),
        }
    }

    /// In a request the object flag says whether the UUID is there; nothing else may disagree.
    fn with_object_flag(&self, flags: PfcFlags) -> PfcFlags {
        match self {
            Self::Request(Request { object: Some(_), .. }) => flags | PfcFlags::OBJECT_UUID,
            Self::Request(_) => PfcFlags(flags.0 & !PfcFlags::OBJECT_UUID.0),
            _ => flags,
        }
    }
}

/// What precedes the padding before a trailer. Only PDUs that end in free bytes need it: the
/// padding of the others is whatever lies behind their last field, and old servers announce
/// random numbers for it.
fn without_padding<'a>(
    stub: &'a [u8],
    header: &Header,
    auth: Option<&AuthTrailer<'_>>,
) -> Result<&'a [u8], Malformed> {
    let pad = auth.map_or(0, |auth| usize::from(auth.pad_length));
    stub.len().checked_sub(pad).and_then(|len| stub.get(..len)).ok_or_else(|| {
        let trailer = AuthTrailer::HEADER_LEN.saturating_add(usize::from(header.auth_length));
        let at = usize::from(header.frag_length).saturating_sub(trailer).saturating_add(2);
        Malformed::new(at, "auth_pad_length", pad as u64, Expected::AtMost(stub.len() as u64))
    })
}

fn length_u16(offset: usize, field: &'static str, len: usize) -> Result<u16, Misuse> {
    u16::try_from(len)
        .map_err(|_| Misuse::new(offset, field, len as u64, Expected::AtMost(u64::from(u16::MAX))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::{AuthLevel, AuthType, Status};
    use super::*;

    const AUTH: AuthTrailer<'_> = AuthTrailer {
        auth_type: AuthType::SPNEGO,
        level: AuthLevel::CONNECT,
        pad_length: 0,
        reserved: 0,
        context_id: 0,
        credentials: b"12345678",
    };

    #[test]
    fn auth_padding_is_no_part_of_what_a_request_response_or_fault_ends_with() {
        let content = b"abcde";
        let bodies = [
            Body::Request(Request {
                alloc_hint: 5,
                context_id: 0,
                opnum: 0,
                object: None,
                stub: content,
            }),
            Body::Response(Response {
                alloc_hint: 5,
                context_id: 0,
                cancel_count: 0,
                stub: content,
            }),
            Body::Fault(Fault { rest: content, ..Fault::new(0, Status::ACCESS_DENIED) }),
        ];
        for body in bodies {
            let auth = Some(AuthTrailer { pad_length: 3, ..AUTH });
            let packet = Packet { auth, ..Packet::new(PfcFlags::WHOLE, 1, body) };
            let mut bytes = [0; 64];
            let len = packet.encode(&mut bytes).unwrap();
            let decoded = Packet::decode(bytes.get(..len).unwrap()).unwrap();
            assert_eq!((decoded.body, decoded.auth), (body, auth));
        }
    }

    #[test]
    fn a_trailer_without_credentials_or_alignment_is_the_callers_error() {
        let packet = Packet::new(PfcFlags::WHOLE, 1, Body::Shutdown);
        let empty = Packet { auth: Some(AuthTrailer { credentials: &[], ..AUTH }), ..packet };
        let refused = Misuse::new(10, "auth_length", 0, Expected::AtLeast(1));
        assert_eq!(empty.encode(&mut [0; 64]), Err(refused));
        let skewed = Packet { auth: Some(AuthTrailer { pad_length: 2, ..AUTH }), ..packet };
        let refused = Misuse::new(18, "auth trailer offset", 18, Expected::MultipleOf(4));
        assert_eq!(skewed.encode(&mut [0; 64]), Err(refused));
    }

    #[test]
    fn bytes_beside_the_announced_length_are_malformed() {
        let bytes = [5, 0, 17, 3, 0x10, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0xff];
        assert!(Packet::decode(bytes.get(..16).unwrap()).is_ok());
        let expected = Malformed::new(8, "frag_length", 16, Expected::Exactly(17));
        assert_eq!(Packet::decode(&bytes), Err(expected));
    }
}
