//! Which groups and hosts an expectation concerns, and at which samples.

use std::ops::RangeInclusive;

use crate::fleet::outcome::{GroupOutcome, GroupSample, HostOutcome, HostSample, Outcome};
use crate::fleet::scenario::{Expectation, Scenario, Seconds, When};

/// An expectation before its run.
#[derive(Clone, Copy)]
pub(super) struct Selection<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) outcome: &'a Outcome,
    pub(super) expectation: &'a Expectation,
    /// [`Scenario::instants`].
    pub(super) instants: &'a [Seconds],
}

impl<'a> Selection<'a> {
    /// The groups: those named, of the sites named; never none.
    pub(super) fn groups(&self) -> Result<Vec<&'a GroupOutcome>, String> {
        let (groups, sites) = (&self.expectation.groups, &self.expectation.sites);
        let known = |name: &String| self.scenario.groups.iter().any(|group| group.name == *name);
        if let Some(name) = groups.iter().find(|name| !known(name)) {
            return Err(format!("there is no group `{}`", name.escape_debug()));
        }
        self.check_sites()?;
        let is_wanted = |group: &&GroupOutcome| {
            self.scenario.groups.get(group.group).is_some_and(|described| {
                (groups.is_empty() || groups.contains(&described.name))
                    && (sites.is_empty() || sites.contains(&described.site))
            })
        };
        let all = self.outcome.sites.iter().flat_map(|site| &site.groups);
        let wanted: Vec<_> = all.filter(is_wanted).collect();
        if wanted.is_empty() { Err("it concerns no group".to_owned()) } else { Ok(wanted) }
    }

    /// The hosts: the one named, or all of the sites named; never none.
    pub(super) fn hosts(&self) -> Result<Vec<&'a HostOutcome>, String> {
        let (host, sites) = (self.expectation.host.as_deref(), &self.expectation.sites);
        let known = |name: &str| self.scenario.hosts.iter().any(|host| host.name == name);
        if let Some(name) = host.filter(|name| !known(name)) {
            return Err(format!("there is no host `{}`", name.escape_debug()));
        }
        self.check_sites()?;
        let is_wanted = |outcome: &&HostOutcome| {
            self.scenario.hosts.get(outcome.host).is_some_and(|described| match host {
                Some(name) => described.name == name,
                None => sites.is_empty() || sites.contains(&described.site),
            })
        };
        let all = self.outcome.sites.iter().flat_map(|site| &site.hosts);
        let wanted: Vec<_> = all.filter(is_wanted).collect();
        if wanted.is_empty() { Err("it concerns no host".to_owned()) } else { Ok(wanted) }
    }

    fn check_sites(&self) -> Result<(), String> {
        let known = |name: &String| self.scenario.sites.iter().any(|site| site.name == *name);
        match self.expectation.sites.iter().find(|name| !known(name)) {
            Some(name) => Err(format!("there is no site `{}`", name.escape_debug())),
            None => Ok(()),
        }
    }

    /// Indices of the first and the last sample that count.
    pub(super) fn samples(&self) -> Result<RangeInclusive<usize>, String> {
        let (from, until) = match self.expectation.when {
            When::At { at } => (at, at),
            When::Window { from, until } => (from, until),
        };
        let first = self.instants.partition_point(|instant| *instant < from);
        let behind = self.instants.partition_point(|instant| *instant <= until);
        match behind.checked_sub(1) {
            Some(last) if first <= last => Ok(first..=last),
            _ => Err(format!(
                "there is no sample {}: the scenario ends at {}",
                if from == until {
                    format!("at {from}")
                } else {
                    format!("from {from} to {until}")
                },
                self.scenario.duration
            )),
        }
    }

    /// When sample `index` was taken.
    pub(super) fn instant(&self, index: usize) -> Option<Seconds> {
        self.instants.get(index).copied()
    }
}

/// Sample `index` of a group.
pub(super) fn group_sample(group: &GroupOutcome, index: usize) -> Result<&GroupSample, String> {
    group.samples.get(index).ok_or_else(|| missing(index))
}

/// Sample `index` of a host.
pub(super) fn host_sample(host: &HostOutcome, index: usize) -> Result<&HostSample, String> {
    host.samples.get(index).ok_or_else(|| missing(index))
}

fn missing(index: usize) -> String {
    format!("sample {index} is missing from the outcome")
}
