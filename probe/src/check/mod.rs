//! A check from end to end: look-ups first, then every address found, several at once.

mod beside;
mod clock;
mod endpoint;
mod entry;
mod plan;
mod tls;

pub use beside::{Beside, ClosedPortFacts};
pub use clock::{ClockOptions, SNTP_PORT};
pub(crate) use endpoint::question as kms_question;
pub use entry::{DnsFacts, Entry, NoDnsFacts, Report, StageFacts, StageReport, TcpFacts};
pub use tls::TlsOptions;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use kms_protocol::guid::Guid;
use kms_protocol::kms::Version;
use kms_protocol::kms::crypto::{LabKey, LabKeys};
use kms_protocol::kms::product::{self, LAB_NAMESPACE, Product};

use self::clock::Asking;
pub(crate) use self::plan::{Planned, Probe, address, look_up_one, plan_resolved};
use crate::platform::origin::Origin;
use crate::platform::{self, SocketFacts};
use crate::stage::Stage;
use crate::target::Asked;
use crate::verdict::{Finding, Verdict, judge};

/// How to check.
#[derive(Clone)]
pub struct Options {
    /// The last stage to run.
    pub depth: Stage,
    /// DNS servers to ask in place of the machine's own.
    pub resolvers: Vec<SocketAddr>,
    /// How long each stage may take.
    pub timeouts: Timeouts,
    /// The only address family to use.
    pub family: Option<Family>,
    /// Whether the operating system is asked for host names beside DNS.
    pub ask_system: bool,
    /// From where connections leave.
    pub origin: Origin,
    /// A port of the same host that should be closed, to be tried beside the stages.
    pub closed_port: Option<u16>,
    /// Whether an ICMP echo is sent beside the stages.
    pub ping: bool,
    /// What to ask at depth kms.
    pub kms: KmsOptions,
    /// Whom to ask for the time.
    pub clock: ClockOptions,
    /// Which endpoints for online activation to check, beside the targets.
    pub tls: TlsOptions,
}

/// How long each stage may take, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// All look-ups of one target.
    pub dns: Duration,
    /// Connect.
    pub tcp: Duration,
    /// Bind.
    pub bind: Duration,
    /// Call of an operation that does not exist.
    pub rpc: Duration,
    /// KMS exchange.
    pub kms: Duration,
    /// Each clock.
    pub clock: Duration,
    /// TLS handshake.
    pub tls: Duration,
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What to ask at depth kms.
#[derive(Clone)]
pub struct KmsOptions {
    /// The lab's keys.
    pub keys: LabKeys,
    /// Whether the host must share them.
    pub expect_lab: bool,
    /// Protocol version.
    pub version: Version,
    /// Product to ask for.
    pub product: &'static Product,
    /// Client machine id.
    pub cmid: Guid,
}

/// Checks every target. No target at all means the search suffixes of this machine, unless there
/// are endpoints for online activation to check.
///
/// # Errors
/// Only this program's own failures: an unreadable resolver configuration, no descriptors.
pub fn run(targets: &[Asked], options: &Options) -> anyhow::Result<Report> {
    let started = jiff::Timestamp::now().to_string();
    let only_tls = targets.is_empty() && !options.tls.endpoints.is_empty();
    let planned = if only_tls { Vec::new() } else { plan::plan(targets, options)? };
    let time_servers = if only_tls { Vec::new() } else { clock::ask_time_servers(options)? };
    let mut entries = run_all(planned, options, &time_servers)?;
    entries.extend(tls::run(options)?);
    Ok(Report { started, entries })
}

fn run_all(
    planned: Vec<Planned>,
    options: &Options,
    time_servers: &[Asking],
) -> anyhow::Result<Vec<Entry>> {
    let run_one = |planned| run_one_with(planned, options, time_servers);
    let probes = planned.iter().filter(|planned| matches!(planned, Planned::Probe(_))).count();
    if probes <= 1 {
        // One conversation needs no second thread.
        return planned.into_iter().map(run_one).collect();
    }
    at_once(planned, run_one).into_iter().collect()
}

