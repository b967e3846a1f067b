//! The distribution of one stage's latencies: a bounded HDR histogram beside the figures that it
//! would round. Pure.

use hdrhistogram::{CreationError, Histogram};

/// Latencies of one stage, in microseconds.
#[derive(Clone, Debug)]
pub struct Distribution {
    histogram: Histogram<u64>,
    min_us: u64,
    max_us: u64,
    mean_us: f64,
    /// Sum of squared distances from the mean (Welford).
    squares: f64,
    last_us: Option<u64>,
    steps_us: u128,
}

/// Latencies between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Bucket {
    /// The smallest that belongs here, in microseconds.
    pub from_us: u64,
    /// The first that does not, in microseconds; the last bucket holds the maximum all the same.
    pub to_us: u64,
    /// How many there were.
    pub count: u64,
}

impl Distribution {
    /// Nothing yet.
    ///
    /// # Errors
    /// None: the library accepts the bounds, which are constants.
    pub fn new() -> Result<Self, CreationError> {
        Ok(Self {
            histogram: histogram()?,
            min_us: u64::MAX,
            max_us: 0,
            mean_us: 0.0,
            squares: 0.0,
            last_us: None,
            steps_us: 0,
        })
    }

    /// Takes one latency. What is under [`VALUE_MIN_US`] or over [`VALUE_MAX_US`] counts as that.
    pub fn record(&mut self, micros: u64) {
        let micros = micros.clamp(VALUE_MIN_US, VALUE_MAX_US);
        self.histogram.saturating_record(micros);
        self.min_us = self.min_us.min(micros);
        self.max_us = self.max_us.max(micros);
        let distance = micros as f64 - self.mean_us;
        self.mean_us += distance / self.count() as f64;
        self.squares += distance * (micros as f64 - self.mean_us);
        if let Some(last) = self.last_us.replace(micros) {
            self.steps_us += u128::from(last.abs_diff(micros));
        }
    }

    /// The smallest latency that the histogram does not tell from this one.
    #[must_use]
    pub fn rounded(&self, micros: u64) -> u64 {
        self.histogram.lowest_equivalent(micros.clamp(VALUE_MIN_US, VALUE_MAX_US))
    }

    /// How many were taken.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The smallest.
    #[must_use]
    pub fn min_us(&self) -> Option<u64> {
        (self.count() > 0).then_some(self.min_us)
    }

    /// The largest.
    #[must_use]
    pub fn max_us(&self) -> Option<u64> {
        (self.count() > 0).then_some(self.max_us)
    }

    /// The mean.
    #[must_use]
    pub fn mean_us(&self) -> Option<f64> {
        (self.count() > 0).then_some(self.mean_us)
    }

    /// The standard deviation of the sample (divided by count - 1); `None` for fewer than two.
    #[must_use]
    pub fn stddev_us(&self) -> Option<f64> {
        let degrees = self.count().checked_sub(1).filter(|degrees| *degrees > 0)?;
        Some((self.squares / degrees as f64).sqrt())
    }

    /// The mean absolute difference of successive latencies, in the order in which they ended:
    /// |D| of RFC 3550 section 6.4.1, as a plain mean instead of its running estimate. `None` for
    /// fewer than two.
    #[must_use]
    pub fn jitter_us(&self) -> Option<f64> {
        let steps = self.count().checked_sub(1).filter(|steps| *steps > 0)?;
        Some(self.steps_us as f64 / steps as f64)
    }

    /// The percentile by nearest rank: the smallest latency that at least `percent` of all do not
    /// exceed, to three significant digits. With fewer than 1,000 latencies the 99.9th percentile
    /// is therefore the maximum. `None` where there is none.
    #[must_use]
    pub fn percentile_us(&self, percent: f64) -> Option<u64> {
        let (min, max) = (self.min_us()?, self.max_us()?);
        let value = self.histogram.value_at_percentile(percent);
        Some(value.clamp(min, max))
    }

