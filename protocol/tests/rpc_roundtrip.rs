//! Any PDU that can be built survives encoding and decoding, in both byte orders, with and without
//! auth trailer, unknown enum values included.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use kms_protocol::guid::Guid;
use kms_protocol::rpc::bind_nak::Versions;
use kms_protocol::rpc::extended_error::ExtendedError;
use kms_protocol::rpc::{
    Auth3, AuthLevel, AuthTrailer, AuthType, Bind, BindAck, BindNak, BindNakReason, Body,
    ContextElement, ContextList, ContextReason, ContextResult, DataRep, Fault, Header, Packet,
    PduType, PfcFlags, Request, Response, ResultElement, ResultList, Status, SyntaxId,
};
use kms_protocol::wire::{ByteOrder, Reader, Writer};
use proptest::collection::vec;
use proptest::prelude::*;

/// What every PDU has, whatever its body.
#[derive(Clone, Debug)]
struct Envelope {
    order: ByteOrder,
    flags: u8,
    call_id: u32,
    auth: Option<(u8, u8, u8, u32, Vec<u8>)>,
}

impl Envelope {
    fn check(&self, body: Body<'_>) -> Result<(), TestCaseError> {
        let header = Header::new(body.ptype(), PfcFlags(self.flags), self.call_id);
        let header = Header { drep: DataRep::from(self.order), ..header };
        let plain = Packet { header, body, auth: None };
        let aligns = pads(&body);
        let auth =
            self.auth.as_ref().map(|(auth_type, level, reserved, context_id, credentials)| {
                let missing = plain.encoded_len().next_multiple_of(4) - plain.encoded_len();
                AuthTrailer {
                    auth_type: AuthType(*auth_type),
                    level: AuthLevel(*level),
                    pad_length: if aligns { u8::try_from(missing).unwrap() } else { 0 },
                    reserved: *reserved,
                    context_id: *context_id,
                    credentials,
                }
            });
        let auth = auth.filter(|_| aligns || plain.encoded_len().is_multiple_of(4));
        let packet = Packet { auth, ..plain };
        let mut bytes = vec![0xee; packet.encoded_len()];
        let len = packet.encode(&mut bytes).unwrap();
        prop_assert_eq!(len, bytes.len());
        let decoded = Packet::decode(&bytes).unwrap();
        prop_assert_eq!(decoded.body, body);
        prop_assert_eq!(decoded.auth, packet.auth);
        prop_assert_eq!(decoded.header.call_id, self.call_id);
        prop_assert_eq!(decoded.header.ptype, body.ptype());
        let object = PfcFlags::OBJECT_UUID.0;
        prop_assert_eq!(decoded.header.flags.0 & !object, self.flags & !object);
        let mut again = vec![0; decoded.encoded_len()];
        decoded.encode(&mut again).unwrap();
        prop_assert_eq!(again, bytes);
        Ok(())
    }
}

/// Whether the padding before a trailer is told from the body.
const fn pads(body: &Body<'_>) -> bool {
    matches!(body.ptype(), PduType::REQUEST | PduType::RESPONSE | PduType::FAULT)
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let order = prop_oneof![Just(ByteOrder::Little), Just(ByteOrder::Big)];
    let auth = (any::<u8>(), any::<u8>(), any::<u8>(), any::<u32>(), vec(any::<u8>(), 1..40));
    (order, any::<u8>(), any::<u32>(), proptest::option::of(auth))
        .prop_map(|(order, flags, call_id, auth)| Envelope { order, flags, call_id, auth })
}

fn syntax() -> impl Strategy<Value = SyntaxId> {
    (any::<[u8; 16]>(), any::<u16>(), any::<u16>()).prop_map(|(uuid, major, minor)| SyntaxId {
        uuid: Guid::from_bytes(uuid),
        major,
        minor,
    })
}

