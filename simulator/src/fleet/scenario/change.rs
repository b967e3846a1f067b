//! What happens during a scenario.

use serde::{Deserialize, Serialize};

use super::Seconds;
use super::group::Key;

/// Something that begins at one time and, where it is a state, ends at another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// When it happens, or begins.
    pub at: Seconds,
    /// When it ends; without it, never. Not for what happens in an instant.
    #[serde(default)]
    pub until: Option<Seconds>,
    /// What.
    #[serde(flatten)]
    pub action: Action,
}

/// What happens. The first half concerns hosts, DNS and ways; the second half clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", tag = "what")]
pub enum Action {
    /// The host is off. Its table is kept.
    HostDown {
        /// Which.
        host: String,
        /// How it shows: a machine that is gone is silent, a stopped service refuses.
        #[serde(default)]
        as_seen: Rejection,
    },
    /// The host forgets its clients (Microsoft's planning page says so of a restart).
    HostForgets {
        /// Which.
        host: String,
    },
    /// The host is not activated: it refuses with 0xC004F041.
    HostNotActivated {
        /// Which.
        host: String,
    },
    /// The host's clock is off.
    HostClock {
        /// Which.
        host: String,
        /// How far it is ahead, in seconds; negative: behind.
        offset_s: i64,
    },
    /// The host tells other intervals.
    HostIntervals {
        /// Which.
        host: String,
        /// To clients that are not activated.
        activation_interval: Seconds,
        /// To clients that are.
        renewal_interval: Seconds,
    },
    /// DNS fails a site's clients.
    DnsDown {
        /// Whose.
        site: String,
        /// How.
        #[serde(default)]
        failure: DnsFailure,
    },
    /// DNS lists this instead.
    DnsRecords {
        /// To whose clients.
        site: String,
        /// What it lists.
        records: Vec<super::Record>,
    },
    /// A firewall closes the way from a site's clients to the hosts of another (or the same).
    Firewall {
        /// The clients' site.
        from: String,
        /// The hosts' site.
        to: String,
        /// How it shows.
        #[serde(default)]
        as_seen: Rejection,
    },
    /// The clients' clocks are off.
    ClientClock {
        /// Whose.
        group: String,
        /// How far they are ahead, in seconds; negative: behind.
        offset_s: i64,
    },
    /// Another key is installed, in an instant.
    InstallKey {
        /// By which group.
        group: String,
        /// Which.
        key: Key,
    },
    /// The host is set by name (`slmgr /skms`), or discovery again without one (`/ckms`).
    FixedHost {
        /// By which group.
        group: String,
        /// Which host.
        #[serde(default)]
        host: Option<String>,
    },
    /// `slmgr /ato`.
    Activate {
        /// By which group.
        group: String,
    },
    /// `slmgr /rearm` and the restart; a shared CMID is then a CMID of one's own.
    Rearm {
        /// By which group.
        group: String,
    },
    /// So large a change of hardware that any fingerprint sees it.
    HardwareChange {
        /// Of which group.
        group: String,
        /// Of what share of its clients: 0 to 1.
        #[serde(default = "all")]
        share: f64,
    },
    /// The network changes, which a client that watches for it takes as an occasion.
    NetworkChange {
        /// Of which group.
        group: String,
    },
    /// All are switched off until the end.
    PowerOff {
        /// Which group.
        group: String,
    },
    /// A restart, in an instant.
    Reboot {
        /// Of which group.
        group: String,
    },
}

/// How a closed way or a dead host looks from the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rejection {
    /// Nothing comes back.
    #[default]
    Silent,
    /// The connection is refused.
    Refused,
}

/// How DNS fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsFailure {
    /// Nothing comes back.
    #[default]
    Silent,
    /// The name does not exist.
    Nxdomain,
    /// The name has no such record.
    Nodata,
    /// The server fails.
    Servfail,
    /// The server refuses.
    Refused,
}

const fn all() -> f64 {
    1.0
}
