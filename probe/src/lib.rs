//! kms-probe: proves that DNS, firewall and path let clients reach a KMS host, and says who must
//! fix what.
//!
//! The way of a check: [`target`] says what was asked for, each [`stage`] returns facts and never
//! prints, [`verdict`] turns facts into one row of its table (pure), and [`report`] shows them.
//! Facts never know reports.

pub mod analyze;
pub mod baseline;
pub mod bundle;
pub mod check;
pub mod cli;
pub mod config;
pub mod discover;
pub mod dns;
pub mod explain;
pub mod exporter;
pub mod fingerprint;
pub mod lab;
pub mod measure;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod platform;
pub mod report;
pub mod stage;
pub mod sweep;
pub mod target;
pub mod ticket;
pub mod trace;
pub mod verdict;
pub mod watch;
