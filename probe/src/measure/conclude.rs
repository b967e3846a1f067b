//! What the figures of a measurement come to: whether they are good enough, and what has to be
//! known to read them. Pure.

use std::time::Duration;

use super::IN_FLIGHT_MAX;
use super::Options;
use super::loss::{CONFIDENCE_PERCENT, Loss};
use super::objective::Outcome;
use super::record::Record;
use crate::verdict::judge::{self, count};

/// What a measurement comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Conclusion {
    /// Whether no more was lost than may be.
    pub loss_allowed: bool,
    /// The objectives, in the order given.
    pub objectives: Vec<Outcome>,
    /// Exchanges per second, from the start of the first to the start of the last; `None` for
    /// fewer than two.
    pub kept_rate: Option<f64>,
    /// What has to be known to read the figures.
    pub notes: Vec<Note>,
}

/// Something to know about the figures.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Note {
    /// Its name.
    pub code: &'static str,
    /// One sentence.
    pub text: String,
}

/// Concludes from a record.
#[must_use]
pub fn conclude(record: &Record, options: &Options) -> Conclusion {
    let lost_percent = record.loss.part().map_or(0.0, |part| part * 100.0);
    Conclusion {
        loss_allowed: lost_percent <= options.max_loss_percent,
        objectives: options.objectives.iter().map(|o| o.outcome(record)).collect(),
        kept_rate: kept_rate(record),
        notes: notes(record, options),
    }
}

impl Conclusion {
    /// Whether everything is as it is wanted.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.loss_allowed && self.objectives.iter().all(Outcome::is_met)
    }
}

/// The rate at which exchanges began, from the first to the last.
pub(super) fn kept_rate(record: &Record) -> Option<f64> {
    let steps = record.loss.of.checked_sub(1).filter(|steps| *steps > 0)?;
    let seconds = record.last_begun.saturating_sub(record.first_begun?).as_secs_f64();
    (seconds > 0.0).then(|| steps as f64 / seconds)
}

fn notes(record: &Record, options: &Options) -> Vec<Note> {
    let mut notes = Vec::new();
    if record.late > 0 {
        notes.push(late(record, options));
    }
    let answered = record.loss.of - record.loss.lost;
    if (1..PERCENTILE_EVIDENCE).contains(&answered) {
        let text =
            format!("The p99.9 of fewer than {PERCENTILE_EVIDENCE} exchanges is their maximum.");
        notes.push(Note { code: "few_exchanges", text });
    }
    let Loss { lost, of } = record.packets.first_syns;
    if lost > 0 {
        let text = format!(
            "{lost} of {of} first SYNs had no answer, because they or their answers were lost; a SYN \
             is repeated after about 1 s, so that tcp took 1 s and more there."
        );
        notes.push(Note { code: "syn_loss", text });
    }
    if record.endpoint_missing > 0 {
        let answers = count(record.endpoint_missing, "DNS answer", "DNS answers");
        let text = format!(
            "{answers} did not name this endpoint any more: records changed while it was measured."
        );
        notes.push(Note { code: "endpoint_missing", text });
    }
    notes
}

fn late(record: &Record, options: &Options) -> Note {
    let worst = record.lateness.max_us().unwrap_or_default();
    let why = if options.keep_alive {
        "each call waited for the one before on the same connection".to_owned()
    } else {
        format!("up to {IN_FLIGHT_MAX} were under way, or this machine was busy")
    };
    let text = format!(
        "{} of {} exchanges began more than {} late, at worst by {}: {why}. Latencies count from \
         the actual start.",
        record.late,
        record.loss.of,
        judge::duration(record.late_after()),
        judge::duration(Duration::from_micros(worst)),
    );
    Note { code: "late", text }
}

/// `3 of 100 exchanges (3%; 95% confidence 1.03% to 8.45%)`.
#[must_use]
pub fn loss_words(loss: Loss, what: &str) -> String {
    let Loss { lost, of } = loss;
    match (loss.part(), loss.interval()) {
        (Some(part), Some((low, high))) => format!(
            "{lost} of {of} {what} ({}%; {CONFIDENCE_PERCENT}% confidence {}% to {}%)",
            percent(part),
            percent(low),
            percent(high)
        ),
        _ => format!("no {what}"),
    }
}

/// Three significant digits, without trailing zeros.
#[must_use]
pub fn percent(part: f64) -> String {
    let value = part * 100.0;
    let digits = match value {
        _ if value >= 100.0 => 0,
        _ if value >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    if digits == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// Three significant digits at most, without trailing zeros.
pub(super) fn significant(rate: f64) -> String {
    let decimals = match rate {
        _ if rate >= 100.0 => 0,
        _ if rate >= 10.0 => 1,
        _ if rate >= 1.0 => 2,
        _ => 4,
    };
    let text = format!("{rate:.decimals$}");
    let has_fraction = text.contains('.');
    let short = if has_fraction { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    short.to_owned()
}

/// Latencies from which on the 99.9th percentile is not the maximum.
const PERCENTILE_EVIDENCE: u64 = 1000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn loss_is_said_with_its_interval_or_not_at_all() {
        let words = loss_words(Loss { lost: 3, of: 100 }, "exchanges");
        assert_eq!(words, "3 of 100 exchanges (3%; 95% confidence 1.03% to 8.45%)");
        assert_eq!(loss_words(Loss::default(), "SYNs"), "no SYNs");
    }

    #[test]
    fn percentages_have_three_digits_at_most() {
        for (part, text) in
            [(0.0, "0"), (1.0, "100"), (0.1, "10"), (0.123_45, "12.3"), (0.005, "0.5")]
        {
            assert_eq!(percent(part), text);
        }
        assert_eq!(percent(0.012_34), "1.23");
    }

    #[test]
    fn rates_have_three_digits_at_most() {
        for (rate, text) in
            [(100.0, "100"), (99.905, "99.9"), (10.0, "10"), (0.5, "0.5"), (0.000_277_8, "0.0003")]
        {
            assert_eq!(significant(rate), text);
        }
    }

    #[test]
    fn nothing_recorded_concludes_nothing() {
        let options = Options::default();
        let record = Record::new(options.check.depth, &options.schedule).unwrap();
        let conclusion = conclude(&record, &options);
        assert_eq!((conclusion.kept_rate, conclusion.notes.len()), (None, 0));
    }
}
