//! A measurement from end to end: look-ups first, then every endpoint found, one after the other,
//! so that they do not disturb each other.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Options;
use super::conclude::{self, Conclusion};
use super::drive::{self, Driven};
use super::plan::{self, Path};
use super::record::{Record, SpanRecord};
use super::sample::Span;
use super::stop::Stop;
use crate::stage::Stage;
use crate::target::Asked;
use crate::verdict::{Severity, Verdict};

/// Everything that one run measured.
pub struct Report {
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// How it measured.
    pub options: Options,
    /// One entry for each endpoint, and one for each target or record that leads to none.
    pub entries: Vec<Entry>,
}

/// One endpoint, or a target that leads to none.
pub struct Entry {
    /// The target as it was given.
    pub target: String,
    /// The host, once it is known.
    pub host: Option<String>,
    /// The port, once it is known.
    pub port: Option<u16>,
    /// The address, once it is known.
    pub address: Option<IpAddr>,
    /// The worst and most frequent verdict of lost exchanges, or else that of those answered.
    pub verdict: Verdict,
    /// Whether nothing more was lost than may be, and every objective was met.
    pub passed: bool,
    /// What was measured, where there was an address.
    pub measured: Option<Box<Measured>>,
}

/// A finished measurement of one endpoint.
pub struct Measured {
    /// When its first exchange was due.
    pub started: Timestamp,
    /// From then to the end of the last exchange.
    pub elapsed: Duration,
    /// Whether it ended before the schedule did.
    pub interrupted: bool,
    /// Exchanges that had begun when it ended early, and were not waited for.
    pub abandoned: u64,
    /// Whether DNS is asked in each exchange.
    pub dns_is_measured: bool,
    /// The figures.
    pub record: Record,
    /// What they come to.
    pub conclusion: Conclusion,
}

/// What a run shows of itself while it goes on.
pub struct Progress<'a> {
    /// The endpoint that is being measured.
    pub host: &'a str,
    /// What has been recorded.
    pub record: &'a Record,
    /// How it measures.
    pub options: &'a Options,
}

/// Measures every endpoint of `targets`, shows its progress to `watch` and hands each entry to
/// `each` as soon as it is there. `stop` ends it early, with what was measured until then.
///
/// # Errors
/// This program's own failures: an unreadable resolver configuration, no descriptors, too many
/// endpoints, an end before anything was measured; or what `each` returns.
pub fn run(
    targets: &[Asked],
    options: &Options,
    stop: &Arc<Stop>,
    watch: &mut dyn FnMut(&Progress<'_>),
    mut each: impl FnMut(&Entry) -> anyhow::Result<()>,
) -> anyhow::Result<Report> {
    let started = Timestamp::now().to_string();
    let (paths, unreachable) = plan::plan(targets, &options.check)?;
    let mut entries: Vec<Entry> = unreachable.into_iter().map(Entry::unreachable).collect();
    for entry in &entries {
        each(entry)?;
    }
    for path in paths {
        if stop.is_requested() {
            break;
        }
        let started = Timestamp::now();
        let driven = drive::drive(&path, options, stop, &mut |record| {
            watch(&Progress { host: &path.host, record, options });
        })?;
        if let Some(entry) = Entry::measured(path, started, driven, options) {
            each(&entry)?;
            entries.push(entry);
        }
    }
    anyhow::ensure!(
        !entries.is_empty(),
        "ended before the first exchange did: nothing was measured"
    );
    Ok(Report { started, options: options.clone(), entries })
}

impl Report {
    /// Whether every entry passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.entries.iter().all(|entry| entry.passed)
    }

    /// The first of the worst verdicts.
    #[must_use]
    pub fn worst(&self) -> Option<&Verdict> {
        let verdicts = || self.entries.iter().map(|entry| &entry.verdict);
        let severity = verdicts().map(|verdict| verdict.severity).max().unwrap_or(Severity::Ok);
        verdicts().find(|verdict| verdict.severity == severity)
    }
}

impl Entry {
    fn unreachable(entry: crate::check::Entry) -> Self {
        Self {
            target: entry.target,
            host: entry.host,
            port: entry.port,
            address: entry.address,
            verdict: entry.verdict,
            passed: false,
            measured: None,
        }
    }

    /// `None` where no exchange ended.
    fn measured(path: Path, started: Timestamp, driven: Driven, options: &Options) -> Option<Self> {
        let Driven { record, elapsed, interrupted, abandoned } = driven;
        let worst = record.failures().first().copied().or_else(|| record.answered());
        let verdict = worst?.first.clone();
        let conclusion = conclude::conclude(&record, options);
        Some(Self {
            target: path.target,
            host: Some(path.host),
            port: Some(path.address.port()),
            address: Some(path.address.ip()),
            verdict,
            passed: conclusion.passed(),
            measured: Some(Box::new(Measured {
                started,
                elapsed,
                interrupted,
                abandoned,
                dns_is_measured: path.question.is_some(),
                record,
                conclusion,
            })),
        })
    }
}

impl Measured {
    /// The stages that are measured here, in order, and the whole exchange.
    pub fn spans(&self) -> impl Iterator<Item = &SpanRecord> {
        let is_measured = |span: &Span| *span != Span::Stage(Stage::Dns) || self.dns_is_measured;
        self.record.spans.iter().filter(move |kept| is_measured(&kept.span))
    }

    /// The wall-clock time of a moment of this measurement.
    #[must_use]
    pub fn at(&self, since_start: Duration) -> Timestamp {
        self.started.checked_add(since_start).unwrap_or(Timestamp::MAX)
    }
}
