//! The highest rate that meets the objectives: a search whose every trial is a run of its own. Which
//! rate is tried next is pure.

use std::time::Duration;

use serde_json::{Value, json};

use super::cpu::Limit;

/// One trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Requests per second that were asked.
    pub rate: f64,
    /// That were made.
    pub achieved: f64,
    /// From the intended start, in microseconds.
    pub p50_us: Option<u64>,
    /// From the intended start, in microseconds.
    pub p99_us: Option<u64>,
    /// Failed exchanges as a part of all.
    pub error_share: Option<f64>,
    /// Whether every objective was met, the rate was reached and the generator kept its schedule.
    pub holds: bool,
    /// Why not.
    pub because: Option<String>,
    /// Whether the generator itself did not keep its schedule, or ran out of ports.
    pub invalid: bool,
    /// Share of one processor that the busiest worker used.
    pub generator_cpu: f64,
    /// Share of the processors that it can use which the target used, where that is known.
    pub target_cpu: Option<f64>,
}

/// A search and what it has found so far.
#[derive(Clone, Debug)]
pub struct Search {
    /// In the order in which they were made.
    pub trials: Vec<Trial>,
    rate_max: f64,
    low: f64,
    high: Option<f64>,
    next: f64,
    /// Trials in a row that have held at `low`, the first included.
    confirmed: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Climbing,
    Halving,
    Confirming,
    Done,
}

impl Search {
    /// A search from `start` upwards, to `rate_max` at most.
    #[must_use]
    pub fn new(start: f64, rate_max: f64) -> Self {
        let next = start.min(rate_max);
        Self {
            trials: Vec::new(),
            rate_max,
            low: 0.0,
            high: None,
            next,
            confirmed: 0,
            state: State::Climbing,
        }
    }

    /// The rate to try next; `None` once it is over.
    #[must_use]
    pub fn next_rate(&self) -> Option<f64> {
        let over = self.state == State::Done || self.trials.len() >= TRIALS_MAX;
        (!over).then_some(self.next)
    }

    /// Takes the trial of [`Search::next_rate`].
    pub fn take(&mut self, trial: Trial) {
        let (rate, holds) = (trial.rate, trial.holds);
        self.trials.push(trial);
        match (self.state, holds) {
            (State::Confirming, true) => {
                self.confirmed += 1;
                if self.confirmed >= CONFIRMATIONS {
                    self.state = State::Done;
                }
                return;
            }
            (State::Confirming, false) => {
                // It held by luck: a little less, from the beginning.
                self.high = Some(rate);
                self.confirmed = 0;
                self.low = 0.0;
                self.next = rate * STEP_BACK;
                if self.next < RATE_LEAST {
                    self.state = State::Done;
                }
                return;
            }
            (_, true) => self.low = self.low.max(rate),
            (_, false) => self.high = Some(self.high.map_or(rate, |high| high.min(rate))),
        }
        match self.high {
            None if self.low >= self.rate_max => self.confirm(),
            None => self.next = (self.low * 2.0).min(self.rate_max),
            Some(high) if high < RATE_LEAST => self.state = State::Done,
            Some(high) if self.low > 0.0 && high / self.low <= CLOSE_ENOUGH => self.confirm(),
            Some(high) => {
                self.state = State::Halving;
                self.next = if self.low > 0.0 { (self.low * high).sqrt() } else { high / 2.0 };
            }
        }
    }

    fn confirm(&mut self) {
        (self.state, self.next, self.confirmed) = (State::Confirming, self.low, 0);
    }

    /// The highest rate that held in all its confirmations.
    #[must_use]
    pub fn capacity(&self) -> Option<f64> {
        (self.state == State::Done && self.confirmed >= CONFIRMATIONS).then_some(self.next)
    }