    /// The latencies in `buckets` buckets whose width grows with the latency, from the smallest to
    /// the largest. Empty where there is none.
    #[must_use]
    pub fn buckets(&self, buckets: u32) -> Vec<Bucket> {
        let (Some(min), Some(max)) = (self.min_us(), self.max_us()) else { return Vec::new() };
        let mut edges = edges(min, max, buckets);
        let mut found: Vec<Bucket> = Vec::new();
        let Some(mut from_us) = edges.next() else { return found };
        for to_us in edges {
            found.push(Bucket { from_us, to_us, count: 0 });
            from_us = to_us;
        }
        for step in self.histogram.iter_recorded() {
            let value = step.value_iterated_to().clamp(min, max);
            let place = found.iter_mut().rev().find(|bucket| bucket.from_us <= value);
            if let Some(bucket) = place {
                bucket.count += step.count_since_last_iteration();
            }
        }
        found
    }

    /// Percentiles and latencies for a curve, from the median to the maximum, which stands half a
    /// rank below 100%.
    #[must_use]
    pub fn curve(&self) -> Vec<(f64, u64)> {
        let Some(max) = self.max_us() else { return Vec::new() };
        let end = 100.0 * (1.0 - 0.5 / self.count() as f64);
        let inner = CURVE_PERCENTS.iter().copied().filter(|percent| *percent < end);
        let inner = inner.filter_map(|percent| Some((percent, self.percentile_us(percent)?)));
        inner.chain([(end, max)]).collect()
    }
}

/// An empty histogram over all latencies that there can be.
pub(super) fn histogram() -> Result<Histogram<u64>, CreationError> {
    Histogram::new_with_bounds(VALUE_MIN_US, VALUE_MAX_US, SIGNIFICANT_DIGITS)
}

/// `count + 1` distinct rising edges at most, from `min` to just over `max`, evenly spaced by their
/// logarithm.
fn edges(min: u64, max: u64, count: u32) -> impl Iterator<Item = u64> {
    let end = max.saturating_add(1);
    let ratio = end as f64 / min.max(1) as f64;
    let mut last = None;
    (0..=count).filter_map(move |step| {
        let part = f64::from(step) / f64::from(count.max(1));
        let edge = match step {
            0 => min,
            _ if step == count => end,
            _ => (min.max(1) as f64 * ratio.powf(part)) as u64,
        };
        let is_new = last.is_none_or(|last| edge > last);
        last = last.max(Some(edge));
        is_new.then_some(edge)
    })
}

/// The smallest latency that is told from smaller ones: the clock of the report.
pub const VALUE_MIN_US: u64 = 1;

/// The largest: five hours, for each of the five stages may take one.
pub const VALUE_MAX_US: u64 = 5 * 3_600_000_000;

/// Significant decimal digits of a latency in the histogram.
pub const SIGNIFICANT_DIGITS: u8 = 3;

