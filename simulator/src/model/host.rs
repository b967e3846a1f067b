//! The policy of a KMS host: whom it answers, what it counts, what it refuses.
//!
//! Sources: Microsoft's KMS activation planning pages for count, cache, expiry and intervals; the
//! order of the checks follows what is reported of hosts in the field.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::product::PRODUCTS;
use kms_protocol::kms::{
    DEFAULT_ACTIVATION_INTERVAL_MINUTES, DEFAULT_RENEWAL_INTERVAL_MINUTES, Hresult,
    INTERVAL_MINUTES_MAX, INTERVAL_MINUTES_MIN, Request,
};

use super::client_cache::{CAPACITY_MAX, CAPACITY_MIN};
use super::client_table::ClientTable;

/// One host: its policy and the clients that it remembers, per application.
#[derive(Clone, Debug)]
pub struct Host {
    policy: HostPolicy,
    /// Which application a counted id belongs to, sorted by counted id.
    catalogue: Vec<(Guid, Guid)>,
    /// Bounded by the catalogue: requests for other applications are refused before they are
    /// counted.
    clients: ClientTable,
}

/// What an operator can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPolicy {
    /// Whether the host itself is activated; otherwise it refuses every request.
    pub activated: bool,
    /// How often a client that is not activated tries again.
    pub activation_interval: IntervalMinutes,
    /// How often an activated client renews.
    pub renewal_interval: IntervalMinutes,
}

/// An interval that a host may hand to its clients: 15 minutes to 30 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntervalMinutes(u32);

/// An interval outside what a host may hand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntervalOutOfRange;

/// The part of a request that policy looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Application, which selects the count.
    pub app_id: Guid,
    /// Counted id, which selects the product.
    pub kms_id: Guid,
    /// Client machine id, what is counted.
    pub cmid: Guid,
    /// The threshold that the client needs.
    pub n_policy: u32,
    /// The client's clock, UTC.
    pub client_time: FileTime,
}

/// What the host answers.
pub type Decision = Result<Acceptance, Refusal>;

/// The client was recorded. Whether the count suffices is for the client to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// Distinct clients of the application, this one included.
    pub count: u32,
    /// How often to try again while not activated.
    pub activation_interval: IntervalMinutes,
    /// How often to renew once activated.
    pub renewal_interval: IntervalMinutes,
}

/// Why the host refused. A refused request changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The host is not activated itself.
    HostNotActivated,
    /// The client needs more clients than [`N_POLICY_MAX`].
    ThresholdTooHigh,
    /// The clocks differ by more than [`CLOCK_TOLERANCE`].
    ClockSkew,
    /// The counted id is not in the catalogue.
    UnknownProduct,
    /// The counted id belongs to another application.
    WrongApplication,
}

impl Host {
    /// A host that has seen no client.
    #[must_use]
    pub fn new(policy: HostPolicy) -> Self {
        Self::with_clients(policy, ClientTable::default())
    }

    /// A host that remembers `clients`.
    #[must_use]
    pub fn with_clients(policy: HostPolicy, clients: ClientTable) -> Self {
        let mut catalogue: Vec<(Guid, Guid)> =
            PRODUCTS.iter().map(|product| (product.kms_id, product.app_id)).collect();
        catalogue.sort_unstable();
        catalogue.dedup();
        Self { policy, catalogue, clients }
    }

    /// Decides one request at `now`, the host's clock. The client is recorded before the count is
    /// taken, so the first client of all is answered with 1.
    ///
    /// # Errors
    /// [`Refusal`]; the host is then unchanged.
    pub fn decide(&mut self, query: &Query, now: FileTime) -> Decision {
        if !self.policy.activated {
            return Err(Refusal::HostNotActivated);
        }
        if query.n_policy > N_POLICY_MAX {
            return Err(Refusal::ThresholdTooHigh);
        }
        if query.client_time.abs_diff(now) > CLOCK_TOLERANCE {
            return Err(Refusal::ClockSkew);
        }
        let app_id = self.application_of(query.kms_id).ok_or(Refusal::UnknownProduct)?;
        if app_id != query.app_id {
            return Err(Refusal::WrongApplication);
        }
        Ok(Acceptance {
            count: self.clients.record(app_id, query.cmid, query.n_policy, now),
            activation_interval: self.policy.activation_interval,
            renewal_interval: self.policy.renewal_interval,
        })
    }

