//! Damaged PDUs: cut at every length, one byte wrong, or no PDU at all. Nothing panics, whatever
//! state a machine is in, and every failure is reported, not the first alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod rpc_support;

use kms_protocol::client;
use kms_protocol::limits::{BIND_MAX, CONNECTION_BUFFER_MAX};
use kms_protocol::rpc::{ContextElement, Frame, Packet, PfcFlags, SyntaxId, next_frame};
use kms_protocol::server::{Config, Connection, Event};
use kms_protocol::time::Instant;
use proptest::collection::vec;
use proptest::prelude::*;
use rpc_support::{all_hold, pdus, vector, vectors, with_flags, with_frag_length};

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
fn every_vector_cut_at_every_length_and_then_the_end_closes_every_machine() {
    all_hold(vectors(), |(_, bytes)| (0..bytes.len()).try_for_each(|len| feed_all(&bytes[..len])));
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
            feed_all(&cut)?;
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
                feed_all(&damaged).map_err(|why| format!("{wrong:#04x} at {place}: {why}"))?;
            }
        }
        Ok(())
    });
}

#[test]
fn every_frag_length_below_a_header_and_at_its_largest_is_survived() {
    all_hold(vectors(), |(_, bytes)| {
        for frag_length in (0..16).chain([5840, 5841, 0x8000, u16::MAX]) {
            feed_all(&with_frag_length(bytes.clone(), frag_length))?;
        }
        Ok(())
    });
}

proptest! {
    #[test]
    fn garbage_panics_nowhere_and_stays_within_the_caps(
        chunks in vec(vec(any::<u8>(), 0..300), 0..20),
    ) {
        let bytes: Vec<u8> = chunks.concat();
        for mut server in servers() {
            for chunk in &chunks {
                server.handle_input(Instant::ZERO, chunk);
                answer(&mut server);
                prop_assert!(server.buffered_bytes() <= CONNECTION_BUFFER_MAX);
            }
        }
        for mut client in clients() {
            for chunk in &chunks {
                client.handle_input(Instant::ZERO, chunk);
                while client.poll_event().is_some() {}
                let cap = BIND_MAX + client::Config::default().response_max;
                prop_assert!(client.buffered_bytes() <= cap + 2 * chunk.len());
            }
        }
        feed_all(&bytes).map_err(TestCaseError::fail)?;
    }

    /// Garbage behind a sound header gets past the framing.
    #[test]
    fn framed_garbage_panics_nowhere(
        bodies in vec((0..21u8, any::<u8>(), vec(any::<u8>(), 0..200)), 1..6),
    ) {
        let stream: Vec<u8> = bodies
            .iter()
            .flat_map(|(ptype, flags, body)| {
                let len = u16::try_from(16 + body.len()).unwrap();
                let header = [5, 0, *ptype, *flags, 0x10, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0];
                with_frag_length([&header[..], body].concat(), len)
            })
            .collect();
        feed_all(&stream).map_err(TestCaseError::fail)?;
    }
}

/// Feeds the bytes and then the end of the stream to machines in every state. All must be closed
/// then, and what the servers sent must be whole PDUs.
fn feed_all(bytes: &[u8]) -> Result<(), String> {
    for (state, mut server) in servers().into_iter().enumerate() {
        server.handle_input(Instant::ZERO, bytes);
        answer(&mut server);
        server.handle_eof(Instant::ZERO);
        answer(&mut server);
        pdus(server.poll_transmit());
        server.transmitted(server.poll_transmit().len());
        if !server.is_closed() {
            return Err(format!("server {state} is not closed after {} bytes", bytes.len()));
        }
    }
    for (state, mut client) in clients().into_iter().enumerate() {
        client.handle_input(Instant::ZERO, bytes);
        while client.poll_event().is_some() {}
        client.handle_eof(Instant::ZERO);
        while client.poll_event().is_some() {}
        if !client.is_closed() {
            return Err(format!("client {state} is not closed after {} bytes", bytes.len()));
        }
    }
    Ok(())
}

/// Before the bind, bound, in the middle of a call, and with concurrent calls granted.
fn servers() -> [Connection; 4] {
    let fed = |pdus: &[Vec<u8>]| {
        let mut server = Connection::new(Config::new(1688), Instant::ZERO);
        server.handle_input(Instant::ZERO, &pdus.concat());
        answer(&mut server);
        server.transmitted(server.poll_transmit().len());
        assert!(!server.is_closing());
        server
    };
    let bind = || vector("rpc_bind_three_contexts");
    let first = with_flags(vector("rpc_request_ndr64_v6"), 0x01);
    [
        fed(&[]),
        fed(&[bind()]),
        fed(&[bind(), first.clone()]),
        fed(&[with_flags(bind(), 0x13), first]),
    ]
}

/// Before the bind, awaiting each kind of answer, and in the middle of one.
fn clients() -> [client::Connection; 5] {
    let new = || client::Connection::new(client::Config::default(), Instant::ZERO);
    let bound = || {
        let mut client = new();
        let offer = |id, syntax| ContextElement::new(id, SyntaxId::KMS, syntax);
        let contexts = [
            offer(0, &[SyntaxId::NDR32][..]),
            offer(1, &[SyntaxId::NDR64]),
            offer(2, &[SyntaxId::NDR32]),
        ];
        client.bind(PfcFlags::WHOLE, 0, &contexts).unwrap();
        client
    };
    let with = |answer: &[u8]| {
        let mut client = bound();
        client.handle_input(Instant::ZERO, &vector("rpc_bind_ack_three_results"));
        assert!(client.poll_event().is_some());
        client.call(0, 0, b"question").unwrap();
        client.handle_input(Instant::ZERO, answer);
        assert!(client.poll_event().is_none() && !client.is_closed());
        client
    };
    let mut altering = bound();
    altering.handle_input(Instant::ZERO, &vector("rpc_bind_ack_three_results"));
    assert!(altering.poll_event().is_some());
    let offer = ContextElement::new(0, SyntaxId::KMS, &[SyntaxId::NDR64]);
    altering.alter_context(PfcFlags::WHOLE, &[offer]).unwrap();
    let first = rpc_support::with_call_id(vector("rpc_response_ndr32"), 3);
    [new(), bound(), altering, with(&[]), with(&with_flags(first, 0x01))]
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