proptest! {
    #[test]
    fn a_bind_or_alter_context_survives(
        envelope in envelope(),
        sizes in any::<(u16, u16)>(),
        assoc_group_id in any::<u32>(),
        contexts in vec((any::<u16>(), any::<u8>(), syntax(), vec(syntax(), 0..4)), 0..5),
    ) {
        let elements: Vec<_> = contexts
            .iter()
            .map(|(id, reserved, abstract_syntax, transfer)| ContextElement {
                reserved: *reserved,
                ..ContextElement::new(*id, *abstract_syntax, transfer)
            })
            .collect();
        let bind = Bind {
            max_xmit_frag: sizes.0,
            max_recv_frag: sizes.1,
            assoc_group_id,
            contexts: ContextList::new(&elements),
        };
        envelope.check(Body::Bind(bind))?;
        envelope.check(Body::AlterContext(bind))?;
    }

    #[test]
    fn a_bind_ack_or_alter_context_resp_survives(
        envelope in envelope(),
        sizes in any::<(u16, u16)>(),
        assoc_group_id in any::<u32>(),
        sec_addr in vec(any::<u8>(), 0..20),
        results in vec((any::<u16>(), any::<u16>(), syntax()), 0..6),
    ) {
        let results: Vec<_> = results
            .into_iter()
            .map(|(result, reason, transfer_syntax)| ResultElement {
                result: ContextResult(result),
                reason: ContextReason(reason),
                transfer_syntax,
            })
            .collect();
        let ack = BindAck {
            max_xmit_frag: sizes.0,
            max_recv_frag: sizes.1,
            assoc_group_id,
            sec_addr: &sec_addr,
            results: ResultList::new(&results),
        };
        envelope.check(Body::BindAck(ack))?;
        envelope.check(Body::AlterContextResp(ack))?;
    }

    #[test]
    fn a_bind_nak_survives(
        envelope in envelope(),
        reason in any::<u16>(),
        versions in vec(any::<u8>(), 0..20),
        blob in proptest::option::of(vec(any::<u8>(), 0..40)),
    ) {
        let nak = BindNak {
            reason: BindNakReason(reason),
            versions: Versions::from_pairs(&versions),
            extended_error: blob.as_deref().map(|blob| ExtendedError { blob }),
        };
        // A trailer behind a bind_nak could not be told from extended error information.
        Envelope { auth: None, ..envelope }.check(Body::BindNak(nak))?;
    }

    #[test]
    fn a_request_survives(
        envelope in envelope(),
        alloc_hint in any::<u32>(),
        ids in any::<(u16, u16)>(),
        object in proptest::option::of(any::<[u8; 16]>()),
        stub in vec(any::<u8>(), 0..200),
    ) {
        envelope.check(Body::Request(Request {
            alloc_hint,
            context_id: ids.0,
            opnum: ids.1,
            object: object.map(Guid::from_bytes),
            stub: &stub,
        }))?;
    }

    #[test]
    fn a_response_survives(
        envelope in envelope(),
        alloc_hint in any::<u32>(),
        context_id in any::<u16>(),
        cancel_count in any::<u8>(),
        stub in vec(any::<u8>(), 0..200),
    ) {
        let response = Response { alloc_hint, context_id, cancel_count, stub: &stub };
        envelope.check(Body::Response(response))?;
    }

    #[test]
    fn a_fault_survives(
        envelope in envelope(),
        alloc_hint in any::<u32>(),
        context_id in any::<u16>(),
        counts in any::<(u8, u8)>(),
        status in any::<u32>(),
        rest in vec(any::<u8>(), 0..40),
    ) {
        envelope.check(Body::Fault(Fault {
            alloc_hint,
            context_id,
            cancel_count: counts.0,
            flags: counts.1,
            status: Status(status),
            rest: &rest,
        }))?;
    }

    #[test]
    fn a_pdu_without_content_survives(envelope in envelope(), pad in any::<[u8; 4]>()) {
        for body in [Body::Auth3(Auth3 { pad }), Body::Shutdown, Body::CoCancel, Body::Orphaned] {
            envelope.check(body)?;
        }
    }
}

/// One field as a writer and a reader know it.
#[derive(Clone, Debug)]
enum Field {
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    Guid([u8; 16]),
    Bytes(Vec<u8>),
    Align(usize),
}

fn field() -> impl Strategy<Value = Field> {
    prop_oneof![
        any::<u8>().prop_map(Field::U8),
        any::<u16>().prop_map(Field::U16),
        any::<u32>().prop_map(Field::U32),
        any::<u64>().prop_map(Field::U64),
        any::<[u8; 16]>().prop_map(Field::Guid),
        vec(any::<u8>(), 0..9).prop_map(Field::Bytes),
        (0..4u32).prop_map(|exponent| Field::Align(1 << exponent)),
    ]
}

