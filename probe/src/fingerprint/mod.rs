//! What answered: RPC runtimes and emulators behave differently where the specification is silent
//! or is not followed, and show it before any KMS call.
//!
//! [`script`] holds a few short conversations and returns observations; [`traits`] is the table of
//! what each known server does; [`score`] compares the two, purely. The result is "consistent with",
//! never a certainty.
//!
//! Nothing is sent that a genuine host would execute: binds, an alter_context, a cancel of a call
//! that does not exist, and calls of operation 0xFFFF, which an RPC runtime refuses before any
//! service code runs.

mod entry;
pub mod json;
mod line;
pub mod observation;
pub mod score;
pub mod script;
pub mod text;
pub mod traits;

pub use entry::{Entry, Report, run};
