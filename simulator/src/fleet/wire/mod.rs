//! The wire arm: the clients of a scenario ask real `serve` hosts and a real DNS over real sockets.
//!
//! ```text
//! WireArm ── Standing (pure): which changes are in force, and what that makes of hosts, DNS and ways
//!    ├── LabHost, one per host ── serve::Server on 127.0.0.1: own clock, own fault rules
//!    ├── LabSite, one per site ── dns::DnsServer on 127.0.0.1: the view of that site
//!    └── client::{discover, exchange}, from an address in the site's own network 127.N.0.0/16
//! ```
//!
//! Lock-step: every call sets the host's clock, which stands still otherwise, and returns when the
//! answer is there or will not come. Nothing else happens meanwhile, so a run is that of the virtual
//! arm, call by call.

mod lab;
mod standing;

#[cfg(test)]
mod compare;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use kms_protocol::filetime::FileTime;
use kms_protocol::kms::crypto::{LabKey, LabKeys};
use kms_protocol::kms::{Hresult, Request, Version};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::runtime::{Builder, Runtime};

use self::lab::{LabHost, LabSite};
use self::standing::Standing;
use super::arm::{Answered, Arm, Counts, Listed, NoAnswer};
use super::scenario::{Action, Change, DnsFailure, Rejection, Scenario, Seconds};
use crate::client::discover::{self, Resolver};
use crate::client::exchange::exchange_from;

/// Hosts and DNS of a scenario on real sockets of this machine's loopback. Dropping it stops them.
#[derive(Debug)]
pub struct WireArm {
    standing: Standing,
    start: FileTime,
    /// By index of the scenario; only those that stand in the sites that are run.
    hosts: Vec<Option<LabHost>>,
    sites: Vec<Option<LabSite>>,
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
        let start = scenario.start;
        let nanos = u32::try_from(start.subsec_nanosecond()).unwrap_or_default();
        let start = FileTime::from_unix(start.as_second(), nanos)
            .with_context(|| format!("a run on the wire cannot start at `{start}`"))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime of the clients")?;
        let standing = Standing::new(scenario)?;
        let of_sites = |host: usize| {
            let site = scenario.hosts.get(host).map(|host| host.site.as_str());
            sites.iter().any(|index| scenario.sites.get(*index).map(|s| s.name.as_str()) == site)
        };
        let wanted = (0..scenario.hosts.len()).filter(|host| of_sites(*host)).count();
        for (kind, count, most) in [("hosts", wanted, HOSTS_MAX), ("sites", sites.len(), SITES_MAX)]
        {
            if count > most {
                bail!(
                    "{count} {kind} depend on one another, and a run on the wire has room for \
                     {most}; run the scenario without --wire, or a smaller one"
                );
            }
        }
        let mut arm = Self {
            hosts: Vec::new(),
            sites: scenario.sites.iter().map(|_| None).collect(),
            start,
            keys: LabKeys::new(&LabKey::DEFAULT),
            random: ChaCha8Rng::seed_from_u64(scenario.seed),
            exchanges: 0,
            standing,
            runtime,
        };
        for (index, host) in scenario.hosts.iter().enumerate() {
            let offset_s = arm.standing.clock_offset_s(index);
            arm.hosts.push(match of_sites(index) {
                false => None,
                true => Some(
                    LabHost::start(host, arm.standing.policy(index), start, offset_s)
                        .with_context(|| format!("cannot start host `{}`", host.name))?,
                ),
            });
        }
        let addresses = arm.addresses();
        for (network, index) in (FIRST_NETWORK..).zip(sites) {
            let described = || format!("cannot start the dns of site number {index}");
            let records = arm.standing.records(*index);
            let site = LabSite::start(network, records, &addresses).with_context(described)?;
            *arm.sites.get_mut(*index).with_context(described)? = Some(site);
        }
        arm.put_in_force()?;
        Ok(arm)
    }

    fn addresses(&self) -> Vec<Option<SocketAddr>> {
        self.hosts.iter().map(|host| host.as_ref().map(LabHost::address)).collect()
    }

    fn host(&self, host: usize) -> Option<&LabHost> {
        self.hosts.get(host).and_then(Option::as_ref)
    }

    fn site(&self, site: usize) -> Option<&LabSite> {
        self.sites.get(site).and_then(Option::as_ref)
    }

    /// Makes hosts, DNS and ways be what the changes in force say.
    fn put_in_force(&mut self) -> anyhow::Result<()> {
        let Self { standing, hosts, sites, runtime, .. } = self;
        let addresses: Vec<_> =
            hosts.iter().map(|host| host.as_ref().map(LabHost::address)).collect();
        for (index, host) in hosts.iter_mut().enumerate() {
            let Some(host) = host else { continue };
            host.set_policy(standing.policy(index));
            let closed = sites.iter().enumerate().filter_map(|(number, site)| {
                Some((site.as_ref()?.network(), standing.firewall(number, index)?))
            });
            let set = host.set_faults(standing.host_down(index), closed.collect());
            runtime.block_on(set)?;
        }
        for (index, site) in sites.iter_mut().enumerate() {
            let Some(site) = site else { continue };
            site.set_records(standing.records(index), &addresses)?;
            site.set_failure(standing.dns_failure(index));
        }
        Ok(())
    }

    fn time(&self, now: Seconds) -> FileTime {
        self.start.saturating_add(now.duration())
    }
}

