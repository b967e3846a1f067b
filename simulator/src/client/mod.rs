//! `kms-sim client`: the lifecycle of [`crate::model::client`] on real sockets.
//!
//! It asks under a lab key only, so that a genuine host can do no more than refuse it.

mod clock;
pub(crate) mod discover;
pub(crate) mod exchange;
mod run;
pub mod setup;

pub use clock::{AdminUrl, ClockError};
pub use exchange::{HostName, prove};
pub use run::{Client, Identity, Options, Target, TimeFrom, Until, own_clock};
