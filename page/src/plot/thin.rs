//! Fewer points, the same picture.

/// Indices of at most `limit` (at least 4) of `values`, in order: the first, the last, and the
/// smallest and largest of each stretch between. A gap stays where a whole stretch is one.
pub(super) fn indices(values: &[f64], limit: usize) -> Vec<usize> {
    if values.len() <= limit {
        return (0..values.len()).collect();
    }
    let stretches = (limit.saturating_sub(2) / 2).max(1);
    let mut kept = vec![0];
    for stretch in 0..stretches {
        let from = stretch * values.len() / stretches;
        let to = (stretch + 1) * values.len() / stretches;
        kept.extend(extremes(values, from, to));
    }
    kept.push(values.len() - 1);
    kept.dedup();
    kept
}

fn extremes(values: &[f64], from: usize, to: usize) -> Vec<usize> {
    let known = || {
        let stretch = values.get(from..to).unwrap_or_default().iter().copied();
        (from..).zip(stretch).filter(|(_, value)| value.is_finite())
    };
    let lowest = known().min_by(|(_, a), (_, b)| a.total_cmp(b));
    let highest = known().max_by(|(_, a), (_, b)| a.total_cmp(b));
    match (lowest, highest) {
        (Some((low, _)), Some((high, _))) if low != high => vec![low.min(high), low.max(high)],
        (Some((low, _)), _) => vec![low],
        (None, _) => vec![from],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_rows_are_kept_whole() {
        assert_eq!(indices(&[3.0, f64::NAN, 1.0], 10), [0, 1, 2]);
        assert!(indices(&[], 10).is_empty());
    }

    #[test]
    fn ends_and_extremes_survive_and_the_limit_holds() {
        let mut values: Vec<f64> = (0..100_000).map(|n| f64::from(n % 97)).collect();
        values[40_001] = 1e6;
        values[70_003] = -1e6;
        let kept = indices(&values, 1_000);
        assert!(kept.len() <= 1_000, "{}", kept.len());
        assert!(kept.is_sorted());
        for index in [0, 40_001, 70_003, 99_999] {
            assert!(kept.contains(&index), "{index}");
        }
    }

    #[test]
    fn a_long_gap_stays_a_gap() {
        let values: Vec<f64> =
            (0..10_000).map(|n| if (2_000..8_000).contains(&n) { f64::NAN } else { 1.0 }).collect();
        let kept = indices(&values, 100);
        assert!(kept.iter().any(|index| values[*index].is_nan()));
        assert!(kept.len() <= 100);
    }
}
