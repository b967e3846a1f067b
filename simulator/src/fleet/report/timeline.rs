//! The samples of all sites beside each other.

use jiff::{SignedDuration, Timestamp};

use crate::fleet::outcome::{HostSample, Outcome};
use crate::fleet::scenario::{Scenario, Seconds};

/// What the whole fleet was at every instant.
#[derive(Clone, Debug)]
pub(crate) struct Timeline<'a> {
    /// [`Scenario::instants`].
    pub(crate) instants: Vec<Seconds>,
    /// Clients at each instant.
    pub(crate) clients: Vec<Clients>,
    /// Every host that was run, in the order of the scenario.
    pub(crate) hosts: Vec<HostLine<'a>>,
}

/// All clients at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clients {
    /// By licence state, 0 to 6.
    pub(crate) states: [u64; 7],
    /// Switched on.
    pub(crate) on: u64,
}

/// One host over time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostLine<'a> {
    /// Index into the scenario's hosts.
    pub(crate) host: usize,
    /// Its name.
    pub(crate) name: &'a str,
    /// One for each instant.
    pub(crate) samples: &'a [HostSample],
}

impl<'a> Timeline<'a> {
    /// The timeline of a run.
    pub(crate) fn of(scenario: &'a Scenario, outcome: &'a Outcome) -> Self {
        let instants = scenario.instants();
        let mut clients = vec![Clients::default(); instants.len()];
        for group in outcome.sites.iter().flat_map(|site| &site.groups) {
            for (sum, sample) in clients.iter_mut().zip(&group.samples) {
                sum.on += sample.on;
                for (state, many) in sum.states.iter_mut().zip(sample.states) {
                    *state += many;
                }
            }
        }
        let hosts = outcome.sites.iter().flat_map(|site| &site.hosts);
        let line = |host: &'a crate::fleet::outcome::HostOutcome| {
            let name = &scenario.hosts.get(host.host)?.name;
            Some(HostLine { host: host.host, name, samples: &host.samples })
        };
        let mut hosts: Vec<HostLine<'_>> = hosts.filter_map(line).collect();
        hosts.sort_by_key(|line| line.host);
        Self { instants, clients, hosts }
    }

    /// Days since the start at each instant, which plots go by.
    pub(crate) fn days(&self) -> impl Iterator<Item = f64> + '_ {
        self.instants.iter().map(|instant| days(*instant))
    }
}

impl HostLine<'_> {
    /// Requests since the instant before, at each instant.
    pub(crate) fn requests(&self) -> impl Iterator<Item = u64> + '_ {
        let before = std::iter::once(0).chain(self.samples.iter().map(|sample| sample.requests));
        self.samples
            .iter()
            .zip(before)
            .map(|(sample, before)| sample.requests.saturating_sub(before))
    }
}

/// Days since the start.
pub(crate) fn days(instant: Seconds) -> f64 {
    f64::from(instant.0) / 86_400.0
}

/// The simulated date of an instant; held at the end of the calendar.
pub(crate) fn date(scenario: &Scenario, instant: Seconds) -> Timestamp {
    let after = SignedDuration::from_secs(i64::from(instant.0));
    scenario.start.saturating_add(after).unwrap_or(Timestamp::MAX)
}

/// Licence states as a scenario file names them.
pub(crate) const STATES: [&str; 7] = [
    "unlicensed",
    "licensed",
    "initial-grace",
    "additional-grace",
    "non-genuine-grace",
    "notification",
    "extended-grace",
];
