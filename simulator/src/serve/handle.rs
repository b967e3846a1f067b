//! A hold on one host of a running server for those who look at it and change it: the admin API, a
//! fleet in the same process.

use std::net::SocketAddr;
use std::sync::Arc;

use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use tokio::runtime::RuntimeMetrics;

use super::clock::{Change, HostClock};
use super::counters::Totals;
use super::server::Shared;
use super::service_times::Distribution;
use super::worker::Worker;
use crate::fault::FaultSet;
use crate::journal::Recorder;
use crate::model::{ClientTable, HostName, HostPolicy};

/// A hold on one host of a running server. It does not keep the server running.
#[derive(Clone)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
    pub(super) workers: Arc<[Arc<Worker>]>,
    pub(super) addresses: Arc<[SocketAddr]>,
    /// Of the threads that serve all hosts.
    pub(super) runtimes: Arc<[RuntimeMetrics]>,
}

impl Handle {
    /// What the host is called.
    #[must_use]
    pub fn name(&self) -> &HostName {
        &self.shared.name
    }

    /// The addresses that the host listens on, sockets that it was given first, then in the order
    /// of its configuration, with the ports that were taken for port 0.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Threads that serve connections.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// What the host has seen so far.
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

    /// Its connections that are open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.workers.iter().map(|worker| worker.sessions()).sum()
    }

    /// Tasks that the threads which serve connections have now, those of all hosts together.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.runtimes.iter().map(RuntimeMetrics::num_alive_tasks).sum()
    }

    /// Connections that may be open at once, those of all hosts together.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.shared.common.limits.connections.get()
    }

    /// The seed that the server was started with.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.shared.common.seed
    }

    /// Whether the host refuses everybody and only records who asks.
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

    /// Lets the host decide by another policy from the next request on. Not recorded in a journal.
    pub fn set_policy(&self, policy: HostPolicy) {
        let activated = policy.activated && !self.shared.sinkhole;
        self.shared.host().set_policy(HostPolicy { activated, ..policy });
    }

    /// Lets the host forget every client. Not recorded in a journal, which restores them.
    pub fn forget_clients(&self) {
        self.shared.host().forget();
    }

    /// The count of `app_id` now, without recording anything.
    #[must_use]
    pub fn count(&self, app_id: Guid) -> u32 {
        self.shared.host().count(app_id, self.clock().now())
    }

    /// The host's own fault rules, which are asked before those for every host.
    #[must_use]
    pub fn faults(&self) -> &Arc<FaultSet> {
        &self.shared.faults.own
    }

    /// The fault rules for every host.
    #[must_use]
    pub fn common_faults(&self) -> &Arc<FaultSet> {
        &self.shared.faults.common
    }

    /// The clock, which is that of all hosts.
    #[must_use]
    pub fn clock(&self) -> &Arc<HostClock> {
        &self.shared.common.clock
    }

    /// Changes the clock of all hosts, which is recorded, and tells what it shows then.
    pub fn change_clock(&self, change: Change) -> FileTime {
        self.shared.change_clock(change)
    }

    /// What records all that happens to all hosts.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.shared.common.recorder
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("name", self.name())
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}
