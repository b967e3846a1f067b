//! Metrics as text: the form that every collector reads.

use std::collections::HashSet;
use std::fmt::Write as _;

/// OpenMetrics text in the older text format (0.0.4), where the name of a counter's family has the
/// suffix of its samples, and which has neither units nor an end mark.
#[must_use]
pub fn classic(open_metrics: &str) -> String {
    let counters: HashSet<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("EOF" | "UNIT"), ..) => {}
            (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(name) => {
                let _infallible = writeln!(text, "# {what} {name}_total {rest}");
            }
            _ => {
                let _infallible = writeln!(text, "{line}");
            }
        }
    }
    text
}

/// The content type of [`classic`] text.
pub const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The content type of OpenMetrics text.
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_named_as_its_samples_and_units_and_the_end_are_left_out() {
        let open = "# HELP a How many.\n# TYPE a counter\na_total 1\n# TYPE b_seconds gauge\n\
                    # UNIT b_seconds seconds\nb_seconds 2\n# EOF\n";
        let expected = "# HELP a_total How many.\n# TYPE a_total counter\na_total 1\n\
                        # TYPE b_seconds gauge\nb_seconds 2\n";
        assert_eq!(classic(open), expected);
    }
}
