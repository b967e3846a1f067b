//! A token bucket: so many requests at once, then so many a second.

use std::time::Duration;

/// How often requests may come; time is a parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    per_second: f64,
    burst: f64,
    left: f64,
    at: Duration,
}

impl Bucket {
    /// A full bucket at time zero.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let burst = f64::from(burst);
        Self { per_second: f64::from(per_second), burst, left: burst, at: Duration::ZERO }
    }

    /// Takes one request at `now`; `Err` says when the next may come.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.left = passed.mul_add(self.per_second, self.left).min(self.burst);
        self.at = self.at.max(now);
        if self.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.left) / self.per_second));
        }
        self.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut bucket = Bucket::new(10, 3);
        for _ in 0..3 {
            assert_eq!(bucket.take(Duration::ZERO), Ok(()));
        }
        assert_eq!(bucket.take(Duration::ZERO), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(Duration::from_millis(100)), Ok(()));
        assert!(bucket.take(Duration::from_millis(150)).is_err());
        let mut passed = 0;
        for tick in 0..1_000 {
            passed += u32::from(bucket.take(Duration::from_millis(1_000 + tick)).is_ok());
        }
        assert!((10..=13).contains(&passed), "{passed} in a second");
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut bucket = Bucket::new(1, 1);
        assert!(bucket.take(Duration::from_secs(10)).is_ok());
        assert!(bucket.take(Duration::from_secs(5)).is_err());
        assert!(bucket.take(Duration::from_secs(10)).is_err());
    }
}
