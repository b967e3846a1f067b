//! What people get of a watch: mails, through a relay of somebody else's making, the terminal view, and
//! what is shipped for their service manager.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "tls/authority.rs"]
#[allow(dead_code, reason = "this test uses part of it")]
mod authority;
#[path = "watch_people/harness.rs"]
mod harness;
#[path = "watch_people/mail.rs"]
mod mail;
#[path = "../../tests/src/skip.rs"]
mod skip;
#[path = "watch_people/terminal.rs"]
mod terminal;
#[path = "watch_people/unit.rs"]
mod unit;
