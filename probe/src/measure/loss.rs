//! A proportion that was lost, and how far it can be trusted. Pure.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// So many of so many were lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// How many were lost.
    pub lost: u64,
    /// Out of how many.
    pub of: u64,
}

impl Loss {
    /// The part that was lost, from 0 to 1; `None` where there was nothing to lose.
    #[must_use]
    pub fn part(&self) -> Option<f64> {
        (self.of > 0).then(|| self.lost as f64 / self.of as f64)
    }

    /// The Wilson score interval of the part lost, at [`CONFIDENCE_PERCENT`]: the range in which
    /// the true probability of a loss lies for this much evidence (Wilson 1927, without correction
    /// for continuity). `None` where there was nothing to lose.
    #[must_use]
    pub fn interval(&self) -> Option<(f64, f64)> {
        let part = self.part()?;
        let number = self.of as f64;
        let squared = Z * Z;
        let scale = 1.0 + squared / number;
        let centre = (part + squared / (2.0 * number)) / scale;
        let spread = part * (1.0 - part) / number + squared / (4.0 * number * number);
        let half = Z / scale * spread.sqrt();
        let low = if self.lost == 0 { 0.0 } else { (centre - half).max(0.0) };
        let high = if self.lost == self.of { 1.0 } else { (centre + half).min(1.0) };
        Some((low, high))
    }
}

impl Serialize for Loss {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let percent = |part: f64| part * 100.0;
        let mut fields = serializer.serialize_struct("Loss", 5)?;
        fields.serialize_field("lost", &self.lost)?;
        fields.serialize_field("of", &self.of)?;
        fields.serialize_field("percent", &self.part().map(percent))?;
        fields.serialize_field("low_percent", &self.interval().map(|(low, _)| percent(low)))?;
        fields.serialize_field("high_percent", &self.interval().map(|(_, high)| percent(high)))?;
        fields.end()
    }
}

/// Confidence of [`Loss::interval`].
pub const CONFIDENCE_PERCENT: u32 = 95;

/// The normal quantile that leaves 2.5% on either side.
const Z: f64 = 1.959_963_984_540_054;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn nothing_to_lose_has_no_percentage() {
        let loss = Loss::default();
        assert_eq!((loss.part(), loss.interval()), (None, None));
        let json = serde_json::to_value(loss).unwrap();
        assert!(json["percent"].is_null() && json["low_percent"].is_null(), "{json}");
    }

    /// Values of the formula as published: Wilson, "Probable inference", JASA 22 (1927).
    #[test]
    fn intervals_are_those_of_wilson() {
        for (lost, of, low, high) in [
            (0, 10, 0.0, 0.277_53),
            (1, 10, 0.017_87, 0.404_15),
            (5, 10, 0.236_59, 0.763_41),
            (10, 10, 0.722_47, 1.0),
            (20, 100, 0.133_37, 0.288_83),
        ] {
            let (got_low, got_high) = Loss { lost, of }.interval().unwrap();
            assert!((got_low - low).abs() < 1e-4, "{lost}/{of}: {got_low}");
            assert!((got_high - high).abs() < 1e-4, "{lost}/{of}: {got_high}");
        }
    }

    #[test]
    fn about_95_of_100_intervals_hold_the_true_loss() {
        let seed = 20_261_124;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let trials = 2000;
        let held = (0..trials).filter(|_| {
            let lost = (0..200).filter(|_| random.random_bool(0.2)).count() as u64;
            let (low, high) = Loss { lost, of: 200 }.interval().unwrap();
            (low..=high).contains(&0.2)
        });
        let held = held.count() as f64 / f64::from(trials);
        assert!((0.93..0.97).contains(&held), "seed {seed}: {held}");
    }

    proptest! {
        #[test]
        fn the_interval_holds_what_was_seen_and_narrows_with_evidence(
            of in 1u64..5000,
            part in 0.0..=1.0f64,
        ) {
            let lost = (of as f64 * part) as u64;
            let loss = Loss { lost, of };
            let (low, high) = loss.interval().unwrap();
            let seen = loss.part().unwrap();
            prop_assert!(0.0 <= low && low <= seen && seen <= high && high <= 1.0);
            let (low_more, high_more) = Loss { lost: lost * 4, of: of * 4 }.interval().unwrap();
            prop_assert!(high_more - low_more < high - low);
        }
    }
}
