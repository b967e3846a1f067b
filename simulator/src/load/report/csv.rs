//! One row per second, written as the run goes on.

use std::io;

use kms_page::Sheet;

use crate::load::run::Second;
use crate::load::verdict::Phase;

/// A sheet that grows by a row per second.
pub struct Rows<W: io::Write>(Sheet<W>);

impl<W: io::Write> Rows<W> {
    /// With its headings.
    ///
    /// # Errors
    /// What `out` returns.
    pub fn new(out: W) -> io::Result<Self> {
        Sheet::new(out, HEADINGS).map(Self)
    }

    /// One second.
    ///
    /// # Errors
    /// What `out` returns.
    pub fn row(&mut self, second: &Second) -> io::Result<()> {
        let counts = &second.counts;
        let numbers = [second.second, counts.started, counts.requests(), counts.answered];
        let failed = Phase::ALL.map(|phase| counts.failures_in(phase));
        let mut cells: Vec<String> =
            numbers.into_iter().chain(failed).map(|number| number.to_string()).collect();
        cells.push(second.in_flight.to_string());
        let latencies = second.intended_us.into_iter().chain(second.actual_us);
        cells.extend(latencies.map(|us| us.map_or(String::new(), |us| us.to_string())));
        self.0.row(cells)?;
        self.0.flush()
    }
}

const HEADINGS: [&str; 18] = [
    "second",
    "started",
    "requests",
    "answered",
    "failed_connect",
    "failed_bind",
    "failed_call",
    "in_flight",
    "intended_p50_us",
    "intended_p90_us",
    "intended_p99_us",
    "intended_p999_us",
    "intended_max_us",
    "actual_p50_us",
    "actual_p90_us",
    "actual_p99_us",
    "actual_p999_us",
    "actual_max_us",
];
