//! How long may the only host be away? A scenario built in Rust, run in virtual time, once for each
//! answer that somebody might give.
//!
//! ```sh
//! cargo run -p kms-simulator --example outage
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use anyhow::Context as _;
use kms_simulator::fleet::engine::{Options, run};
use kms_simulator::fleet::report::Report;
use kms_simulator::fleet::scenario::{
    Action, Change, Group, Host, Life, Rejection, Scenario, Seconds, Site,
};

fn main() -> anyhow::Result<()> {
    for days in [30, 150, 172, 181] {
        let licensed = least_licensed(days)?;
        println!("away for {days:>3} days: at least {licensed} of {DESKS} desks stay activated");
        let expected = if days <= 172 { u64::from(DESKS) } else { 0 };
        anyhow::ensure!(licensed == expected, "expected {expected}");
    }
    Ok(())
}

/// The fewest activated desks at any sample of a year in which the host is away for `days`.
fn least_licensed(days: u32) -> anyhow::Result<u64> {
    let scenario = office(days);
    let mistakes = scenario.check();
    anyhow::ensure!(mistakes.is_empty(), "the scenario contradicts itself: {mistakes:?}");
    let outcome = run(&scenario, &Options::default())?;
    println!("{}", Report::of(&scenario, &outcome).text()?.lines().next().unwrap_or_default());
    let groups = outcome.sites.iter().flat_map(|site| &site.groups);
    let licensed = groups.flat_map(|group| &group.samples).map(|sample| sample.states[LICENSED]);
    licensed.min().context("a run has samples")
}

/// One office with its host, which goes away after two weeks.
fn office(days: u32) -> Scenario {
    let mut scenario = Scenario::new("one-host", Seconds::days(365));
    scenario.title = format!("The only host is away for {days} days");
    scenario.sample_every = Seconds::hours(6);
    scenario.sites.push(Site::new("office"));
    scenario.hosts.push(Host::new("kms-1", "office"));
    scenario.groups.push(Group {
        life: Life::Activated,
        ..Group::new("desks", "office", DESKS, "Windows 10/11 Enterprise")
    });
    let away = Action::HostDown { host: "kms-1".to_owned(), as_seen: Rejection::Silent };
    scenario.changes.push(Change::between(Seconds::days(14), Seconds::days(14 + days), away));
    scenario
}

const DESKS: u32 = 60;
/// Licence state 1.
const LICENSED: usize = 1;

#[test]
fn a_host_may_be_away_for_172_days() {
    assert!(main().is_ok());
}
