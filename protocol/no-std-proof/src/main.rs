//! kms-protocol in a program that has no standard library.
//!
//! Two things are proven. The program has its own panic handler and its own allocator: should std
//! be linked in by the crate or by anything that it depends on, the compiler refuses the second
//! panic handler. And it runs: bytes go through the crate, with nothing below it but libc's entry
//! point and memory functions.

#![no_std]
#![no_main]

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_int;
use core::panic::PanicInfo;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use kms_protocol::kms::DEFAULT_PORT;
use kms_protocol::rpc::{
    Bind, Body, ContextElement, ContextList, Packet, PduType, PfcFlags, SyntaxId,
};
use kms_protocol::server::{Config, Connection, Event};
use kms_protocol::time::Instant;

/// Exit code 0 when a server connection answers a bind with a bind_ack.
#[unsafe(no_mangle)]
pub extern "C" fn main(_argc: c_int, _argv: *const *const u8) -> c_int {
    c_int::from(answer_to_a_bind() != Some(PduType::BIND_ACK))
}

fn answer_to_a_bind() -> Option<PduType> {
    let transfer = [SyntaxId::NDR32];
    let contexts = [ContextElement::new(0, SyntaxId::KMS, &transfer)];
    let bind = Body::Bind(Bind {
        max_xmit_frag: 5840,
        max_recv_frag: 5840,
        assoc_group_id: 0,
        contexts: ContextList::new(&contexts),
    });
    let mut bytes = [0; 128];
    let length = Packet::new(PfcFlags::WHOLE, 1, bind).encode(&mut bytes).ok()?;

    let mut connection = Connection::new(Config::new(DEFAULT_PORT), Instant::ZERO);
    connection.handle_input(Instant::ZERO, bytes.get(..length)?);
    while let Some(event) = connection.poll_event() {
        if let Event::Bind { .. } = event {
            connection.accept_bind(1);
        }
    }
    Some(Packet::decode(connection.poll_transmit()).ok()?.body.ptype())
}

#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    // SAFETY: abort() has no preconditions.
    unsafe { abort() }
}

/// The precompiled alloc crate names it; nothing unwinds here, so it is never called.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}

#[global_allocator]
static ALLOCATOR: Bump = Bump { used: AtomicUsize::new(0) };

/// Hands out a static arena and never takes anything back: enough for one short run.
struct Bump {
    used: AtomicUsize,
}

/// SAFETY: each byte of the arena is handed out once at most, aligned as asked.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Alignment is paid for in advance, so that one addition reserves the block.
        let reserved = layout.size().saturating_add(layout.align());
        let start = self.used.fetch_add(reserved, Ordering::Relaxed);
        if start.saturating_add(reserved) > ARENA_BYTES {
            return ptr::null_mut();
        }
        // SAFETY: start + reserved lies within the arena.
        let block = unsafe { ptr::addr_of_mut!(ARENA).cast::<u8>().add(start) };
        // SAFETY: at most `align` bytes on, which were reserved.
        unsafe { block.add(block.align_offset(layout.align())) }
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}

const ARENA_BYTES: usize = 1 << 20;
static mut ARENA: [u8; ARENA_BYTES] = [0; ARENA_BYTES];
