//! How long something is held back.

use std::time::Duration;

use super::draw::Draw;

/// A delay that is fixed or drawn anew each time, never longer than [`DELAY_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// Always the same.
    Fixed(Duration),
    /// Every length between two, equally often.
    Uniform {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// Around a mean, as netem's `distribution normal`.
    Normal {
        /// The mean before bounds.
        mean: Duration,
        /// The standard deviation before bounds.
        deviation: Duration,
        /// What is shorter becomes this.
        min: Duration,
        /// What is longer becomes this.
        max: Duration,
    },
    /// Mostly short and sometimes long.
    Exponential {
        /// The mean before bounds.
        mean: Duration,
        /// What is shorter becomes this.
        min: Duration,
        /// What is longer becomes this.
        max: Duration,
    },
}

impl Delay {
    /// The length that `draw` gives.
    #[must_use]
    pub fn length(&self, draw: &mut Draw) -> Duration {
        match *self {
            Self::Fixed(length) => length.min(DELAY_MAX),
            Self::Uniform { min, max } => within(
                min.as_secs_f64() + draw.unit() * (max.saturating_sub(min)).as_secs_f64(),
                min,
                max,
            ),
            Self::Normal { mean, deviation, min, max } => within(
                mean.as_secs_f64() + standard_normal(draw) * deviation.as_secs_f64(),
                min,
                max,
            ),
            Self::Exponential { mean, min, max } => {
                within(-(1.0 - draw.unit()).ln() * mean.as_secs_f64(), min, max)
            }
        }
    }
}

/// Box and Muller 1958.
fn standard_normal(draw: &mut Draw) -> f64 {
    let radius = (-2.0 * (1.0 - draw.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * draw.unit()).cos()
}

fn within(seconds: f64, min: Duration, max: Duration) -> Duration {
    let drawn = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(DELAY_MAX);
    drawn.max(min).min(max).min(DELAY_MAX)
}

/// Longest delay.
pub const DELAY_MAX: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lengths(delay: Delay) -> Vec<f64> {
        let length = |number| delay.length(&mut Draw::new(1, "d", number)).as_secs_f64() * 1e3;
        (0..20_000).map(length).collect()
    }

    #[allow(clippy::cast_precision_loss, reason = "a count of samples")]
    fn mean(samples: &[f64]) -> f64 {
        samples.iter().sum::<f64>() / samples.len() as f64
    }

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn distributions_have_their_means_and_keep_their_bounds() {
        let samples = lengths(Delay::Uniform { min: ms(100), max: ms(300) });
        assert!((198.0..202.0).contains(&mean(&samples)), "{}", mean(&samples));
        let normal = Delay::Normal { mean: ms(200), deviation: ms(50), min: ms(0), max: ms(1000) };
        let samples = lengths(normal);
        assert!((198.0..202.0).contains(&mean(&samples)), "{}", mean(&samples));
        let within_one = samples.iter().filter(|ms| (150.0..250.0).contains(*ms)).count();
        assert!((13_300..14_000).contains(&within_one), "{within_one}: two thirds");
        let exponential = Delay::Exponential { mean: ms(200), min: ms(0), max: ms(100_000) };
        let samples = lengths(exponential);
        assert!((195.0..205.0).contains(&mean(&samples)), "{}", mean(&samples));
    }

    proptest! {
        #[test]
        fn nothing_leaves_the_bounds(number: u64, mean_ms in 0u64..1 << 40, deviation_ms in 0u64..1 << 40, a in 0u64..1 << 40, b in 0u64..1 << 40) {
            let (min, max) = (ms(a.min(b)), ms(a.max(b)));
            let (mean, deviation) = (ms(mean_ms), ms(deviation_ms));
            for delay in [
                Delay::Fixed(mean),
                Delay::Uniform { min, max },
                Delay::Normal { mean, deviation, min, max },
                Delay::Exponential { mean, min, max },
            ] {
                let length = delay.length(&mut Draw::new(3, "d", number));
                prop_assert!(length <= DELAY_MAX);
                if !matches!(delay, Delay::Fixed(_)) {
                    prop_assert!(length <= max && length >= min.min(DELAY_MAX));
                }
            }
        }
    }
}
