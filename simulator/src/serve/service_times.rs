//! How long exchanges took inside the host, in buckets that hold for years and merge by adding.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The service times of one worker: written by one thread and read by any.
#[derive(Debug)]
pub(super) struct ServiceTimes {
    buckets: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

/// A distribution of times, four buckets to each power of two: a value is known to a quarter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    buckets: [u64; BUCKETS],
    sum_us: u64,
}

impl Default for ServiceTimes {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], sum_us: AtomicU64::new(0) }
    }
}

impl ServiceTimes {
    pub(super) fn add(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket_of(us)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }
}

impl Default for Distribution {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], sum_us: 0 }
    }
}

impl Distribution {
    pub(super) fn add(&mut self, times: &ServiceTimes) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&times.buckets) {
            *sum += bucket.load(Ordering::Relaxed);
        }
        self.sum_us += times.sum_us.load(Ordering::Relaxed);
    }

    /// What came after `before` was taken.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut grown = self.clone();
        for (bucket, before) in grown.buckets.iter_mut().zip(&before.buckets) {
            *bucket = bucket.saturating_sub(*before);
        }
        grown.sum_us = grown.sum_us.saturating_sub(before.sum_us);
        grown
    }

    /// How many times there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The sum of all times, in microseconds.
    #[must_use]
    pub const fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// A time in microseconds that `percent` of all do not exceed: the upper end of its bucket. `None`
    /// where there are none.
    #[must_use]
    pub fn percentile_us(&self, percent: u64) -> Option<u64> {
        let rank = (self.count() * percent).div_ceil(100).max(1);
        let mut below = 0;
        self.buckets.iter().enumerate().find_map(|(index, count)| {
            below += count;
            (below >= rank).then(|| upper_end_us(index))
        })
    }

    /// Cumulative counts at powers of four microseconds, each with its bound in seconds.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        BOUNDS_US.iter().map(|bound_us| {
            let within = |(index, _): &(usize, &u64)| upper_end_us(*index) < *bound_us;
            let count = self.buckets.iter().enumerate().take_while(within).map(|(_, n)| n).sum();
            (Duration::from_micros(*bound_us).as_secs_f64(), count)
        })
    }
}

/// Below four, a bucket for each microsecond; then four to each power of two.
fn bucket_of(us: u64) -> usize {
    let us = us.min(LARGEST_US);
    if us < 4 {
        return usize::try_from(us).unwrap_or(0);
    }
    let power = us.ilog2();
    let quarter = (us >> (power - 2)) & 3;
    usize::try_from(u64::from(power - 1) * 4 + quarter).unwrap_or(0)
}

fn upper_end_us(bucket: usize) -> u64 {
    let bucket = u64::try_from(bucket).unwrap_or(u64::MAX);
    if bucket < 4 {
        return bucket;
    }
    let width = 1 << (bucket / 4 - 1);
    (4 + bucket % 4) * width + width - 1
}

/// Up to 67 seconds; what took longer is in the last bucket.
const LARGEST_US: u64 = (1 << 26) - 1;
const BUCKETS: usize = 100;
const BOUNDS_US: [u64; 12] =
    [4, 16, 64, 256, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn distribution(times_us: &[u64]) -> Distribution {
        let times = ServiceTimes::default();
        times_us.iter().for_each(|us| times.add(Duration::from_micros(*us)));
        let mut distribution = Distribution::default();
        distribution.add(&times);
        distribution
    }

    #[test]
    fn the_largest_time_has_the_last_bucket() {
        assert_eq!(bucket_of(LARGEST_US), BUCKETS - 1);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert_eq!(upper_end_us(BUCKETS - 1), LARGEST_US);
    }

    #[test]
    fn percentiles_are_known_to_a_quarter_and_absent_without_times() {
        let hundred: Vec<u64> = (1..=100).collect();
        let distribution = distribution(&hundred);
        assert_eq!((distribution.count(), distribution.sum_us()), (100, 5050));
        assert_eq!(distribution.percentile_us(50), Some(55));
        assert_eq!(distribution.percentile_us(99), Some(111));
        assert_eq!(Distribution::default().percentile_us(99), None);
        assert_eq!(distribution.since(&distribution), Distribution::default());
    }

    proptest! {
        #[test]
        fn a_time_lies_in_its_bucket(us in 0..LARGEST_US) {
            let bucket = bucket_of(us);
            prop_assert!(us <= upper_end_us(bucket));
            prop_assert!(bucket == 0 || us > upper_end_us(bucket - 1));
        }

        #[test]
        fn cumulative_counts_are_those_below_the_bound(times in prop::collection::vec(0u64..1 << 25, 0..50)) {
            for (bound_s, count) in distribution(&times).cumulative() {
                let below = times.iter().filter(|us| Duration::from_micros(**us).as_secs_f64() < bound_s);
                prop_assert_eq!(count, below.count() as u64);
            }
        }
    }
}
