//! Asking DNS the way a diagnosis needs it: the probe's own exchange with one named server, so
//! that a closed port, silence, SERVFAIL, REFUSED, NXDOMAIN, NODATA, a cut answer and a mangled one
//! are told apart; plus the system's configuration, the RFC 2782 order and the local names.
//!
//! Layers, one way: `name <- message <- exchange <- lookup`; `srv` is pure arithmetic; `system`
//! reads the resolver configuration; `local` asks the operating system.

pub mod exchange;
pub mod extended_error;
pub mod local;
pub mod lookup;
pub mod message;
pub mod name;
pub mod srv;
pub mod system;
