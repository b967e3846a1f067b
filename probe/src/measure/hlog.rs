//! The measurement as an HdrHistogram interval log, version 1.3: one line for each slice of time
//! and stage, tagged with the stage. HistogramLogProcessor, HistogramLogAnalyzer and the readers of
//! other languages read it. Values are microseconds; `Interval_Max` is in milliseconds.

use std::io;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::distribution;
use super::entry::{Entry, Measured, Report};

/// One line of the log.
struct Line {
    /// From the start of the log.
    start: Duration,
    length: Duration,
    tag: String,
    histogram: Histogram<u64>,
}

/// Writes the log of every endpoint that was measured. Where there are several, the tag names the
/// endpoint as well.
///
/// # Errors
/// What `out` returns, and a report without a measurement.
pub fn write(report: &Report, mut out: &mut dyn io::Write) -> anyhow::Result<()> {
    let measured = |entry| -> Option<(&Entry, &Measured)> {
        let entry: &Entry = entry;
        Some((entry, entry.measured.as_deref()?))
    };
    let measured: Vec<_> = report.entries.iter().filter_map(measured).collect();
    let (_, first) = measured.first().context("nothing was measured, so there is no log")?;
    let start = SystemTime::from(first.started);
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(concat!("[Logged with kms-probe ", env!("CARGO_PKG_VERSION"), "]"))
        .add_comment("[Values are microseconds, Interval_Max is in milliseconds, tags are stages]")
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(MICROS_PER_MILLI)
        .begin_log_with(&mut out, &mut serializer)?;
    for (entry, one) in &measured {
        let offset = Duration::try_from(one.started.duration_since(first.started));
        let offset = offset.unwrap_or_default();
        let prefix = if measured.len() > 1 { endpoint(entry) } else { String::new() };
        for line in lines(one)? {
            let tag = tag(&prefix, &line.tag);
            let start = offset + line.start;
            log.write_histogram(&line.histogram, start, line.length, Tag::new(&tag))
                .map_err(|error| anyhow::anyhow!("cannot write an interval: {error}"))?;
        }
    }
    Ok(())
}

fn lines(measured: &Measured) -> anyhow::Result<Vec<Line>> {
    let intervals = &measured.record.intervals;
    let last = intervals.iter().next_back().map(|interval| interval.start);
    let mut lines = Vec::new();
    for interval in intervals.iter() {
        let length = if Some(interval.start) == last {
            measured.elapsed.saturating_sub(interval.start)
        } else {
            intervals.length()
        };
        for (span, counts) in &interval.latencies {
            let mut histogram = distribution::histogram()?;
            for (micros, count) in counts {
                histogram.saturating_record_n(*micros, *count);
            }
            let tag = span.name().to_owned();
            lines.push(Line { start: interval.start, length, tag, histogram });
        }
    }
    Ok(lines)
}

/// `kms1.corp.test:1688(192.0.2.10)/`.
fn endpoint(entry: &Entry) -> String {
    let host = entry.host.as_deref().unwrap_or_default();
    let port = entry.port.unwrap_or_default();
    match entry.address {
        Some(address) if address.to_string() != host => format!("{host}:{port}({address})/"),
        _ => format!("{host}:{port}/"),
    }
}

/// Without the characters that end a tag.
fn tag(prefix: &str, stage: &str) -> String {
    format!("{prefix}{stage}").replace([',', ' ', '\r', '\n'], "_")
}

const MICROS_PER_MILLI: f64 = 1000.0;