proptest! {
    /// Reader and writer agree on every field in both orders, on offsets, and on a buffer's end.
    #[test]
    fn any_sequence_of_fields_survives(fields in vec(field(), 0..20), big in any::<bool>(), room in 0..200usize) {
        let order = if big { ByteOrder::Big } else { ByteOrder::Little };
        let mut buffer = vec![0xee; room];
        let mut writer = Writer::new(&mut buffer, order);
        let written: Vec<_> = fields
            .iter()
            .map(|field| match field {
                Field::U8(value) => writer.u8("f", *value),
                Field::U16(value) => writer.u16("f", *value),
                Field::U32(value) => writer.u32("f", *value),
                Field::U64(value) => writer.u64("f", *value),
                Field::Guid(bytes) => writer.guid("f", &Guid::from_bytes(*bytes)),
                Field::Bytes(bytes) => writer.bytes("f", bytes),
                Field::Align(alignment) => writer.align("f", *alignment),
            })
            .take_while(Result::is_ok)
            .collect();
        let end = writer.offset();
        prop_assert!(end <= room);

        let mut reader = Reader::new(&buffer[..end], order);
        for field in &fields[..written.len()] {
            match field {
                Field::U8(value) => prop_assert_eq!(reader.u8("f"), Ok(*value)),
                Field::U16(value) => prop_assert_eq!(reader.u16("f"), Ok(*value)),
                Field::U32(value) => prop_assert_eq!(reader.u32("f"), Ok(*value)),
                Field::U64(value) => prop_assert_eq!(reader.u64("f"), Ok(*value)),
                Field::Guid(bytes) => {
                    prop_assert_eq!(reader.guid("f"), Ok(Guid::from_bytes(*bytes)));
                }
                Field::Bytes(bytes) => {
                    prop_assert_eq!(reader.take("f", bytes.len()), Ok(bytes.as_slice()));
                }
                Field::Align(alignment) => {
                    prop_assert!(reader.align("f", *alignment).is_ok());
                    prop_assert!(reader.offset().is_multiple_of(*alignment));
                }
            }
        }
        // An alignment that found no room for its last byte may have written its first.
        prop_assert!(reader.left() < 8);
        if written.len() == fields.len() {
            prop_assert!(reader.finish("end").is_ok());
        }
    }
}

#[test]
fn lists_hold_255_entries_and_one_more_is_the_callers_error() {
    let syntaxes = [SyntaxId::NDR32; 256];
    let elements = [ContextElement::new(0, SyntaxId::KMS, &[]); 256];
    let results = [ResultElement::accepted(SyntaxId::NDR32); 256];
    for (count, fits) in [(255, true), (256, false)] {
        let wide = [ContextElement::new(0, SyntaxId::KMS, &syntaxes[..count])];
        let plain = Bind {
            max_xmit_frag: 0,
            max_recv_frag: 0,
            assoc_group_id: 0,
            contexts: ContextList::new(&wide),
        };
        let ack = BindAck {
            max_xmit_frag: 0,
            max_recv_frag: 0,
            assoc_group_id: 0,
            sec_addr: b"",
            results: ResultList::new(&results[..count]),
        };
        let long = Bind { contexts: ContextList::new(&elements[..count]), ..plain };
        for body in [Body::Bind(plain), Body::Bind(long), Body::BindAck(ack)] {
            let packet = Packet::new(PfcFlags::WHOLE, 1, body);
            let mut bytes = vec![0; packet.encoded_len()];
            let encoded = packet.encode(&mut bytes);
            assert_eq!(encoded.is_ok(), fits, "{count} entries: {encoded:?}");
            if fits {
                assert_eq!(Packet::decode(&bytes).unwrap().body, body);
            }
        }
    }
}

#[test]
fn a_pdu_holds_65535_bytes_and_one_more_is_the_callers_error() {
    let stub = vec![7; 65_535 - 24 + 1];
    for (len, fits) in [(stub.len() - 1, true), (stub.len(), false)] {
        let response =
            Response { alloc_hint: 0, context_id: 0, cancel_count: 0, stub: &stub[..len] };
        let packet = Packet::new(PfcFlags::WHOLE, 1, Body::Response(response));
        let mut bytes = vec![0; packet.encoded_len()];
        assert_eq!(packet.encode(&mut bytes).is_ok(), fits, "{} bytes", bytes.len());
    }
}
