//! The simulated KMS host on real sockets.
//!
//! ```text
//! Server ── Shared: lab keys, clock, Host, association groups, limits
//!   └── Worker (one thread, one runtime, one listener per address) ── Scratch: buffers, RNG
//!         └── Session (one connection) ── the protocol's state machine
//!               └── exchange::handle: one call in, one answer and one record out
//! ```
//!
//! Everything is bound before anything starts. All bounds are in [`Limits`].

mod admission;
mod clock;
pub mod config;
mod counters;
pub mod exchange;
mod groups;
mod listener;
mod record;
mod report;
mod server;
mod session;
mod worker;

pub use clock::Clock;
pub use config::{Limits, ServeConfig};
pub use counters::Totals;
pub use server::Server;
