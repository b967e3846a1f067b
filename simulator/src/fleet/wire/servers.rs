//! All servers of a run: started together, and kept as the changes in force say.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use kms_protocol::filetime::FileTime;

use super::lab::{LabHost, LabSite, SiteView, shifted};
use super::standing::Standing;
use super::{FIRST_NETWORK, HOSTS_MAX, SITES_MAX};
use crate::fleet::scenario::{Action, Change, Scenario, Seconds};
use crate::serve::{Clock, machine_time};

/// Hosts and DNS of a scenario on real sockets of this machine's loopback. Dropping it stops them.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) standing: Standing,
    /// What a host's clock goes by that is right.
    clock: Clock,
    /// By index of the scenario; only those that stand in the sites that are run.
    hosts: Vec<Option<LabHost>>,
    sites: Vec<Option<LabSite>>,
}

impl Servers {
    /// Starts every host that stands in `sites`, and the DNS of these sites.
    ///
    /// # Errors
    /// More hosts or sites than [`HOSTS_MAX`] and [`SITES_MAX`], names that nothing has, or sockets
    /// and threads that cannot be had.
    pub(super) async fn start(
        scenario: &Scenario,
        sites: &[usize],
        clock: Clock,
    ) -> anyhow::Result<Self> {
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
        let mut servers = Self {
            hosts: Vec::new(),
            sites: scenario.sites.iter().map(|_| None).collect(),
            clock,
            standing,
        };
        for (index, host) in scenario.hosts.iter().enumerate() {
            servers.hosts.push(match of_sites(index) {
                false => None,
                true => Some(
                    LabHost::start(host, servers.standing.policy(index), servers.clock_of(index))
                        .with_context(|| format!("cannot start host `{}`", host.name))?,
                ),
            });
        }
        let addresses = servers.addresses();
        for (network, index) in (FIRST_NETWORK..).zip(sites) {
            let described = || format!("cannot start the dns of site number {index}");
            let records = servers.standing.records(*index);
            let site = LabSite::start(network, records, &addresses).with_context(described)?;
            *servers.sites.get_mut(*index).with_context(described)? = Some(site);
        }
        servers.put_in_force().await?;
        Ok(servers)
    }

    /// Lets all clocks go as `clock` does from now on.
    pub(super) fn go(&mut self, clock: Clock) {
        self.clock = clock;
        for index in 0..self.hosts.len() {
            if let Some(host) = self.host(index) {
                host.set_rate(clock.rate());
                self.set_clock(index, clock.now());
            }
        }
    }

    pub(super) fn addresses(&self) -> Vec<Option<SocketAddr>> {
        self.hosts.iter().map(|host| host.as_ref().map(LabHost::address)).collect()
    }

    pub(super) fn views(&self) -> Vec<Option<SiteView>> {
        self.sites.iter().map(|site| site.as_ref().map(LabSite::view)).collect()
    }

    pub(super) fn host(&self, host: usize) -> Option<&LabHost> {
        self.hosts.get(host).and_then(Option::as_ref)
    }

    pub(super) fn site(&self, site: usize) -> Option<&LabSite> {
        self.sites.get(site).and_then(Option::as_ref)
    }

    /// Lets the clock of `host` show what it would where the right time is `now`.
    pub(super) fn set_clock(&self, host: usize, now: FileTime) {
        if let Some(lab) = self.host(host) {
            lab.set_clock(now, self.standing.clock_offset_s(host));
        }
    }

    /// A change of the scenario that concerns hosts, DNS or ways begins, or ends.
    ///
    /// # Errors
    /// Why the servers could not be changed.
    pub(super) async fn change(
        &mut self,
        now: Seconds,
        change: &Change,
        begins: bool,
    ) -> anyhow::Result<()> {
        if let Action::HostForgets { host } = &change.action {
            let host = self.standing.host_named(host)?;
            self.host(host).into_iter().for_each(LabHost::forget);
            return Ok(());
        }
        let described = || format!("at {now}: the change cannot be put on the wire");
        self.standing.change(change, begins).with_context(described)?;
        self.put_in_force().await.with_context(described)?;
        if matches!(change.action, Action::HostClock { .. }) {
            (0..self.hosts.len()).for_each(|host| self.set_clock(host, self.clock.now()));
        }
        Ok(())
    }

    /// Makes hosts, DNS and ways be what the changes in force say.
    async fn put_in_force(&mut self) -> anyhow::Result<()> {
        let addresses = self.addresses();
        let Self { standing, hosts, sites, .. } = self;
        for (index, host) in hosts.iter_mut().enumerate() {
            let Some(host) = host else { continue };
            host.set_policy(standing.policy(index));
            let closed = sites.iter().enumerate().filter_map(|(number, site)| {
                Some((site.as_ref()?.network(), standing.firewall(number, index)?))
            });
            host.set_faults(standing.host_down(index), closed.collect()).await?;
        }
        for (index, site) in sites.iter_mut().enumerate() {
            let Some(site) = site else { continue };
            site.set_records(standing.records(index), &addresses)?;
            site.set_failure(standing.dns_failure(index));
        }
        Ok(())
    }

    fn clock_of(&self, host: usize) -> Clock {
        let machine = machine_time();
        self.clock.set(machine, shifted(self.clock.at(machine), self.standing.clock_offset_s(host)))
    }
}
