//! Whether a run's figures may be believed, and how far. Pure.

use hdrhistogram::Histogram;

use super::capacity::REACHED;
use super::plan::{Demand, Plan, Room};
use super::run::Record;
use super::tally::{LATE_US, percentile};

/// Why a run's figures say nothing about the target; empty when they may be believed.
#[must_use]
pub fn invalid(plan: &Plan, record: &Record, room: &Room, late_share_max: f64) -> Vec<String> {
    let counts = &record.total.counts;
    let mut reasons = Vec::new();
    if counts.requests() == 0 {
        let because = match plan.count {
            Some(count) if counts.started == 0 => {
                format!(": the warm-up took all {count} of --count")
            }
            _ => String::new(),
        };
        reasons.push(format!("no exchange ended while it was measured{because}"));
    }
    let late = counts.late as f64 / counts.started.max(1) as f64;
    if late > late_share_max {
        reasons.push(format!(
            "the generator itself began {:.1}% of the exchanges more than {LATE_US} us late, and \
             {:.1}% are allowed: use more --workers, or a machine that does nothing else",
            late * 100.0,
            late_share_max * 100.0
        ));
    }
    for (verdict, count) in counts.by_verdict().filter(|(v, n)| v.is_local() && *n > 0) {
        reasons.push(if verdict.name() == "local.ports" {
            let rate = counts.connections as f64 / record.elapsed.as_secs_f64().max(1e-3);
            let wanted =
                plan.sources_needed(rate, room).max(plan.transport.sources.len() as u64 + 1);
            format!(
                "{count} exchanges found no free source port: the load needs at least {wanted} \
                 source addresses (--source A,B,..), or --close rst"
            )
        } else {
            format!("{count} exchanges found no free descriptor: raise `ulimit -n`")
        });
    }
    reasons
}

/// What a reader should know beside the figures.
#[must_use]
pub fn notes(plan: &Plan, record: &Record) -> Vec<String> {
    let mut notes = Vec::new();
    if record.cut {
        notes.push(format!(
            "cut short: {} exchanges were under way and count neither as answered nor as failed",
            record.total.counts.cut
        ));
    }
    if record.unsent > 0 {
        notes.push(format!(
            "{} exchanges were due and never began, for all {} connections were busy: the target \
             was slower than the schedule, and their latency is not in the percentiles",
            record.unsent, plan.transport.connections
        ));
    }
    let achieved = record.achieved_rate().unwrap_or(0.0);
    if matches!(plan.demand, Demand::Closed { .. }) && achieved >= plan.rate_max * REACHED {
        notes.push(format!(
            "--max-rate {} held the closed loop back, and not the target: raise it to go faster",
            plan.rate_max
        ));
    }
    if matches!(plan.demand, Demand::Closed { .. }) {
        notes.push(
            "closed loop: a slow target slows the load down, so that intended and actual start \
             are nearly the same"
                .to_owned(),
        );
    }
    notes
}

/// The 95% confidence interval of a percentile: values at the ranks that a binomial count of
/// samples below it lies between. Samples are taken as independent, which those of an overloaded
/// target are not. `None` below 20 samples, or where a rank lies beyond the samples.
#[must_use]
pub fn percentile_interval(histogram: &Histogram<u64>, percent: f64) -> Option<(u64, u64)> {
    let count = histogram.len() as f64;
    let share = percent / 100.0;
    let half = Z_95 * (count * share * (1.0 - share)).sqrt();
    let (low, high) = (count * share - half, count * share + half + 1.0);
    if count < 20.0 || low < 1.0 || high > count {
        return None;
    }
    let at = |rank: f64| percentile(histogram, rank / count * 100.0);
    Some((at(low)?, at(high)?))
}

/// Mean and 95% confidence interval of a mean, from values of whole seconds; `None` of fewer than
/// three.
#[must_use]
pub fn mean_interval(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len() as f64;
    if values.len() < 3 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let half = Z_95 * (variance / count).sqrt();
    Some((mean - half, mean + half))
}

/// Wilson's 95% interval of a share.
#[must_use]
pub fn share_interval(hits: u64, of: u64) -> Option<(f64, f64)> {
    if of == 0 {
        return None;
    }
    let (n, share) = (of as f64, hits as f64 / of as f64);
    let z2 = Z_95 * Z_95;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    Some(((middle - half).max(0.0), (middle + half).min(1.0)))
}

/// Share of exchanges that may begin late in a valid run, unless told otherwise.
pub const LATE_SHARE_MAX: f64 = 0.01;
const Z_95: f64 = 1.96;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::Duration;

    use super::*;
    use crate::load::plan::tests::plan;
    use crate::load::tally::histogram;
    use crate::load::{Profile, Spacing, Verdict};

    const ROOM: Room =
        Room { ports: 1000, time_wait: Duration::from_secs(60), descriptors: 20_000 };

    fn judged(change: impl FnOnce(&mut Record)) -> Vec<String> {
        let demand = Demand::Open(Profile::Constant(100.0), Spacing::Constant);
        let plan = plan(([127, 0, 0, 1], 1688).into(), demand);
        let mut record = Record { elapsed: Duration::from_secs(10), ..Record::default() };
        (record.total.counts.started, record.total.counts.answered) = (1000, 1000);
        change(&mut record);
        invalid(&plan, &record, &ROOM, LATE_SHARE_MAX)
    }

    #[test]
    fn a_run_is_valid_until_the_generator_itself_was_too_late_or_out_of_room() {
        assert!(judged(|_| {}).is_empty());
        assert!(judged(|record| record.total.counts.late = 10).is_empty(), "exactly the share");
        assert!(judged(|record| record.total.counts.late = 11)[0].contains("late"));
        assert!(judged(|record| record.total.counts.answered = 0)[0].contains("no exchange"));
        let out_of_ports = judged(|record| {
            record.total.counts.fail(Verdict::LocalPorts);
            record.total.counts.connections = 500;
        });
        // 50 connections a second held for 60 s and 16 open ones: 3,016 ports of 1,000 each.
        assert!(out_of_ports[0].contains("at least 4 source addresses"), "{out_of_ports:?}");
        let slow = judged(|record| record.total.counts.fail(Verdict::RpcTimeout));
        assert!(slow.is_empty(), "a target that fails is a finding, not an invalid run");
    }

    #[test]
    fn intervals_hold_the_value_and_shrink_with_more_samples() {
        let mut few = histogram();
        (1..=1000).for_each(|value| few.saturating_record(value));
        let (low, high) = percentile_interval(&few, 50.0).unwrap();
        assert!((468..=471).contains(&low) && (530..=533).contains(&high), "{low} {high}");
        let mut many = histogram();
        (1..=1000).for_each(|value| many.saturating_record_n(value, 100));
        let (low, high) = percentile_interval(&many, 50.0).unwrap();
        assert!(low >= 496 && high <= 504, "{low} {high}");
        assert_eq!(percentile_interval(&few, 99.9), None, "beyond the samples");
        assert_eq!(percentile_interval(&histogram(), 50.0), None);
        let (low, high) = mean_interval(&[9.0, 10.0, 11.0]).unwrap();
        assert!((low - 8.868).abs() < 0.01 && (high - 11.132).abs() < 0.01);
        let (low, high) = share_interval(0, 100).unwrap();
        assert!(low.abs() < 1e-9 && (high - 0.037).abs() < 0.001, "{high}");
    }
}
