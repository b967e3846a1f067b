//! A running server: binds everything of all its hosts first, then starts its workers.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, bail};
use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::crypto::LabKeys;
use kms_protocol::server::Config;
use tokio::runtime::{Builder, Runtime, RuntimeMetrics};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info};

use super::admission::{Admission, ByteBudget};
use super::clock::{Change, HostClock};
use super::config::{HostConfig, Limits, ServeConfig, host_seed};
use super::counters::Totals;
use super::dns_faults;
use super::groups::AssociationGroups;
use super::handle::Handle;
use super::host_faults::HostFaults;
use super::listener::{adopt, listen, stop_listening};
use super::worker::Worker;
use crate::dns::Choose;
use crate::fault::FaultSet;
use crate::journal::{Event, EventKind, Journal, LiveRows, OpenJournal, Place, Recorder, Subject};
use crate::model::{ClientTable, Decision, Host, HostName, HostPolicy, Query};

/// Simulated KMS hosts that are listening: one, or several with one clock and one journal. Dropping
/// it drains them, as [`Server::shutdown`] does.
pub struct Server {
    common: Arc<Common>,
    /// Never empty.
    hosts: Vec<Handle>,
    threads: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

/// What all hosts of a server share.
pub(super) struct Common {
    pub(super) clock: Arc<HostClock>,
    pub(super) seed: u64,
    pub(super) limits: Limits,
    pub(super) admission: Arc<Admission>,
    pub(super) budget: ByteBudget,
    pub(super) recorder: Recorder,
    /// The rules for every host.
    faults: Arc<FaultSet>,
    /// Whether a log line has to say which host it is about.
    has_several_hosts: bool,
}

/// What all workers of one host share.
pub(super) struct Shared {
    pub(super) common: Arc<Common>,
    pub(super) name: HostName,
    pub(super) keys: LabKeys,
    pub(super) faults: HostFaults,
    /// Seeds the random parts of the host's answers.
    pub(super) seed: u64,
    /// Nothing is accepted, and who cannot be read is refused like everybody else.
    pub(super) sinkhole: bool,
    pub(super) groups: AssociationGroups,
    host: Mutex<Host>,
}

/// A decision, when it was taken, and its place among all that is recorded.
pub(super) struct Decided<'a> {
    pub(super) decision: Decision,
    pub(super) host_time: FileTime,
    pub(super) place: Option<Place<'a>>,
}

/// A host's addresses, and its listening sockets for each worker.
struct Bound {
    addresses: Vec<SocketAddr>,
    of_worker: Vec<Vec<TcpListener>>,
}