    /// Remembers `clients` made-up clients of `app_id`, as if each had just asked; at most
    /// [`CAPACITY_MAX`] are kept. They expire like any other.
    pub fn prefill(&mut self, app_id: Guid, clients: u32, now: FileTime) {
        let n_policy = if clients as usize > CAPACITY_MIN { CAPACITY_MAX as u32 / 2 } else { 0 };
        for client in 0..clients.min(CAPACITY_MAX as u32) {
            let cmid = Guid::v5(&app_id, format!("prefilled client {client}").as_bytes());
            self.clients.record(app_id, cmid, n_policy, now);
        }
    }

    /// The count of `app_id` at `now`, without recording anything.
    #[must_use]
    pub fn count(&self, app_id: Guid, now: FileTime) -> u32 {
        self.clients.count(app_id, now)
    }

    /// The clients remembered.
    #[must_use]
    pub const fn clients(&self) -> &ClientTable {
        &self.clients
    }

    /// Decides by another policy from now on.
    pub const fn set_policy(&mut self, policy: HostPolicy) {
        self.policy = policy;
    }

    /// Forgets every client, as a restart does (KMS activation planning).
    pub fn forget(&mut self) {
        self.clients = ClientTable::default();
    }

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> &HostPolicy {
        &self.policy
    }

    fn application_of(&self, kms_id: Guid) -> Option<Guid> {
        let at = self.catalogue.binary_search_by_key(&kms_id, |(kms_id, _)| *kms_id).ok()?;
        self.catalogue.get(at).map(|(_, app_id)| *app_id)
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new(HostPolicy::default())
    }
}

impl Default for HostPolicy {
    fn default() -> Self {
        Self {
            activated: true,
            activation_interval: IntervalMinutes::ACTIVATION,
            renewal_interval: IntervalMinutes::RENEWAL,
        }
    }
}

impl IntervalMinutes {
    /// 15 minutes, the shortest that a host may hand out.
    pub const MIN: Self = Self(INTERVAL_MINUTES_MIN);
    /// 30 days, the longest that a host may hand out.
    pub const MAX: Self = Self(INTERVAL_MINUTES_MAX);
    /// Two hours: the documented default between attempts to activate.
    pub const ACTIVATION: Self = Self(DEFAULT_ACTIVATION_INTERVAL_MINUTES);
    /// Seven days: the documented default between renewals.
    pub const RENEWAL: Self = Self(DEFAULT_RENEWAL_INTERVAL_MINUTES);

    /// The interval in minutes.
    #[must_use]
    pub const fn minutes(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for IntervalMinutes {
    type Error = IntervalOutOfRange;

    fn try_from(minutes: u32) -> Result<Self, Self::Error> {
        let interval = Self(minutes);
        if (Self::MIN..=Self::MAX).contains(&interval) {
            Ok(interval)
        } else {
            Err(IntervalOutOfRange)
        }
    }
}

impl FromStr for IntervalMinutes {
    type Err = IntervalOutOfRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<u32>().map_err(|_| IntervalOutOfRange)?.try_into()
    }
}

impl fmt::Display for IntervalMinutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for IntervalOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not a number of minutes from {} to {}",
            IntervalMinutes::MIN,
            IntervalMinutes::MAX
        )
    }
}

impl std::error::Error for IntervalOutOfRange {}

impl From<&Request> for Query {
    fn from(request: &Request) -> Self {
        Self {
            app_id: request.app_id,
            kms_id: request.kms_id,
            cmid: request.cmid,
            n_policy: request.n_policy,
            client_time: request.client_time,
        }
    }
}

impl Refusal {
    /// What the client is told.
    #[must_use]
    pub const fn hresult(self) -> Hresult {
        match self {
            Self::HostNotActivated => Hresult::HOST_NOT_ACTIVATED,
            Self::ThresholdTooHigh => Hresult::INVALID_DATA,
            Self::ClockSkew => Hresult::INVALID_TIMESTAMP,
            Self::UnknownProduct | Self::WrongApplication => Hresult::PRODUCT_NOT_COVERED,
        }
    }

    /// The reason in a few words, for a log line.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::HostNotActivated => "host not activated",
            Self::ThresholdTooHigh => "threshold over 1000",
            Self::ClockSkew => "clocks more than 4 h apart",
            Self::UnknownProduct => "unknown product",
            Self::WrongApplication => "product of another application",
        }
    }
}

/// Largest threshold that is not refused.
pub const N_POLICY_MAX: u32 = 1000;

/// Largest difference of the two clocks, itself still accepted.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(4 * 3600);

#[cfg(test)]
mod tests;
