//! Randomness that can be repeated: a draw depends on the seed, the rule and a running number only.

/// The random values that belong to one application of one rule.
///
/// SplitMix64 (Steele, Lea and Flood 2014), started from seed, rule and number: whatever else
/// happens in the process, the same number of the same rule draws the same.
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// The draws of number `number` of the rule `rule`.
    #[must_use]
    pub fn new(seed: u64, rule: &str, number: u64) -> Self {
        let mut draw = Self(seed ^ fnv1a(rule.as_bytes()));
        let start = draw.next_u64();
        Self(start.wrapping_add(number.wrapping_mul(0xD134_2543_DE82_EF95)))
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// At least 0 and less than 1.
    #[allow(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds exactly")]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number below `bound`; 0 when there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        let wide = u128::from(self.next_u64()) * bound as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }
}

/// FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_rule_and_number_draw_the_same_and_each_of_them_matters() {
        let first = |seed, rule, number| Draw::new(seed, rule, number).next_u64();
        assert_eq!(first(1, "a", 1), first(1, "a", 1));
        let all = [first(1, "a", 1), first(2, "a", 1), first(1, "b", 1), first(1, "a", 2)];
        let mut distinct = all.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn units_and_bounded_numbers_are_in_range_and_spread() {
        let mut sum = 0.0;
        let mut seen = [0; 10];
        for number in 0..10_000 {
            let mut draw = Draw::new(7, "delay-1", number);
            let unit = draw.unit();
            assert!((0.0..1.0).contains(&unit));
            sum += unit;
            seen[draw.below(10)] += 1;
        }
        assert!((4_800.0..5_200.0).contains(&sum), "{sum}");
        assert!(seen.iter().all(|count| (850..1_150).contains(count)), "{seen:?}");
        assert_eq!(Draw::new(7, "x", 0).below(0), 0);
    }
}
