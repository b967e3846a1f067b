//! Damaged PDUs: cut at every length, one byte wrong, or no PDU at all. Nothing panics, and every
//! failure is reported, not the first alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod rpc_support;

use kms_protocol::client;
use kms_protocol::limits::CONNECTION_BUFFER_MAX;
use kms_protocol::rpc::{ContextElement, Frame, Packet, PfcFlags, SyntaxId, next_frame};
use kms_protocol::server::{Config, Connection, Event};
use kms_protocol::time::Instant;
use proptest::prelude::*;
use rpc_support::{all_hold, vector, vectors, with_frag_length};

#[test]
fn every_vector_cut_at_every_length_is_incomplete_as_a_stream() {
    all_hold(vectors(), |(_, bytes)| {
        let whole = (0..bytes.len()).find(|&len| {
            !matches!(next_frame(&bytes[..len]), Ok(Frame::Incomplete { wanted }) if wanted > len)
        });
        whole.map_or(Ok(()), |len| Err(format!("a frame of {len} bytes")))
    });
}

#[test]
fn every_vector_cut_at_every_length_is_malformed_as_a_pdu() {
    all_hold(vectors(), |(_, bytes)| {
        let decoded = (0..bytes.len()).find(|&len| Packet::decode(&bytes[..len]).is_ok());
        decoded.map_or(Ok(()), |len| Err(format!("decodes at {len} bytes")))
    });
}

#[test]
fn a_cut_that_frag_length_confirms_is_an_error_or_a_shorter_pdu_but_no_panic() {
    all_hold(vectors(), |(_, bytes)| {
        for len in 16..bytes.len() {
            let cut = with_frag_length(bytes[..len].to_vec(), u16::try_from(len).unwrap());
            if let Ok(packet) = Packet::decode(&cut) {
                let canonical = packet.encoded_len();
                // Padding that ends a PDU may be missing; nothing else may be made up.
                if canonical > len + 3 {
                    return Err(format!("{len} bytes decode to a PDU of {canonical}"));
                }
            }
            feed_both(&cut);
        }
        Ok(())
    });
}

#[test]
fn one_wrong_byte_anywhere_panics_nowhere() {
    all_hold(vectors(), |(_, bytes)| {
        for place in 0..bytes.len() {
            for wrong in [0, 0xff, bytes[place].wrapping_add(1)] {
                let mut damaged = bytes.clone();
                damaged[place] = wrong;
                let _any = Packet::decode(&damaged);
                feed_both(&damaged);
            }
        }
        Ok(())
    });
}

proptest! {
    #[test]
    fn garbage_panics_nowhere_and_stays_within_the_caps(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
        bound in any::<bool>(),
    ) {
        let mut server = if bound { bound_server() } else { fresh_server() };
        let mut client = fresh_client();
        for chunk in &chunks {
            server.handle_input(Instant::ZERO, chunk);
            answer(&mut server);
            client.handle_input(Instant::ZERO, chunk);
            while client.poll_event().is_some() {}
        }
        prop_assert!(server.buffered_bytes() <= CONNECTION_BUFFER_MAX);
    }

    /// However the network cuts the stream, the same PDUs are answered with the same bytes.
    #[test]
    fn any_chunking_gives_the_same_answers(
        order in prop::collection::vec(0..STREAM_PDUS.len(), 1..6),
        cuts in prop::collection::vec(1..400usize, 1..40),
    ) {
        let mut stream = vector("rpc_bind_three_contexts");
        order.iter().for_each(|&index| stream.extend(vector(STREAM_PDUS[index])));
        let whole = answers(&[&stream]);
        let mut pieces = Vec::new();
        let mut rest = stream.as_slice();
        for &cut in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(answers(&pieces), whole);
    }
}

/// PDUs of a client that may follow a bind.
const STREAM_PDUS: [&str; 7] = [
    "rpc_alter_context",
    "rpc_request_ndr32_v4",
    "rpc_request_ndr64_v6",
    "rpc_request_object",
    "rpc_co_cancel",
    "rpc_orphaned",
    "rpc_request_middle_fragment",
];

fn answers(pieces: &[&[u8]]) -> Vec<u8> {
    let mut server = fresh_server();
    let mut sent = Vec::new();
    for piece in pieces {
        server.handle_input(Instant::ZERO, piece);
        answer(&mut server);
        sent.extend_from_slice(server.poll_transmit());
        server.transmitted(server.poll_transmit().len());
    }
    sent
}

fn feed_both(bytes: &[u8]) {
    for mut server in [fresh_server(), bound_server()] {
        server.handle_input(Instant::ZERO, bytes);
        answer(&mut server);
        server.handle_eof(Instant::ZERO);
        answer(&mut server);
    }
    let mut client = fresh_client();
    client.handle_input(Instant::ZERO, bytes);
    while client.poll_event().is_some() {}
    client.handle_eof(Instant::ZERO);
    while client.poll_event().is_some() {}
    assert!(client.is_closed() || !client.unread().is_empty() || client.close_reason().is_none());
}

fn answer(server: &mut Connection) {
    while let Some(event) = server.poll_event() {
        match event {
            Event::Bind { .. } => server.accept_bind(7),
            Event::Call(call) => {
                let (call_id, stub) = (call.call_id, call.stub.to_vec());
                server.respond(call_id, &stub).unwrap();
            }
            _ => {}
        }
    }
}

fn fresh_server() -> Connection {
    Connection::new(Config::new(1688), Instant::ZERO)
}

fn bound_server() -> Connection {
    let mut server = fresh_server();
    server.handle_input(Instant::ZERO, &vector("rpc_bind_three_contexts"));
    answer(&mut server);
    assert!(!server.is_closing());
    server
}

fn fresh_client() -> client::Connection {
    let mut client = client::Connection::new(client::Config::default(), Instant::ZERO);
    let context = |id, syntax| ContextElement::new(id, SyntaxId::KMS, syntax);
    let contexts = [
        context(0, &[SyntaxId::NDR32][..]),
        context(1, &[SyntaxId::NDR64][..]),
        context(2, &[SyntaxId::NDR32][..]),
    ];
    client.bind(PfcFlags::WHOLE, 0, &contexts).unwrap();
    client
}