const CURVE_PERCENTS: [f64; 13] =
    [50.0, 60.0, 70.0, 80.0, 85.0, 90.0, 95.0, 97.5, 99.0, 99.5, 99.9, 99.99, 99.999];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Distribution {
        let mut distribution = Distribution::new().unwrap();
        values.iter().for_each(|value| distribution.record(*value));
        distribution
    }

    #[test]
    fn nothing_recorded_has_no_figures() {
        let empty = of(&[]);
        assert_eq!((empty.count(), empty.min_us(), empty.max_us()), (0, None, None));
        assert_eq!((empty.mean_us(), empty.stddev_us(), empty.jitter_us()), (None, None, None));
        assert_eq!(empty.percentile_us(50.0), None);
        assert!(empty.buckets(10).is_empty() && empty.curve().is_empty());
    }

    #[test]
    fn one_latency_has_no_spread_and_no_jitter() {
        let one = of(&[1234]);
        assert_eq!(
            (one.min_us(), one.max_us(), one.mean_us()),
            (Some(1234), Some(1234), Some(1234.0))
        );
        assert_eq!((one.stddev_us(), one.jitter_us()), (None, None));
        assert_eq!(one.percentile_us(99.9), Some(1234));
        assert_eq!(one.curve(), [(50.0, 1234)]);
    }

    #[test]
    fn jitter_is_the_mean_step_between_successive_latencies() {
        // Steps 10, 30, 5.
        assert_eq!(of(&[100, 110, 80, 85]).jitter_us(), Some(15.0));
        assert_eq!(of(&[100, 100, 100]).jitter_us(), Some(0.0));
    }

    #[test]
    fn latencies_outside_the_range_count_as_its_ends() {
        let ends = of(&[0, u64::MAX]);
        assert_eq!((ends.min_us(), ends.max_us()), (Some(VALUE_MIN_US), Some(VALUE_MAX_US)));
        assert_eq!(ends.percentile_us(50.0), Some(1));
        assert_eq!(ends.percentile_us(100.0), Some(VALUE_MAX_US));
    }

    /// The smallest value that at least this part of all do not exceed.
    fn nearest_rank(sorted: &[u64], percent: f64) -> u64 {
        let rank = (percent / 100.0 * sorted.len() as f64).ceil().max(1.0) as usize;
        sorted[rank - 1]
    }

    proptest! {
        #[test]
        fn figures_agree_with_exact_computation(
            values in proptest::collection::vec(1u64..10_000_000, 1..400),
        ) {
            let distribution = of(&values);
            let mut sorted = values.clone();
            sorted.sort_unstable();
            prop_assert_eq!(distribution.min_us(), sorted.first().copied());
            prop_assert_eq!(distribution.max_us(), sorted.last().copied());
            for percent in [1.0, 25.0, 50.0, 75.0, 90.0, 100.0] {
                let exact = nearest_rank(&sorted, percent);
                let got = distribution.percentile_us(percent).unwrap();
                prop_assert!(got.abs_diff(exact) as f64 <= exact as f64 / 1000.0,
                    "p{}: {} for {}", percent, got, exact);
            }
            let number = values.len() as f64;
            let mean = values.iter().sum::<u64>() as f64 / number;
            prop_assert!((distribution.mean_us().unwrap() - mean).abs() < 1e-6 * mean);
            if values.len() > 1 {
                let squares: f64 = values.iter().map(|v| (*v as f64 - mean).powi(2)).sum();
                let stddev = (squares / (number - 1.0)).sqrt();
                prop_assert!((distribution.stddev_us().unwrap() - stddev).abs() <= 1e-6 * mean);
                let steps: u64 = values.windows(2).map(|pair| pair[0].abs_diff(pair[1])).sum();
                let jitter = steps as f64 / (number - 1.0);
                prop_assert!((distribution.jitter_us().unwrap() - jitter).abs() < 1e-6);
            }
        }

        #[test]
        fn every_latency_is_in_exactly_one_bucket_and_edges_rise(
            values in proptest::collection::vec(1u64..1_000_000, 1..200),
            number in 1u32..40,
        ) {
            let buckets = of(&values).buckets(number);
            prop_assert!(buckets.len() <= number as usize);
            prop_assert_eq!(buckets.iter().map(|b| b.count).sum::<u64>(), values.len() as u64);
            prop_assert!(buckets.iter().all(|bucket| bucket.from_us < bucket.to_us));
            prop_assert!(buckets.windows(2).all(|pair| pair[0].to_us == pair[1].from_us));
        }

        #[test]
        fn a_curve_never_falls(values in proptest::collection::vec(1u64..1_000_000, 1..3000)) {
            let curve = of(&values).curve();
            prop_assert!(curve.windows(2).all(|p| p[0].0 < p[1].0 && p[0].1 <= p[1].1));
            prop_assert_eq!(curve.last().unwrap().1, *values.iter().max().unwrap());
        }
    }
}
