//! Figures of a worker since its last report, in Locust's shapes.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// What is reported at once, and then begins again from nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// One row per name and method.
    pub entries: Vec<Entry>,
    /// One row per name, method and error.
    pub errors: Vec<ErrorEntry>,
}

/// A row of Locust's statistics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// Name, such as the depth.
    pub name: String,
    /// Method, such as `KMS`.
    pub method: String,
    /// When the last request ended, Unix seconds.
    pub last_request_s: Option<f64>,
    /// When counting began, Unix seconds.
    pub start_s: f64,
    /// Requests, failed ones included.
    pub requests: u64,
    /// Failed requests.
    pub failures: u64,
    /// Sum of response times, in ms.
    pub total_ms: f64,
    /// Longest, in ms.
    pub max_ms: f64,
    /// Shortest, in ms.
    pub min_ms: Option<f64>,
    /// Bytes of answers.
    pub content_bytes: u64,
    /// Requests by rounded response time, in ms.
    pub response_times: BTreeMap<u64, u64>,
    /// Requests by Unix second.
    pub requests_per_second: BTreeMap<u64, u64>,
    /// Failed requests by Unix second.
    pub failures_per_second: BTreeMap<u64, u64>,
}

/// A row of Locust's failures.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorEntry {
    /// Name of the requests.
    pub name: String,
    /// Method of the requests.
    pub method: String,
    /// What went wrong.
    pub error: String,
    /// How often.
    pub occurrences: u64,
    /// First time, Unix seconds.
    pub first_seen_s: f64,
    /// Last time, Unix seconds.
    pub last_seen_s: f64,
}

impl Report {
    /// Adds up. Of rows beyond [`ROWS_MAX`] nothing is kept apart: they go to the last one.
    pub fn add(&mut self, other: &Self) {
        for entry in &other.entries {
            let same = |own: &Entry| own.name == entry.name && own.method == entry.method;
            let full = self.entries.len() >= ROWS_MAX;
            let place = self.entries.iter().position(same).or(full.then_some(ROWS_MAX - 1));
            match place.and_then(|place| self.entries.get_mut(place)) {
                Some(own) => own.add(entry),
                None => self.entries.push(entry.clone()),
            }
        }
        for error in &other.errors {
            let same = |own: &&mut ErrorEntry| {
                own.name == error.name && own.method == error.method && own.error == error.error
            };
            if let Some(own) = self.errors.iter_mut().find(same) {
                own.occurrences += error.occurrences;
                own.first_seen_s = own.first_seen_s.min(error.first_seen_s);
                own.last_seen_s = own.last_seen_s.max(error.last_seen_s);
            } else if self.errors.len() < ROWS_MAX {
                self.errors.push(error.clone());
            }
        }
    }

    /// What there is, leaving nothing.
    #[must_use]
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

impl Entry {
    /// The row that Python calls Aggregated: the sum of `entries`.
    #[must_use]
    pub fn total(entries: &[Self]) -> Self {
        let mut total = Self { name: "Aggregated".to_owned(), ..Self::default() };
        for entry in entries {
            total.add(entry);
        }
        total
    }

    /// Counts `requests` that took `elapsed_ms` each and ended at about `ended_s`.
    pub fn record_many(&mut self, ended_s: f64, elapsed_ms: f64, requests: u64) {
        if self.requests == 0 {
            self.start_s = ended_s;
        }
        self.last_request_s = later(self.last_request_s, Some(ended_s));
        self.requests += requests;
        self.total_ms += elapsed_ms * requests as f64;
        self.max_ms = self.max_ms.max(elapsed_ms);
        self.min_ms = sooner(self.min_ms, Some(elapsed_ms));
        *self.response_times.entry(bucket_ms(elapsed_ms)).or_default() += requests;
        *self.requests_per_second.entry(whole_second(ended_s)).or_default() += requests;
    }

    /// Says that `failures` of them failed.
    pub fn fail_many(&mut self, ended_s: f64, failures: u64) {
        self.failures += failures;
        if failures > 0 {
            *self.failures_per_second.entry(whole_second(ended_s)).or_default() += failures;
        }
    }

    fn add(&mut self, other: &Self) {
        self.last_request_s = later(self.last_request_s, other.last_request_s);
        if self.requests == 0 || (other.requests > 0 && other.start_s < self.start_s) {
            self.start_s = other.start_s;
        }
        self.requests += other.requests;
        self.failures += other.failures;
        self.total_ms += other.total_ms;
        self.max_ms = self.max_ms.max(other.max_ms);
        self.min_ms = sooner(self.min_ms, other.min_ms);
        self.content_bytes += other.content_bytes;
        add(&mut self.response_times, &other.response_times);
        add(&mut self.requests_per_second, &other.requests_per_second);
        add(&mut self.failures_per_second, &other.failures_per_second);
    }
}

impl ErrorEntry {
    /// The key under which a Python worker groups the same error.
    #[must_use]
    pub fn key(&self) -> String {
        let text = format!("{}.{}.{}", self.method, self.name, python_repr(&self.error));
        HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
    }
}

/// The response time as Locust rounds it: to about two digits, halves to the even neighbour.
#[must_use]
pub fn bucket_ms(elapsed_ms: f64) -> u64 {
    let step = match elapsed_ms {
        ms if ms < 100.0 => 1.0,
        ms if ms < 1000.0 => 10.0,
        ms if ms < 10_000.0 => 100.0,
        _ => 1000.0,
    };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, from 0 up"
    )]
    let steps = (elapsed_ms / step).round_ties_even() as u64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "one of four above")]
    steps.saturating_mul(step as u64)
}

