//! For people.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use super::{Report, description};
use crate::load::run::five;
use crate::load::slo::Objective;
use crate::load::verdict::Phase;

/// The report as text that reads well without colour.
#[must_use]
pub fn text(report: &Report<'_>) -> String {
    let mut out = String::new();
    write(&mut out, report).unwrap_or_default();
    out
}

fn write(out: &mut String, report: &Report<'_>) -> std::fmt::Result {
    let (record, plan) = (report.record, report.plan);
    let counts = &record.total.counts;
    writeln!(out, "load {}", description(plan))?;
    match plan.asked_rate() {
        Some(rate) => writeln!(out, "asked     {rate:.1}/s")?,
        None => writeln!(out, "asked     as fast as it answers")?,
    }
    let achieved = record.achieved_rate().map_or("-".to_owned(), |rate| format!("{rate:.1}/s"));
    writeln!(
        out,
        "achieved  {achieved}: {} exchanges in {:.2} s, {} answered, {} failed",
        counts.requests(),
        record.elapsed.as_secs_f64(),
        counts.answered,
        counts.failures()
    )?;
    writeln!(out)?;
    writeln!(
        out,
        "{:<22}{:>10}{:>10}{:>10}{:>10}{:>10}{:>12}",
        "latency", "p50", "p90", "p99", "p99.9", "max", "count"
    )?;
    let latencies = &record.total.latencies;
    line(out, "from intended start", &latencies.intended)?;
    line(out, "from actual start", &latencies.actual)?;
    for phase in Phase::ALL {
        line(out, &format!("  {}", phase.name()), latencies.phase(phase))?;
    }
    line(out, "failed exchanges", &latencies.failed)?;
    line(out, "generator's lateness", &latencies.lateness)?;
    if counts.failures() > 0 {
        writeln!(out, "\nfailures")?;
        for (verdict, count) in counts.by_verdict().filter(|(_, count)| *count > 0) {
            let phase = verdict.phase().name();
            writeln!(out, "  {:<22}{count:>10}  in {phase}", verdict.name())?;
        }
    }
    if let Some(search) = report.search {
        writeln!(out, "\n{}", search.sentence())?;
        for trial in &search.trials {
            writeln!(out, "  {}", trial.sentence())?;
        }
    }
    if !report.outcomes.is_empty() {
        writeln!(out)?;
    }
    for outcome in &report.outcomes {
        let met = if outcome.is_met() { "met" } else { "missed" };
        let measured = match (outcome.objective, outcome.measured) {
            (_, None) => "nothing measured".to_owned(),
            (Objective::Latency { .. }, Some(us)) => duration(us as u64),
            (Objective::Errors(_), Some(share)) => format!("{:.3}%", share * 100.0),
        };
        writeln!(out, "objective {:<20} {met}: {measured}", outcome.objective.to_string())?;
    }
    for difference in &report.differences {
        writeln!(out, "{}", difference.sentence())?;
    }
    writeln!(out)?;
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    if report.invalid.is_empty() {
        return writeln!(out, "valid");
    }
    report.invalid.iter().try_for_each(|reason| writeln!(out, "INVALID: {reason}"))
}

fn line(out: &mut String, name: &str, histogram: &Histogram<u64>) -> std::fmt::Result {
    write!(out, "{name:<22}")?;
    for value in five(histogram) {
        write!(out, "{:>10}", value.map_or("-".to_owned(), duration))?;
    }
    writeln!(out, "{:>12}", histogram.len())
}

/// Microseconds as people write them: `83 us`, `1.25 ms`, `2.10 s`.
#[must_use]
pub fn duration(micros: u64) -> String {
    match micros {
        0..1000 => format!("{micros} us"),
        1000..1_000_000 => format!("{:.2} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}
