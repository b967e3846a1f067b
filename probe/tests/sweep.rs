//! `kms-probe sweep`: lists, reports, interruptions and limits, on loopback and behind real filters.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "sweep/behind_filters.rs"]
mod behind_filters;
#[path = "sweep/harness.rs"]
mod harness;
#[path = "sweep/interrupted.rs"]
mod interrupted;
#[path = "sweep/lists.rs"]
mod lists;
#[path = "sweep/names.rs"]
mod names;
#[path = "sweep/reports.rs"]
mod reports;
#[path = "../../tests/src/skip.rs"]
mod skip;