    /// Which side stood in the way, from the lowest trial that did not hold.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        let failed = self.trials.iter().filter(|trial| !trial.holds);
        let lowest = failed.min_by(|a, b| a.rate.total_cmp(&b.rate))?;
        let by_cpu = Limit::of(lowest.generator_cpu, lowest.target_cpu);
        Some(if lowest.invalid { Limit::Generator } else { by_cpu })
    }

    /// For people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let capacity = match self.capacity() {
            Some(rate) => format!(
                "capacity  {rate:.1}/s, held in {CONFIRMATIONS} more trials of the same rate"
            ),
            None => "capacity  not found: no rate held in all its trials".to_owned(),
        };
        let limit = match self.limit() {
            None => "nothing stood in the way up to --max-rate",
            Some(Limit::Generator) => {
                "limited by the generator: its busiest worker had no \
                 processor time left"
            }
            Some(Limit::Target) => "limited by the target, whose processors were busy",
            Some(Limit::Unknown) => {
                "what limits it is unknown: no side was seen to be busy \
                 (--target-pid names a server on this machine)"
            }
        };
        format!("{capacity}; {limit}")
    }

    pub(super) fn json(&self) -> Value {
        let trials: Vec<Value> = self.trials.iter().map(Trial::json).collect();
        json!({
            "rate": self.capacity(),
            "limit": self.limit().map(Limit::name),
            "trials": trials,
        })
    }
}

impl Trial {
    /// For people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let show = |us: Option<u64>| us.map_or("-".to_owned(), super::report::duration);
        let percent = |share: f64| format!("{:.0}%", share * 100.0);
        let target = self.target_cpu.map_or("unknown".to_owned(), percent);
        let holds = match (&self.because, self.holds) {
            (_, true) => "holds".to_owned(),
            (Some(because), false) => format!("does not hold: {because}"),
            (None, false) => "does not hold".to_owned(),
        };
        format!(
            "{:>10.1}/s  p50 {:>9}  p99 {:>9}  generator {:>4}  target {target:>7}  {holds}",
            self.rate,
            show(self.p50_us),
            show(self.p99_us),
            percent(self.generator_cpu)
        )
    }

    fn json(&self) -> Value {
        json!({
            "rate": self.rate,
            "achieved_rate": self.achieved,
            "p50_us": self.p50_us,
            "p99_us": self.p99_us,
            "error_share": self.error_share,
            "holds": self.holds,
            "because": self.because,
            "invalid": self.invalid,
            "generator_cpu": self.generator_cpu,
            "target_cpu": self.target_cpu,
        })
    }
}

/// Length of a trial, unless told otherwise.
pub const TRIAL: Duration = Duration::from_secs(3);
/// A rate is only reached when so much of it was made.
pub const REACHED: f64 = 0.98;
/// Further trials in which the rate that was found must hold.
const CONFIRMATIONS: u32 = 2;
const TRIALS_MAX: usize = 60;
/// Between what holds and what does not.
const CLOSE_ENOUGH: f64 = 1.05;
const STEP_BACK: f64 = 0.93;
const RATE_LEAST: f64 = 1.0;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn search(start: f64, most: f64, mut holds: impl FnMut(f64, usize) -> bool) -> Search {
        let mut search = Search::new(start, most);
        while let Some(rate) = search.next_rate() {
            let holds = holds(rate, search.trials.len());
            let (generator_cpu, target_cpu) = if holds { (0.2, None) } else { (0.3, Some(0.97)) };
            search.take(Trial {
                rate,
                achieved: rate,
                p50_us: None,
                p99_us: None,
                error_share: None,
                holds,
                because: None,
                invalid: false,
                generator_cpu,
                target_cpu,
            });
        }
        search
    }

    #[test]
    fn the_highest_rate_that_holds_is_found_from_below_and_from_above() {
        for start in [1.0, 100.0, 900_000.0] {
            let found = search(start, 1e6, |rate, _| rate <= 12_345.0);
            let rate = found.capacity().unwrap();
            assert!((12_345.0 / 1.06..=12_345.0).contains(&rate), "{start}: {rate}");
            assert_eq!(found.limit(), Some(Limit::Target));
            assert!(found.trials.len() < 40, "{}", found.trials.len());
        }
    }

    #[test]
    fn a_rate_that_holds_by_luck_is_not_confirmed() {
        // Between 500 and 1000 it holds every other time.
        let found = search(100.0, 1e6, |rate, n| rate <= 500.0 || (rate < 1000.0 && n % 2 == 0));
        assert!(found.capacity().is_none_or(|rate| rate < 700.0), "{:?}", found.capacity());
    }

    #[test]
    fn a_search_ends_at_its_bound_and_when_nothing_holds() {
        let all = search(100.0, 5000.0, |_, _| true);
        assert_eq!((all.capacity(), all.limit()), (Some(5000.0), None));
        let none = search(100.0, 5000.0, |_, _| false);
        assert_eq!(none.capacity(), None);
        assert!(none.sentence().contains("not found"));
    }
}
