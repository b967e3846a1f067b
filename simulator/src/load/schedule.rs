//! When requests are due: a profile of the rate over time, and how arrivals are spaced in it. Pure
//! and seeded; nothing is stored but the position.

use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use thiserror::Error;

/// The rate over time. Rates are requests per second.
#[derive(Clone, Debug, PartialEq)]
pub enum Profile {
    /// One rate.
    Constant(f64),
    /// Rates one after the other, each for its time; the last one stays.
    Steps(Vec<(f64, Duration)>),
    /// From one rate to another in a straight line, which then stays.
    Ramp {
        /// Rate at the start.
        from: f64,
        /// Rate after `over`.
        to: f64,
        /// How long the change takes.
        over: Duration,
    },
    /// Requests at these offsets from the start, ascending.
    Replay(Arc<[Duration]>),
}

/// How arrivals lie in the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// Evenly.
    Constant,
    /// As a Poisson process: what independent clients make.
    Poisson,
}

/// Why a schedule is none.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ScheduleError {
    /// Zero, negative, not finite, or beyond [`RATE_MAX`].
    #[error("a rate of {0} requests a second is not possible: from 0.001 to {RATE_MAX}")]
    Rate(f64),
    /// A step or ramp without length.
    #[error("a step or ramp of no length")]
    NoTime,
    /// No steps, or no times.
    #[error("a schedule without a single request")]
    Empty,
    /// A replay whose times go back.
    #[error("line {line}: `{text}` is not a number of seconds that is at least the one before")]
    Time {
        /// From 1.
        line: usize,
        /// What is there, shortened.
        text: String,
    },
    /// Poisson arrivals of a replay.
    #[error("a replay has its own times, which cannot be Poisson arrivals")]
    ReplayIsExact,
    /// Too many times.
    #[error("more than {REPLAY_MAX} times")]
    TooMany,
}

impl Profile {
    /// Whether every rate and time in it is possible.
    ///
    /// # Errors
    /// The first one that is not.
    pub fn check(&self) -> Result<(), ScheduleError> {
        let rate = |rate: f64| match (RATE_MIN..=RATE_MAX).contains(&rate) {
            true => Ok(()),
            false => Err(ScheduleError::Rate(rate)),
        };
        match self {
            Self::Constant(one) => rate(*one),
            Self::Steps(steps) if steps.is_empty() => Err(ScheduleError::Empty),
            Self::Steps(steps) => steps.iter().try_for_each(|(one, length)| {
                if length.is_zero() { Err(ScheduleError::NoTime) } else { rate(*one) }
            }),
            Self::Ramp { over, .. } if over.is_zero() => Err(ScheduleError::NoTime),
            Self::Ramp { from, to, .. } => rate(*from).and(rate(*to)),
            Self::Replay(times) if times.is_empty() => Err(ScheduleError::Empty),
            Self::Replay(_) => Ok(()),
        }
    }

