//! From a report to spans.

use std::time::Duration;

use rand::Rng;
use serde::Serialize;

use crate::check::{Entry, Report, StageReport};
use crate::report::words::severity_of;
use crate::verdict::Severity;

/// Ids of a trace and of its spans, drawn at random as the W3C Trace Context asks.
pub struct TraceIds<'a, R: Rng>(pub &'a mut R);

impl<R: Rng> TraceIds<'_, R> {
    fn of_bytes<const N: usize>(&mut self) -> String {
        let mut bytes = [0; N];
        // Ids of zeros only are not valid.
        while bytes == [0; N] {
            self.0.fill_bytes(&mut bytes);
        }
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// `ExportTraceServiceRequest` in its JSON form.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    resource_spans: [ResourceSpans; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans {
    resource: Resource,
    scope_spans: [ScopeSpans; 1],
}

#[derive(Debug, Serialize)]
struct Resource {
    attributes: Vec<Attribute>,
}

#[derive(Debug, Serialize)]
struct ScopeSpans {
    scope: Scope,
    spans: Vec<Span>,
}

#[derive(Debug, Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    name: String,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute>,
    status: Status,
}

#[derive(Debug, Serialize)]
struct Status {
    code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Debug, Serialize)]
struct Attribute {
    key: &'static str,
    value: Value,
}

/// The kinds of values that are needed here. JSON has 64-bit integers as text.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Value {
    StringValue(String),
    IntValue(String),
}

/// The trace of a check. Stages are laid one after the other from the check's start, for that is how
/// they ran; of addresses that were checked side by side each begins there.
pub fn trace<R: Rng>(report: &Report, ids: &mut TraceIds<'_, R>) -> Trace {
    let started = report.started.parse::<jiff::Timestamp>().map_or(0, |at| at.as_nanosecond());
    let started = u64::try_from(started).unwrap_or(0);
    let trace_id = ids.of_bytes::<16>();
    let root_id = ids.of_bytes::<8>();
    let mut spans = Vec::new();
    let mut longest = Duration::ZERO;
    for entry in report.entries.iter().take(ENTRIES_MAX) {
        let entry_id = ids.of_bytes::<8>();
        let mut at = Duration::ZERO;
        for stage in &entry.stages {
            let (begin, end) = (at, at + stage.elapsed);
            let parent = Some(entry_id.clone());
            let ids = (trace_id.clone(), ids.of_bytes::<8>(), parent);
            spans.push(stage_span(
                ids,
                entry,
                stage,
                (moment(started, begin), moment(started, end)),
            ));
            at = end;
        }
        longest = longest.max(at);
        spans.push(entry_span(
            (trace_id.clone(), entry_id, Some(root_id.clone())),
            entry,
            (moment(started, Duration::ZERO), moment(started, at)),
        ));
    }
    let worst = report.worst();
    spans.push(Span {
        trace_id,
        span_id: root_id,
        parent_span_id: None,
        name: "check".to_owned(),
        kind: INTERNAL,
        start_time_unix_nano: moment(started, Duration::ZERO),
        end_time_unix_nano: moment(started, longest),
        attributes: vec![
            text("kms.verdict", worst.map_or("", |verdict| verdict.row.code)),
            text("kms.severity", report.severity().name()),
        ],
        status: status(report.severity(), worst.map(|verdict| verdict.cause.as_str())),
    });
    let name = env!("CARGO_PKG_NAME");
    let version = env!("CARGO_PKG_VERSION");
    Trace {
        resource_spans: [ResourceSpans {
            resource: Resource {
                attributes: vec![text("service.name", name), text("service.version", version)],
            },
            scope_spans: [ScopeSpans { scope: Scope { name, version }, spans }],
        }],
    }
}

type Ids = (String, String, Option<String>);

fn entry_span(
    (trace_id, span_id, parent): Ids,
    entry: &Entry,
    (begin, end): (String, String),
) -> Span {
    let severity = entry.severity_with_findings();
    let mut attributes = vec![
        text("kms.target", &entry.target),
        text("kms.verdict", entry.verdict.row.code),
        text("kms.severity", severity.name()),
    ];
    attributes.extend(entry.host.as_deref().map(|host| text("server.address", host)));
    attributes.extend(entry.port.map(|port| number("server.port", port.into())));
    let address = entry.address.map(|address| address.to_string());
    attributes.extend(address.map(|address| text("network.peer.address", &address)));
    attributes.extend(entry.port.map(|port| number("network.peer.port", port.into())));
    Span {
        trace_id,
        span_id,
        parent_span_id: parent,
        name: "target".to_owned(),
        kind: INTERNAL,
        start_time_unix_nano: begin,
        end_time_unix_nano: end,
        attributes,
        status: status(severity, Some(&entry.verdict.cause)),
    }
}

fn stage_span(
    (trace_id, span_id, parent): Ids,
    entry: &Entry,
    stage: &StageReport,
    (begin, end): (String, String),
) -> Span {
    let severity = severity_of(stage, entry);
    Span {
        trace_id,
        span_id,
        parent_span_id: parent,
        name: stage.stage.name().to_owned(),
        kind: CLIENT,
        start_time_unix_nano: begin,
        end_time_unix_nano: end,
        attributes: vec![text("kms.verdict", stage.verdict), text("kms.severity", severity.name())],
        status: status(
            severity,
            (stage.verdict == entry.verdict.row.code).then_some(&entry.verdict.cause),
        ),
    }
}

/// From a warning up something is wrong.
fn status(severity: Severity, cause: Option<impl AsRef<str>>) -> Status {
    match severity < Severity::Warning {
        true => Status { code: OK, message: None },
        false => Status { code: ERROR, message: cause.map(|cause| bounded(cause.as_ref())) },
    }
}

fn text(key: &'static str, value: &str) -> Attribute {
    Attribute { key, value: Value::StringValue(bounded(value)) }
}

fn number(key: &'static str, value: u64) -> Attribute {
    Attribute { key, value: Value::IntValue(value.to_string()) }
}

fn bounded(text: &str) -> String {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default().to_owned()
}

/// Nanoseconds since 1970, as JSON has them.
fn moment(started: u64, after: Duration) -> String {
    started.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)).to_string()
}

/// `SPAN_KIND_INTERNAL`, `SPAN_KIND_CLIENT`.
const INTERNAL: u8 = 1;
const CLIENT: u8 = 3;
/// `STATUS_CODE_OK`, `STATUS_CODE_ERROR`.
const OK: u8 = 1;
const ERROR: u8 = 2;
/// Addresses of one check with spans.
const ENTRIES_MAX: usize = 256;
const TEXT_BYTES_MAX: usize = 1024;
