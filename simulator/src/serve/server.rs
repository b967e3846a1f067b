//! A running server: binds everything first, then starts its workers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, bail};
use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::crypto::LabKeys;
use kms_protocol::server::Config;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tracing::{error, info};

use super::admission::{Admission, ByteBudget};
use super::clock::{Change, HostClock};
use super::config::{Limits, ServeConfig};
use super::counters::Totals;
use super::dns_faults;
use super::groups::AssociationGroups;
use super::handle::Handle;
use super::listener::{adopt, listen, stop_listening};
use super::worker::Worker;
use crate::dns::Choose;
use crate::fault::FaultSet;
use crate::journal::{Event, EventKind, Journal, LiveRows, OpenJournal, Place, Recorder, Subject};
use crate::model::{ClientTable, Decision, Host, HostPolicy, Query};

/// A simulated KMS host that is listening. Dropping it drains it, as [`Server::shutdown`] does.
pub struct Server {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    workers: Vec<Arc<Worker>>,
    threads: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

/// What all workers of a server share.
pub(super) struct Shared {
    pub(super) keys: LabKeys,
    pub(super) clock: Arc<HostClock>,
    pub(super) faults: Arc<FaultSet>,
    pub(super) seed: u64,
    /// Nothing is accepted, and who cannot be read is refused like everybody else.
    pub(super) sinkhole: bool,
    pub(super) limits: Limits,
    pub(super) groups: AssociationGroups,
    pub(super) admission: Arc<Admission>,
    pub(super) budget: ByteBudget,
    pub(super) recorder: Recorder,
    host: Mutex<Host>,
}

/// A decision, when it was taken, and its place among all that is recorded.
pub(super) struct Decided<'a> {
    pub(super) decision: Decision,
    pub(super) host_time: FileTime,
    pub(super) place: Option<Place<'a>>,
}

