//! Every golden PDU says what its comments say, and encodes to the same bytes again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod rpc_support;

use kms_protocol::guid::Guid;
use kms_protocol::rpc::extended_error::ExtendedError;
use kms_protocol::rpc::{
    Auth3, AuthLevel, AuthTrailer, AuthType, Bind, BindAck, BindNak, BindNakReason,
    BindTimeFeatures, Body, ContextElement, ContextList, ContextReason, ContextResult, DataRep,
    Fault, Header, Packet, PfcFlags, Request, Response, ResultElement, ResultList, Status,
    SyntaxId,
};
use rpc_support::{vector, vector_names};

/// Vectors whose padding or reserved bytes are not the zeros that this crate writes.
const NOT_CANONICAL: &[&str] = &["rpc_bind_ack_random_padding"];

const WHOLE: PfcFlags = PfcFlags::WHOLE;
const GROUP: u32 = 0x0001_2345;

#[test]
fn every_vector_decodes_to_what_its_comments_say() {
    for name in vector_names() {
        let bytes = vector(&name);
        let packet = Packet::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let stub = counting();
        let mut expected = expected(&name, &stub);
        expected.header.frag_length = u16::try_from(bytes.len()).unwrap();
        expected.header.auth_length =
            u16::try_from(expected.auth.map_or(0, |auth| auth.credentials.len())).unwrap();
        assert_eq!(packet, expected, "{name}");
    }
}

#[test]
fn every_canonical_vector_encodes_to_the_same_bytes() {
    for name in vector_names() {
        let bytes = vector(&name);
        let packet = Packet::decode(&bytes).unwrap();
        let mut encoded = vec![0xee; bytes.len()];
        assert_eq!(packet.encoded_len(), bytes.len(), "{name}");
        assert_eq!(packet.encode(&mut encoded), Ok(bytes.len()), "{name}");
        if NOT_CANONICAL.contains(&name.as_str()) {
            assert_eq!(Packet::decode(&encoded).unwrap(), packet, "{name}");
        } else {
            assert_eq!(encoded, bytes, "{name}");
        }
    }
}

#[test]
fn a_buffer_one_byte_short_is_the_callers_error_for_every_vector() {
    for name in vector_names() {
        let bytes = vector(&name);
        let packet = Packet::decode(&bytes).unwrap();
        for len in 0..bytes.len() {
            assert!(packet.encode(&mut vec![0; len]).is_err(), "{name} into {len} bytes");
        }
    }
}

#[test]
fn the_secondary_address_is_read_without_its_nul() {
    let bytes = vector("rpc_bind_ack_three_results");
    let Body::BindAck(ack) = Packet::decode(&bytes).unwrap().body else { panic!("no bind_ack") };
    assert_eq!(ack.sec_addr_text(), b"1688");
    let bytes = vector("rpc_alter_context_resp");
    let Body::AlterContextResp(ack) = Packet::decode(&bytes).unwrap().body else {
        panic!("no alter_context_resp");
    };
    assert_eq!(ack.sec_addr_text(), b"");
}

/// The hand-written content of each vector; lengths are filled in by the caller.
fn expected<'a>(name: &str, stub: &'a Stubs) -> Packet<'a> {
    match name.trim_start_matches("rpc_") {
        name if name.contains("bind") || name.contains("alter") => expected_negotiation(name),
        name if name.contains("request") => expected_request(name, stub),
        name if name.contains("response") => expected_response(name, stub),
        "fault_unknown_interface" => Packet::new(
            WHOLE | PfcFlags::DID_NOT_EXECUTE,
            2,
            Body::Fault(Fault::new(0, Status::UNKNOWN_INTERFACE)),
        ),
        "fault_extended_error" => Packet::new(
            WHOLE,
            5,
            Body::Fault(Fault {
                alloc_hint: 32,
                context_id: 1,
                cancel_count: 0,
                flags: Fault::EXTENDED_ERROR,
                status: Status::BAD_STUB_DATA,
                rest: ERROR_BLOB,
            }),
        ),
        "co_cancel" => Packet::new(WHOLE, 2, Body::CoCancel),
        "orphaned" => Packet::new(WHOLE, 2, Body::Orphaned),
        "shutdown" => Packet::new(WHOLE, 0, Body::Shutdown),
        "auth3" => Packet {
            auth: Some(AuthTrailer {
                auth_type: AuthType::NTLMSSP,
                level: AuthLevel::CONNECT,
                pad_length: 0,
                reserved: 0,
                context_id: 0,
                credentials: b"NTLMSSP\0\x03\0\0\0\0\0\0\0",
            }),
            ..Packet::new(WHOLE, 2, Body::Auth3(Auth3 { pad: *b"    " }))
        },
        other => panic!("write down what `rpc_{other}.hex` holds"),
    }
}

