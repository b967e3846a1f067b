//! DCE/RPC over TCP and the KMS call, as bytes and rules.
//!
//! The crate is deterministic and does no I/O: it knows no clock, socket, thread, log sink or
//! random number generator. Bytes, time and randomness are parameters; what happened comes back
//! as values.
//!
//! Layers, each using only those before it:
//!
//! 1. [`wire`]: a reader and a writer that cannot panic, and the three kinds of error.
//! 2. [`guid`], [`filetime`], [`ndr`]: the encodings that everything shares.
//! 3. [`rpc`]: one connection-oriented PDU per file, deframing and reassembly.
//! 4. [`kms`]: request, response, lab cryptography, status codes and products.
//! 5. [`client`], [`server`]: connection state machines.
//!
//! # Driving a state machine
//!
//! Both machines share one contract:
//!
//! 1. Feed what arrived: `handle_input(now, bytes)`, `handle_eof(now)` or `handle_timeout(now)`.
//! 2. Call `poll_event` until it returns `None`, answering what it asks.
//! 3. Write `poll_transmit` to the peer, and report progress with `transmitted(n)`, until it is empty.
//! 4. If `is_closed`, close the transport.
//! 5. Otherwise wait for input or until `poll_timeout`, whichever comes first, and start again.
//!
//! > **The drain rule.** Every call that takes `&mut self` may make events and bytes available:
//! > drain `poll_event`, then `poll_transmit`, before waiting again.
//!
//! The machines hold every limit themselves ([`limits`]); memory does not grow with what a peer
//! announces, only with what it really sends, and only up to the stated caps.
//!
//! # The boundary
//!
//! Only lab keys exist here (see [`kms::crypto`]). A request made by a real client does not verify
//! and a response made here is refused by a real client; nothing in the public API can change that.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
pub mod filetime;
pub mod guid;
pub mod kms;
pub mod limits;
pub mod ndr;
pub mod rpc;
pub mod server;
pub mod time;
pub mod wire;

mod transmit;
