//! All that is left of a run: figures per site, from which everything shown is derived.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scenario::{EventKind, Seconds};

/// A run, or a shard of one. Shards of the same scenario and seed merge into the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The scenario as TOML, complete with every default, so that a result can be judged again.
    pub scenario: String,
    /// The seed of every random choice.
    pub seed: u64,
    /// `I/N` where only a part of the sites was run; `None` for the whole.
    pub shard: Option<(u32, u32)>,
    /// The sites that were run, in the order of the scenario.
    pub sites: Vec<SiteOutcome>,
}

impl Outcome {
    /// See [`trace_hash`].
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        trace_hash(&self.sites)
    }
}

/// One site: its clients, and the hosts that stand in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteOutcome {
    /// Index into the scenario's sites.
    pub site: usize,
    /// Hash over every event of the site's clients, in order.
    pub trace_hash: u64,
    /// Events handled.
    pub events: u64,
    /// Its groups, in the order of the scenario.
    pub groups: Vec<GroupOutcome>,
    /// Its hosts, in the order of the scenario.
    pub hosts: Vec<HostOutcome>,
    /// What was asked to be written down of single clients, in order of time.
    pub traces: Vec<TraceRecord>,
    /// Clients as they stood at the times that were asked for.
    pub snapshots: Vec<Snapshot>,
}

/// One group of clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupOutcome {
    /// Index into the scenario's groups.
    pub group: usize,
    /// How many clients it has.
    pub clients: u64,
    /// The group at every instant of [`Scenario::instants`](super::scenario::Scenario::instants).
    pub samples: Vec<GroupSample>,
    /// Minutes from a client's first start to its first activation, and how many clients took them.
    pub minutes_to_first_activation: BTreeMap<u32, u64>,
    /// For each expectation that concerns the group and names an instant or a window: clients that are
    /// not as it wants them at the end of it, at most [`OFFENDERS_MAX`], and how many there are in all.
    pub offenders: BTreeMap<usize, Offenders>,
}

/// A group at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSample {
    /// Clients by licence state, 0 to 6.
    pub states: [u64; 7],
    /// Clients that are switched on.
    pub on: u64,
    /// Events so far, by [`EventKind`] in its order.
    pub events: Vec<u64>,
}

/// One host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostOutcome {
    /// Index into the scenario's hosts.
    pub host: usize,
    /// The most requests in one calendar minute.
    pub peak_requests_per_minute: u64,
    /// The host at every instant of the scenario.
    pub samples: Vec<HostSample>,
}

/// A host at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSample {
    /// Requests so far that reached it, refused ones included.
    pub requests: u64,
    /// The most requests in one minute since the sample before.
    pub peak_requests_per_minute: u64,
    /// Clients that it counts for Windows.
    pub count_windows: u32,
    /// Clients that it counts for Office.
    pub count_office: u32,
}

/// Clients that break an expectation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offenders {
    /// Their names, the first [`OFFENDERS_MAX`] by number.
    pub names: Vec<String>,
    /// How many in all.
    pub total: u64,
}

/// Something that happened to a client that is being traced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceRecord {
    /// When, since the scenario's start.
    pub at: Seconds,
    /// The client's name at that time.
    pub client: String,
    /// Its client machine id at that time.
    pub cmid: String,
    /// The group, as an index into the scenario's groups.
    pub group: usize,
    /// What happened.
    pub event: EventKind,
    /// The host, as an index into the scenario's hosts.
    pub host: Option<usize>,
    /// HRESULT of an attempt; 0 where it succeeded or where it was none.
    pub result: u32,
    /// The count that the host answered.
    pub count: Option<u32>,
    /// The licence state after it, 0 to 6.
    pub state: u32,
    /// Whole minutes until that state ends; 0 where it has no end.
    pub minutes_left: u32,
}

/// A client at one time, as `slmgr /dlv` would show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When, since the scenario's start.
    pub at: Seconds,
    /// The client's name.
    pub client: String,
    /// Its client machine id.
    pub cmid: String,
    /// The group, as an index into the scenario's groups.
    pub group: usize,
    /// Whether it is switched on.
    pub on: bool,
    /// The licence state, 0 to 6.
    pub state: u32,
    /// Whole minutes until that state ends.
    pub minutes_left: u32,
    /// HRESULT of the last attempt, or the reason of a notification.
    pub result: u32,
    /// The remembered host, as an index into the scenario's hosts.
    pub cached_host: Option<usize>,
    /// Activation interval in minutes.
    pub activation_interval_minutes: u16,
    /// Renewal interval in minutes.
    pub renewal_interval_minutes: u16,
    /// How often the initial period can still be started again.
    pub rearms_left: u16,
}

/// Names kept per expectation and group.
pub const OFFENDERS_MAX: usize = 20;

/// One hash over those of the sites in the order of the scenario: FNV-1a, 64 bits, over number and
/// hash of each site, little-endian. The same for a merged run as for the whole.
#[must_use]
pub fn trace_hash(sites: &[SiteOutcome]) -> u64 {
    let bytes = sites.iter().flat_map(|site| {
        (site.site as u64).to_le_bytes().into_iter().chain(site.trace_hash.to_le_bytes())
    });
    bytes.fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
