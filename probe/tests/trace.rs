//! `kms-probe trace` on real paths with real filters: client, two routers and server in network
//! namespaces, as a user without privileges. What each case may conclude is what a TCP socket on
//! the client can know, and no more.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "trace/cases.rs"]
mod cases;
#[path = "trace/names.rs"]
mod names;
#[path = "trace/run.rs"]
mod run;
#[path = "../../tests/src/skip.rs"]
mod skip;
mod world;
