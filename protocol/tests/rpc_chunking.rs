//! However the network cuts a stream, both machines see the same things and say the same bytes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod rpc_support;

use kms_protocol::client::{self, Event as ClientEvent};
use kms_protocol::limits::{BIND_MAX, CONNECTION_BUFFER_MAX};
use kms_protocol::rpc::{ContextElement, PfcFlags, SyntaxId};
use kms_protocol::server::{self, Event as ServerEvent};
use kms_protocol::time::Instant;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rpc_support::{pdus, vector, with_call_id, with_flags};

/// What a machine made of a stream: events, bytes sent, and why it closed.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    events: Vec<String>,
    sent: Vec<u8>,
    close_reason: String,
}

/// A server that answers every call with its own stub, fed piece by piece.
fn serve(pieces: &[&[u8]]) -> Outcome {
    let mut server = server::Connection::new(server::Config::new(1688), Instant::ZERO);
    let mut outcome = Outcome::default();
    let last = pieces.len();
    for index in 0..=last {
        match pieces.get(index) {
            Some(piece) => server.handle_input(Instant::ZERO, piece),
            None => server.handle_eof(Instant::ZERO),
        }
        while let Some(event) = server.poll_event() {
            outcome.events.push(format!("{event:?}"));
            match event {
                ServerEvent::Bind { .. } => server.accept_bind(7),
                ServerEvent::Call(call) => {
                    let (call_id, stub) = (call.call_id, call.stub.to_vec());
                    server.respond(call_id, &stub).unwrap();
                }
                _ => {}
            }
        }
        outcome.sent.extend_from_slice(server.poll_transmit());
        server.transmitted(server.poll_transmit().len());
        assert!(server.buffered_bytes() <= CONNECTION_BUFFER_MAX);
    }
    assert!(server.is_closed(), "the peer has finished and everything is answered");
    outcome.close_reason = format!("{:?}", server.close_reason());
    pdus(&outcome.sent);
    outcome
}

/// A client that binds and then asks its next question as soon as one is answered.
fn ask(pieces: &[&[u8]]) -> Outcome {
    let mut client = client::Connection::new(client::Config::default(), Instant::ZERO);
    let offer = |id, syntax| ContextElement::new(id, SyntaxId::KMS, syntax);
    let offers = [offer(0, &[SyntaxId::NDR32][..]), offer(1, &[SyntaxId::NDR64])];
    let third = offer(2, &[SyntaxId::NDR32]);
    client.bind(PfcFlags::WHOLE, 0, &[offers[0], offers[1], third]).unwrap();
    let mut outcome = Outcome::default();
    for index in 0..=pieces.len() {
        match pieces.get(index) {
            Some(piece) => client.handle_input(Instant::ZERO, piece),
            None => client.handle_eof(Instant::ZERO),
        }
        while let Some(event) = client.poll_event() {
            outcome.events.push(format!("{event:?}"));
            match event {
                ClientEvent::Bound { .. } => {
                    client.alter_context(PfcFlags::WHOLE, &offers).unwrap();
                }
                ClientEvent::Shutdown | ClientEvent::BindRefused { .. } => {}
                _ => {
                    client.call(0, 0, b"question").unwrap();
                }
            }
        }
        outcome.sent.extend_from_slice(client.poll_transmit());
        client.transmitted(client.poll_transmit().len());
        assert!(client.unread().len() <= BIND_MAX || client.is_closed());
    }
    assert!(client.is_closed());
    outcome.close_reason = format!("{:?}", client.close_reason());
    outcome
}

proptest! {
    #[test]
    fn the_server_does_not_notice_how_a_stream_is_cut(
        stream in client_stream(),
        cuts in vec(1..400usize, 1..40),
    ) {
        let whole = serve(&[&stream]);
        prop_assert!(!whole.events.is_empty(), "nothing happened");
        prop_assert_eq!(serve(&cut(&stream, &cuts)), whole);
    }

    #[test]
    fn the_client_does_not_notice_how_a_stream_is_cut(
        stream in server_stream(),
        cuts in vec(1..400usize, 1..40),
    ) {
        let whole = ask(&[&stream]);
        prop_assert!(!whole.events.is_empty(), "nothing happened");
        prop_assert_eq!(ask(&cut(&stream, &cuts)), whole);
    }
}

