//! A check as an OpenTelemetry trace, sent by OTLP over HTTP with JSON (OTLP specification 1.x).
//!
//! [`spans`] is pure: one trace for a check, a span for each address under it, a span for each stage
//! under that. [`Endpoint`] sends; [`Queue`] does so beside an exporter that must not wait.

mod queue;
mod send;
mod spans;

pub use queue::Queue;
pub use send::{Endpoint, EndpointError};
pub use spans::{Trace, TraceIds, trace};

use crate::check::Report;

/// The trace of a check under ids of its own.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "ids differ between machines and runs, or traces mix")]
pub fn drawn_trace(report: &Report) -> Trace {
    trace(report, &mut TraceIds(&mut rand::rng()))
}
