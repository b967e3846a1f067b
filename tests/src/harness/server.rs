//! A lab host in this process, on a free loopback port.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use kms_simulator::serve::{ServeConfig, Server};

use super::PATIENCE;
use super::client::RawClient;

/// A running host; it drains when dropped.
#[derive(Debug)]
pub struct LabServer(pub Server);

impl LabServer {
    /// A host with the default policy and limits.
    #[must_use]
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// A host whose configuration `change` has edited. It listens on a free port of 127.0.0.1.
    #[must_use]
    pub fn with(change: impl FnOnce(&mut ServeConfig)) -> Self {
        let mut config = ServeConfig {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            workers: TWO,
            ..ServeConfig::default()
        };
        // A peer that goes on sending must not hold up the end of a test.
        config.limits.drain_timeout = Duration::from_millis(100);
        change(&mut config);
        Self(Server::start(config).expect("server starts"))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        *self.0.addresses().first().expect("one address")
    }

    /// A new connection.
    #[must_use]
    pub fn connect(&self) -> RawClient {
        RawClient::connect(self.address())
    }

    /// The port as a bind_ack tells it: text with a NUL.
    #[must_use]
    pub fn secondary_address(&self) -> Vec<u8> {
        format!("{}\0", self.address().port()).into_bytes()
    }

    /// Waits until `count` connections are open.
    pub fn wait_for_connections(&self, count: usize) {
        until("connections open", || self.0.connections() == count);
    }
}

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within [`PATIENCE`].
#[track_caller]
pub fn until(what: &str, condition: impl FnMut() -> bool) {
    until_within(PATIENCE, what, condition);
}

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within `patience`.
#[track_caller]
#[allow(clippy::disallowed_methods, reason = "what other processes do can only be polled")]
pub fn until_within(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < patience, "waited too long for: {what}");
        thread::sleep(POLL_INTERVAL);
    }
}

/// Two workers, so that association groups and limits are shared between threads.
const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

const POLL_INTERVAL: Duration = Duration::from_millis(2);
