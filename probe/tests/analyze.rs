//! `kms-probe analyze` and `collect`: files as Windows writes them, reports, limits and hostile input.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "analyze/captures.rs"]
mod captures;
#[path = "analyze/files.rs"]
mod files;
#[path = "analyze/fleets.rs"]
mod fleets;
#[path = "analyze/harness.rs"]
mod harness;
#[path = "analyze/hostile.rs"]
mod hostile;
#[path = "analyze/mutations.rs"]
mod mutations;
#[path = "../../tests/src/skip.rs"]
mod skip;