/// `repr()` of a string, as far as the errors here go: they are printable ASCII.
fn python_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut repr = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => repr.push_str("\\\\"),
            '\n' => repr.push_str("\\n"),
            '\r' => repr.push_str("\\r"),
            '\t' => repr.push_str("\\t"),
            c if c == quote => {
                repr.push('\\');
                repr.push(c);
            }
            c => repr.push(c),
        }
    }
    repr.push(quote);
    repr
}

fn whole_second(unix_s: f64) -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, from 0 up"
    )]
    let second = unix_s.max(0.0) as u64;
    second
}

fn later(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).reduce(f64::max)
}

fn sooner(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).reduce(f64::min)
}

fn add(sum: &mut BTreeMap<u64, u64>, other: &BTreeMap<u64, u64>) {
    for (key, n) in other {
        *sum.entry(*key).or_default() += n;
    }
}

/// Most rows of statistics, and of errors, in one report.
pub const ROWS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_are_rounded_to_the_even_neighbour_as_python_does() {
        for (ms, bucket) in [
            (0.4, 0),
            (0.5, 0),
            (1.5, 2),
            (2.5, 2),
            (99.5, 100),
            (145.0, 140),
            (155.0, 160),
            (994.9, 990),
            (1250.0, 1200),
            (1350.0, 1400),
            (58_760.0, 59_000),
        ] {
            assert_eq!(bucket_ms(ms), bucket, "{ms}");
        }
    }

    #[test]
    fn the_key_of_an_error_is_that_of_a_python_worker() {
        // hashlib.sha256("KMS.kms.'tcp.refused'".encode()).hexdigest()
        let report = failed("kms", 1.0);
        let keys: Vec<String> = report.errors.iter().map(ErrorEntry::key).collect();
        assert_eq!(keys, ["2ec3ca3c69bb52cf56d10ebec41b4a2c42c6297cc2ebc5545ff520451804326e"]);
        assert_eq!(python_repr("a'b"), "\"a'b\"");
        assert_eq!(python_repr("a'b\"\\"), "'a\\'b\"\\\\'");
    }

    #[test]
    fn rows_beyond_the_limit_go_to_the_last_one() {
        let mut report = Report::default();
        for number in 0..ROWS_MAX + 5 {
            report.add(&failed(&number.to_string(), 1.0));
        }
        assert_eq!((report.entries.len(), report.errors.len()), (ROWS_MAX, ROWS_MAX));
        assert_eq!(Entry::total(&report.entries).requests, ROWS_MAX as u64 + 5);
    }

    proptest! {
        #[test]
        fn the_total_is_the_sum_of_what_was_added(
            parts in prop::collection::vec((0.0..50_000.0_f64, any::<bool>(), 0..3_u8), 1..100)
        ) {
            let mut report = Report::default();
            for (ms, fails, row) in &parts {
                let mut part = failed(&row.to_string(), *ms);
                if !fails {
                    part.errors.clear();
                    part.entries.iter_mut().for_each(|entry| {
                        entry.failures = 0;
                        entry.failures_per_second.clear();
                    });
                }
                report.add(&part);
            }
            let total = Entry::total(&report.entries);
            prop_assert_eq!(total.requests, parts.len() as u64);
            let failures = parts.iter().filter(|(_, fails, _)| *fails).count() as u64;
            prop_assert_eq!(total.failures, failures);
            prop_assert_eq!(total.failures_per_second.values().sum::<u64>(), failures);
            prop_assert_eq!(total.response_times.values().sum::<u64>(), total.requests);
            prop_assert_eq!(total.requests_per_second.values().sum::<u64>(), total.requests);
            prop_assert_eq!(report.errors.iter().map(|e| e.occurrences).sum::<u64>(), failures);
            report = report.take();
            prop_assert_eq!(report.entries.iter().map(|e| e.requests).sum::<u64>(), parts.len() as u64);
            report = Report::default();
            prop_assert_eq!(report, Report::default());
        }
    }

    fn failed(name: &str, elapsed_ms: f64) -> Report {
        let mut entry =
            Entry { name: name.to_owned(), method: "KMS".to_owned(), ..Entry::default() };
        entry.record_many(1000.5, elapsed_ms, 1);
        entry.fail_many(1000.5, 1);
        let error = ErrorEntry {
            name: name.to_owned(),
            method: "KMS".to_owned(),
            error: "tcp.refused".to_owned(),
            occurrences: 1,
            first_seen_s: 1000.5,
            last_seen_s: 1000.5,
        };
        Report { entries: vec![entry], errors: vec![error] }
    }
}
