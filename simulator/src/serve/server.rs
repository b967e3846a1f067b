//! A running server: binds everything first, then starts its workers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, bail};
use kms_protocol::guid::Guid;
use kms_protocol::kms::crypto::LabKeys;
use kms_protocol::server::Config;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tracing::error;

use super::admission::{Admission, ByteBudget};
use super::clock::Clock;
use super::config::{Limits, ServeConfig};
use super::counters::Totals;
use super::groups::AssociationGroups;
use super::listener::listen;
use super::worker::Worker;
use crate::model::{Decision, Host, Query};

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
    pub(super) clock: Clock,
    pub(super) seed: u64,
    pub(super) limits: Limits,
    pub(super) groups: AssociationGroups,
    pub(super) admission: Arc<Admission>,
    pub(super) budget: ByteBudget,
    host: Mutex<Host>,
}

impl Server {
    /// Binds every address of `config`, then starts the workers: when anything fails, nothing was
    /// started.
    ///
    /// # Errors
    /// An address that cannot be listened on, with the reason; or no resources for threads.
    pub fn start(config: ServeConfig) -> anyhow::Result<Self> {
        if config.listen.is_empty() {
            bail!("no address to listen on");
        }
        let mut addresses = Vec::with_capacity(config.listen.len());
        let mut sockets: Vec<Vec<_>> = (0..config.workers.get()).map(|_| Vec::new()).collect();
        for address in &config.listen {
            let listeners = listen(*address, config.workers)?;
            addresses.extend(listeners.first().map(std::net::TcpListener::local_addr).transpose()?);
            for (of_worker, listener) in sockets.iter_mut().zip(listeners) {
                of_worker.push(listener);
            }
        }
        let runtimes = (sockets.iter().map(|_| runtime())).collect::<Result<Vec<_>, _>>()?;
        let shared = Arc::new(Shared::new(&config));
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

    /// The addresses that the server listens on, in the order of its configuration, with the
    /// ports that were taken for port 0.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
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

    /// The count of `app_id` now, without recording anything.
    #[must_use]
    pub fn count(&self, app_id: Guid) -> u32 {
        self.shared.host().count(app_id, self.shared.clock.now())
    }

    /// Stops accepting, lets calls in flight finish within the drain timeout, and ends.
    pub fn shutdown(mut self) -> Totals {
        self.stop_and_join();
        self.totals()
    }

    fn stop_and_join(&mut self) {
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                error!("a worker has panicked");
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
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Shared {
    fn new(config: &ServeConfig) -> Self {
        let limits = config.limits;
        let mut host = Host::new(config.policy);
        for (app_id, clients) in &config.initial_counts {
            host.prefill(*app_id, *clients, config.clock.now());
        }
        Self {
            keys: LabKeys::new(&config.lab_key),
            clock: config.clock,
            seed: config.seed,
            limits,
            groups: AssociationGroups::default(),
            admission: Arc::new(Admission::new(
                limits.connections.get(),
                limits.connections_per_address.get(),
            )),
            budget: ByteBudget::new(limits.buffered_bytes.get()),
            host: Mutex::new(host),
        }
    }

    /// The host's decision, by its own clock.
    pub(super) fn decide(&self, query: &Query) -> Decision {
        let now = self.clock.now();
        self.host().decide(query, now)
    }

    /// What a connection that came in on `port` may do.
    pub(super) fn connection_config(&self, port: u16) -> Config {
        Config {
            idle_timeout: self.limits.idle_timeout,
            request_timeout: self.limits.request_timeout,
            open_calls_max: self.limits.open_calls.get(),
            buffer_max: self.limits.buffered_bytes_per_connection.get(),
            ..Config::new(port)
        }
    }

    fn host(&self) -> MutexGuard<'_, Host> {
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
