//! A measurement as JSON, in the shape that `docs/schema/measure.schema.json` describes. Times are
//! microseconds; what was not measured is null.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::conclude::Note;
use super::distribution::Bucket;
use super::entry::{Entry, Measured, Report};
use super::interval::Interval;
use super::loss::{CONFIDENCE_PERCENT, Loss};
use super::objective::Outcome;
use super::record::{Ended, SpanRecord};
use super::sample::{Span, micros};
use super::slowest::{OUTLIER_FACTOR, SLOWEST_MAX};
use super::{IN_FLIGHT_MAX, Options};
use crate::report::json::JsonReport;
use crate::stage::Stage;
use crate::verdict::Seen;

#[derive(Serialize)]
struct JsonEntry<'a> {
    target: &'a str,
    host: Option<&'a str>,
    port: Option<u16>,
    address: Option<IpAddr>,
    verdict: &'static str,
    severity: &'static str,
    passed: bool,
    client_sees: &'a [Seen],
    cause: &'a str,
    remedy: Option<&'a str>,
    measurement: Option<JsonMeasurement<'a>>,
}

#[derive(Serialize)]
struct JsonMeasurement<'a> {
    started: String,
    elapsed_us: u64,
    interrupted: bool,
    abandoned: u64,
    asked: Asked,
    rate: RateFacts,
    loss: Loss,
    max_loss_percent: f64,
    confidence_percent: u32,
    verdicts: Vec<JsonEnded<'a>>,
    packets: JsonPackets,
    dns: JsonDns,
    stages: Vec<JsonSpan>,
    outliers: Outliers<'a>,
    objectives: Vec<JsonOutcome>,
    intervals: JsonIntervals,
    notes: &'a [Note],
}

#[derive(Serialize)]
struct Asked {
    connection: &'static str,
    depth: Stage,
    rate: String,
    count: Option<u64>,
    duration_ms: Option<u128>,
    exchanges: u64,
    in_flight_max: u64,
}

#[derive(Serialize)]
struct RateFacts {
    asked_per_s: f64,
    kept_per_s: Option<f64>,
    late: u64,
    late_after_us: u64,
    lateness_p99_us: Option<u64>,
    lateness_max_us: Option<u64>,
}

#[derive(Serialize)]
struct JsonEnded<'a> {
    verdict: &'static str,
    severity: &'static str,
    count: u64,
    lost: u64,
    first: FirstEnded<'a>,
    last_at: String,
}

#[derive(Serialize)]
struct FirstEnded<'a> {
    exchange: u64,
    at: String,
    cause: &'a str,
    remedy: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonPackets {
    syns_sent: Option<u64>,
    first_syns_unanswered: Option<Loss>,
    segments_resent: Option<Loss>,
}

#[derive(Serialize)]
struct JsonDns {
    asked_in_each_exchange: bool,
    answers_without_endpoint: u64,
}

#[derive(Serialize)]
struct JsonSpan {
    stage: Span,
    count: u64,
    min_us: Option<u64>,
    median_us: Option<u64>,
    p90_us: Option<u64>,
    p99_us: Option<u64>,
    p999_us: Option<u64>,
    max_us: Option<u64>,
    mean_us: Option<f64>,
    stddev_us: Option<f64>,
    jitter_us: Option<f64>,
    histogram: Vec<Bucket>,
}

#[derive(Serialize)]
struct Outliers<'a> {
    times_the_median: u64,
    per_stage_max: usize,
    found: Vec<JsonOutlier<'a>>,
}

#[derive(Serialize)]
struct JsonOutlier<'a> {
    stage: &'a str,
    at: String,
    exchange: u64,
    elapsed_us: u64,
    packets_resent: u32,
}

#[derive(Serialize)]
struct JsonOutcome {
    objective: String,
    limit_us: u64,
    actual_us: Option<u64>,
    met: bool,
}

#[derive(Serialize)]
struct JsonIntervals {
    length_us: u64,
    found: Vec<JsonInterval>,
}

#[derive(Serialize)]
struct JsonInterval {
    start_us: u64,
    answered: u64,
    lost: u64,
    stages: Vec<JsonSlice>,
}

#[derive(Serialize)]
struct JsonSlice {
    stage: Span,
    count: u64,
    median_us: Option<u64>,
    p99_us: Option<u64>,
    max_us: Option<u64>,
}

/// A report as a value to be written.
#[must_use]
pub fn shape(report: &Report) -> impl Serialize + use<'_> {
    let entries = report.entries.iter().map(|one| entry(one, &report.options)).collect();
    JsonReport::new(&report.started, entries, report.worst())
}

fn entry<'a>(entry: &'a Entry, options: &Options) -> JsonEntry<'a> {
    JsonEntry {
        target: &entry.target,
        host: entry.host.as_deref(),
        port: entry.port,
        address: entry.address,
        verdict: entry.verdict.row.code,
        severity: entry.verdict.severity.name(),
        passed: entry.passed,
        client_sees: &entry.verdict.client_sees,
        cause: &entry.verdict.cause,
        remedy: entry.verdict.remedy.as_deref(),
        measurement: entry.measured.as_deref().map(|measured| measurement(measured, options)),
    }
}

