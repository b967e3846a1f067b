//! Which changes are in force, and what hosts, DNS and ways are under them. Pure.

use anyhow::{Context as _, bail};

use crate::fleet::scenario::{
    Action, Change, DnsFailure, Host, Link, Record, Rejection, Scenario, Seconds, Site,
};
use crate::model::client::Candidate;
use crate::model::{HostPolicy, IntervalMinutes};

use super::lab::SrvRecord;

/// The world of a scenario at one time. Of several changes of one thing the one that began last
/// holds; when it ends, the one before holds again.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    hosts: Vec<Host>,
    sites: Vec<Site>,
    links: Vec<Link>,
    /// In the order in which they began.
    in_force: Vec<Action>,
}

impl Standing {
    /// The world before any change.
    pub(super) fn new(scenario: &Scenario) -> anyhow::Result<Self> {
        let standing = Self {
            hosts: scenario.hosts.clone(),
            sites: scenario.sites.clone(),
            links: scenario.links.clone(),
            in_force: Vec::new(),
        };
        for host in &standing.hosts {
            standing.site_named(&host.site)?;
        }
        for record in standing.sites.iter().flat_map(|site| &site.dns) {
            standing.host_named(&record.host)?;
        }
        for link in &standing.links {
            standing.site_named(&link.from)?;
            standing.site_named(&link.to)?;
        }
        Ok(standing)
    }

    /// A change begins, or ends. Those of clients change nothing here.
    pub(super) fn change(&mut self, change: &Change, begins: bool) -> anyhow::Result<()> {
        self.check(&change.action)?;
        if begins {
            self.in_force.push(change.action.clone());
        } else if let Some(at) = self.in_force.iter().position(|held| *held == change.action) {
            self.in_force.remove(at);
        }
        Ok(())
    }

    /// What a host decides by.
    pub(super) fn policy(&self, host: usize) -> HostPolicy {
        let Some(described) = self.hosts.get(host) else { return HostPolicy::default() };
        let not_activated = self.last(|action| match action {
            Action::HostNotActivated { host } if *host == described.name => Some(()),
            _ => None,
        });
        let intervals = self.last(|action| match action {
            Action::HostIntervals { host, activation_interval, renewal_interval }
                if *host == described.name =>
            {
                Some((*activation_interval, *renewal_interval))
            }
            _ => None,
        });
        let (activation, renewal) =
            intervals.unwrap_or((described.activation_interval, described.renewal_interval));
        HostPolicy {
            activated: described.activated && not_activated.is_none(),
            activation_interval: minutes(activation),
            renewal_interval: minutes(renewal),
        }
    }

    /// How far a host's clock is ahead, in seconds.
    pub(super) fn clock_offset_s(&self, host: usize) -> i64 {
        let Some(described) = self.hosts.get(host) else { return 0 };
        let moved = self.last(|action| match action {
            Action::HostClock { host, offset_s } if *host == described.name => Some(*offset_s),
            _ => None,
        });
        moved.unwrap_or(described.clock_offset_s)
    }

    /// How a host that is down looks; `None`: it is up.
    pub(super) fn host_down(&self, host: usize) -> Option<Rejection> {
        let described = self.hosts.get(host)?;
        self.last(|action| match action {
            Action::HostDown { host, as_seen } if *host == described.name => Some(*as_seen),
            _ => None,
        })
    }

    /// How the way from a site's clients to a host is closed; `None`: it is open.
    pub(super) fn firewall(&self, site: usize, host: usize) -> Option<Rejection> {
        let (from, to) = (&self.sites.get(site)?.name, &self.hosts.get(host)?.site);
        let closed = self.last(|action| match action {
            Action::Firewall { from: f, to: t, as_seen } if f == from && t == to => Some(*as_seen),
            _ => None,
        });
        let link = || self.links.iter().rfind(|link| link.from == *from && link.to == *to);
        closed.or_else(|| Some(link()?.closed))
    }

    /// How a host looks to a site's clients that cannot reach it: a host that is down is asked
    /// first by the fault rules of the host, which strike everybody.
    pub(super) fn way(&self, site: usize, host: usize) -> Option<Rejection> {
        self.host_down(host).or_else(|| self.firewall(site, host))
    }

    /// How DNS fails a site.
    pub(super) fn dns_failure(&self, site: usize) -> Option<DnsFailure> {
        let described = self.sites.get(site)?;
        self.last(|action| match action {
            Action::DnsDown { site, failure } if *site == described.name => Some(*failure),
            _ => None,
        })
    }

    /// The SRV records of a site's view.
    pub(super) fn records(&self, site: usize) -> Vec<SrvRecord> {
        let Some(described) = self.sites.get(site) else { return Vec::new() };
        let changed = self.last(|action| match action {
            Action::DnsRecords { site, records } if *site == described.name => Some(records),
            _ => None,
        });
        match changed {
            Some(records) => self.listed(records),
            None if !described.dns.is_empty() => self.listed(&described.dns),
            None => self.published(&described.name),
        }
    }

    /// The host of this name, as an index.
    pub(super) fn host_named(&self, name: &str) -> anyhow::Result<usize> {
        let at = self.hosts.iter().position(|host| host.name == name);
        at.with_context(|| format!("no host is called `{name}`"))
    }

    fn site_named(&self, name: &str) -> anyhow::Result<usize> {
        let at = self.sites.iter().position(|site| site.name == name);
        at.with_context(|| format!("no site is called `{name}`"))
    }

    fn check(&self, action: &Action) -> anyhow::Result<()> {
        match action {
            Action::HostDown { host, .. }
            | Action::HostNotActivated { host }
            | Action::HostClock { host, .. }
            | Action::HostIntervals { host, .. } => self.host_named(host).map(drop),
            Action::DnsDown { site, .. } => self.site_named(site).map(drop),
            Action::DnsRecords { site, records } => {
                self.site_named(site)?;
                records.iter().try_for_each(|record| self.host_named(&record.host).map(drop))
            }
            Action::Firewall { from, to, .. } => {
                self.site_named(from)?;
                self.site_named(to).map(drop)
            }
            _ => bail!("it concerns clients, not hosts, DNS or ways"),
        }
    }

    fn listed(&self, records: &[Record]) -> Vec<SrvRecord> {
        let found = records.iter().filter_map(|record| {
            let host = self.host_named(&record.host).ok()?;
            let candidate = Candidate { priority: record.priority, weight: record.weight };
            Some(SrvRecord { host, candidate })
        });
        found.collect()
    }

    fn published(&self, site: &str) -> Vec<SrvRecord> {
        let hosts = self.hosts.iter().enumerate();
        let here = hosts.filter(|(_, host)| host.published && host.site == site);
        here.map(|(index, host)| SrvRecord {
            host: index,
            candidate: Candidate { priority: host.priority, weight: host.weight },
        })
        .collect()
    }

    fn last<'a, T>(&'a self, pick: impl FnMut(&'a Action) -> Option<T>) -> Option<T> {
        self.in_force.iter().rev().find_map(pick)
    }
}

/// Whole minutes, as a host can be told.
fn minutes(interval: Seconds) -> IntervalMinutes {
    let minutes = interval.0 / 60;
    let most = IntervalMinutes::MAX.minutes();
    minutes.min(most).try_into().unwrap_or(IntervalMinutes::MIN)
}