impl Server {
    /// Binds every address of `config`, then starts the workers: when anything fails, nothing was
    /// started.
    ///
    /// # Errors
    /// An address that cannot be listened on, with the reason; a journal that cannot be used; or no
    /// resources for threads.
    pub fn start(config: ServeConfig) -> anyhow::Result<Self> {
        if config.listen.is_empty() && config.sockets.is_empty() {
            bail!("no address to listen on");
        }
        // Nobody may get in before the workers begin to heed the rule.
        let refuses = *config.faults.refusing().borrow();
        let mut sockets: Vec<Vec<_>> = (0..config.workers.get()).map(|_| Vec::new()).collect();
        let adopted = config.sockets.iter().map(|socket| {
            adopt(socket, config.workers).context("cannot take over a listening socket")
        });
        let bound = config.listen.iter().map(|address| Ok(listen(*address, config.workers)?));
        let mut addresses = Vec::new();
        for listeners in adopted.chain(bound) {
            let listeners = listeners?;
            if refuses {
                listeners.iter().try_for_each(stop_listening)?;
            }
            addresses.extend(listeners.first().map(std::net::TcpListener::local_addr).transpose()?);
            for (of_worker, listener) in sockets.iter_mut().zip(listeners) {
                of_worker.push(listener);
            }
        }
        let runtimes = (sockets.iter().map(|_| runtime())).collect::<Result<Vec<_>, _>>()?;
        let shared = Arc::new(Shared::new(&config)?);
        let (stop, stopping) = watch::channel(false);
        let mut server = Self { addresses, shared, workers: Vec::new(), threads: Vec::new(), stop };
        for ((number, sockets), runtime) in (0..).zip(sockets).zip(runtimes) {
            let worker = Arc::new(Worker::new(Arc::clone(&server.shared), number));
            server.workers.push(Arc::clone(&worker));
            let stopping = stopping.clone();
            let thread = thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || {
                    if let Err(error) = runtime.block_on(worker.run(sockets, stopping)) {
                        error!(%error, "worker ended");
                    }
                })
                .context("cannot start a worker thread")?;
            server.threads.push(thread);
        }
        Ok(server)
    }

    /// The addresses that the server listens on, sockets that it was given first, then in the order
    /// of its configuration, with the ports that were taken for port 0.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A hold on the server for those who look at it while it runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            shared: Arc::clone(&self.shared),
            workers: self.workers.as_slice().into(),
            addresses: self.addresses.as_slice().into(),
        }
    }

    /// What the server has seen so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for worker in &self.workers {
            totals.add(&worker.counters);
        }
        totals
    }

    /// Connections open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.admission.open()
    }

    /// The fault rules, which can be changed while the server runs.
    #[must_use]
    pub fn faults(&self) -> &Arc<FaultSet> {
        &self.shared.faults
    }

    /// The fault rules as a DNS server asks them, by the host's clock.
    #[must_use]
    pub fn dns_faults(&self) -> Choose {
        dns_faults::choice(&self.shared.faults, &self.shared.clock)
    }

    /// Changes the host's clock while the server runs, which is logged and recorded; tells what it
    /// shows then.
    pub fn change_clock(&self, change: Change) -> FileTime {
        self.shared.change_clock(change)
    }

    /// The host's clock: what it shows, and how it goes.
    #[must_use]
    pub fn clock(&self) -> &Arc<HostClock> {
        &self.shared.clock
    }

    /// The count of `app_id` now, without recording anything.
    #[must_use]
    pub fn count(&self, app_id: Guid) -> u32 {
        self.shared.host().count(app_id, self.shared.clock.now())
    }

    /// Requests, refusals and events from now on, as they happen.
    #[must_use]
    pub fn watch(&self) -> LiveRows {
        self.shared.recorder.watch()
    }

    /// What records all that happens, and the journal where there is one.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }

    /// Waits until the server can serve no more although nobody ended it, and says why: its journal
    /// cannot be written and it must not serve without. Otherwise it waits for ever.
    pub async fn failed(&self) -> String {
        if let Some(journal) = self.shared.recorder.journal() {
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
            let totals = self.shared.recorder.journal().map(Journal::totals).unwrap_or_default();
            let detail =
                format!("{} rows in {} commits, {} lost", totals.rows, totals.commits, totals.lost);
            self.shared.record_event(EventKind::HostStopped, &detail);
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
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Shared {
    fn new(config: &ServeConfig) -> anyhow::Result<Self> {
        let limits = config.limits;
        let clock = Arc::new(HostClock::new(config.clock));
        let journal = config.journal.clone().map(OpenJournal::open).transpose()?;
        let clients = journal.as_ref().map_or_else(ClientTable::default, |j| j.clients().clone());
        let activated = config.policy.activated && !config.sinkhole;
        let mut host = Host::with_clients(HostPolicy { activated, ..config.policy }, clients);
        for (app_id, clients) in &config.initial_counts {
            host.prefill(*app_id, *clients, clock.now());
        }
        let journal = journal.map(|journal| journal.start(host.clients().clone())).transpose()?;
        let shared = Self {
            keys: LabKeys::new(&config.lab_key),
            clock,
            faults: Arc::clone(&config.faults),
            seed: config.seed,
            sinkhole: config.sinkhole,
            limits,
            groups: AssociationGroups::default(),
            admission: Arc::new(Admission::new(
                limits.connections.get(),
                limits.connections_per_address.get(),
            )),
            budget: ByteBudget::new(limits.buffered_bytes.get()),
            recorder: Recorder::new(journal),
            host: Mutex::new(host),
        };
        let sinkhole = if config.sinkhole { ", sinkhole" } else { "" };
        shared.record_event(EventKind::HostStarted, &format!("seed {}{sinkhole}", config.seed));
        Ok(shared)
    }

    /// The host's decision, by its own clock. Its place is taken while no other decision can be.
    pub(super) fn decide(&self, query: &Query) -> Decided<'_> {
        let host_time = self.clock.now();
        let mut host = self.host();
        let decision = host.decide(query, host_time);
        Decided { decision, host_time, place: self.recorder.place() }
    }

    pub(super) fn change_clock(&self, change: Change) -> FileTime {
        let shown = self.clock.change(change);
        info!(%shown, "clock {change}");
        self.record_event(EventKind::ClockChanged, &change.to_string());
        shown
    }

    /// Records something about the host itself.
    pub(super) fn record_event(&self, kind: EventKind, detail: &str) {
        self.recorder.record_now(self.clock.now(), || Subject::Event(Event::new(kind, detail)));
    }

    /// What a connection that came in on `port` may do.
    pub(super) fn connection_config(&self, port: u16) -> Config {
        Config {
            idle_timeout: self.limits.idle_timeout,
            request_timeout: self.limits.request_timeout,
            open_calls_max: self.limits.open_calls.get(),
            shows_unknown_operations: true,
            buffer_max: self.limits.buffered_bytes_per_connection.get(),
            ..Config::new(port)
        }
    }

    pub(super) fn host(&self) -> MutexGuard<'_, Host> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .context("cannot start a worker: no resources for its event queue")
}
