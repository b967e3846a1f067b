//! The wire arm: the clients of a scenario ask real `serve` hosts and a real DNS over real sockets.
//!
//! ```text
//! WireArm | free ── Servers ── Standing (pure): changes in force, and what they make of hosts, DNS, ways
//!                      ├── LabHost, one per host ── serve::Server on 127.0.0.1: own clock, own rules
//!                      └── LabSite, one per site ── dns::DnsServer on 127.0.0.1: the view of that site
//! both ask with client::{discover, exchange}, from an address in the site's own network 127.N.0.0/16
//! ```
//!
//! Lock-step (this file): every call sets the host's clock, which stands still otherwise, and returns
//! when the answer is there or will not come. Nothing else happens meanwhile, so a run is that of the
//! virtual arm, call by call. Free-running ([`free`]): clocks go, and clients ask at once.

pub mod free;
mod lab;
mod servers;
mod standing;

#[cfg(test)]
mod compare;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use kms_protocol::filetime::FileTime;
use kms_protocol::kms::crypto::{LabKey, LabKeys};
use kms_protocol::kms::envelope::OpenResponse;
use kms_protocol::kms::{Hresult, Request, Version};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::runtime::{Builder, Runtime};

use self::lab::{LabHost, LabSite};
use self::servers::Servers;
use super::arm::{Answered, Arm, Counts, Listed, NoAnswer};
use super::scenario::{Change, DnsFailure, Rejection, Scenario, Seconds};
use crate::client::discover::{self, Resolver};
use crate::client::exchange::{Failure, exchange_from};
use crate::serve::{Clock, Rate, machine_time};

/// Hosts and DNS of a scenario on real sockets of this machine's loopback. Dropping it stops them.
#[derive(Debug)]
pub struct WireArm {
    servers: Servers,
    start: FileTime,
    keys: LabKeys,
    /// Of DNS message ids and IVs; nothing that a client decides depends on it.
    random: ChaCha8Rng,
    exchanges: u64,
    runtime: Runtime,
}

impl WireArm {
    /// Starts every host that stands in `sites`, and the DNS of these sites.
    ///
    /// # Errors
    /// More hosts or sites than [`HOSTS_MAX`] and [`SITES_MAX`], names that nothing has, or sockets
    /// and threads that cannot be had.
    pub fn start(scenario: &Scenario, sites: &[usize]) -> anyhow::Result<Self> {
        let start = start_of(scenario)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime of the clients")?;
        let machine = machine_time();
        let clock = Clock::REAL.set(machine, start).with_rate(machine, Rate::FROZEN);
        let servers = runtime.block_on(Servers::start(scenario, sites, clock))?;
        Ok(Self {
            servers,
            start,
            keys: LabKeys::new(&LabKey::DEFAULT),
            random: ChaCha8Rng::seed_from_u64(scenario.seed),
            exchanges: 0,
            runtime,
        })
    }

    fn time(&self, now: Seconds) -> FileTime {
        self.start.saturating_add(now.duration())
    }
}

fn start_of(scenario: &Scenario) -> anyhow::Result<FileTime> {
    let start = scenario.start;
    let nanos = u32::try_from(start.subsec_nanosecond()).unwrap_or_default();
    FileTime::from_unix(start.as_second(), nanos)
        .with_context(|| format!("a run on the wire cannot start at `{start}`"))
}

impl Arm for WireArm {
    /// The SRV records, and the address of each host that they list.
    fn discover(&mut self, _now: Seconds, site: usize) -> Result<Vec<Listed>, Hresult> {
        let addresses = self.servers.addresses();
        let view = self.servers.site(site).map(LabSite::view);
        let Some(view) = view else { return Err(Hresult::NO_KMS_AVAILABLE) };
        let is_silent = self.servers.standing.dns_failure(site) == Some(DnsFailure::Silent);
        let (tries, try_time) = if is_silent { (1, SILENCE) } else { (DNS_TRIES, PATIENCE) };
        let resolver = Resolver { server: view.dns, tries, try_time };
        let random = &mut self.random;
        let mut ids = || (random.next_u32() & u32::from(u16::MAX)) as u16;
        self.runtime.block_on(listed(resolver, &addresses, &mut ids))
    }

