//! For scripts: `docs/schema/load.schema.json` describes it.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as value};

use super::{Report, description};
use crate::load::judge::{mean_interval, percentile_interval, share_interval};
use crate::load::run::{Record, five};
use crate::load::slo::Objective;
use crate::load::verdict::Phase;

/// A figure and its 95% confidence interval.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Interval {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Intervals by the name of their figure; `None` where there was too little to say.
pub type Intervals = BTreeMap<String, Option<Interval>>;

/// The report as JSON, without a final newline.
#[must_use]
pub fn json(report: &Report<'_>) -> String {
    format!("{:#}", object(report))
}

fn object(report: &Report<'_>) -> Value {
    let (plan, record) = (report.plan, report.record);
    let (counts, latencies) = (&record.total.counts, &record.total.latencies);
    let started = record.started.and_then(|time| jiff::Timestamp::try_from(time).ok());
    let phases: BTreeMap<&str, Value> = Phase::ALL
        .into_iter()
        .map(|phase| (phase.name(), percentiles(latencies.phase(phase))))
        .collect();
    let outcomes: Vec<Value> = report
        .outcomes
        .iter()
        .map(|outcome| {
            let unit = match outcome.objective {
                Objective::Latency { .. } => "us",
                Objective::Errors(_) => "share",
            };
            value!({
                "objective": outcome.objective.to_string(),
                "measured": outcome.measured,
                "unit": unit,
                "met": outcome.is_met(),
            })
        })
        .collect();
    value!({
        "schema_version": 1,
        "tool": {"name": "kms-sim", "version": env!("CARGO_PKG_VERSION")},
        "started": started.map(|time| time.to_string()),
        "target": plan.target.to_string(),
        "depth": plan.depth.name(),
        "plan": description(plan),
        "seed": plan.identity.seed,
        "asked_rate": plan.asked_rate(),
        "achieved_rate": record.achieved_rate(),
        "elapsed_s": record.elapsed.as_secs_f64(),
        "requests": counts.requests(),
        "answered": counts.answered,
        "unsent": record.unsent,
        "cut": counts.cut,
        "connections": counts.connections,
        "errors": errors(record),
        "latency_us": {
            "intended": percentiles(&latencies.intended),
            "actual": percentiles(&latencies.actual),
            "failed": percentiles(&latencies.failed),
        },
        "phase_us": phases,
        "lateness_us": percentiles(&latencies.lateness),
        "late_share": (counts.started > 0).then(|| counts.late as f64 / counts.started as f64),
        "valid": report.invalid.is_empty(),
        "invalid_because": report.invalid,
        "notes": report.notes,
        "objectives": outcomes,
        "confidence": intervals(record),
        "differences": report.differences.iter().map(|d| value!({
            "figure": d.figure, "base": d.base, "now": d.now, "differs": d.differs(),
        })).collect::<Vec<_>>(),
        "capacity": report.search.map(crate::load::capacity::Search::json),
    })
}

/// Failures by phase and verdict; a phase without one is an empty object.
fn errors(record: &Record) -> BTreeMap<&'static str, BTreeMap<&'static str, u64>> {
    Phase::ALL
        .into_iter()
        .map(|phase| {
            let counts = record.total.counts.by_verdict();
            let mine = counts.filter(|(verdict, n)| verdict.phase() == phase && *n > 0);
            (phase.name(), mine.map(|(verdict, n)| (verdict.name(), n)).collect())
        })
        .collect()
}

fn percentiles(histogram: &Histogram<u64>) -> Value {
    let [p50, p90, p99, p999, max] = five(histogram);
    value!({"p50": p50, "p90": p90, "p99": p99, "p999": p999, "max": max})
}

/// Of what `--compare` compares.
#[must_use]
pub fn intervals(record: &Record) -> Intervals {
    let latencies = &record.total.latencies;
    let mut found = Intervals::new();
    for (name, histogram) in [("intended", &latencies.intended), ("actual", &latencies.actual)] {
        for (label, percent) in [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p999", 99.9)] {
            let value = crate::load::percentile(histogram, percent);
            let interval = value.zip(percentile_interval(histogram, percent));
            let interval = interval.map(|(value, (low, high))| Interval {
                value: value as f64,
                low: low as f64,
                high: high as f64,
            });
            found.insert(format!("{name}.{label}_us"), interval);
        }
    }
    let rates: Vec<f64> = whole_seconds(record).collect();
    let rate = record.achieved_rate().zip(mean_interval(&rates));
    let rate = rate.map(|(value, (low, high))| Interval { value, low, high });
    found.insert("rate".to_owned(), rate);
    let counts = &record.total.counts;
    let share = record.error_share().zip(share_interval(counts.failures(), counts.requests()));
    let share = share.map(|(value, (low, high))| Interval { value, low, high });
    found.insert("error_share".to_owned(), share);
    found
}

/// Rates of the seconds that lie within the measurement.
fn whole_seconds(record: &Record) -> impl Iterator<Item = f64> + '_ {
    let busy = |second: &&crate::load::Second| second.counts.requests() > 0;
    let measured = record.seconds.iter().filter(busy).count();
    let inner = record.seconds.iter().filter(busy).skip(1).take(measured.saturating_sub(2));
    inner.map(|second| second.counts.requests() as f64)
}
