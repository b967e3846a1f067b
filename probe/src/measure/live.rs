//! What a terminal shows while a measurement goes on: one line, changed in place. Elsewhere nothing.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kms_page::spark;

use super::conclude::{kept_rate, percent, significant};
use super::entry::Progress;
use super::record::Record;
use super::sample::Span;
use crate::report::escape;
use crate::verdict::judge::duration;

/// A line on standard error, where that is a terminal.
pub struct Live {
    bar: ProgressBar,
    drawn: Option<Instant>,
}

impl Live {
    /// Nothing is shown before the first [`Live::show`].
    #[must_use]
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            bar.set_style(style);
        }
        Self { bar, drawn: None }
    }

    /// Shows how far it is, a few times a second at most.
    pub fn show(&mut self, progress: &Progress<'_>) {
        let now = Instant::now();
        let soon = |drawn: Instant| now.saturating_duration_since(drawn) < REDRAW_PERIOD;
        if self.bar.is_hidden() || self.drawn.is_some_and(soon) {
            return;
        }
        self.drawn = Some(now);
        self.bar.set_message(line(progress));
    }

    /// Takes the line away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

/// `kms1.corp.test  37 of 100  10/s  lost 0%  p50 1.2 ms  p99 3.4 ms  ▂▂▃▂▁█`.
#[must_use]
pub fn line(progress: &Progress<'_>) -> String {
    let Progress { host, record, options } = progress;
    let total = options.schedule.total();
    let mut parts = vec![escape(host).into_owned(), format!("{} of {total}", record.loss.of)];
    parts.extend(kept_rate(record).map(|rate| format!("{}/s", significant(rate))));
    parts.extend(record.loss.part().map(|part| format!("lost {}%", percent(part))));
    if let Some(span) = record.span(Span::Total) {
        for (name, at) in [("p50", 50.0), ("p99", 99.0)] {
            let value = span.distribution.percentile_us(at).map(Duration::from_micros);
            parts.extend(value.map(|value| format!("{name} {}", duration(value))));
        }
    }
    parts.push(sparkline(record));
    parts.join("  ")
}

/// The median of the whole exchange in the last slices of time.
fn sparkline(record: &Record) -> String {
    let mut medians: Vec<f64> = record
        .intervals
        .iter()
        .rev()
        .take(SPARK_SLICES)
        .map(|slice| slice.percentile_us(Span::Total, 50.0).map_or(f64::NAN, |us| us as f64))
        .collect();
    medians.reverse();
    spark::line(&medians)
}

const REDRAW_PERIOD: Duration = Duration::from_millis(250);
const SPARK_SLICES: usize = 30;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::measure::Options;

    #[test]
    fn before_the_first_exchange_ends_there_is_nothing_to_show_but_the_plan() {
        let options = Options::default();
        let record = Record::new(options.check.depth, &options.schedule).unwrap();
        let progress = Progress { host: "kms1\u{1b}[2J", record: &record, options: &options };
        assert_eq!(line(&progress), "kms1\\u{1b}[2J  0 of 100  ");
    }
}
