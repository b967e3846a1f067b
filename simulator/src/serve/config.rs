//! Everything that a server can be told, and the defaults.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::bail;
use kms_protocol::guid::Guid;
use kms_protocol::kms::DEFAULT_PORT;
use kms_protocol::kms::crypto::LabKey;
use kms_protocol::limits::{CONNECTION_BUFFER_MAX, OPEN_CALLS_MAX};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::clock::Clock;
use crate::fault::{Draw, FaultSet};
use crate::journal::JournalConfig;
use crate::model::{HostName, HostPolicy};

/// What a server is started with. `ServeConfig::default()` is one host on 127.0.0.1:1688 that
/// answers every product of the catalogue.
///
/// Every server has a first host, which most servers leave alone: `name`, `listen`, `sockets`,
/// `policy`, `initial_counts`, `sinkhole` and `own_faults` are its own, and `further` has the others.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// What the first host is called.
    pub name: HostName,
    /// Where to listen; port 0 takes a free port.
    pub listen: Vec<SocketAddr>,
    /// Sockets that listen already, as a service manager passes them: served beside `listen`, by
    /// all workers. A rule that refuses at accept closes them for whoever else holds them.
    pub sockets: Vec<Arc<TcpListener>>,
    /// Threads, each with its own listeners and runtime.
    pub workers: NonZeroUsize,
    /// Sets one lab apart from another.
    pub lab_key: LabKey,
    /// What the host decides by.
    pub policy: HostPolicy,
    /// Made-up clients that the host knows at the start, by application.
    pub initial_counts: Vec<(Guid, u32)>,
    /// How the host's clock goes at the start.
    pub clock: Clock,
    /// Where requests and answers are recorded and the table of clients is restored from.
    pub journal: Option<JournalConfig>,
    /// Refuse every request, readable or not, as a host that is not activated does. Nobody is
    /// counted; who asks is logged and recorded.
    pub sinkhole: bool,
    /// The fault rules for every host. Several servers may share them.
    pub faults: Arc<FaultSet>,
    /// The fault rules of the first host alone, which are asked before those for every host.
    pub own_faults: Arc<FaultSet>,
    /// Seeds the initialisation vectors and nonces of the answers: those of the first host as it
    /// is, those of the others by [`host_seed`].
    pub seed: u64,
    /// The hosts beside the first, at most [`HOSTS_MAX`] in all. They share its workers, lab key,
    /// clock, journal, rules for every host and limits.
    pub further: Vec<HostConfig>,
    /// What a server may use.
    pub limits: Limits,
}

/// One host of several. `HostConfig::new(name)` listens nowhere and answers every product.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// What it is called; no two hosts of a server have one name.
    pub name: HostName,
    /// Where to listen; port 0 takes a free port.
    pub listen: Vec<SocketAddr>,
    /// Sockets that listen already, as for [`ServeConfig::sockets`].
    pub sockets: Vec<Arc<TcpListener>>,
    /// What the host decides by.
    pub policy: HostPolicy,
    /// Made-up clients that the host knows at the start, by application.
    pub initial_counts: Vec<(Guid, u32)>,
    /// Refuse every request, as for [`ServeConfig::sinkhole`].
    pub sinkhole: bool,
    /// Its own fault rules, which are asked before those for every host.
    pub faults: Arc<FaultSet>,
}

/// The bounds of a server. Nothing limits the lifetime bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; the next one is closed as soon as it is accepted.
    pub connections: NonZeroUsize,
    /// Connections at once from one address.
    pub connections_per_address: NonZeroUsize,
    /// Calls of one connection that wait for their answer at once.
    pub open_calls: NonZeroUsize,
    /// Bytes that one connection may hold in partial calls and unsent answers.
    pub buffered_bytes_per_connection: NonZeroUsize,
    /// Bytes that all connections together may hold so.
    pub buffered_bytes: NonZeroUsize,
    /// How long a connection may be silent between calls.
    pub idle_timeout: Duration,
    /// How long a call may take from its first byte to its last.
    pub request_timeout: Duration,
    /// How long a peer may take none of the answer that is due to it.
    pub write_timeout: Duration,
    /// How long a server that shuts down waits for calls in flight.
    pub drain_timeout: Duration,
}

impl HostConfig {
    /// A host that listens nowhere yet.
    #[must_use]
    pub fn new(name: HostName) -> Self {
        Self {
            name,
            listen: Vec::new(),
            sockets: Vec::new(),
            policy: HostPolicy::default(),
            initial_counts: Vec::new(),
            sinkhole: false,
            faults: Arc::default(),
        }
    }
}

