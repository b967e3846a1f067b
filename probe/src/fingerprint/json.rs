//! A fingerprint as JSON, in the shape that `docs/schema/fingerprint.schema.json` describes.

use std::net::IpAddr;

use serde::Serialize;

use super::entry::{Entry, Report};
use super::observation::Question;
use super::score::{self, Bearing};
use super::text::caveats;
use super::traits::Candidate;
use crate::report::json::{SCHEMA_VERSION, Tool};

#[derive(Serialize)]
struct JsonReport<'a> {
    schema_version: u32,
    tool: Tool,
    started: &'a str,
    targets: Vec<JsonEntry<'a>>,
}

#[derive(Serialize)]
struct JsonEntry<'a> {
    target: &'a str,
    host: Option<&'a str>,
    port: Option<u16>,
    address: Option<IpAddr>,
    connections: usize,
    failure: Option<&'a str>,
    consistent_with: Vec<Candidate>,
    candidates: Vec<JsonFit<'a>>,
    observations: Vec<JsonObservation<'a>>,
    caveats: Vec<&'static str>,
}

#[derive(Serialize)]
struct JsonFit<'a> {
    candidate: Candidate,
    name: &'static str,
    consistent: bool,
    contradicted: bool,
    score: i64,
    attainable: u32,
    fits: &'a [Question],
    contradicts: &'a [Question],
}

#[derive(Serialize)]
struct JsonObservation<'a> {
    question: Question,
    sent: &'static str,
    received: &'a str,
    value: &'a str,
    bearings: Vec<Bearing>,
}

/// A report as a value to be written.
#[must_use]
pub fn shape(report: &Report) -> impl Serialize + use<'_> {
    JsonReport {
        schema_version: SCHEMA_VERSION,
        tool: Tool::THIS,
        started: &report.started,
        targets: report.entries.iter().map(entry).collect(),
    }
}

fn entry(entry: &Entry) -> JsonEntry<'_> {
    let candidates = entry.fits.iter().map(|fit| JsonFit {
        candidate: fit.candidate,
        name: fit.candidate.name(),
        consistent: fit.consistent,
        contradicted: fit.contradicted,
        score: fit.score,
        attainable: fit.attainable,
        fits: &fit.fits,
        contradicts: &fit.contradicts,
    });
    let observations = entry.observations.iter().map(|seen| JsonObservation {
        question: seen.question,
        sent: seen.question.sent(),
        received: &seen.received,
        value: &seen.value,
        bearings: score::bearings(seen),
    });
    JsonEntry {
        target: &entry.target,
        host: entry.host.as_deref(),
        port: entry.port,
        address: entry.address,
        connections: entry.connections,
        failure: entry.failure.as_deref(),
        consistent_with: entry.consistent_with().map(|fit| fit.candidate).collect(),
        candidates: candidates.collect(),
        observations: observations.collect(),
        caveats: caveats(entry),
    }
}
