//! The run as an HdrHistogram interval log, version 1.3: for every second one line from the intended
//! and one from the actual start. Values are microseconds, `Interval_Max` is in milliseconds.

use std::io;
use std::time::Duration;

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::load::Tally;

/// Lines of a log that grows with the run.
pub struct Log<W: io::Write> {
    out: W,
}

impl<W: io::Write> Log<W> {
    /// With its head.
    ///
    /// # Errors
    /// What `out` returns.
    pub fn new(mut out: W, started: std::time::SystemTime) -> io::Result<Self> {
        IntervalLogWriterBuilder::new()
            .add_comment("[Histogram log format version 1.3]")
            .add_comment(concat!("[Logged with kms-sim ", env!("CARGO_PKG_VERSION"), "]"))
            .with_start_time(started)
            .with_base_time(started)
            .with_max_value_divisor(1000.0)
            .begin_log_with(&mut out, &mut V2DeflateSerializer::new())?;
        Ok(Self { out })
    }

    /// One second.
    ///
    /// # Errors
    /// What `out` returns.
    pub fn line(&mut self, second: u64, tally: &Tally) -> io::Result<()> {
        let mut bytes = Vec::new();
        {
            let mut serializer = V2DeflateSerializer::new();
            let mut log = IntervalLogWriterBuilder::new()
                .with_max_value_divisor(1000.0)
                .begin_log_with(&mut bytes, &mut serializer)?;
            let latencies = &tally.latencies;
            for (tag, histogram) in
                [("intended", &latencies.intended), ("actual", &latencies.actual)]
            {
                if histogram.is_empty() {
                    continue;
                }
                let start = Duration::from_secs(second);
                log.write_histogram(histogram, start, Duration::from_secs(1), Tag::new(tag))
                    .map_err(|error| io::Error::other(error.to_string()))?;
            }
        }
        // A log of its own has a head of its own, which the first one has said.
        let text = String::from_utf8_lossy(&bytes);
        for line in text.lines().filter(|line| line.starts_with("Tag=")) {
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()
    }
}
