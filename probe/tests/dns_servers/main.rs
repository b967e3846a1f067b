//! The DNS side of the probe against real servers (dnsmasq, BIND, Knot) and against hand-made ones
//! that misbehave in ways real servers only do on bad days. Loopback only; every port is chosen by
//! the system.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../../tests/src/skip.rs"]
mod skip;

mod answers;
mod daemon;
mod discover;
mod exchange;
mod fake;
mod real;
mod resolve;

use std::net::SocketAddr;
use std::time::Duration;

use kms_probe::dns::exchange::Patience;
use kms_probe::dns::message::{Question, RecordType};
use kms_probe::dns::name::DomainName;
use kms_probe::dns::system::SystemConfig;
use kms_probe::stage::resolve::Options;

/// Long enough never to run out where an answer comes.
const AMPLE: Duration = Duration::from_secs(60);

/// Short, for servers that stay silent on purpose.
const SHORT: Duration = Duration::from_millis(1500);

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

fn srv(text: &str) -> Question {
    Question { name: name(text), record_type: RecordType::Srv }
}

fn ample() -> Patience {
    Patience::of(AMPLE, 1)
}

/// Only these resolvers; the operating system is not asked.
fn options(resolvers: &[SocketAddr]) -> Options {
    let mut options = Options::new(SystemConfig::default(), resolvers, AMPLE);
    options.attempts = 1;
    options.ask_system = false;
    options
}