impl Arm for WireArm {
    /// The SRV records, and the address of each host that they list.
    fn discover(&mut self, _now: Seconds, site: usize) -> Result<Vec<Listed>, Hresult> {
        let addresses = self.addresses();
        let Some(lab) = self.site(site) else { return Err(Hresult::NO_KMS_AVAILABLE) };
        let is_silent = self.standing.dns_failure(site) == Some(DnsFailure::Silent);
        let (tries, try_time) = if is_silent { (1, SILENCE) } else { (DNS_TRIES, PATIENCE) };
        let resolver = Resolver { server: lab.dns(), tries, try_time };
        let random = &mut self.random;
        let mut ids = || (random.next_u32() & u32::from(u16::MAX)) as u16;
        let found = self.runtime.block_on(async {
            let mut listed = Vec::new();
            for (candidate, name) in discover::hosts(resolver, lab::DOMAIN, &mut ids).await? {
                let found = discover::addresses(Some(resolver), &name, &mut ids).await?;
                let is_at =
                    |address: &Option<SocketAddr>| address.is_some_and(|a| found.contains(&a));
                let host = addresses.iter().position(is_at);
                listed.extend(host.map(|host| Listed { host, candidate }));
            }
            Ok::<_, discover::DnsFailure>(listed)
        });
        found.map_err(|failure| failure.hresult())
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
        let (Some(asked_from), Some(lab)) = (self.site(site), self.host(host)) else {
            return Err(NoAnswer::Unreachable(Hresult::RPC_SERVER_UNAVAILABLE));
        };
        let source = asked_from.client(self.exchanges).into();
        lab.set_clock(self.time(now), self.standing.clock_offset_s(host));
        let is_silent = self.standing.way(site, host) == Some(Rejection::Silent);
        let patience = if is_silent { SILENCE } else { PATIENCE };
        let asked = exchange_from(Some(source), lab.address(), &self.keys, request, &iv, patience);
        match self.runtime.block_on(asked) {
            Ok((open, _)) => Ok(Answered {
                count: open.response.count,
                activation_interval_minutes: open.response.activation_interval_minutes,
                renewal_interval_minutes: open.response.renewal_interval_minutes,
            }),
            Err(failure) if failure.came_from_the_host() => {
                Err(NoAnswer::Refused(failure.hresult()))
            }
            Err(failure) => Err(NoAnswer::Unreachable(failure.hresult())),
        }
    }

    fn counts(&mut self, now: Seconds, host: usize) -> anyhow::Result<Counts> {
        let Some(lab) = self.host(host) else { return Ok(Counts::default()) };
        lab.set_clock(self.time(now), self.standing.clock_offset_s(host));
        Ok(lab.counts())
    }

    fn change(&mut self, now: Seconds, change: &Change, begins: bool) -> anyhow::Result<()> {
        if let Action::HostForgets { host } = &change.action {
            let host = self.standing.host_named(host)?;
            self.host(host).into_iter().for_each(LabHost::forget);
            return Ok(());
        }
        let described = || format!("at {now}: the change cannot be put on the wire");
        self.standing.change(change, begins).with_context(described)?;
        self.put_in_force().with_context(described)
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
