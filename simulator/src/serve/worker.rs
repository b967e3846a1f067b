//! One host in one thread of a server: its listeners, its connections.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant as StdInstant};

use kms_protocol::server::Config;
use kms_protocol::time::Instant;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::counters::Counters;
use super::disturbance::strike_outside;
use super::exchange::ANSWER_LEN_MAX;
use super::listener::{listen_again, stop_listening};
use super::outbox::Outbox;
use super::server::Shared;
use super::session::Session;
use crate::fault::{Action, Hit, Stage};
use crate::journal::Journal;

/// What the connections of one host in one thread have in common.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) counters: Counters,
    /// Never contended: a lock only so that tasks may move it between their polls.
    scratch: Mutex<Box<Scratch>>,
    epoch: StdInstant,
    sessions: AtomicUsize,
    draining: AtomicBool,
    drain: Notify,
    last_session_ended: Notify,
    /// Connections that wait for the journal; never contended.
    waiting: Mutex<Vec<Waker>>,
}

/// Buffers and randomness, used by one connection at a time.
pub(super) struct Scratch {
    pub(super) input: [u8; INPUT_LEN],
    pub(super) output: [u8; ANSWER_LEN_MAX],
    pub(super) rng: ChaCha8Rng,
}

impl Worker {
    /// Worker number `number` of a host. Each draws from its own stream of the host's seed.
    pub(super) fn new(shared: Arc<Shared>, number: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(shared.seed);
        rng.set_stream(number);
        let scratch = Scratch { input: [0; INPUT_LEN], output: [0; ANSWER_LEN_MAX], rng };
        Self {
            shared,
            counters: Counters::default(),
            scratch: Mutex::new(Box::new(scratch)),
            epoch: StdInstant::now(),
            sessions: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            drain: Notify::new(),
            last_session_ended: Notify::new(),
            waiting: Mutex::default(),
        }
    }

    /// Serves until `stop` says so, then drains.
    pub(super) async fn run(
        self: Arc<Self>,
        listeners: Vec<TcpListener>,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let mut journal = JoinSet::new();
        if let Some(progress) = self.shared.common.recorder.journal().map(Journal::progress) {
            journal.spawn(Arc::clone(&self).follow_journal(progress));
        }
        let mut accepting = JoinSet::new();
        for listener in listeners {
            let config = self.shared.connection_config(listener.local_addr()?.port());
            accepting.spawn(Arc::clone(&self).listen(listener, config));
        }
        // An error means that the server is gone, which is a stop as well.
        stop.wait_for(|stop| *stop).await.ok();
        accepting.shutdown().await;
        self.drain().await;
        Ok(())
    }

    /// Wakes the connections that wait for the journal whenever it has got on.
    async fn follow_journal(self: Arc<Self>, mut progress: watch::Receiver<u64>) {
        while progress.changed().await.is_ok() {
            let waiting = std::mem::take(&mut *self.waiting());
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// Wakes the task of `cx` when the journal has got on.
    pub(super) fn wait_for_journal(&self, cx: &Context<'_>) {
        self.waiting().push(cx.waker().clone());
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts on `socket`, but while a fault rule says that nothing listens.
    async fn listen(self: Arc<Self>, socket: TcpListener, config: Config) {
        let mut refusing = self.shared.faults.refusing();
        loop {
            let phase = async {
                if refusing.is() {
                    stop_listening(&socket)?;
                    refusing.becomes(false).await;
                    listen_again(&socket)?;
                }
                // A copy of the descriptor: dropped, it leaves the event queue, not the port.
                let listener = tokio::net::TcpListener::from_std(socket.try_clone()?)?;
                tokio::select! {
                    () = self.accept(&listener, config) => {}
                    () = refusing.becomes(true) => {}
                }
                io::Result::Ok(())
            };
            if let Err(error) = phase.await {
                self.counters.accept_errors.increment();
                warn!(%error, "cannot listen: trying again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    async fn accept(self: &Arc<Self>, listener: &tokio::net::TcpListener, config: Config) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.admit(stream, peer, config),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    self.counters.accept_errors.increment();
                    warn!(%error, "cannot accept connections: trying again");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, config: Config) {
        match self.shared.common.admission.admit(peer.ip()) {
            Ok(place) => {
                self.counters.connections.increment();
                let hit = strike_outside(self, Stage::Accept, peer);
                let outbox = match hit {
                    None => None,
                    Some(Hit { action: Action::Refuse | Action::Reset { .. }, .. }) => {
                        return break_off(&stream);
                    }
                    Some(hit) => Some(Box::new(Outbox::of_accepted(hit, self.now()))),
                };
                let worker = Arc::clone(self);
                let mut session = Session::new(worker, stream, peer, config, place, outbox);
                tokio::spawn(async move { session.run().await });
            }
            Err(full) => {
                self.counters.connections_refused.increment();
                debug!(%peer, reason = %full, "connection refused");
            }
        }
    }

    /// Lets quiet connections go at once and the others finish what is under way.
    async fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.drain.notify_waiters();
        let all_gone = async {
            while self.sessions.load(Ordering::Relaxed) > 0 {
                self.last_session_ended.notified().await;
            }
        };
        if timeout(self.shared.common.limits.drain_timeout, all_gone).await.is_err() {
            let connections = self.sessions.load(Ordering::Relaxed);
            warn!(connections, "calls in flight were cut off: the drain timeout has passed");
        }
    }

    pub(super) fn scratch(&self) -> MutexGuard<'_, Box<Scratch>> {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time since this worker began, as the protocol counts it.
    pub(super) fn now(&self) -> Instant {
        self.at(StdInstant::now())
    }

    pub(super) fn at(&self, time: StdInstant) -> Instant {
        let nanos = time.saturating_duration_since(self.epoch).as_nanos();
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The inverse of [`Worker::at`], as the runtime counts it.
    pub(super) fn runtime_instant(&self, time: Instant) -> tokio::time::Instant {
        let since_epoch = time.saturating_since(Instant::ZERO).min(TIMER_MAX);
        tokio::time::Instant::from_std(self.epoch + since_epoch)
    }

    pub(super) fn drain_begins(&self) -> Notified<'_> {
        self.drain.notified()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub(super) fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    pub(super) fn session_began(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn session_ended(&self) {
        if self.sessions.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.last_session_ended.notify_one();
        }
    }
}

/// Lets the connection end in RST when it is dropped, and forgets what it had to send.
pub(super) fn break_off(stream: &TcpStream) {
    // Fails on a connection that the peer has broken already.
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).ok();
}

/// Whether only the connection that was to be accepted is lost, not the ability to accept.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Most that is read, and answered, before other connections have their turn: some 56 calls, or 0.1 ms.
const INPUT_LEN: usize = 16 * 1024;

/// How long a worker that has run out of descriptors or memory leaves new connections waiting.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The runtime's timers reach about two years.
const TIMER_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
