//! A wish to end early, which interrupts waiting.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Shared by whoever may end a measurement and those who wait for their next exchange.
#[derive(Debug, Default)]
pub struct Stop {
    wished: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Ends the measurement: exchanges that have not begun do not begin any more.
    pub fn request(&self) {
        *self.wished.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Whether it was wished for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.wished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `instant`, or until the end is wished for. Returns whether it was.
    #[must_use]
    pub fn wait_until(&self, instant: Instant) -> bool {
        let mut wished = self.wished.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = instant.saturating_duration_since(Instant::now());
            if *wished || left.is_zero() {
                return *wished;
            }
            let waited = self.changed.wait_timeout(wished, left);
            wished = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wish_ends_a_wait_that_would_not_end() {
        let stop = &Stop::default();
        std::thread::scope(|scope| {
            let far = Instant::now() + Duration::from_secs(3600);
            let waiting = scope.spawn(move || stop.wait_until(far));
            stop.request();
            assert!(waiting.join().is_ok_and(|wished| wished));
        });
        assert!(stop.is_requested());
    }

    #[test]
    fn a_time_that_has_come_is_not_waited_for() {
        assert!(!Stop::default().wait_until(Instant::now()));
    }
}