    fn ask(
        &mut self,
        now: Seconds,
        site: usize,
        host: usize,
        request: &Request,
    ) -> Result<Answered, NoAnswer> {
        self.exchanges = self.exchanges.wrapping_add(1);
        let mut iv = [0; 16];
        if request.version != Version::V4 {
            self.random.fill_bytes(&mut iv);
        }
        let servers = &self.servers;
        let (Some(asked_from), Some(lab)) = (servers.site(site), servers.host(host)) else {
            return Err(NoAnswer::Unreachable(Hresult::RPC_SERVER_UNAVAILABLE));
        };
        let source = asked_from.view().client(self.exchanges).into();
        servers.set_clock(host, self.time(now));
        let is_silent = servers.standing.way(site, host) == Some(Rejection::Silent);
        let patience = if is_silent { SILENCE } else { PATIENCE };
        let asked = exchange_from(Some(source), lab.address(), &self.keys, request, &iv, patience);
        answered(self.runtime.block_on(asked))
    }

    fn counts(&mut self, now: Seconds, host: usize) -> anyhow::Result<Counts> {
        self.servers.set_clock(host, self.time(now));
        Ok(self.servers.host(host).map_or_else(Counts::default, LabHost::counts))
    }

    fn change(&mut self, now: Seconds, change: &Change, begins: bool) -> anyhow::Result<()> {
        self.runtime.block_on(self.servers.change(now, change, begins))
    }
}

/// The SRV records, and the address of each host that they list.
async fn listed(
    resolver: Resolver,
    addresses: &[Option<SocketAddr>],
    ids: &mut (dyn FnMut() -> u16 + Send),
) -> Result<Vec<Listed>, Hresult> {
    let found = async {
        let mut listed = Vec::new();
        for (candidate, name) in discover::hosts(resolver, lab::DOMAIN, ids).await? {
            let found = discover::addresses(Some(resolver), &name, ids).await?;
            let is_at = |address: &Option<SocketAddr>| address.is_some_and(|a| found.contains(&a));
            let host = addresses.iter().position(is_at);
            listed.extend(host.map(|host| Listed { host, candidate }));
        }
        Ok::<_, discover::DnsFailure>(listed)
    };
    found.await.map_err(|failure| failure.hresult())
}

/// What an exchange means to a client.
fn answered(exchange: Result<(OpenResponse, SocketAddr), Failure>) -> Result<Answered, NoAnswer> {
    match exchange {
        Ok((open, _)) => Ok(Answered {
            count: open.response.count,
            activation_interval_minutes: open.response.activation_interval_minutes,
            renewal_interval_minutes: open.response.renewal_interval_minutes,
        }),
        Err(failure) if failure.came_from_the_host() => Err(NoAnswer::Refused(failure.hresult())),
        Err(failure) => Err(NoAnswer::Unreachable(failure.hresult())),
    }
}

/// Most hosts of which clients of one another's sites may ask: each is a server with a thread of its
/// own, and an SRV answer is read no further.
pub const HOSTS_MAX: usize = 64;

/// Most sites whose clients may ask the same hosts: each has a DNS server of its own, and a network.
pub const SITES_MAX: usize = 100;

/// 127.100.0.0/16 is the network of the first site.
const FIRST_NETWORK: u8 = 100;

/// How long an answer is waited for where the scenario says that one comes. Reached only when this
/// machine fails: the run must not depend on its speed.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long silence is listened to where the scenario says that nothing comes: long enough for an
/// answer on loopback to be noticed, were there one.
const SILENCE: Duration = Duration::from_millis(2);

/// How often a question is sent to a DNS server that should answer.
const DNS_TRIES: u32 = 2;
