//! This run beside an earlier one. Pure.

use serde::Deserialize;

use super::report::{Interval, Intervals, intervals};
use super::run::Record;

/// What is read of an earlier report.
#[derive(Clone, Debug, Deserialize)]
pub struct Base {
    confidence: Intervals,
}

/// One figure, then and now.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Its name in the report's `confidence`.
    pub figure: String,
    /// In the earlier report.
    pub base: Option<Interval>,
    /// In this one.
    pub now: Option<Interval>,
}

/// Every figure of either run.
#[must_use]
pub fn compare(base: &Base, record: &Record) -> Vec<Difference> {
    intervals(record)
        .into_iter()
        .map(|(figure, now)| {
            let base = base.confidence.get(&figure).copied().flatten();
            Difference { figure, base, now }
        })
        .collect()
}

impl Difference {
    /// Whether the 95% intervals lie apart; `None` where one of them is not known.
    #[must_use]
    pub fn differs(&self) -> Option<bool> {
        let (base, now) = (self.base?, self.now?);
        Some(base.high < now.low || now.high < base.low)
    }

    /// For people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let word = match self.differs() {
            None => "too little to compare",
            Some(true) => "differs",
            Some(false) => "no difference beyond chance",
        };
        let shown = |interval: Option<Interval>| {
            interval.map_or("-".to_owned(), |Interval { value, low, high }| {
                format!("{value:.4} [{low:.4}, {high:.4}]")
            })
        };
        format!("{:<20} {} -> {}  {word}", self.figure, shown(self.base), shown(self.now))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn record(latency_us: u64) -> Record {
        let mut record = Record::default();
        record.total.counts.answered = 10_000;
        record.total.latencies.intended.saturating_record_n(latency_us, 5_000);
        record.total.latencies.intended.saturating_record_n(latency_us + 10, 5_000);
        record
    }

    #[test]
    fn intervals_that_lie_apart_differ_and_others_do_not() {
        let base = Base { confidence: intervals(&record(1000)) };
        let find = |record: &Record| {
            let all = compare(&base, record);
            all.into_iter().find(|one| one.figure == "intended.p90_us").unwrap().differs()
        };
        assert_eq!(find(&record(1000)), Some(false));
        assert_eq!(find(&record(1500)), Some(true));
        assert_eq!(find(&Record::default()), None);
    }

    #[test]
    fn what_is_no_report_is_refused() {
        assert!(serde_json::from_str::<Base>("{}").is_err());
        assert!(serde_json::from_str::<Base>(r#"{"confidence":{"rate":null}}"#).is_ok());
    }
}
