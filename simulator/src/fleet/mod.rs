//! Fleets: many clients and their hosts over months, in virtual time or on the wire.
//!
//! ```text
//! logs, journal, inventory ── import
//!            │
//! TOML ── scenario (what there is, what happens, what is expected)
//!           └─ population: every client of every group, from the seed
//!                └─ engine: event to event, over an Arm ── virtual: model hosts in this process
//!                     │                                 └─ wire: `serve` and DNS on real sockets
//!                     └─ Outcome: samples, hosts, traces ── expect (judges) ── report (shows)
//! ```
//!
//! An [`outcome::Outcome`] is all that is left of a run. Samples are cumulative and belong to one site,
//! so the outcomes of shards add up to that of the whole.

pub mod arm;
pub mod bench;
pub mod builtin;
pub mod compare;
pub mod draw;
pub mod engine;
pub mod expect;
mod hardware;
pub mod import;
pub mod merge;
pub mod outcome;
mod population;
mod presence;
pub mod report;
pub mod scenario;
mod virtual_arm;
pub mod wire;

pub use virtual_arm::VirtualArm;
