//! What a scenario must lead to.

use serde::{Deserialize, Serialize};

use super::Seconds;

/// Something that is measured, and the range that it must be in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// A sentence to show; made up from the rest where it is missing.
    #[serde(default)]
    pub title: Option<String>,
    /// What is measured.
    pub metric: Metric,
    /// When.
    #[serde(flatten)]
    pub when: When,
    /// Only clients of these groups; none named: all of the sites that are named, or all.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Only clients of these sites.
    #[serde(default)]
    pub sites: Vec<String>,
    /// The host, for metrics of hosts.
    #[serde(default)]
    pub host: Option<String>,
    /// Licence states, for `clients` and `share`.
    #[serde(default)]
    pub states: Vec<LicenceState>,
    /// The event, for `events`.
    #[serde(default)]
    pub event: Option<EventKind>,
    /// Which application, for `count`.
    #[serde(default)]
    pub application: Application,
    /// Which percentile, for `time-to-first-activation`: over 0, at most 100.
    #[serde(default)]
    pub percentile: Option<f64>,
    /// The least that is right. Times are minutes.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// The most that is right.
    #[serde(default)]
    pub at_most: Option<f64>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Clients in one of the states. Over a window: at every sample in it.
    Clients,
    /// The same as a share of all, 0 to 1.
    Share,
    /// The count at the host. Over a window: at every sample in it.
    Count,
    /// Requests that reached the host: until the instant, or within the window.
    Requests,
    /// The most requests to the host in one minute: until the instant, or within the window.
    RequestsPerMinute,
    /// Events of the kind: until the instant, or within the window.
    Events,
    /// Minutes from first start to first activation, at the percentile; clients that never activate
    /// count as longer than any.
    TimeToFirstActivation,
}

/// When something is measured: `at = "30d"`, or `from = "30d"` and `until = "60d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum When {
    /// At an instant.
    At {
        /// Which.
        at: Seconds,
    },
    /// From one instant to another, both included.
    Window {
        /// Its first instant.
        from: Seconds,
        /// Its last instant.
        until: Seconds,
    },
}

/// A licence state by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LicenceState {
    /// 0.
    Unlicensed,
    /// 1.
    Licensed,
    /// 2.
    InitialGrace,
    /// 3.
    AdditionalGrace,
    /// 4.
    NonGenuineGrace,
    /// 5.
    Notification,
    /// 6.
    ExtendedGrace,
}

/// Which of a host's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Application {
    /// Windows, clients and servers.
    #[default]
    Windows,
    /// Office, Project and Visio.
    Office,
}

/// What can happen to a client. The order is that of the counters in samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// Switched on, or back on the network.
    Boot,
    /// Switched off, or off the network.
    Shutdown,
    /// A request reached a host and was answered, whatever the answer.
    Request,
    /// Not activated before, activated now; the first time and every other.
    Activated,
    /// Activated before, and again.
    Renewed,
    /// An attempt of a client that is not activated ended in vain.
    ActivationFailed,
    /// An attempt of an activated client ended in vain.
    RenewalFailed,
    /// The count was too low (0xC004F038).
    CountTooLow,
    /// DNS led nowhere.
    NoHostFound,
    /// One host did not answer.
    HostUnreachable,
    /// One host refused with an HRESULT.
    HostRefused,
    /// The remembered host failed, and was forgotten.
    CachedHostLost,
    /// A period of grace began.
    GraceBegan,
    /// Notifications began.
    NotificationBegan,
    /// The hardware is not the one that was activated.
    OutOfTolerance,
    /// Rearmed.
    Rearmed,
    /// Activated by MAK.
    MakActivated,
    /// No activation was left on the MAK.
    MakExhausted,
}

impl EventKind {
    /// All, in the order of the counters.
    pub const ALL: [Self; 18] = [
        Self::Boot,
        Self::Shutdown,
        Self::Request,
        Self::Activated,
        Self::Renewed,
        Self::ActivationFailed,
        Self::RenewalFailed,
        Self::CountTooLow,
        Self::NoHostFound,
        Self::HostUnreachable,
        Self::HostRefused,
        Self::CachedHostLost,
        Self::GraceBegan,
        Self::NotificationBegan,
        Self::OutOfTolerance,
        Self::Rearmed,
        Self::MakActivated,
        Self::MakExhausted,
    ];
}
