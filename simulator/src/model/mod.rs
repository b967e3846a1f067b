//! Rules without I/O: time, randomness and requests are parameters, decisions are values.

pub mod client;
pub mod client_cache;
pub mod client_table;
pub mod host;
mod host_name;

pub use client_cache::ClientCache;
pub use client_table::ClientTable;
pub use host::{Acceptance, Decision, Host, HostPolicy, IntervalMinutes, Query, Refusal};
pub use host_name::{BadHostName, HostName};
