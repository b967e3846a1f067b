//! The lab's own DNS server: authoritative for one domain, so that clients find the simulated
//! hosts by their SRV record without a change to any real zone.
//!
//! [`Zone`] is the data and [`answer`](answer()) the rules, both pure; [`DnsServer`] puts them on
//! UDP and TCP sockets of its own, so that a [`Fault`] can change, spoil or withhold any answer.
//! Messages are encoded and decoded by hickory-proto.

mod answer;
mod encode;
mod fault;
pub mod name;
pub mod publish;
mod request;
mod server;
mod tcp;
mod udp;
mod zone;

#[cfg(test)]
mod tests;

pub use answer::{Reply, Silence, Summary, Transport, answer, answer_with};
pub use encode::{MAX_UDP_BYTES, MIN_UDP_BYTES};
pub use fault::{ExtendedError, Fault};
pub use server::{Asked, Choose, DnsServer, Options};
pub use zone::{DEFAULT_NEGATIVE_TTL_S, DEFAULT_TTL_S, HostRecord, KMS_PORT, Zone, ZoneError};
