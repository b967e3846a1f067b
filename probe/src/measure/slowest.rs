//! The slowest latencies of a stage, with what may explain them. Pure.

use std::time::Duration;

/// One slow latency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slow {
    /// The latency, in microseconds.
    pub micros: u64,
    /// The number of its exchange.
    pub index: u64,
    /// When its exchange began, from the start.
    pub begun: Duration,
    /// What the kernel counted beside it: SYNs sent beyond the first, segments sent again.
    pub resent: u32,
}

/// The slowest latencies so far, the slowest first.
#[derive(Clone, Debug, Default)]
pub struct Slowest {
    kept: Vec<Slow>,
}

impl Slowest {
    /// Takes one latency; of the [`SLOWEST_MAX`] kept the fastest falls out. Of two equal ones the
    /// earlier stays.
    pub fn record(&mut self, slow: Slow) {
        let place = self.kept.partition_point(|kept| kept.micros >= slow.micros);
        if place < SLOWEST_MAX {
            self.kept.truncate(SLOWEST_MAX - 1);
            self.kept.insert(place, slow);
        }
    }

    /// The outliers: those of the kept that took more than [`OUTLIER_FACTOR`] times the median.
    pub fn outliers(&self, median_us: Option<u64>) -> impl Iterator<Item = &Slow> {
        let limit = median_us.map_or(u64::MAX, |median| median.saturating_mul(OUTLIER_FACTOR));
        self.kept.iter().filter(move |slow| slow.micros > limit)
    }
}

/// Latencies kept for each stage.
pub const SLOWEST_MAX: usize = 20;

/// How many times the median an outlier takes at least.
pub const OUTLIER_FACTOR: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn slow(micros: u64, index: u64) -> Slow {
        Slow { micros, index, begun: Duration::from_secs(index), resent: 0 }
    }

    fn of(latencies: impl IntoIterator<Item = u64>) -> Slowest {
        let mut slowest = Slowest::default();
        for (index, micros) in (0..).zip(latencies) {
            slowest.record(slow(micros, index));
        }
        slowest
    }

    #[test]
    fn the_slowest_are_kept_in_order_and_no_more_than_the_bound() {
        let slowest = of((0..1000).map(|i| (i * 7919) % 1000));
        let kept: Vec<u64> = slowest.kept.iter().map(|slow| slow.micros).collect();
        let expected: Vec<u64> = (980..1000).rev().collect();
        assert_eq!(kept, expected);
    }

    #[test]
    fn of_equal_latencies_the_earlier_stay() {
        let slowest = of(std::iter::repeat_n(5, 100));
        let kept: Vec<u64> = slowest.kept.iter().map(|slow| slow.index).collect();
        assert_eq!(kept, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn only_what_is_far_beyond_the_median_is_an_outlier() {
        let slowest = of([100, 300, 301, 1000]);
        let outliers: Vec<u64> = slowest.outliers(Some(100)).map(|slow| slow.micros).collect();
        assert_eq!(outliers, [1000, 301]);
        assert_eq!(slowest.outliers(None).count(), 0);
    }
}
