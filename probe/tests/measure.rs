//! `kms-probe measure` over a path whose delay and loss are known: client, two routers and server in
//! network namespaces, and between the routers a bridge that holds and loses packets by a seed.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "measure/path.rs"]
mod path;
#[path = "../../tests/src/skip.rs"]
mod skip;
mod world;
