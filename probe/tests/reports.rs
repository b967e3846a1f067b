//! The formats of a check, each read by a program that was not written here where there is one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "reports/baseline.rs"]
mod baseline;
#[path = "reports/command.rs"]
mod command;
#[path = "reports/fixture.rs"]
mod fixture;
#[path = "reports/formats.rs"]
mod formats;
#[path = "reports/html.rs"]
mod html;
#[path = "../../tests/src/skip.rs"]
mod skip;
mod support;
#[path = "reports/ticket.rs"]
mod ticket;
