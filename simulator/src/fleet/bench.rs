//! How fast fleets run: activated clients that renew, at hosts that answer.

use std::time::Instant;

use serde::Serialize;

use super::engine::{self, Options};
use super::scenario::{EventKind, Group, Host, Scenario, Seconds, Site};

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measurement {
    /// Clients in all.
    pub clients: u64,
    /// Days of simulated time.
    pub days: u32,
    /// Renewals that succeeded.
    pub renewals: u64,
    /// Events, of which a renewal has two: the request and what it led to.
    pub events: u64,
    /// Seconds that the run took, setting up included.
    pub wall_s: f64,
    /// Renewals in a second of the run.
    pub renewals_per_s: f64,
    /// Growth of the process's largest memory over the run, for each client; `None` where the system
    /// does not tell.
    pub bytes_per_client: Option<f64>,
    /// As 16 hexadecimal digits: the same for the same parameters on every machine.
    pub trace_hash: String,
}

/// Runs `clients`, spread over `sites` with a host each, for `days`.
///
/// # Errors
/// More clients than sites can hold.
pub fn run(clients: u32, days: u16, sites: u32, threads: usize) -> anyhow::Result<Measurement> {
    let scenario = scenario(clients, days, sites.clamp(1, SITES_MAX))?;
    let before = memory_bytes("VmRSS:");
    let begun = Instant::now();
    let outcome = engine::run(&scenario, &Options { threads, ..Options::default() })?;
    let wall_s = begun.elapsed().as_secs_f64();
    let grown =
        memory_bytes("VmHWM:").zip(before).map(|(most, before)| most.saturating_sub(before));
    let renewed = |site: &super::outcome::SiteOutcome| -> u64 {
        let last = site.groups.iter().filter_map(|group| group.samples.last());
        last.filter_map(|sample| sample.events.get(EventKind::Renewed as usize)).sum()
    };
    let renewals: u64 = outcome.sites.iter().map(renewed).sum();
    #[allow(clippy::cast_precision_loss, reason = "figures for people")]
    Ok(Measurement {
        clients: clients.into(),
        days: days.into(),
        renewals,
        events: outcome.sites.iter().map(|site| site.events).sum(),
        wall_s,
        renewals_per_s: renewals as f64 / wall_s,
        bytes_per_client: grown.map(|bytes| bytes as f64 / f64::from(clients.max(1))),
        trace_hash: format!("{:016x}", outcome.trace_hash()),
    })
}

fn scenario(clients: u32, days: u16, sites: u32) -> anyhow::Result<Scenario> {
    let mut scenario: Scenario = toml::from_str(ONE_SITE)?;
    scenario.duration = Seconds::days(days.into());
    let (site, host, group): (Vec<Site>, Vec<Host>, Vec<Group>) = (
        std::mem::take(&mut scenario.sites),
        std::mem::take(&mut scenario.hosts),
        std::mem::take(&mut scenario.groups),
    );
    for number in 0..sites {
        let name = format!("site-{number}");
        let count = clients / sites + u32::from(number < clients % sites);
        let one = site.iter().map(|site| Site { name: name.clone(), ..site.clone() });
        scenario.sites.extend(one);
        scenario.hosts.extend(host.iter().map(|host| Host {
            name: format!("kms-{number}"),
            site: name.clone(),
            ..host.clone()
        }));
        scenario.groups.extend(group.iter().map(|group| Group {
            name: format!("pc-{number}"),
            site: name.clone(),
            count,
            ..group.clone()
        }));
    }
    Ok(scenario)
}

/// A figure of Linux's `/proc/self/status`, which is in KiB.
fn memory_bytes(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Sites that a bench spreads clients over, at most.
pub const SITES_MAX: u32 = 10_000;

const ONE_SITE: &str = r#"
name = "bench"
title = "Activated clients that renew"
duration = "1d"
sample_every = "1d"
[[site]]
name = "site"
[[host]]
name = "kms"
site = "site"
remembers_windows = 50
[[group]]
name = "pc"
site = "site"
count = 1
product = "Windows 10/11 Enterprise"
life = "activated"
"#;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_client_renews_once_a_week_and_the_run_repeats_exactly() {
        let one = run(1_001, 28, 3, 1).unwrap();
        assert_eq!((one.clients, one.renewals, one.events), (1_001, 4 * 1_001, 9 * 1_001));
        assert_eq!(run(1_001, 28, 3, 2).unwrap().trace_hash, one.trace_hash);
    }
}
