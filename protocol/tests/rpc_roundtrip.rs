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
use kms_protocol::wire::ByteOrder;
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
                // Only a call's padding is told from its content; the others must end aligned.
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

const fn pads(body: &Body<'_>) -> bool {
    matches!(body.ptype(), PduType::REQUEST | PduType::RESPONSE)
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
    fn bind_and_alter_context(
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
    fn bind_ack_and_alter_context_resp(
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
    fn bind_nak(
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
    fn request(
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
    fn response(
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
    fn fault(
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
    fn bodies_without_content(envelope in envelope(), pad in any::<[u8; 4]>()) {
        for body in [Body::Auth3(Auth3 { pad }), Body::Shutdown, Body::CoCancel, Body::Orphaned] {
            envelope.check(body)?;
        }
    }
}
