//! The simulated KMS host on real sockets.
//!
//! ```text
//! Server ── Common: clock, limits, byte budget, recorder, rules for all hosts
//!   └── Shared (one host): lab keys, Host, association groups, its own rules
//!         └── Worker (one host in one thread, one listener per address) ── Scratch: buffers, RNG
//!               └── Session (one connection) ── the protocol's state machine
//!                     └── exchange::handle: one call in, one answer and one record out
//!                     └── Outbox: in place of the machine's queue once a fault touched the connection
//! ```
//!
//! A thread has one runtime for its workers of all hosts, so that hosts cost sockets and no threads.
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
mod host_faults;
mod listener;
mod outbox;
mod record;
mod report;
mod server;
mod service_times;
mod session;
mod worker;

pub use clock::{BadRate, Change, Clock, HostClock, Rate, Shift, machine_time};
pub use config::{HOSTS_MAX, HostConfig, Limits, ServeConfig, host_seed};
pub use counters::Totals;
pub use handle::Handle;
pub use server::Server;
pub use service_times::Distribution;