fn expected_negotiation(name: &str) -> Packet<'static> {
    const NDR32: ContextElement<'_> = ContextElement::new(0, SyntaxId::KMS, &[SyntaxId::NDR32]);
    const NDR64: ContextElement<'_> = ContextElement::new(1, SyntaxId::KMS, &[SyntaxId::NDR64]);
    const FEATURES: ContextElement<'_> =
        ContextElement::new(2, SyntaxId::KMS, &[SyntaxId::bind_time_features(BindTimeFeatures(3))]);
    match name {
        "bind_three_contexts" => {
            Packet::new(WHOLE, 2, Body::Bind(bind(0, &[NDR32, NDR64, FEATURES])))
        }
        "bind_big_endian" => big_endian(Packet::new(WHOLE, 2, Body::Bind(bind(0, &[NDR32])))),
        "bind_ntlm" => Packet {
            auth: Some(AuthTrailer {
                auth_type: AuthType::NTLMSSP,
                level: AuthLevel::CONNECT,
                pad_length: 0,
                reserved: 0,
                context_id: 0,
                credentials: b"NTLMSSP\0\x01\0\0\0\x97\x82\x08\xe2\
                    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a\0\x39\x38\0\0\0\x0f",
            }),
            ..Packet::new(WHOLE | PfcFlags::SUPPORT_HEADER_SIGN, 2, Body::Bind(bind(0, &[NDR32])))
        },
        "alter_context" => Packet::new(WHOLE, 3, Body::AlterContext(bind(GROUP, &[NDR32]))),
        "alter_context_resp" => {
            let results = &const { [ResultElement::accepted(SyntaxId::NDR64)] };
            Packet::new(WHOLE, 4, Body::AlterContextResp(ack(b"", results)))
        }
        "bind_nak" => {
            let reason = BindNakReason::PROTOCOL_VERSION_NOT_SUPPORTED;
            Packet::new(WHOLE, 2, Body::BindNak(BindNak::new(reason)))
        }
        "bind_nak_without_versions" => {
            let nak = BindNak::new(BindNakReason::LOCAL_LIMIT_EXCEEDED);
            let versions = kms_protocol::rpc::bind_nak::Versions::from_pairs(&[]);
            Packet::new(WHOLE, 2, Body::BindNak(BindNak { versions, ..nak }))
        }
        "bind_nak_extended_error" => {
            let nak = BindNak::new(BindNakReason::AUTHENTICATION_TYPE_NOT_RECOGNIZED);
            let extended_error = Some(ExtendedError { blob: ERROR_BLOB });
            Packet::new(WHOLE, 2, Body::BindNak(BindNak { extended_error, ..nak }))
        }
        _ => expected_bind_ack(name),
    }
}

fn expected_bind_ack(name: &str) -> Packet<'static> {
    match name {
        "bind_ack_three_results" => {
            let results = &const {
                [
                    ResultElement::rejected(ContextReason::TRANSFER_SYNTAXES_NOT_SUPPORTED),
                    ResultElement::accepted(SyntaxId::NDR64),
                    ResultElement::features(BindTimeFeatures(3)),
                ]
            };
            Packet::new(WHOLE, 2, Body::BindAck(ack(b"1688\0", results)))
        }
        "bind_ack_random_padding" => {
            let results = &const { [ResultElement::accepted(SyntaxId::NDR32)] };
            Packet::new(WHOLE, 2, Body::BindAck(ack(b"135\0", results)))
        }
        "bind_ack_unknown_values" => {
            const RESULT: ResultElement = ResultElement {
                result: ContextResult(0x1234),
                reason: ContextReason(0x5678),
                transfer_syntax: SyntaxId {
                    uuid: Guid::from_bytes([0xff; 16]),
                    major: 0xabcd,
                    minor: 0xef12,
                },
            };
            let ack = BindAck {
                max_xmit_frag: 0xffff,
                max_recv_frag: 0,
                assoc_group_id: u32::MAX,
                sec_addr: b"1688\0",
                results: ResultList::new(&[RESULT]),
            };
            Packet::new(PfcFlags(0xfb), u32::MAX, Body::BindAck(ack))
        }
        other => panic!("write down what `rpc_{other}.hex` holds"),
    }
}

