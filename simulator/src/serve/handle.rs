//! A hold on a running server for those who look at it and change it: the admin API.

use std::net::SocketAddr;
use std::sync::Arc;

use kms_protocol::filetime::FileTime;

use super::clock::{Change, HostClock};
use super::counters::Totals;
use super::server::Shared;
use super::service_times::Distribution;
use super::worker::Worker;
use crate::fault::FaultSet;
use crate::journal::Recorder;
use crate::model::{ClientTable, HostPolicy};

/// A hold on a running server. It does not keep the server running.
#[derive(Clone)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
    pub(super) workers: Arc<[Arc<Worker>]>,
    pub(super) addresses: Arc<[SocketAddr]>,
}

impl Handle {
    /// The addresses that the server listens on.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Threads that serve connections.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// What the server has seen so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.workers.iter().for_each(|worker| totals.add(&worker.counters));
        totals
    }

    /// How long exchanges took while somebody watched.
    #[must_use]
    pub fn service_times(&self) -> Distribution {
        let mut times = Distribution::default();
        self.workers.iter().for_each(|worker| times.add(&worker.counters.service_times));
        times
    }

    /// Connections open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.admission.open()
    }

    /// Connections that may be open at once.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.shared.limits.connections.get()
    }

    /// The seed of the server's random parts.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.shared.seed
    }

    /// Whether the server refuses everybody and only records who asks.
    #[must_use]
    pub fn is_sinkhole(&self) -> bool {
        self.shared.sinkhole
    }

    /// A copy of the clients that the host remembers, and its policy.
    #[must_use]
    pub fn host(&self) -> (ClientTable, HostPolicy) {
        let host = self.shared.host();
        (host.clients().clone(), *host.policy())
    }

    /// The rules of misbehaviour.
    #[must_use]
    pub fn faults(&self) -> &FaultSet {
        &self.shared.faults
    }

    /// The host's clock.
    #[must_use]
    pub fn clock(&self) -> &HostClock {
        &self.shared.clock
    }

    /// Changes the host's clock, which is recorded, and tells what it shows then.
    pub fn change_clock(&self, change: Change) -> FileTime {
        self.shared.change_clock(change)
    }

    /// What records all that happens.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