impl Server {
    /// Binds every address of every host of `config`, then starts the workers: when anything fails,
    /// nothing was started.
    ///
    /// # Errors
    /// An address that cannot be listened on, with the reason; hosts that contradict each other; a
    /// journal that cannot be used; or no resources for threads.
    pub fn start(config: ServeConfig) -> anyhow::Result<Self> {
        config.check()?;
        let hosts = config.hosts();
        let bound = (hosts.iter().map(|host| bind(host, &config)))
            .collect::<anyhow::Result<Vec<Bound>>>()?;
        let runtimes =
            (0..config.workers.get()).map(|_| runtime()).collect::<Result<Vec<_>, _>>()?;
        let shared = shared(&config, &hosts)?;
        let metrics: Arc<[RuntimeMetrics]> = runtimes.iter().map(Runtime::metrics).collect();
        let (stop, stopping) = watch::channel(false);
        let mut of_threads: Vec<Vec<(Arc<Worker>, Vec<TcpListener>)>> =
            runtimes.iter().map(|_| Vec::new()).collect();
        let mut handles = Vec::new();
        for (shared, Bound { addresses, of_worker }) in shared.iter().zip(bound) {
            let mut workers = Vec::new();
            for ((number, sockets), thread) in (0..).zip(of_worker).zip(&mut of_threads) {
                let worker = Arc::new(Worker::new(Arc::clone(shared), number));
                workers.push(Arc::clone(&worker));
                thread.push((worker, sockets));
            }
            let (shared, workers) = (Arc::clone(shared), workers.into());
            let (addresses, runtimes) = (addresses.into(), Arc::clone(&metrics));
            handles.push(Handle { shared, workers, addresses, runtimes });
        }
        let common = match shared.first() {
            Some(first) => Arc::clone(&first.common),
            None => bail!("no host to serve"),
        };
        let mut server = Self { common, hosts: handles, threads: Vec::new(), stop };
        for ((number, workers), runtime) in (0usize..).zip(of_threads).zip(runtimes) {
            let stopping = stopping.clone();
            let thread = thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || runtime.block_on(serve_all(workers, stopping)))
                .context("cannot start a worker thread")?;
            server.threads.push(thread);
        }
        Ok(server)
    }

    /// The addresses that the first host listens on: see [`Handle::addresses`].
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        self.hosts.first().map_or(&[], Handle::addresses)
    }

    /// A hold on each host for those who look at it while it runs, in the order of the
    /// configuration; never empty.
    #[must_use]
    pub fn hosts(&self) -> &[Handle] {
        &self.hosts
    }

    /// A hold on the host called `name`.
    #[must_use]
    pub fn host(&self, name: &HostName) -> Option<&Handle> {
        self.hosts.iter().find(|host| host.name() == name)
    }

    /// What all hosts have seen so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        let workers = self.hosts.iter().flat_map(|host| host.workers.iter());
        workers.for_each(|worker| totals.add(&worker.counters));
        totals
    }

    /// Connections of all hosts that are open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.common.admission.open()
    }

    /// The fault rules for every host, which can be changed while the server runs. A host's own are
    /// in its [`Handle`].
    #[must_use]
    pub fn faults(&self) -> &Arc<FaultSet> {
        &self.common.faults
    }

    /// The fault rules for every host as a DNS server asks them, by the hosts' clock.
    #[must_use]
    pub fn dns_faults(&self) -> Choose {
        dns_faults::choice(&self.common.faults, &self.common.clock)
    }

    /// Changes the clock of all hosts while the server runs, which is logged and recorded; tells
    /// what it shows then.
    pub fn change_clock(&self, change: Change) -> FileTime {
        match self.hosts.first() {
            Some(host) => host.change_clock(change),
            None => self.common.clock.change(change),
        }
    }

    /// The clock of all hosts: what it shows, and how it goes. Whoever changes it here leaves no
    /// line in the log and no row in the journal.
    #[must_use]
    pub fn clock(&self) -> &Arc<HostClock> {
        &self.common.clock
    }

    /// The count of `app_id` at the first host now, without recording anything.
    #[must_use]
    pub fn count(&self, app_id: Guid) -> u32 {
        self.hosts.first().map_or(0, |host| host.count(app_id))
    }

    /// Requests, refusals and events from now on, as they happen.
    #[must_use]
    pub fn watch(&self) -> LiveRows {
        self.common.recorder.watch()
    }

    /// What records all that happens, and the journal where there is one.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.common.recorder
    }

    /// Waits until the server can serve no more although nobody ended it, and says why: its journal
    /// cannot be written and it must not serve without. Otherwise it waits for ever.
    pub async fn failed(&self) -> String {
        if let Some(journal) = self.common.recorder.journal() {
            let mut progress = journal.progress();
            loop {
                if let Some(failure) = journal.failure() {
                    return failure.to_owned();
                }
                if progress.changed().await.is_err() {
                    break;
                }
            }
        }
        std::future::pending().await
    }

    /// Stops accepting, lets calls in flight finish within the drain timeout, and ends.
    pub fn shutdown(mut self) -> Totals {
        self.stop_and_join();
        self.totals()
    }

    fn stop_and_join(&mut self) {
        self.stop.send_replace(true);
        let is_running = !self.threads.is_empty();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                error!("a worker has panicked");
            }
        }
        if is_running {
            let totals = self.common.recorder.journal().map(Journal::totals).unwrap_or_default();
            let detail =
                format!("{} rows in {} commits, {} lost", totals.rows, totals.commits, totals.lost);
            for host in &self.hosts {
                host.shared.record_event(EventKind::HostStopped, &detail);
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop_and_join();
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// Everything that hosts share, and each host, with the clients that the journal remembers of it.
fn shared(config: &ServeConfig, hosts: &[HostConfig]) -> anyhow::Result<Vec<Arc<Shared>>> {
    let names: Vec<HostName> = hosts.iter().map(|host| host.name.clone()).collect();
    let journal = config.journal.clone();
    let journal = journal.map(|journal| OpenJournal::open(journal, &names)).transpose()?;
    let clock = Arc::new(HostClock::new(config.clock));
    let started = |host: &HostConfig| {
        let clients = journal.as_ref().map_or_else(ClientTable::default, |j| j.clients(&host.name));
        let activated = host.policy.activated && !host.sinkhole;
        let mut started = Host::with_clients(HostPolicy { activated, ..host.policy }, clients);
        for (app_id, clients) in &host.initial_counts {
            started.prefill(*app_id, *clients, clock.now());
        }
        started
    };
    let started: Vec<Host> = hosts.iter().map(started).collect();
    let tables = names.into_iter().zip(started.iter().map(|host| host.clients().clone()));
    let journal = journal.map(|journal| journal.start(tables.collect())).transpose()?;
    let common = Arc::new(Common::new(config, clock, Recorder::new(journal)));
    let seeds = std::iter::once(config.seed)
        .chain(hosts.iter().skip(1).map(|host| host_seed(config.seed, &host.name)));
    let shared = hosts.iter().zip(started).zip(seeds);
    let shared = shared.map(|((host, started), seed)| Shared {
        common: Arc::clone(&common),
        name: host.name.clone(),
        keys: LabKeys::new(&config.lab_key),
        faults: HostFaults { own: Arc::clone(&host.faults), common: Arc::clone(&config.faults) },
        seed,
        sinkhole: host.sinkhole,
        groups: AssociationGroups::default(),
        host: Mutex::new(started),
    });
    let shared: Vec<Arc<Shared>> = shared.map(Arc::new).collect();
    for host in &shared {
        let sinkhole = if host.sinkhole { ", sinkhole" } else { "" };
        host.record_event(EventKind::HostStarted, &format!("seed {}{sinkhole}", config.seed));
    }
    Ok(shared)
}

impl Common {
    fn new(config: &ServeConfig, clock: Arc<HostClock>, recorder: Recorder) -> Self {
        let limits = config.limits;
        Self {
            clock,
            seed: config.seed,
            limits,
            admission: Arc::new(Admission::new(
                limits.connections.get(),
                limits.connections_per_address.get(),
            )),
            budget: ByteBudget::new(limits.buffered_bytes.get()),
            recorder,
            faults: Arc::clone(&config.faults),
            has_several_hosts: !config.further.is_empty(),
        }
    }
}

impl Shared {
    /// The host's name for a log line, where there are several.
    pub(super) fn shown_name(&self) -> Option<&str> {
        self.common.has_several_hosts.then(|| self.name.as_str())
    }

    /// The host's decision, by its own clock. Its place is taken while no other decision can be.
    pub(super) fn decide(&self, query: &Query) -> Decided<'_> {
        let host_time = self.common.clock.now();
        let mut host = self.host();
        let decision = host.decide(query, host_time);
        Decided { decision, host_time, place: self.common.recorder.place() }
    }

    pub(super) fn change_clock(&self, change: Change) -> FileTime {
        let shown = self.common.clock.change(change);
        info!(%shown, "clock {change}");
        self.record_event(EventKind::ClockChanged, &change.to_string());
        shown
    }

    /// Records something about the host itself.
    pub(super) fn record_event(&self, kind: EventKind, detail: &str) {
        self.record_now(|| Subject::Event(Event::new(kind, detail)));
    }

    /// Records what happens to the host now.
    pub(super) fn record_now(&self, subject: impl FnOnce() -> Subject) {
        self.common.recorder.record_now(&self.name, self.common.clock.now(), subject);
    }

    /// What a connection that came in on `port` may do.
    pub(super) fn connection_config(&self, port: u16) -> Config {
        Config {
            idle_timeout: self.common.limits.idle_timeout,
            request_timeout: self.common.limits.request_timeout,
            open_calls_max: self.common.limits.open_calls.get(),
            shows_unknown_operations: true,
            buffer_max: self.common.limits.buffered_bytes_per_connection.get(),
            ..Config::new(port)
        }
    }

    pub(super) fn host(&self) -> MutexGuard<'_, Host> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bind(host: &HostConfig, config: &ServeConfig) -> anyhow::Result<Bound> {
    // Nobody may get in before the workers begin to heed the rule.
    let refuses = *host.faults.refusing().borrow() || *config.faults.refusing().borrow();
    let workers = config.workers;
    let adopted = host
        .sockets
        .iter()
        .map(|socket| adopt(socket, workers).context("cannot take over a listening socket"));
    let bound = host.listen.iter().map(|address| Ok(listen(*address, workers)?));
    let of_worker = (0..workers.get()).map(|_| Vec::new()).collect();
    let mut found = Bound { addresses: Vec::new(), of_worker };
    for listeners in adopted.chain(bound) {
        let listeners = listeners?;
        if refuses {
            listeners.iter().try_for_each(stop_listening)?;
        }
        let address = listeners.first().map(TcpListener::local_addr).transpose()?;
        found.addresses.extend(address);
        for (of_worker, listener) in found.of_worker.iter_mut().zip(listeners) {
            of_worker.push(listener);
        }
    }
    Ok(found)
}

/// The workers of all hosts in one thread, until the last has drained.
async fn serve_all(workers: Vec<(Arc<Worker>, Vec<TcpListener>)>, stopping: watch::Receiver<bool>) {
    let mut serving = JoinSet::new();
    for (worker, sockets) in workers {
        serving.spawn(worker.run(sockets, stopping.clone()));
    }
    while let Some(ended) = serving.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => error!(%error, "worker ended"),
            Err(error) => error!(%error, "a worker has panicked"),
        }
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .context("cannot start a worker: no resources for its event queue")
}
