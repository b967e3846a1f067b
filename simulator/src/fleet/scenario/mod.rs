//! A scenario: what there is, what happens to it, and what is expected of it.
//!
//! Everything here is plain data with public fields, so that a scenario can be built in Rust as well
//! as read from TOML ([`Scenario::from_toml`]). Names refer to one another; [`Scenario::check`] finds
//! what does not.

mod build;
mod change;
mod check;
mod expectation;
mod group;
mod listed;
mod mistake;
mod read;
pub mod schema;
pub mod shape;
mod time;

#[cfg(test)]
mod tests;

pub use change::{Action, Change, DnsFailure, Rejection};
pub use expectation::{Application, EventKind, Expectation, LicenceState, Metric, When};
pub use group::{Fingerprint, Group, Hardware, Identity, Key, Life, Presence};
pub(crate) use kms_page::nearest;
pub use listed::{BadListedClient, ListedClient};
pub use mistake::Mistake;
pub use time::Seconds;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

/// A rehearsal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Short name: lower case letters, digits and `-`.
    pub name: String,
    /// One line on what it shows.
    pub title: String,
    /// What it teaches, in a paragraph or two.
    #[serde(default)]
    pub teaches: String,
    /// Seed of every random choice, unless the command line gives another.
    #[serde(default = "default::seed")]
    pub seed: u64,
    /// Simulated time of the start.
    #[serde(default = "default::start")]
    pub start: Timestamp,
    /// How long it lasts.
    pub duration: Seconds,
    /// Time between samples, which plots, CSV and windows of expectations go by.
    #[serde(default = "default::sample_every")]
    pub sample_every: Seconds,
    /// Places.
    #[serde(rename = "site")]
    pub sites: Vec<Site>,
    /// KMS hosts.
    #[serde(rename = "host", default)]
    pub hosts: Vec<Host>,
    /// Groups of clients.
    #[serde(rename = "group")]
    pub groups: Vec<Group>,
    /// Ways between sites that are not open from the start. A way that is not named is open.
    #[serde(rename = "link", default)]
    pub links: Vec<Link>,
    /// Outages and other changes.
    #[serde(rename = "change", default)]
    pub changes: Vec<Change>,
    /// What must be true.
    #[serde(rename = "expect", default)]
    pub expectations: Vec<Expectation>,
}

/// A place with its clients, its DNS view and perhaps hosts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Unique name.
    pub name: String,
    /// IANA time zone that working hours go by.
    #[serde(default = "default::time_zone")]
    pub time_zone: String,
    /// Days on which nobody works.
    #[serde(default)]
    pub holidays: Vec<Date>,
    /// The SRV records that its clients get. Without any: every published host of this site, by the
    /// priority and weight of the host.
    #[serde(default)]
    pub dns: Vec<Record>,
}

/// One SRV record in a site's view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The host's name.
    pub host: String,
    /// Lower first.
    #[serde(default)]
    pub priority: u16,
    /// Share among equal priorities.
    #[serde(default)]
    pub weight: u16,
}

/// A KMS host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Unique name.
    pub name: String,
    /// The site that it stands in.
    pub site: String,
    /// Whether DNS lists it where a site does not say what it lists.
    #[serde(default = "default::yes")]
    pub published: bool,
    /// Priority of its record.
    #[serde(default)]
    pub priority: u16,
    /// Weight of its record.
    #[serde(default)]
    pub weight: u16,
    /// What it tells clients that are not activated.
    #[serde(default = "default::activation_interval")]
    pub activation_interval: Seconds,
    /// What it tells clients that are.
    #[serde(default = "default::renewal_interval")]
    pub renewal_interval: Seconds,
    /// Whether it is activated itself.
    #[serde(default = "default::yes")]
    pub activated: bool,
    /// How far its clock is ahead, in seconds; negative: behind.
    #[serde(default)]
    pub clock_offset_s: i64,
    /// Made-up Windows clients that it remembers at the start, at most 50.
    #[serde(default)]
    pub remembers_windows: u32,
    /// Made-up Office clients that it remembers at the start, at most 50.
    #[serde(default)]
    pub remembers_office: u32,
}

/// A way from the clients of one site to the hosts of another (or of the same).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The clients' site.
    pub from: String,
    /// The hosts' site.
    pub to: String,
    /// How the way is closed.
    pub closed: Rejection,
}

impl Scenario {
    /// Every instant that is sampled: each multiple of `sample_every`, each instant or end of a window
    /// that an expectation names, and the end. Sorted, without repetition.
    #[must_use]
    pub fn instants(&self) -> Vec<Seconds> {
        let step = self.sample_every.0.max(1) as usize;
        let grid = (0..=self.duration.0).step_by(step).map(Seconds);
        let named = self.expectations.iter().flat_map(|expectation| match expectation.when {
            When::At { at } => [at, at],
            When::Window { from, until } => [from, until],
        });
        let mut instants: Vec<Seconds> = grid.chain(named).chain([self.duration]).collect();
        instants.retain(|instant| *instant <= self.duration);
        instants.sort_unstable();
        instants.dedup();
        instants
    }
}

mod default {
    use super::{Seconds, Timestamp};

    pub(super) const fn seed() -> u64 {
        1
    }
    /// Monday, 5 January 2026.
    pub(super) fn start() -> Timestamp {
        Timestamp::from_second(1_767_571_200).unwrap_or_default()
    }
    pub(super) const fn sample_every() -> Seconds {
        Seconds(3600)
    }
    pub(super) fn time_zone() -> String {
        "UTC".to_owned()
    }
    pub(super) const fn yes() -> bool {
        true
    }
    pub(super) const fn activation_interval() -> Seconds {
        Seconds(120 * 60)
    }
    pub(super) const fn renewal_interval() -> Seconds {
        Seconds(10_080 * 60)
    }
}
