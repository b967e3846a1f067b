//! What the tests over real sockets share: a server in this process, a client that sends any
//! bytes at all, PDUs made by hand, and child processes that end with their test.
//!
//! PDUs are built and taken apart here without `kms_protocol`, so that a mistake in that crate
//! cannot hide itself. Every wait has a bound, and no assertion is about time.

pub mod capture;
pub mod child;
pub mod client;
pub mod machine_client;
pub mod pdu;
pub mod random;
pub mod relay;
pub mod reply;
pub mod server;
pub mod stub;

use std::time::Duration;

/// Longest wait for anything that has to happen: far above what a busy machine needs.
pub const PATIENCE: Duration = Duration::from_secs(20);
