//! `kms-probe exporter`: the program itself, scraped by hand, by many at once and by Prometheus.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "exporter/answers.rs"]
mod answers;
#[path = "tls/authority.rs"]
#[allow(dead_code, reason = "these tests use part of it")]
mod authority;
#[path = "exporter/bounds.rs"]
mod bounds;
#[path = "clock/daemon.rs"]
#[allow(dead_code, reason = "these tests use part of it")]
mod daemon;
#[path = "exporter/harness.rs"]
mod harness;
#[path = "exporter/monitoring.rs"]
mod monitoring;
#[path = "exporter/reload.rs"]
mod reload;
#[path = "tls/server.rs"]
mod server;
#[path = "../../tests/src/skip.rs"]
mod skip;