/// Runs `run` over `items`, several at once, and returns what came of each, in their order.
fn at_once<T: Send, R: Send>(items: Vec<T>, run: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = items.len().min(PROBES_AT_ONCE_MAX);
    let slots: Vec<_> = items.into_iter().map(|item| Mutex::new(Some(item))).collect();
    let results: Vec<_> = slots.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let index = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(slot) = slots.get(index)
                {
                    let item = slot.lock().ok().and_then(|mut slot| slot.take());
                    let result = item.map(&run);
                    if let Some(mut place) = results.get(index).and_then(|r| r.lock().ok()) {
                        *place = result;
                    }
                }
            });
        }
    });
    results.into_iter().filter_map(|result| result.into_inner().ok().flatten()).collect()
}

/// Runs the stages of one planned entry, without asking a time server.
pub(crate) fn run_one(planned: Planned, options: &Options) -> anyhow::Result<Entry> {
    run_one_with(planned, options, &[])
}

fn run_one_with(
    planned: Planned,
    options: &Options,
    time_servers: &[Asking],
) -> anyhow::Result<Entry> {
    let Probe { target, host, address, mut stages, mut findings } = match planned {
        Planned::Done(entry) => return Ok(*entry),
        Planned::Probe(probe) => *probe,
    };
    let (verdict, beside) = thread::scope(|scope| {
        let running = beside::start(scope, address, options);
        let verdict = endpoint::run(&host, address, options, &mut stages);
        (verdict, running.finish())
    });
    let verdict = verdict?;
    findings.extend(judge_beside(&host, address, &stages, &beside));
    let mut clocks = clock::run(&host, address, options, time_servers, &mut stages)?;
    let verdict = clock::take_verdict(&verdict, &mut clocks).unwrap_or(verdict);
    findings.append(&mut clocks);
    Ok(Entry {
        target,
        host: Some(host),
        port: Some(address.port()),
        address: Some(address.ip()),
        stages,
        verdict,
        findings,
        beside,
    })
}

/// What the things beside the stages add to them.
fn judge_beside(
    host: &str,
    address: SocketAddr,
    stages: &[StageReport],
    beside: &Beside,
) -> Option<Finding> {
    let port = beside.closed_port.as_ref().filter(|port| port.opens())?.port;
    let source = stages.iter().find_map(|stage| match &stage.facts {
        StageFacts::Tcp(facts) => facts.connect.source,
        _ => None,
    });
    let endpoint =
        judge::Endpoint { host: host.to_owned(), address, source: source.map(|s| s.ip()) };
    let codes: Vec<&'static str> = stages.iter().map(|stage| stage.verdict).collect();
    judge::accepts_all(&endpoint, port, &codes)
}

impl Options {
    /// Whether the stage after `stage` runs.
    fn goes_beyond(&self, stage: Stage, verdict: &Verdict) -> bool {
        self.depth > stage && verdict.lets_continue()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            depth: Stage::Rpc,
            resolvers: Vec::new(),
            timeouts: Timeouts::all(TIMEOUT_DEFAULT),
            family: None,
            ask_system: true,
            origin: Origin::default(),
            closed_port: None,
            ping: false,
            kms: KmsOptions::new(&LabKey::DEFAULT),
            clock: ClockOptions::default(),
            tls: TlsOptions::default(),
        }
    }
}

impl Timeouts {
    /// The same for every stage.
    #[must_use]
    pub const fn all(timeout: Duration) -> Self {
        Self {
            dns: timeout,
            tcp: timeout,
            bind: timeout,
            rpc: timeout,
            kms: timeout,
            clock: timeout,
            tls: timeout,
        }
    }
}

impl KmsOptions {
    /// A Windows client that asks under `key` with version 6, as this machine: repeated checks
    /// count once.
    #[must_use]
    pub fn new(key: &LabKey) -> Self {
        let machine = platform::current().machine_id().unwrap_or_default();
        let name = [machine.as_bytes(), &key.fingerprint()].concat();
        Self {
            keys: LabKeys::new(key),
            expect_lab: false,
            version: Version::V6,
            product: product::DEFAULT,
            cmid: Guid::v5(&LAB_NAMESPACE, &name),
        }
    }
}

impl Family {
    /// Whether `address` is of this family.
    #[must_use]
    pub const fn has(self, address: &SocketAddr) -> bool {
        matches!((self, address), (Self::V4, SocketAddr::V4(_)) | (Self::V6, SocketAddr::V6(_)))
    }

    /// `IPv4` or `IPv6`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// Time for each stage unless set otherwise: long enough for several SYNs.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(4);

/// Conversations at the same time.
const PROBES_AT_ONCE_MAX: usize = 32;
