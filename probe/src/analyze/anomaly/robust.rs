//! Median and median absolute deviation: what is usual, whatever a few outliers do.

/// What is usual of a population.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usual {
    pub(super) median: f64,
    scale: f64,
}

impl Usual {
    /// Of values; `None` below [`POPULATION_MIN`]. The deviation counts as at least `floor`, so that
    /// a population of equals does not make an outlier of everything else.
    pub(super) fn of(values: &mut [f64], floor: f64) -> Option<Self> {
        if values.len() < POPULATION_MIN {
            return None;
        }
        let median = median(values)?;
        let mut deviations: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
        let scale = (NORMAL * self::median(&mut deviations)?).max(floor);
        Some(Self { median, scale })
    }

    /// How many deviations a value lies above the median (below, when negative).
    pub(super) fn score(&self, value: f64) -> f64 {
        (value - self.median) / self.scale
    }
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Members that a population must have before anything in it is called unusual.
pub(super) const POPULATION_MIN: usize = 8;

/// Makes the median absolute deviation of a normal distribution its standard deviation.
const NORMAL: f64 = 1.4826;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn one_outlier_moves_neither_median_nor_scale() {
        let mut values = vec![10.0, 11.0, 9.0, 10.0, 12.0, 8.0, 10.0, 11.0, 1e9];
        let usual = Usual::of(&mut values, 0.1).unwrap();
        assert!((usual.median - 10.0).abs() < 1e-9);
        assert!(usual.score(1e9) > 1e6 && usual.score(12.0) < 2.0);
    }

    #[test]
    fn equals_make_no_outlier_within_the_floor_and_few_make_none() {
        let usual = Usual::of(&mut [1.0; 20], 0.5).unwrap();
        assert!(usual.score(1.5) <= 1.0);
        assert_eq!(Usual::of(&mut [1.0; 7], 0.5), None);
    }
}