fn measurement<'a>(measured: &'a Measured, options: &Options) -> JsonMeasurement<'a> {
    let record = &measured.record;
    JsonMeasurement {
        started: utc(measured.started),
        elapsed_us: micros(measured.elapsed),
        interrupted: measured.interrupted,
        abandoned: measured.abandoned,
        asked: asked(options),
        rate: RateFacts {
            asked_per_s: options.schedule.rate.hertz(),
            kept_per_s: measured.conclusion.kept_rate,
            late: record.late,
            late_after_us: micros(record.late_after()),
            lateness_p99_us: record.lateness.percentile_us(99.0),
            lateness_max_us: record.lateness.max_us(),
        },
        loss: record.loss,
        max_loss_percent: options.max_loss_percent,
        confidence_percent: CONFIDENCE_PERCENT,
        verdicts: record.verdicts.values().map(|one| ended(one, measured)).collect(),
        packets: JsonPackets {
            syns_sent: known(record.packets.first_syns).map(|_| record.packets.syns_sent),
            first_syns_unanswered: known(record.packets.first_syns),
            segments_resent: known(record.packets.segments),
        },
        dns: JsonDns {
            asked_in_each_exchange: measured.dns_is_measured,
            answers_without_endpoint: record.endpoint_missing,
        },
        stages: record.spans.iter().map(span).collect(),
        outliers: outliers(measured),
        objectives: measured.conclusion.objectives.iter().map(outcome).collect(),
        intervals: JsonIntervals {
            length_us: micros(record.intervals.length()),
            found: record.intervals.iter().map(interval).collect(),
        },
        notes: &measured.conclusion.notes,
    }
}

fn asked(options: &Options) -> Asked {
    Asked {
        connection: if options.keep_alive { "kept" } else { "new" },
        depth: options.check.depth,
        rate: options.schedule.rate.to_string(),
        count: options.schedule.count,
        duration_ms: options.schedule.duration.map(|duration| duration.as_millis()),
        exchanges: options.schedule.total(),
        in_flight_max: if options.keep_alive { 1 } else { IN_FLIGHT_MAX },
    }
}

fn ended<'a>(ended: &'a Ended, measured: &Measured) -> JsonEnded<'a> {
    JsonEnded {
        verdict: ended.first.row.code,
        severity: ended.first.severity.name(),
        count: ended.count,
        lost: ended.lost,
        first: FirstEnded {
            exchange: ended.first_index,
            at: utc(measured.at(ended.first_begun)),
            cause: &ended.first.cause,
            remedy: ended.first.remedy.as_deref(),
        },
        last_at: utc(measured.at(ended.last_begun)),
    }
}

/// What was never sent, or is not counted here, is not known.
fn known(loss: Loss) -> Option<Loss> {
    (loss.of > 0).then_some(loss)
}

fn span(record: &SpanRecord) -> JsonSpan {
    let of = &record.distribution;
    JsonSpan {
        stage: record.span,
        count: of.count(),
        min_us: of.min_us(),
        median_us: of.percentile_us(50.0),
        p90_us: of.percentile_us(90.0),
        p99_us: of.percentile_us(99.0),
        p999_us: of.percentile_us(99.9),
        max_us: of.max_us(),
        mean_us: of.mean_us(),
        stddev_us: of.stddev_us(),
        jitter_us: of.jitter_us(),
        histogram: of.buckets(BUCKETS),
    }
}

fn outliers(measured: &Measured) -> Outliers<'_> {
    let found = measured.record.spans.iter().flat_map(|kept| {
        let outliers = kept.slowest.outliers(kept.distribution.percentile_us(50.0));
        outliers.map(|slow| JsonOutlier {
            stage: kept.span.name(),
            at: utc(measured.at(slow.begun)),
            exchange: slow.index,
            elapsed_us: slow.micros,
            packets_resent: slow.resent,
        })
    });
    Outliers {
        times_the_median: OUTLIER_FACTOR,
        per_stage_max: SLOWEST_MAX,
        found: found.collect(),
    }
}

fn outcome(outcome: &Outcome) -> JsonOutcome {
    JsonOutcome {
        objective: outcome.objective.to_string(),
        limit_us: outcome.objective.limit_us(),
        actual_us: outcome.actual_us,
        met: outcome.is_met(),
    }
}

fn interval(interval: &Interval) -> JsonInterval {
    let slice = |span: &Span| JsonSlice {
        stage: *span,
        count: interval.count(*span),
        median_us: interval.percentile_us(*span, 50.0),
        p99_us: interval.percentile_us(*span, 99.0),
        max_us: interval.percentile_us(*span, 100.0),
    };
    JsonInterval {
        start_us: micros(interval.start),
        answered: interval.answered,
        lost: interval.lost,
        stages: interval.latencies.keys().map(slice).collect(),
    }
}

/// RFC 3339 to the microsecond.
fn utc(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// Buckets of each stage's histogram.
const BUCKETS: u32 = 30;
