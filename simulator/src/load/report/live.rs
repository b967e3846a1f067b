//! What is shown while a run goes on: one line that changes on a terminal, a line a second elsewhere.

use std::collections::VecDeque;

use kms_page::spark;

use super::text::duration;
use crate::load::run::Second;

/// The last rates, for the sparkline.
#[derive(Debug, Default)]
pub struct Live {
    rates: VecDeque<f64>,
}

impl Live {
    /// The line of a second; with the sparkline for a terminal.
    pub fn line(&mut self, second: &Second, asked: Option<f64>, terminal: bool) -> String {
        let rate = second.counts.requests() as f64;
        self.rates.push_back(rate);
        if self.rates.len() > SPARK_SECONDS {
            self.rates.pop_front();
        }
        let [p50, _, p99, _, max] = second.intended_us;
        let show = |us: Option<u64>| us.map_or("-".to_owned(), duration);
        let asked = asked.map_or("-".to_owned(), |rate| format!("{rate:.0}"));
        let mut line = format!(
            "{:>4} s  {rate:.0}/s of {asked}/s  in flight {}  p50 {}  p99 {}  max {}  failed {}",
            second.second + 1,
            second.in_flight,
            show(p50),
            show(p99),
            show(max),
            second.counts.failures()
        );
        if terminal {
            line.push_str("  ");
            line.push_str(&spark::line(self.rates.make_contiguous()));
        }
        line
    }
}

const SPARK_SECONDS: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Counts;

    #[test]
    fn a_second_is_a_line_and_what_was_not_measured_a_dash() {
        let counts = Counts { answered: 90, ..Counts::default() };
        let latencies = [Some(83), None, Some(1250), None, Some(2_100_000)];
        let second = Second {
            second: 3,
            counts,
            in_flight: 7,
            intended_us: latencies,
            actual_us: [None; 5],
        };
        let mut live = Live::default();
        assert_eq!(
            live.line(&second, Some(100.0), false),
            "   4 s  90/s of 100/s  in flight 7  p50 83 us  p99 1.25 ms  max 2.10 s  failed 0"
        );
        assert!(live.line(&second, None, true).ends_with("  ▅▅"));
    }
}
