//! What all clients of a free-running run share: the clock, the way to hosts and DNS, the room there is.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kms_protocol::kms::crypto::LabKeys;
use kms_protocol::kms::{Hresult, Request};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::sync::{Semaphore, watch};

use super::super::lab::SiteView;
use super::super::standing::Standing;
use super::super::{DNS_TRIES, PATIENCE, SILENCE, answered, listed};
use super::pace::Pace;
use crate::client::discover::Resolver;
use crate::client::exchange::exchange_from;
use crate::fleet::arm::{Answered, Listed, NoAnswer};
use crate::fleet::population::Plan;
use crate::fleet::scenario::{DnsFailure, Rejection};

/// Shared by the tasks of one thread.
pub(super) struct World<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) pace: Pace,
    pub(super) hosts: Vec<Option<SocketAddr>>,
    pub(super) sites: Vec<Option<SiteView>>,
    /// Hosts, DNS and ways as they are now.
    pub(super) standing: watch::Receiver<Arc<Standing>>,
    pub(super) keys: LabKeys,
    /// At most so many clients are on sockets at once.
    pub(super) room: Semaphore,
    /// Of DNS message ids and IVs; nothing that a client decides depends on it.
    pub(super) random: RefCell<ChaCha8Rng>,
    pub(super) exchanges: Cell<u64>,
    /// Events that there is still room for.
    pub(super) events_left: Cell<u64>,
    /// The most that anything was late, in simulated seconds.
    pub(super) latest_s: Cell<u32>,
    /// Activations left of each group's MAK.
    pub(super) mak_left: Vec<Cell<u32>>,
}

impl World<'_> {
    /// The hosts that DNS lists to clients of `site`.
    pub(super) async fn discover(&self, site: usize) -> Result<Vec<Listed>, Hresult> {
        let Some(view) = self.sites.get(site).copied().flatten() else {
            return Err(Hresult::NO_KMS_AVAILABLE);
        };
        let resolver = Resolver { server: view.dns, tries: DNS_TRIES, try_time: PATIENCE };
        let mut random = ChaCha8Rng::seed_from_u64(self.random.borrow_mut().next_u64());
        let mut ids = move || (random.next_u32() & u32::from(u16::MAX)) as u16;
        let is_silent = |now: &Standing| now.dns_failure(site) == Some(DnsFailure::Silent);
        tokio::select! {
            found = listed(resolver, &self.hosts, &mut ids) => found,
            () = self.silence(is_silent) => Err(Hresult::NO_KMS_AVAILABLE),
        }
    }

    /// One request to `host`.
    pub(super) async fn ask(
        &self,
        site: usize,
        host: usize,
        request: &Request,
    ) -> Result<Answered, NoAnswer> {
        let unreachable = NoAnswer::Unreachable(Hresult::RPC_SERVER_UNAVAILABLE);
        let view = self.sites.get(site).copied().flatten();
        let address = self.hosts.get(host).copied().flatten();
        let Some((view, address)) = view.zip(address) else { return Err(unreachable) };
        let number = self.exchanges.replace(self.exchanges.get().wrapping_add(1));
        let mut iv = [0; 16];
        self.random.borrow_mut().fill_bytes(&mut iv);
        let source = Some(view.client(number).into());
        let is_silent = |now: &Standing| now.way(site, host) == Some(Rejection::Silent);
        tokio::select! {
            asked = exchange_from(source, address, &self.keys, request, &iv, PATIENCE) => answered(asked),
            () = self.silence(is_silent) => Err(unreachable),
        }
    }

    /// Waits for what says that nothing will come, and listens a little longer. Without end where
    /// that does not happen.
    async fn silence(&self, is_silent: impl Fn(&Standing) -> bool) {
        let mut standing = self.standing.clone();
        let seen = standing.wait_for(|standing| is_silent(standing)).await.is_ok();
        if !seen {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(SILENCE_MIN.max(SILENCE)).await;
    }

    pub(super) fn note_late(&self, late_s: u32) {
        self.latest_s.set(self.latest_s.get().max(late_s));
    }
}

/// Long enough for many clients to be answered who asked before.
const SILENCE_MIN: Duration = Duration::from_millis(5);
