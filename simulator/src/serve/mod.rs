//! The simulated KMS host on real sockets.
//!
//! ```text
//! Server ── Shared: lab keys, clock, Host, association groups, limits
//!   └── Worker (one thread, one runtime, one listener per address) ── Scratch: buffers, RNG
//!         └── Session (one connection) ── the protocol's state machine
//!               └── exchange::handle: one call in, one answer and one record out
//!               └── Outbox: in place of the machine's queue once a fault has touched the connection
//! ```
//!
//! Everything is bound before anything starts. All bounds are in [`Limits`].

mod admission;
mod clock;
pub mod config;
mod counters;
mod disturbance;
mod dns_faults;
pub mod exchange;
mod groups;
mod handle;
mod listener;
mod outbox;
mod record;
mod report;
mod server;
mod service_times;
mod session;
mod worker;

pub use clock::{BadRate, Change, Clock, HostClock, Rate, Shift, machine_time};
pub use config::{Limits, ServeConfig};
pub use counters::Totals;
pub use handle::Handle;
pub use server::Server;
pub use service_times::Distribution;
