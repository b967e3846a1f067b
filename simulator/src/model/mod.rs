//! Rules without I/O: time, randomness and requests are parameters, decisions are values.

pub mod client_cache;
pub mod host;

pub use client_cache::ClientCache;
pub use host::{Acceptance, Decision, Host, HostPolicy, IntervalMinutes, Query, Refusal};
