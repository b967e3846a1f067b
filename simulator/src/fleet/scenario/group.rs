//! A group of clients: what they run, who they say they are, when they are on.

use jiff::civil::Time;
use serde::{Deserialize, Serialize};

use super::{ListedClient, Seconds};

/// Clients that are alike but for their random choices. They are called NAME-1 to NAME-COUNT, or as
/// `clients` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Unique name.
    pub name: String,
    /// The site that they are in.
    pub site: String,
    /// How many.
    pub count: u32,
    /// Who they are, one by one; empty: made up from the seed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<ListedClient>,
    /// A product of `kms-sim catalog`.
    pub product: String,
    /// Whom they say they are.
    #[serde(default)]
    pub identity: Identity,
    /// How many of them share one CMID, where `identity` is `shared-cmid`; 0: all of them.
    #[serde(default)]
    pub clones: u32,
    /// What they run on.
    #[serde(default)]
    pub hardware: Hardware,
    /// When they are switched on.
    #[serde(default)]
    pub presence: Presence,
    /// How far their clock is ahead, in seconds; negative: behind.
    #[serde(default)]
    pub clock_offset_s: i64,
    /// What they are at the start.
    #[serde(default)]
    pub life: Life,
    /// Their first start is drawn evenly from the start of the scenario to this long after it.
    #[serde(default)]
    pub first_start_within: Seconds,
    /// The key that is installed.
    #[serde(default)]
    pub key: Key,
    /// Activations that a MAK allows, for the whole group.
    #[serde(default)]
    pub mak_activations: u32,
    /// A host that is set by name (`slmgr /skms`), instead of what DNS lists.
    #[serde(default)]
    pub fixed_host: Option<String>,
    /// Whether the host of the last success is remembered (`/ckhc` switches it off).
    #[serde(default = "yes")]
    pub host_caching: bool,
    /// Whether an activated client renews at every start. Not documented: no.
    #[serde(default)]
    pub renews_at_start: bool,
    /// The most that is added to an interval, at random. Not documented: nothing.
    #[serde(default)]
    pub jitter: Seconds,
}

/// Whom a client says it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// One name, one CMID.
    #[default]
    Stable,
    /// Another name at each boot, one CMID.
    NamePerBoot,
    /// Images that were not generalized: clones share a CMID.
    SharedCmid,
    /// Another CMID at each boot.
    CmidPerBoot,
}

/// What a client runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Hardware {
    /// The same machine for ever.
    #[default]
    Fixed,
    /// A drive that moves between machines: at each boot, another one is drawn.
    Roaming {
        /// Machines that there are.
        machines: u32,
        /// How a change is recognised.
        fingerprint: Fingerprint,
        /// Share of a machine's components that may differ, for `weighted` and `anchor`: 0 to 1.
        #[serde(default = "tolerance")]
        tolerance: f64,
    },
}

/// How a change of hardware is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fingerprint {
    /// Any component that differs counts.
    Whole,
    /// Only what moves with the drive is looked at.
    StableParts,
    /// A weighted score of components that differ, against the tolerance.
    Weighted,
    /// The weighted score against an anchor that follows what was seen and accepted, little by little.
    Anchor,
}

/// When a client is switched on. Hours are those of its site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Presence {
    /// Always.
    #[default]
    Always,
    /// On working days, from about `from` to about `to`; each start is a boot.
    OfficeHours {
        /// When the first arrive.
        #[serde(default = "morning")]
        from: Time,
        /// When the first leave.
        #[serde(default = "evening")]
        to: Time,
        /// Each day's arrival and leaving are later by a random part of this.
        #[serde(default = "half_an_hour")]
        spread: Seconds,
        /// Whether Saturday and Sunday are working days.
        #[serde(default)]
        weekends: bool,
    },
    /// In turns: about `here` on the network, about `away` without it (off or elsewhere); each return
    /// is a resume. Lengths are drawn from half to one and a half of the mean.
    Laptop {
        /// Mean time on the network.
        here: Seconds,
        /// Mean time away.
        away: Seconds,
    },
    /// On, but for one long time in between.
    PoweredOff {
        /// When it begins.
        from: Seconds,
        /// When it ends.
        until: Seconds,
    },
}

/// What a client is at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    /// Just installed, with its key.
    #[default]
    New,
    /// Activated already; last renewal at a random time within one renewal interval before the start.
    Activated,
}

/// The key that is installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Key {
    /// The client setup key of the product: KMS.
    #[default]
    Gvlk,
    /// A key that no host of the scenario covers: the host refuses with 0xC004F042.
    Wrong,
    /// None.
    None,
    /// A multiple activation key: activates over the internet, never asks a KMS host.
    Mak,
}

const fn yes() -> bool {
    true
}
const fn tolerance() -> f64 {
    0.3
}
const fn morning() -> Time {
    Time::constant(8, 0, 0, 0)
}
const fn evening() -> Time {
    Time::constant(17, 0, 0, 0)
}
const fn half_an_hour() -> Seconds {
    Seconds(1800)
}
