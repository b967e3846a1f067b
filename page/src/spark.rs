//! A row of numbers as one line of text.

/// `values` as blocks from `▁` (the smallest) to `█` (the largest), one for each value; what is
/// not finite is `·`. Beyond [`COLUMNS_MAX`] values, neighbours share a block, which shows the
/// largest of them, so that a peak stays visible.
#[must_use]
pub fn line(values: &[f64]) -> String {
    let per_block = values.len().div_ceil(COLUMNS_MAX).max(1);
    let heights: Vec<Option<f64>> = values.chunks(per_block).map(largest).collect();
    let known = || heights.iter().flatten().copied();
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::MIN, f64::max));
    heights.iter().map(|height| height.map_or(GAP, |height| block(height, low, high))).collect()
}

fn largest(values: &[f64]) -> Option<f64> {
    values.iter().copied().filter(|value| value.is_finite()).reduce(f64::max)
}

fn block(height: f64, low: f64, high: f64) -> char {
    // Halved, for the distance of two finite numbers need not be finite.
    let range = high / 2.0 - low / 2.0;
    let share = if range > 0.0 { (height / 2.0 - low / 2.0) / range } else { 0.5 };
    let level = (share * 8.0).clamp(0.0, 7.0) as usize;
    BLOCKS.get(level).copied().unwrap_or(GAP)
}

/// Blocks in a line.
pub const COLUMNS_MAX: usize = 200;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const GAP: char = '·';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_blocks_between_their_extremes() {
        assert_eq!(line(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), "▁▂▃▄▅▆▇█");
        assert_eq!(line(&[5.0, 5.0]), "▅▅");
        assert_eq!(line(&[]), "");
    }

    #[test]
    fn what_is_not_finite_is_a_gap() {
        assert_eq!(line(&[1.0, f64::NAN, f64::INFINITY, 2.0]), "▁··█");
        assert_eq!(line(&[f64::MIN, f64::MAX]), "▁█");
        assert_eq!(line(&[f64::NAN]), "·");
    }

    #[test]
    fn long_rows_are_shortened_and_keep_their_peak() {
        let mut values = vec![1.0; 10_000];
        values[7_321] = 9.0;
        let shown = line(&values);
        assert_eq!(shown.chars().count(), COLUMNS_MAX);
        assert_eq!(shown.chars().filter(|c| *c == '█').count(), 1);
    }
}
