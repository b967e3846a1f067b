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
    /// Trials in a row that have held while confirming.
    confirmed: u32,
    /// What a rate that was not confirmed is multiplied by; smaller each time.
    step_back: f64,
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
            step_back: STEP_BACK,
            state: State::Climbing,
        }
    }

    /// Trials that it usually takes: doubling up to the ceiling, halving, confirming.
    #[must_use]
    pub fn usual_trials(&self) -> usize {
        let doublings = (self.rate_max / self.next.max(RATE_LEAST)).log2().ceil().max(0.0);
        (doublings as usize + HALVINGS + CONFIRMATIONS as usize).min(TRIALS_MAX)
    }

    /// The rate to try next; `None` once it is over.
    #[must_use]
    pub fn next_rate(&self) -> Option<f64> {
        let over = self.state == State::Done || self.trials.len() >= TRIALS_MAX;
        (!over).then_some(self.next)
    }

    /// Takes a trial of [`Search::next_rate`] that said nothing, since the generator itself was
    /// disturbed: the same rate is tried again.
    pub fn set_aside(&mut self, trial: Trial) {
        self.trials.push(trial);
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
                // It held by luck: a lower one, and lower still each time that this happens.
                self.high = Some(rate);
                self.confirmed = 0;
                self.next = rate * self.step_back;
                self.step_back = (self.step_back * self.step_back).max(0.5);
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

    /// The highest rate that held in every trial which was made of it, and how many those were;
    /// trials that said nothing are left out.
    #[must_use]
    pub fn highest_held(&self) -> Option<(f64, usize)> {
        let of = |rate: f64| self.trials.iter().filter(move |t| same(t.rate, rate) && !t.invalid);
        let held = self.trials.iter().filter(|t| t.holds && of(t.rate).all(|t| t.holds));
        let highest = held.map(|trial| trial.rate).max_by(f64::total_cmp)?;
        Some((highest, of(highest).count()))
    }

    /// Which side stood in the way, from the lowest trial above what held that did not hold.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        let held = self.capacity().or(self.highest_held().map(|(rate, _)| rate)).unwrap_or(0.0);
        let failed = self.trials.iter().filter(|trial| !trial.holds && trial.rate > held);
        // Of several of one rate the last: those before were disturbed.
        let Some(lowest) = failed.rev().min_by(|a, b| a.rate.total_cmp(&b.rate)) else {
            return (held >= self.rate_max).then_some(Limit::Ceiling);
        };
        let by_cpu = Limit::of(lowest.generator_cpu, lowest.target_cpu);
        Some(if lowest.invalid { Limit::Generator } else { by_cpu })
    }

    /// For people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let capacity = match (self.capacity(), self.highest_held()) {
            (Some(rate), _) => format!(
                "capacity  {rate:.1}/s, held in {CONFIRMATIONS} more trials of the same rate"
            ),
            (None, Some((rate, times))) => format!(
                "capacity  not confirmed: {rate:.1}/s is the highest rate that held in every \
                 trial made of it ({times}), and {} are wanted",
                CONFIRMATIONS + 1
            ),
            (None, None) => "capacity  not found: no rate held in all its trials".to_owned(),
        };
        let limit = match self.limit() {
            None => "the search was over before anything stood in the way".to_owned(),
            Some(Limit::Ceiling) => format!(
                "the search ended at --max-rate {}, not at a limit of the target: raise it to go on",
                self.rate_max
            ),
            Some(Limit::Generator) => {
                "limited by the generator: its busiest worker had no processor time left, or did \
                 not keep its schedule"
                    .to_owned()
            }
            Some(Limit::Target) => "limited by the target, whose processors were busy".to_owned(),
            Some(Limit::Unknown) => "what limits it is unknown: no side was seen to be busy \
                 (--target-pid names a server on this machine)"
                .to_owned(),
        };
        format!("{capacity}; {limit}")
    }

    pub(super) fn json(&self) -> Value {
        let trials: Vec<Value> = self.trials.iter().map(Trial::json).collect();
        json!({
            "rate": self.capacity(),
            "highest_held": self.highest_held().map(|(rate, _)| rate),
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
/// Trials of a search, those that said nothing included.
pub const TRIALS_MAX: usize = 40;
/// From twice to [`CLOSE_ENOUGH`] times the rate that holds.
const HALVINGS: usize = 4;
/// Between what holds and what does not.
const CLOSE_ENOUGH: f64 = 1.05;
const STEP_BACK: f64 = 0.93;
const RATE_LEAST: f64 = 1.0;

/// Rates of trials that were meant to be the same.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9 * a.max(b)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn search(start: f64, most: f64, mut holds: impl FnMut(f64, usize) -> bool) -> Search {
        let mut search = Search::new(start, most);
        while let Some(rate) = search.next_rate() {
            let holds = holds(rate, search.trials.len());
            let (generator_cpu, target_cpu) = if holds { (0.2, None) } else { (0.3, Some(0.97)) };
            search.take(Trial { holds, generator_cpu, target_cpu, ..trial(rate) });
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
        assert_eq!((all.capacity(), all.limit()), (Some(5000.0), Some(Limit::Ceiling)));
        assert!(all.sentence().contains("ended at --max-rate 5000"), "{}", all.sentence());
        let none = search(100.0, 5000.0, |_, _| false);
        assert_eq!(none.capacity(), None);
        assert!(none.sentence().contains("not found"));
    }

    #[test]
    fn what_held_is_told_also_where_nothing_was_confirmed() {
        // The machine is disturbed in every third trial: what it found is still reported.
        let found = search(100.0, 50_000.0, |rate, n| rate < 48_000.0 && n % 3 != 2);
        assert!(found.trials.len() <= TRIALS_MAX);
        let (rate, times) = found.highest_held().unwrap();
        assert!(rate > 0.0 && times > 0);
        if found.capacity().is_none() {
            assert!(found.sentence().contains("not confirmed"), "{}", found.sentence());
        }
        // Confirmations alternate: no rate is ever confirmed, and the search is over all the same.
        let never = search(100.0, 50_000.0, |_, n| n % 2 == 0);
        assert!(never.trials.len() <= TRIALS_MAX && never.capacity().is_none());
    }

    #[test]
    fn a_rate_that_held_twice_and_then_not_is_not_the_answer_but_a_lower_one_is() {
        let found = search(100.0, 50_000.0, |rate, n| match rate {
            48_000.0.. => false,
            47_000.0.. => n % 2 == 1,
            _ => true,
        });
        let rate = found.capacity().unwrap();
        assert!((40_000.0..47_000.0).contains(&rate), "{rate}");
        assert_eq!(found.limit(), Some(Limit::Target), "the trial above it that failed");
    }

    #[test]
    fn a_disturbed_trial_is_repeated_and_counts_among_the_most() {
        let mut search = Search::new(100.0, 100.0);
        let usual = search.usual_trials();
        assert!((3..TRIALS_MAX).contains(&usual), "{usual}");
        let disturbed = Trial { invalid: true, holds: false, ..trial(100.0) };
        for _ in 0..TRIALS_MAX {
            assert_eq!(search.next_rate(), Some(100.0));
            search.set_aside(disturbed.clone());
        }
        assert_eq!((search.next_rate(), search.highest_held()), (None, None));
    }

    fn trial(rate: f64) -> Trial {
        Trial {
            rate,
            achieved: rate,
            p50_us: None,
            p99_us: None,
            error_share: None,
            holds: true,
            because: None,
            invalid: false,
            generator_cpu: 0.2,
            target_cpu: None,
        }
    }
}
