//! Decoding any PDU and encoding it into the caller's buffer allocates nothing.

#![allow(unsafe_code, reason = "a counting allocator has to implement GlobalAlloc")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rpc_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use kms_protocol::rpc::{Body, Packet, next_frame};
use rpc_support::vectors;

struct Counting;

thread_local! {
    // Per thread: the test harness allocates on its own threads whenever it likes.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise, handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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

fn allocations_of(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}