    /// A replay from text, `speed` times as fast: one offset in seconds a line, or the first column
    /// of a CSV; empty lines and lines from `#` are left out.
    ///
    /// # Errors
    /// The first line that is no time or goes back.
    pub fn replay(text: &str, speed: f64) -> Result<Self, ScheduleError> {
        let mut times: Vec<Duration> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let first = line.split(',').next().unwrap_or_default().trim();
            let seconds = first.parse::<f64>().ok();
            let scaled = seconds.map(|seconds| seconds / speed);
            let time = scaled.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            match time {
                _ if times.len() >= REPLAY_MAX => return Err(ScheduleError::TooMany),
                Some(time) if times.last().is_none_or(|last| *last <= time) => times.push(time),
                _ => {
                    let text = first.chars().take(40).collect::<String>();
                    let text = text.escape_debug().to_string();
                    return Err(ScheduleError::Time { line: number + 1, text });
                }
            }
        }
        if times.is_empty() { Err(ScheduleError::Empty) } else { Ok(Self::Replay(times.into())) }
    }

    /// The highest rate that it reaches.
    #[must_use]
    pub fn peak(&self) -> f64 {
        match self {
            Self::Constant(rate) => *rate,
            Self::Steps(steps) => steps.iter().map(|(rate, _)| *rate).fold(0.0, f64::max),
            Self::Ramp { from, to, .. } => from.max(*to),
            Self::Replay(times) => busiest_second(times) as f64,
        }
    }

    /// Requests that are due before `time`, as a number that need not be whole.
    #[must_use]
    pub fn due_before(&self, time: Duration) -> f64 {
        let time_s = time.as_secs_f64();
        match self {
            Self::Constant(rate) => rate * time_s,
            Self::Steps(steps) => {
                let (mut due, mut begun) = (0.0, 0.0);
                for (index, (rate, length)) in steps.iter().enumerate() {
                    let is_last = index + 1 == steps.len();
                    let length = if is_last { f64::INFINITY } else { length.as_secs_f64() };
                    due += rate * (time_s - begun).clamp(0.0, length);
                    begun += length;
                }
                due
            }
            Self::Ramp { from, to, over } => {
                let over = over.as_secs_f64();
                let rising = time_s.min(over);
                let slope = (to - from) / over;
                from * rising + slope * rising * rising / 2.0 + to * (time_s - over).max(0.0)
            }
            Self::Replay(times) => times.partition_point(|due| *due < time) as f64,
        }
    }

    /// When the request at `position` is due, in seconds; the inverse of [`Profile::due_before`].
    fn time_of(&self, position: f64) -> Option<f64> {
        match self {
            Self::Constant(rate) => Some(position / rate),
            Self::Steps(steps) => {
                let (mut due, mut begun) = (0.0, 0.0);
                for (index, (rate, length)) in steps.iter().enumerate() {
                    let length = length.as_secs_f64();
                    if position < due + rate * length || index + 1 == steps.len() {
                        return Some(begun + (position - due) / rate);
                    }
                    due += rate * length;
                    begun += length;
                }
                None
            }
            Self::Ramp { from, to, over } => {
                let over = over.as_secs_f64();
                let rising = (from + to) / 2.0 * over;
                if position >= rising {
                    return Some(over + (position - rising) / to);
                }
                // Of slope/2 t^2 + from t = position the root that stays exact at slope zero.
                let slope = (to - from) / over;
                let root = (from * from + 2.0 * slope * position).max(0.0).sqrt();
                Some(2.0 * position / (from + root))
            }
            Self::Replay(times) => times.get(position as usize).map(Duration::as_secs_f64),
        }
    }
}

/// The offsets of one worker's requests from the start, in nanoseconds, ascending.
#[derive(Clone, Debug)]
pub struct Offsets {
    profile: Profile,
    spacing: Spacing,
    rng: ChaCha8Rng,
    position: f64,
    of: f64,
}

impl Offsets {
    /// Worker `index` of `of`: evenly spaced requests go round, Poisson arrivals are split into
    /// independent streams, whose sum is one.
    #[must_use]
    pub fn new(profile: Profile, spacing: Spacing, seed: u64, index: u32, of: u32) -> Self {
        let seed = seed.wrapping_add(u64::from(index).wrapping_mul(SEED_STRIDE));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let of = f64::from(of.max(1));
        let position = match spacing {
            Spacing::Constant => f64::from(index),
            Spacing::Poisson => exponential(&mut rng) * of,
        };
        Self { profile, spacing, rng, position, of }
    }
}

impl Iterator for Offsets {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let time = self.profile.time_of(self.position)?;
        self.position += match self.spacing {
            Spacing::Constant => self.of,
            Spacing::Poisson => exponential(&mut self.rng) * self.of,
        };
        Some((time * 1e9) as u64)
    }
}

/// The most of these ascending times that lie within one second.
fn busiest_second(times: &[Duration]) -> usize {
    let second = Duration::from_secs(1);
    let mut first = times.iter().peekable();
    let mut gone = 0;
    let within = times.iter().enumerate().map(|(index, time)| {
        while first.next_if(|begun| **begun + second <= *time).is_some() {
            gone += 1;
        }
        index + 1 - gone
    });
    within.max().unwrap_or(0)
}

fn exponential(rng: &mut ChaCha8Rng) -> f64 {
    -(1.0 - rng.random::<f64>()).ln()
}

