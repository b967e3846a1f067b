//! Harness of the cross-crate and interoperability tests.
//!
//! The tests themselves are in `tests/tests/`; what several of them share lives here.

pub mod harness;
pub mod skip;