#[test]
fn a_stream_that_arrives_byte_by_byte_is_the_same_stream() {
    let pdus = ["rpc_bind_three_contexts", "rpc_alter_context", "rpc_request_ndr32_v4"];
    let stream: Vec<u8> = pdus.into_iter().flat_map(vector).collect();
    let bytes: Vec<_> = stream.chunks(1).collect();
    let whole = serve(&[&stream]);
    assert_eq!(whole.close_reason, "Some(PeerFinished)");
    assert_eq!(serve(&bytes), whole);

    let answers = [
        vector("rpc_bind_ack_three_results"),
        with_call_id(alter_resp_of_two(), 3),
        with_call_id(vector("rpc_response_ndr32"), 4),
    ];
    let stream = answers.concat();
    let bytes: Vec<_> = stream.chunks(1).collect();
    let whole = ask(&[&stream]);
    assert_eq!(whole.events.len(), 3, "bound, altered, answered: {whole:?}");
    assert_eq!(ask(&bytes), whole);
}

/// A bind, then whatever clients send, well or badly put, then perhaps garbage.
fn client_stream() -> impl Strategy<Value = Vec<u8>> {
    let bind = select(&["rpc_bind_three_contexts", "rpc_bind_big_endian", "rpc_bind_ntlm"][..]);
    let names = [
        "rpc_alter_context",
        "rpc_request_ndr32_v4",
        "rpc_request_ndr64_v6",
        "rpc_request_object",
        "rpc_request_middle_fragment",
        "rpc_request_auth_padding",
        "rpc_co_cancel",
        "rpc_orphaned",
        "rpc_auth3",
        "rpc_shutdown",
    ];
    // Mostly whole calls, sometimes first, middle and last fragments.
    let flags = prop_oneof![3 => Just(0x03), 1 => 0x00..0x04u8];
    let pdu = (select(names.to_vec()), flags, 2..4u32)
        .prop_map(|(name, flags, call_id)| with_flags(with_call_id(vector(name), call_id), flags));
    (bind, bool::arbitrary(), vec(pdu, 0..STREAM_PDUS_MAX), garbage()).prop_map(
        |(bind, multiplexed, pdus, garbage)| {
            let flags = if multiplexed { 0x13 } else { 0x03 };
            [with_flags(vector(bind), flags), pdus.concat(), garbage].concat()
        },
    )
}

/// A bind_ack, the answer to the alter_context, answers to calls, then perhaps garbage.
fn server_stream() -> impl Strategy<Value = Vec<u8>> {
    let names = [
        "rpc_response_ndr32",
        "rpc_response_ndr32_error",
        "rpc_response_big_endian",
        "rpc_fault_unknown_interface",
        "rpc_fault_extended_error",
    ];
    let answer = (select(names.to_vec()), bool::arbitrary());
    (vec(answer, 0..STREAM_PDUS_MAX), bool::arbitrary(), garbage()).prop_map(
        |(answers, shutdown, garbage)| {
            let mut stream = vector("rpc_bind_ack_three_results");
            stream.extend(with_call_id(alter_resp_of_two(), 3));
            for (call_id, (name, fragmented)) in (4..).zip(answers) {
                let pdu = with_call_id(vector(name), call_id);
                if fragmented && name.starts_with("rpc_response") {
                    stream.extend(with_flags(pdu.clone(), 0x01));
                    stream.extend(with_flags(pdu.clone(), 0x00));
                    stream.extend(with_flags(pdu, 0x02));
                } else {
                    stream.extend(pdu);
                }
            }
            if shutdown {
                stream.extend(vector("rpc_shutdown"));
            }
            stream.extend(garbage);
            stream
        },
    )
}

fn garbage() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(Vec::new()), vec(any::<u8>(), 1..100)]
}

/// An alter_context_resp with two results: NDR32 refused, NDR64 accepted.
fn alter_resp_of_two() -> Vec<u8> {
    let one = vector("rpc_alter_context_resp");
    let refused = [&[2, 0, 2, 0][..], &[0; 20]].concat();
    let mut two = [&one[..32], &refused, &one[32..]].concat();
    two[28] = 2;
    rpc_support::with_frag_length(two, 80)
}

fn cut<'a>(mut stream: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for &cut in cuts.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (piece, rest) = stream.split_at(cut.min(stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}

const STREAM_PDUS_MAX: usize = 8;
