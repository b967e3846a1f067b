//! The measurement in slices of time, so that it can be seen when something happened. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::sample::Span;

/// One slice of the time, by when exchanges ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// When it began, from the start.
    pub start: Duration,
    /// Exchanges answered.
    pub answered: u64,
    /// Exchanges lost.
    pub lost: u64,
    /// How often each latency was seen, in microseconds.
    pub latencies: BTreeMap<Span, BTreeMap<u64, u64>>,
}

/// The slices of a measurement. Slices in which nothing ended are left out.
#[derive(Clone, Debug)]
pub struct Intervals {
    /// The length of each but the last, which ends with the measurement.
    length: Duration,
    closed: Vec<Interval>,
    current: Interval,
}

impl Intervals {
    /// Slices for a measurement that is expected to take `expected`.
    #[must_use]
    pub fn new(expected: Duration) -> Self {
        let length = (expected / INTERVALS_WANTED).max(LENGTH_MIN);
        // Round lengths read better in a log.
        let steps = length.as_nanos().div_ceil(LENGTH_MIN.as_nanos());
        let length = LENGTH_MIN.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX));
        Self { length, closed: Vec::new(), current: Interval::default() }
    }

    /// The slice of an exchange that ended at `ended`. It never lies before the last one: a sample
    /// that was handed over late counts where it arrived.
    pub fn at(&mut self, ended: Duration) -> &mut Interval {
        let number = ended.as_nanos() / self.length.as_nanos().max(1);
        let start = self.length.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
        if start > self.current.start {
            let next = Interval { start, ..Interval::default() };
            if self.current.is_empty() {
                self.current = next;
            } else if self.closed.len() + 1 < INTERVALS_MAX {
                self.closed.push(std::mem::replace(&mut self.current, next));
            }
        }
        &mut self.current
    }

    /// The length of a slice.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.length
    }

    /// The slices so far, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Interval> {
        self.closed.iter().chain([&self.current]).filter(|interval| !interval.is_empty())
    }
}

impl Interval {
    /// Takes one latency.
    pub fn record(&mut self, span: Span, micros: u64) {
        *self.latencies.entry(span).or_default().entry(micros).or_default() += 1;
    }

    /// The percentile of a span by nearest rank; `None` where it has no latency here.
    #[must_use]
    pub fn percentile_us(&self, span: Span, percent: f64) -> Option<u64> {
        let counts = self.latencies.get(&span)?;
        let total: u64 = counts.values().sum();
        let rank = (percent / 100.0 * total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        counts.iter().find_map(|(micros, count)| {
            seen += count;
            (seen >= rank).then_some(*micros)
        })
    }

    /// Whether no exchange ended in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.answered == 0 && self.lost == 0
    }

    /// How many latencies a span has here.
    #[must_use]
    pub fn count(&self, span: Span) -> u64 {
        self.latencies.get(&span).map_or(0, |counts| counts.values().sum())
    }
}

/// Slices in a measurement of the expected length, where they are not shorter than the shortest.
const INTERVALS_WANTED: u32 = 300;

/// Slices at most: beyond that, the last one takes the rest.
pub const INTERVALS_MAX: usize = 1200;

/// The shortest slice; every length is a multiple of it.
const LENGTH_MIN: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    const TOTAL: Span = Span::Total;

    fn filled(intervals: &mut Intervals, ended: Duration, micros: u64) {
        let interval = intervals.at(ended);
        interval.answered += 1;
        interval.record(TOTAL, micros);
    }

    #[test]
    fn a_length_fits_the_expected_time_and_is_round() {
        for (expected_secs, length_millis) in [(1, 250), (75, 250), (76, 500), (3600, 12_000)] {
            let intervals = Intervals::new(Duration::from_secs(expected_secs));
            assert_eq!(intervals.length(), Duration::from_millis(length_millis));
        }
        assert!(Intervals::new(Duration::MAX).length() > Duration::from_secs(3600));
    }

    #[test]
    fn exchanges_are_sorted_into_slices_and_empty_slices_are_left_out() {
        let mut intervals = Intervals::new(Duration::from_secs(10));
        for (millis, micros) in [(10, 5), (249, 7), (1000, 9), (990, 11)] {
            filled(&mut intervals, Duration::from_millis(millis), micros);
        }
        let found: Vec<_> =
            intervals.iter().map(|i| (i.start.as_millis(), i.count(TOTAL))).collect();
        assert_eq!(found, [(0, 2), (1000, 2)], "the late one counts where it arrived");
        let last = intervals.iter().next_back();
        assert_eq!(last.and_then(|interval| interval.percentile_us(TOTAL, 50.0)), Some(9));
        assert_eq!(last.and_then(|interval| interval.percentile_us(TOTAL, 99.0)), Some(11));
    }

    #[test]
    fn a_measurement_that_never_ends_keeps_no_more_slices_than_the_bound() {
        let mut intervals = Intervals::new(Duration::from_secs(1));
        for second in 0..5000 {
            filled(&mut intervals, Duration::from_secs(second), 1);
        }
        assert_eq!(intervals.iter().count(), INTERVALS_MAX);
        let counted: u64 = intervals.iter().map(|interval| interval.count(TOTAL)).sum();
        assert_eq!(counted, 5000, "the last takes the rest");
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Interval::default().percentile_us(TOTAL, 50.0), None);
        assert_eq!(Intervals::new(Duration::ZERO).iter().count(), 0);
    }
}
