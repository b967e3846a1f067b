//! Watching targets for years: checks at their times, changes that are confirmed before anybody is
//! told, alerts that are delivered once, recovery commands whose effect is verified, and a history of
//! all of it.
//!
//! [`state`] decides and [`schedule`] says when, both pure; [`store`] keeps, [`deliver`] and
//! [`process`] act, and [`engine`] is the loop that joins them.

pub mod alert;
pub mod config;
pub mod deliver;
pub mod engine;
mod finding;
pub mod moment;
pub mod notice;
pub mod process;
pub mod schedule;
pub mod state;
pub mod store;
pub mod template;
pub mod view;