/// Requests per second: the slowest is one in a quarter of an hour.
const RATE_MIN: f64 = 0.001;
/// More than any machine sends.
pub const RATE_MAX: f64 = 10_000_000.0;
/// Times of a replay.
pub const REPLAY_MAX: usize = 10_000_000;
const SEED_STRIDE: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn all(profile: &Profile, spacing: Spacing, workers: u32, until_s: u64) -> Vec<u64> {
        let mut times: Vec<u64> = (0..workers)
            .flat_map(|index| {
                Offsets::new(profile.clone(), spacing, 7, index, workers)
                    .take_while(|time| *time < until_s * 1_000_000_000)
            })
            .collect();
        times.sort_unstable();
        times
    }

    #[test]
    fn workers_together_keep_the_profile_exactly() {
        let second = Duration::from_secs(1);
        let profiles = [
            Profile::Constant(250.0),
            Profile::Steps(vec![(100.0, second), (400.0, second * 2), (50.0, second)]),
            Profile::Ramp { from: 10.0, to: 500.0, over: second * 3 },
            Profile::Ramp { from: 500.0, to: 10.0, over: second * 3 },
            Profile::Replay((0..900).map(|n| Duration::from_millis(n * 5)).collect()),
        ];
        for profile in profiles {
            let alone = all(&profile, Spacing::Constant, 1, 5);
            let shared = all(&profile, Spacing::Constant, 3, 5);
            assert_eq!(alone, shared, "{profile:?}");
            let due = profile.due_before(second * 5);
            assert!((alone.len() as f64 - due).abs() <= 1.0, "{profile:?}: {due}");
            assert!(alone.is_sorted());
        }
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_its_variance_and_repeat_from_the_seed() {
        let profile = Profile::Constant(1000.0);
        let times = all(&profile, Spacing::Poisson, 4, 100);
        let count = times.len() as f64;
        assert!((count - 100_000.0).abs() < 5.0 * 100_000f64.sqrt(), "{count}");
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
        let ratio = variance.sqrt() / mean;
        assert!((ratio - 1.0).abs() < 0.02, "gaps are exponential: {ratio}");
        assert_eq!(times, all(&profile, Spacing::Poisson, 4, 100));
    }

    #[test]
    fn impossible_rates_and_times_are_refused() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e12] {
            assert!(Profile::Constant(rate).check().is_err(), "{rate}");
        }
        assert_eq!(Profile::Steps(vec![]).check(), Err(ScheduleError::Empty));
        let none = Profile::Steps(vec![(1.0, Duration::ZERO)]);
        assert_eq!(none.check(), Err(ScheduleError::NoTime));
        let none = Profile::Ramp { from: 1.0, to: 2.0, over: Duration::ZERO };
        assert_eq!(none.check(), Err(ScheduleError::NoTime));
    }

    #[test]
    fn a_replay_is_read_by_line_and_names_the_line_that_is_wrong() {
        let replay = Profile::replay("# s\n0\n0.5,host\n\n0.5\n2e0\n", 1.0).unwrap();
        let times = all(&replay, Spacing::Constant, 2, 10);
        assert_eq!(times, [0, 500_000_000, 500_000_000, 2_000_000_000]);
        for (text, line) in [("1\n0.5", 2), ("x", 1), ("-1", 1), ("1\nNaN", 2)] {
            let error = Profile::replay(text, 1.0).unwrap_err();
            assert!(matches!(error, ScheduleError::Time { line: at, .. } if at == line), "{text}");
        }
        assert_eq!(Profile::replay("\n#x\n", 1.0), Err(ScheduleError::Empty));
        let faster = Profile::replay("0\n100\n250\n", 100.0).unwrap();
        assert_eq!(all(&faster, Spacing::Constant, 1, 10), [0, 1_000_000_000, 2_500_000_000]);
    }

    #[test]
    fn the_peak_of_a_replay_is_its_busiest_second() {
        let replay = Profile::replay("0\n10\n10.1\n10.9\n11\n11.2\n60\n", 1.0).unwrap();
        // 10.1, 10.9, 11 and 11.2 lie 1.1 s apart; 10, 10.1 and 10.9 come before 11.
        assert!((replay.peak() - 3.0).abs() < f64::EPSILON, "{}", replay.peak());
        let at_once = Profile::replay("5\n5\n5\n5\n", 1.0).unwrap();
        assert!((at_once.peak() - 4.0).abs() < f64::EPSILON);
    }
}
