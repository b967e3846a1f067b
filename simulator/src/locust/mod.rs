//! A native Locust worker: Locust's own master, web page and statistics drive any number of machines.
//!
//! ```text
//! socket ── bytes ── message (typed both ways) ── worker (pure: what to send, how many users)
//!                                                    ├─ report: figures since the last one
//!                                                    └─ users: a run of `load`, rescaled
//! ```
//!
//! A single malformed message deafens a Locust master for good, so nothing leaves here that is not built
//! from a [`message::ToMaster`]. Protocol of Locust 2.47; read in its source, observed on the wire.

pub mod drive;
pub mod message;
pub mod report;
pub mod socket;
pub mod stub;
pub mod users;
pub mod worker;
