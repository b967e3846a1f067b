//! A trace as JSON, in the shape that `docs/schema/trace.schema.json` describes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use super::caveat::Caveat;
use super::entry::{Entry, Report, Traced};
use super::path::PortPath;
use super::payload::PayloadFacts;
use super::place::Place;
use crate::platform::origin::Origin;
use crate::report::json::JsonReport;
use crate::stage::echo::EchoFacts;
use crate::verdict::Seen;

#[derive(Serialize)]
struct JsonEntry<'a> {
    target: &'a str,
    host: Option<&'a str>,
    port: Option<u16>,
    address: Option<IpAddr>,
    verdict: &'static str,
    severity: &'static str,
    client_sees: &'a [Seen],
    cause: &'a str,
    remedy: Option<&'a str>,
    trace: Option<JsonTrace<'a>>,
}

#[derive(Serialize)]
struct JsonTrace<'a> {
    source: Option<IpAddr>,
    origin: Option<Origin>,
    max_hops: u8,
    flows: u8,
    timeout_ms: u64,
    elapsed_us: u64,
    place: Option<&'a Place>,
    sender: Option<IpAddr>,
    caveats: &'a [Caveat],
    ports: &'a [PortPath],
    names: &'a BTreeMap<IpAddr, String>,
    echo: Option<&'a EchoFacts>,
    payload: Option<PayloadFacts>,
}

/// A report as a value to be written.
#[must_use]
pub fn shape(report: &Report) -> impl Serialize + use<'_> {
    let targets: Vec<JsonEntry<'_>> = report.entries.iter().map(entry).collect();
    JsonReport::new(&report.started, targets, report.worst())
}

fn entry(entry: &Entry) -> JsonEntry<'_> {
    JsonEntry {
        target: &entry.target,
        host: entry.host.as_deref(),
        port: entry.port,
        address: entry.address,
        verdict: entry.verdict.row.code,
        severity: entry.verdict.severity.name(),
        client_sees: &entry.verdict.client_sees,
        cause: &entry.verdict.cause,
        remedy: entry.verdict.remedy.as_deref(),
        trace: entry.traced.as_deref().map(trace),
    }
}

fn trace(traced: &Traced) -> JsonTrace<'_> {
    JsonTrace {
        source: traced.facts.source,
        origin: traced.facts.origin,
        max_hops: traced.facts.max_hops,
        flows: traced.facts.flows,
        timeout_ms: traced.facts.timeout_ms,
        elapsed_us: traced.facts.elapsed_us,
        place: traced.conclusion.place.as_ref(),
        sender: traced.conclusion.sender,
        caveats: &traced.conclusion.caveats,
        ports: &traced.paths,
        names: &traced.names,
        echo: traced.echo.as_ref(),
        payload: traced.facts.payload,
    }
}
