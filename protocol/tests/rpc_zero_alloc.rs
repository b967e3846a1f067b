//! Decoding any PDU and encoding it into the caller's buffer allocates nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod counting_allocator;
mod rpc_support;

use std::hint::black_box;

use counting_allocator::allocations_of;
use kms_protocol::rpc::{Body, Packet, next_frame};
use rpc_support::vectors;

#[test]
fn no_pdu_allocates_when_it_is_decoded_walked_or_encoded() {
    assert!(allocations_of(|| drop(black_box(Box::new(1)))) >= 1, "the counter counts");
    for (name, bytes) in vectors() {
        let mut out = [0; 1024];
        let count = allocations_of(|| {
            next_frame(&bytes).unwrap();
            let packet = Packet::decode(&bytes).unwrap();
            walk(&packet.body);
            packet.encode(&mut out).unwrap();
        });
        assert_eq!(count, 0, "{name}");
    }
}

#[test]
fn no_cut_pdu_allocates_when_it_is_refused() {
    for (name, bytes) in vectors() {
        let count = allocations_of(|| {
            for len in 0..bytes.len() {
                next_frame(&bytes[..len]).unwrap();
                assert!(Packet::decode(&bytes[..len]).is_err());
            }
        });
        assert_eq!(count, 0, "{name}");
    }
}

/// Lists are read lazily: reads them to their ends.
fn walk(body: &Body<'_>) {
    match body {
        Body::Bind(bind) | Body::AlterContext(bind) => {
            for element in bind.contexts.iter() {
                element.transfer_syntaxes.iter().for_each(|syntax| _ = black_box(syntax));
            }
        }
        Body::BindAck(ack) | Body::AlterContextResp(ack) => {
            ack.results.iter().for_each(|result| _ = black_box(result));
        }
        Body::BindNak(nak) => nak.versions.iter().for_each(|version| _ = black_box(version)),
        _ => {}
    }
}
