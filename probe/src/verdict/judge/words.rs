//! Facts in words, for sentences.

use std::time::Duration;

/// A duration as a person would say it: `4 s`, `1.5 s`, `250 ms`, `730 us`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{} ms", trimmed(micros, 1_000)),
        _ => format!("{} s", trimmed(micros, 1_000_000)),
    }
}

/// `value / unit` with three significant digits at least, without trailing zeros.
fn trimmed(value: u128, unit: u128) -> String {
    let thousandths = value * 1_000 / unit;
    let (whole, fraction) = (thousandths / 1_000, thousandths % 1_000);
    let digits = match whole {
        0..10 => format!("{fraction:03}").get(..2).unwrap_or_default().to_owned(),
        10..100 => (fraction / 100).to_string(),
        _ => String::new(),
    };
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() { whole.to_string() } else { format!("{whole}.{digits}") }
}

/// `one`, or `many` with its number.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_what_matters() {
        for (micros, text) in [
            (0, "0 us"),
            (999, "999 us"),
            (1_000, "1 ms"),
            (1_234, "1.23 ms"),
            (20_500, "20.5 ms"),
            (700_999, "700 ms"),
            (4_000_000, "4 s"),
            (4_001_500, "4 s"),
            (61_500_000, "61.5 s"),
            (600_000_000, "600 s"),
        ] {
            assert_eq!(duration(Duration::from_micros(micros)), text);
        }
    }
}
