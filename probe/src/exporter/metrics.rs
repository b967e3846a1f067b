//! What an exporter tells of itself.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Counters and gauges of one exporter.
pub(super) struct Metrics {
    registry: Registry,
    probes: Family<ProbeLabels, Counter>,
    refused: Family<RefusedLabels, Counter>,
    durations: Histogram,
    /// Probes that run now.
    pub in_flight: Gauge,
    reloaded: Gauge,
    reloaded_at: Gauge<f64, AtomicU64>,
    modules: Gauge,
}

/// A probe that was made.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ProbeLabels {
    module: String,
    result: &'static str,
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Result {
    /// No warning and nothing critical.
    Success,
    /// From a warning up.
    Failure,
    /// The scrape's time was over first.
    TimedOut,
    /// This program's own failure.
    Error,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RefusedLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// Why a request led to no probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// All places were taken for as long as the scrape may take.
    Busy,
    /// No target, or one that cannot be understood; no such module.
    BadRequest,
    /// The list of targets does not admit it.
    NotAllowed,
    /// No token, or another.
    Unauthorized,
}

impl Result {
    const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::TimedOut => "timed_out",
            Self::Error => "error",
        }
    }
}

impl Refused {
    const fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::BadRequest => "bad_request",
            Self::NotAllowed => "not_allowed",
            Self::Unauthorized => "unauthorized",
        }
    }
}

impl Metrics {
    pub(super) fn new(places: usize) -> Self {
        let mut registry = Registry::with_prefix("kms_probe_exporter");
        let build: Family<BuildLabels, Gauge> = Family::default();
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build_info", "The program", build);
        let metrics = Self {
            probes: Family::default(),
            refused: Family::default(),
            durations: Histogram::new(SECONDS),
            in_flight: Gauge::default(),
            reloaded: Gauge::default(),
            reloaded_at: Gauge::default(),
            modules: Gauge::default(),
            registry,
        };
        let bound: Gauge = Gauge::default();
        bound.set(i64::try_from(places).unwrap_or(i64::MAX));
        metrics.registered(bound)
    }

    fn registered(mut self, bound: Gauge) -> Self {
        let to = &mut self.registry;
        to.register("probes", "Probes that were made", self.probes.clone());
        to.register("refused", "Requests that led to no probe", self.refused.clone());
        let (help, unit) = ("How long probes took", Unit::Seconds);
        to.register_with_unit("probe_duration", help, unit, self.durations.clone());
        to.register("in_flight", "Probes that run now", self.in_flight.clone());
        to.register("in_flight_max", "How many may", bound);
        let help = "Whether the last reading of the modules file worked";
        to.register("config_last_reload_successful", help, self.reloaded.clone());
        let help = "When the modules file was last read with success";
        let (name, unit) = ("config_last_reload_success_timestamp", Unit::Seconds);
        to.register_with_unit(name, help, unit, self.reloaded_at.clone());
        to.register("modules", "Modules that requests may name", self.modules.clone());
        self
    }

    /// The module is one of the file's, so that there is a bounded number of series.
    pub(super) fn probed(&self, module: &str, result: Result, elapsed: Duration) {
        let labels = ProbeLabels { module: module.to_owned(), result: result.name() };
        self.probes.get_or_create(&labels).inc();
        self.durations.observe(elapsed.as_secs_f64());
    }

    pub(super) fn refused(&self, reason: Refused) {
        self.refused.get_or_create(&RefusedLabels { reason: reason.name() }).inc();
    }

    /// The modules file was read at `at`, in seconds since 1970; `None`: it could not be.
    pub(super) fn reloaded(&self, modules: Option<usize>, at: f64) {
        self.reloaded.set(i64::from(modules.is_some()));
        if let Some(modules) = modules {
            self.reloaded_at.set(at);
            self.modules.set(i64::try_from(modules).unwrap_or(i64::MAX));
        }
    }

    /// As OpenMetrics text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let _infallible = encode(&mut text, &self.registry);
        text
    }
}

/// A healthy check takes milliseconds, a dropped SYN the whole timeout.
const SECONDS: [f64; 10] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];