fn expected_request<'a>(name: &str, stubs: &'a Stubs) -> Packet<'a> {
    let plain = Request { alloc_hint: 0, context_id: 0, opnum: 0, object: None, stub: &[] };
    let (flags, call_id, request) = match name {
        "request_ndr32_v4" => {
            (WHOLE, 2, Request { alloc_hint: 260, stub: &stubs.request_v4, ..plain })
        }
        "request_ndr64_v6" => {
            let stub = &stubs.request_v6;
            (WHOLE, 3, Request { alloc_hint: 276, context_id: 1, stub, ..plain })
        }
        "request_object" => {
            let object = Guid::parse("00112233-4455-6677-8899-aabbccddeeff").ok();
            let stub = &[0xde, 0xad, 0xbe, 0xef];
            let flags = WHOLE | PfcFlags::OBJECT_UUID;
            (flags, 2, Request { alloc_hint: 4, opnum: 7, object, stub, ..plain })
        }
        "request_middle_fragment" => {
            let stub = &stubs.counting[..16];
            let request = Request { alloc_hint: 100, context_id: 256, stub, ..plain };
            (PfcFlags::default(), 9, request)
        }
        "request_auth_padding" => (WHOLE, 2, Request { alloc_hint: 5, stub: b"hello", ..plain }),
        other => panic!("write down what `rpc_{other}.hex` holds"),
    };
    let auth = (name == "request_auth_padding").then_some(AuthTrailer {
        auth_type: AuthType::NTLMSSP,
        level: AuthLevel(5),
        pad_length: 3,
        reserved: 0,
        context_id: 7,
        credentials: b"\x01\0\0\0\x11\x22\x33\x44\x55\x66\x77\x88\0\0\0\0",
    });
    Packet { auth, ..Packet::new(flags, call_id, Body::Request(request)) }
}

fn expected_response<'a>(name: &str, stubs: &'a Stubs) -> Packet<'a> {
    let plain = Response { alloc_hint: 0, context_id: 0, cancel_count: 0, stub: &[] };
    let (call_id, response) = match name {
        "response_ndr32" => (2, Response { alloc_hint: 176, stub: &stubs.response, ..plain }),
        "response_ndr32_error" => {
            (2, Response { alloc_hint: 12, stub: b"\0\0\0\0\0\0\0\0\x42\xf0\x04\xc0", ..plain })
        }
        "response_ndr64_error" => {
            let stub = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x42\xf0\x04\xc0";
            (3, Response { alloc_hint: 20, context_id: 1, stub, ..plain })
        }
        "response_big_endian" => {
            let response =
                Response { alloc_hint: 4, context_id: 1, stub: &stubs.counting[..4], ..plain };
            return big_endian(Packet::new(WHOLE, 2, Body::Response(response)));
        }
        other => panic!("write down what `rpc_{other}.hex` holds"),
    };
    Packet::new(WHOLE, call_id, Body::Response(response))
}

fn bind(assoc_group_id: u32, contexts: &'static [ContextElement<'static>]) -> Bind<'static> {
    let contexts = ContextList::new(contexts);
    Bind { max_xmit_frag: 5840, max_recv_frag: 5840, assoc_group_id, contexts }
}

fn ack(sec_addr: &'static [u8], results: &'static [ResultElement]) -> BindAck<'static> {
    let results = ResultList::new(results);
    BindAck { max_xmit_frag: 5840, max_recv_frag: 5840, assoc_group_id: GROUP, sec_addr, results }
}

fn big_endian(packet: Packet<'_>) -> Packet<'_> {
    Packet { header: Header { drep: DataRep::BIG, ..packet.header }, ..packet }
}

/// Stub data that the vectors hold: bytes that count up, bare or within sizes.
struct Stubs {
    counting: Vec<u8>,
    request_v4: Vec<u8>,
    request_v6: Vec<u8>,
    response: Vec<u8>,
}

fn counting() -> Stubs {
    let counting: Vec<u8> = (0..=255).chain(0..4).collect();
    Stubs {
        request_v4: [&[252, 0, 0, 0, 252, 0, 0, 0], &counting[..252]].concat(),
        request_v6: [&[4, 1, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0], &counting[..]].concat(),
        response: [&[160, 0, 0, 0, 0, 0, 2, 0, 160, 0, 0, 0], &counting[..160], &[0, 0, 0, 0]]
            .concat(),
        counting,
    }
}

const ERROR_BLOB: &[u8] = &[0x01, 0x10, 0x08, 0x00, 0xcc, 0xcc, 0xcc, 0xcc];