impl ServeConfig {
    /// All hosts, the first one first.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostConfig> {
        let first = HostConfig {
            name: self.name.clone(),
            listen: self.listen.clone(),
            sockets: self.sockets.clone(),
            policy: self.policy,
            initial_counts: self.initial_counts.clone(),
            sinkhole: self.sinkhole,
            faults: Arc::clone(&self.own_faults),
        };
        std::iter::once(first).chain(self.further.iter().cloned()).collect()
    }

    /// Lets these be the hosts; without any everything stays as it is.
    pub fn set_hosts(&mut self, hosts: impl IntoIterator<Item = HostConfig>) {
        let mut hosts = hosts.into_iter();
        let Some(first) = hosts.next() else { return };
        self.name = first.name;
        self.listen = first.listen;
        self.sockets = first.sockets;
        self.policy = first.policy;
        self.initial_counts = first.initial_counts;
        self.sinkhole = first.sinkhole;
        self.own_faults = first.faults;
        self.further = hosts.collect();
    }

    /// Whether there are hosts that a server can tell apart, each with somewhere to listen.
    ///
    /// # Errors
    /// Too many hosts, a name or an address that two of them have, or none to listen on.
    pub fn check(&self) -> anyhow::Result<()> {
        let hosts = self.hosts();
        if hosts.len() > HOSTS_MAX {
            bail!("{} hosts are more than the {HOSTS_MAX} that one process serves", hosts.len());
        }
        for (number, host) in hosts.iter().enumerate() {
            let HostConfig { name, listen, sockets, .. } = host;
            if listen.is_empty() && sockets.is_empty() {
                bail!("host `{name}`: no address to listen on");
            }
            for earlier in hosts.iter().take(number) {
                if earlier.name == *name {
                    bail!("host `{name}`: the name of two hosts");
                }
                let both = listen.iter().find(|address| earlier.listen.contains(address));
                if let Some(address) = both.filter(|address| address.port() != 0) {
                    bail!("hosts `{}` and `{name}`: both listen on `{address}`", earlier.name);
                }
            }
        }
        Ok(())
    }
}

/// The seed of the random parts of the host `name`, from that of its server: neither the order nor
/// the number of the hosts matters.
#[must_use]
pub fn host_seed(seed: u64, name: &HostName) -> u64 {
    Draw::new(seed, name.as_str(), 0).next_u64()
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            name: HostName::default(),
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT))],
            sockets: Vec::new(),
            workers: default_workers(),
            lab_key: LabKey::DEFAULT,
            policy: HostPolicy::default(),
            initial_counts: Vec::new(),
            clock: Clock::REAL,
            journal: None,
            sinkhole: false,
            faults: Arc::default(),
            own_faults: Arc::default(),
            seed: 0,
            further: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let connections = default_connections();
        Self {
            connections,
            connections_per_address: connections,
            open_calls: OPEN_CALLS,
            buffered_bytes_per_connection: BUFFERED_BYTES_PER_CONNECTION,
            buffered_bytes: BUFFERED_BYTES,
            idle_timeout: IDLE_TIMEOUT,
            request_timeout: REQUEST_TIMEOUT,
            write_timeout: WRITE_TIMEOUT,
            drain_timeout: DRAIN_TIMEOUT,
        }
    }
}

/// One worker for each processor that this process may use.
#[must_use]
pub fn default_workers() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// As many connections as the descriptor limit of this process leaves room for, at most
/// [`CONNECTIONS_MAX_DEFAULT`].
#[must_use]
pub fn default_connections() -> NonZeroUsize {
    let available = descriptor_limit().saturating_sub(RESERVED_DESCRIPTORS);
    NonZeroUsize::new(available.min(CONNECTIONS_MAX_DEFAULT)).unwrap_or(NonZeroUsize::MIN)
}

/// Descriptors that this process may have open.
#[must_use]
pub fn descriptor_limit() -> usize {
    getrlimit(Resource::RLIMIT_NOFILE)
        .map_or(0, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX))
}

/// Raises the descriptor limit of this process as far as it may go by itself. Where that fails
/// the limit stays as it was, and [`default_connections`] is the smaller for it.
pub fn raise_descriptor_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).ok();
    }
}

/// Hosts of one server, at most: what one DNS answer can name over TCP is far more, what a person
/// overlooks is less.
pub const HOSTS_MAX: usize = 64;

/// Default bound of connections where descriptors are plentiful: about 200 MiB when all are idle.
pub const CONNECTIONS_MAX_DEFAULT: usize = 65_536;

/// Descriptors kept free for listeners, runtimes, logs and files.
pub const RESERVED_DESCRIPTORS: usize = 128;

/// Default bound of calls that wait for an answer, per connection.
pub const OPEN_CALLS: NonZeroUsize = NonZeroUsize::new(OPEN_CALLS_MAX).unwrap();

/// Default bound of buffered bytes per connection: 4.25 MiB, so that a call of 4 MiB fits.
pub const BUFFERED_BYTES_PER_CONNECTION: NonZeroUsize =
    NonZeroUsize::new(CONNECTION_BUFFER_MAX).unwrap();

/// Default bound of buffered bytes of all connections: 256 MiB.
pub const BUFFERED_BYTES: NonZeroUsize = NonZeroUsize::new(256 << 20).unwrap();

/// Default bound of silence between calls.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// Default bound of the time that a call takes to arrive.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Default bound of the time in which a peer takes nothing of its answer.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Default bound of the time that a shutdown waits for calls in flight.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
