//! Metrics in the text format of OpenMetrics, which Prometheus reads.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use kms_page::exposition::{CLASSIC, OPEN_METRICS, classic};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::runtime::Handle;

use super::super::lab::{APPLICATIONS, Lab};
use crate::serve::{self, Totals};

/// Counters, gauges and a histogram, as OpenMetrics where it is accepted and in the older text format
/// otherwise. Labels come from the catalogue and from the names of hosts and rules, of which
/// there are a bounded number; nothing that a client says becomes a label.
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, description = "OpenMetrics text", body = String,
               content_type = "text/plain")))]
pub(super) async fn metrics(State(lab): State<Arc<Lab>>, headers: HeaderMap) -> Response {
    let mut registry = Registry::with_prefix("kms_sim");
    registry.register_collector(Box::new(Collector(lab)));
    let mut text = String::new();
    // Writing to a string cannot fail.
    encode(&mut text, &registry).ok();
    let accepted = headers.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    if accepted.is_some_and(|accepted| accepted.contains("application/openmetrics-text")) {
        ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response()
    } else {
        ([(header::CONTENT_TYPE, CLASSIC)], classic(&text)).into_response()
    }
}

/// Name, help and value of what is counted.
type Counted = (&'static str, &'static str, fn(&Totals) -> u64);

/// What is counted of each host.
const OF_HOSTS: [Counted; 6] = [
    ("connections_accepted", "Connections accepted and admitted", |totals| totals.connections),
    ("connections_refused", "Connections closed at once because a limit was met", |totals| {
        totals.connections_refused
    }),
    ("requests", "Calls answered, whatever the answer", |totals| totals.requests),
    ("requests_accepted", "Requests recorded and answered with a count", |totals| {
        totals.requests_accepted
    }),
    ("foreign_key_requests", "Requests of real clients or of another lab", |totals| {
        totals.foreign_keys
    }),
    ("peers_refused", "Peers that broke the protocol or a bound", |totals| totals.peers_refused),
];

/// Reads the lab at each scrape: no number is kept twice.
#[derive(Debug)]
struct Collector(Arc<Lab>);

impl prometheus_client::collector::Collector for Collector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let lab = &self.0;
        let totals: Vec<Totals> = lab.hosts.iter().map(serve::Handle::totals).collect();
        for (name, help, value) in OF_HOSTS {
            let kind = ConstCounter::new(0u64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (host, totals) in lab.hosts.iter().zip(&totals) {
                let labels = [("host", host.name().as_str())];
                ConstCounter::new(value(totals)).encode(family.encode_family(&labels)?)?;
            }
        }
        let kind = ConstGauge::new(0i64).metric_type();
        let mut family =
            encoder.encode_descriptor("connections", "Connections open now", None, kind)?;
        for host in &lab.hosts {
            let open = i64::try_from(host.connections()).unwrap_or(i64::MAX);
            let labels = [("host", host.name().as_str())];
            ConstGauge::new(open).encode(family.encode_family(&labels)?)?;
        }
        gauge(
            &mut encoder,
            "connections_limit",
            "Connections that may be open at once, those of all hosts together",
            lab.first().connections_max(),
        )?;
        gauge(
            &mut encoder,
            "tasks_alive",
            "Tasks that have not ended, of the threads that serve and of the admin server's",
            lab.first().tasks() + Handle::current().metrics().num_alive_tasks(),
        )?;
        self.service_times(&mut encoder)?;
        self.counts(&mut encoder)?;
        self.clock(&mut encoder)?;
        self.faults(&mut encoder)?;
        self.journal(&mut encoder)
    }
}

impl Collector {
    fn service_times(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Time from a call's arrival to its answer inside the host";
        let unit = Unit::Seconds;
        let mut family = encoder.encode_descriptor(
            "exchange_duration",
            help,
            Some(&unit),
            MetricType::Histogram,
        )?;
        for host in &self.0.hosts {
            let times = host.service_times();
            let mut buckets: Vec<(f64, u64)> = times.cumulative().collect();
            buckets.push((f64::MAX, times.count()));
            let sum_s = Duration::from_micros(times.sum_us()).as_secs_f64();
            let (buckets, labels) = (per_bucket(&buckets), [("host", host.name().as_str())]);
            let mut metric = family.encode_family(&labels)?;
            metric.encode_histogram::<NoLabelSet>(sum_s, times.count(), &buckets, None)?;
        }
        Ok(())
    }

    fn counts(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let kind = ConstGauge::new(0i64).metric_type();
        let help = "Distinct clients that the host counts";
        let mut family = encoder.encode_descriptor("clients_counted", help, None, kind)?;
        for host in &self.0.hosts {
            for (app_id, name) in &APPLICATIONS {
                let count = ConstGauge::new(i64::from(host.count(*app_id)));
                let name = name.to_lowercase();
                let labels = [("application", name.as_str()), ("host", host.name().as_str())];
                count.encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn clock(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let clock = super::clock::ClockState::of(&self.0);
        for (name, help, value) in [
            (
                "clock_offset_seconds",
                "How far the host's clock is ahead of the machine's",
                clock.offset_s,
            ),
            (
                "clock_scale",
                "Seconds that the host's clock shows for each of the machine's",
                clock.scale,
            ),
        ] {
            let gauge = ConstGauge::new(value);
            let kind = gauge.metric_type();
            gauge.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        }
        Ok(())
    }

    fn faults(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let kind = ConstCounter::new(0u64).metric_type();
        let help = "Events that a fault rule struck since its counts began; without a host: a rule \
                    for every host";
        let mut family = encoder.encode_descriptor("faults_applied", help, None, kind)?;
        let common = ("", self.0.first().common_faults());
        let own = self.0.hosts.iter().map(|host| (host.name().as_str(), host.faults()));
        for (host, faults) in std::iter::once(common).chain(own) {
            for rule in faults.list() {
                let (id, kind) = (rule.rule.id.to_string(), rule.rule.kind().name());
                let labels = [("rule", id.as_str()), ("kind", kind), ("host", host)];
                ConstCounter::new(rule.applied).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn journal(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(journal) = self.0.first().recorder().journal() else { return Ok(()) };
        let totals = journal.totals();
        for (name, help, value) in [
            ("journal_rows", "Rows written", totals.rows),
            ("journal_commits", "Transactions that wrote them", totals.commits),
            ("journal_rows_lost", "Rows that could not be written and are gone", totals.lost),
        ] {
            let counter = ConstCounter::new(value);
            let kind = counter.metric_type();
            counter.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        }
        gauge(encoder, "journal_rows_behind", "Rows that wait to be written", totals.behind)
    }
}

/// The encoder sums up by itself.
fn per_bucket(cumulative: &[(f64, u64)]) -> Vec<(f64, u64)> {
    let mut before = 0;
    cumulative
        .iter()
        .map(|(bound_s, count)| (*bound_s, count - std::mem::replace(&mut before, *count)))
        .collect()
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: usize,
) -> Result<(), std::fmt::Error> {
    let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    let kind = gauge.metric_type();
    gauge.encode(encoder.encode_descriptor(name, help, None, kind)?)
}
