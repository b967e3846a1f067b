//! The licence states 0 to 6 (TR-wmi, `LicenseStatus`), each with what belongs to it.

use kms_protocol::filetime::FileTime;
use kms_protocol::kms::{Hresult, LicenseStatus};

use super::Rules;

/// A licence state. Every one but the first and notification ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// 0: no key, nothing to activate.
    Unlicensed,
    /// 1: activated.
    Licensed {
        /// When the activation runs out unless it is renewed; [`State::FOREVER`] for a MAK.
        until: FileTime,
    },
    /// 2: not yet activated, and working (OOB grace).
    InitialGrace {
        /// When notifications begin.
        until: FileTime,
    },
    /// 3: the activation ran out, or the hardware changed (OOT grace).
    AdditionalGrace {
        /// When notifications begin.
        until: FileTime,
    },
    /// 4: validation failed. No event here leads to it: a scenario starts in it.
    NonGenuineGrace {
        /// When notifications begin.
        until: FileTime,
    },
    /// 5: the user is told to activate.
    Notification {
        /// Why.
        reason: Hresult,
    },
    /// 6: extended grace. What leads to it is not documented: a scenario starts in it.
    ExtendedGrace {
        /// When notifications begin.
        until: FileTime,
    },
}

impl State {
    /// The end of an activation that has none, which is that of a MAK.
    pub const FOREVER: FileTime = FileTime::from_ticks(u64::MAX);

    /// The state of a client whose key has just been installed. TR-pol: Windows 8.1 and later have
    /// no initial grace.
    pub(super) fn initial(rules: &Rules, now: FileTime) -> Self {
        match rules.grace.initial_days {
            0 => Self::Notification { reason: NOT_ACTIVATED },
            days => Self::InitialGrace { until: now.saturating_add(Rules::days(days)) },
        }
    }

    /// The state after an activation: additional grace where the product has one (TR-pol, OFF: 30
    /// days for Office; Windows 8.1 and later have none), or notification for `reason`.
    pub(super) fn additional(rules: &Rules, from: FileTime, reason: Hresult) -> Self {
        match rules.grace.additional_days {
            0 => Self::Notification { reason },
            days => Self::AdditionalGrace { until: from.saturating_add(Rules::days(days)) },
        }
    }

    /// The state at `now`, when nothing but time has passed. A state ends at its instant, and the
    /// next one counts from there, so that it does not matter when somebody looks.
    #[must_use]
    pub(super) fn at(self, rules: &Rules, now: FileTime) -> Self {
        match self {
            Self::Licensed { until } if until <= now => {
                Self::additional(rules, until, GRACE_TIME_EXPIRED).at(rules, now)
            }
            Self::NonGenuineGrace { until } if until <= now => {
                Self::Notification { reason: NON_GENUINE_GRACE_EXPIRED }
            }
            Self::InitialGrace { until }
            | Self::AdditionalGrace { until }
            | Self::ExtendedGrace { until }
                if until <= now =>
            {
                Self::Notification { reason: GRACE_TIME_EXPIRED }
            }
            // Not documented: a clock that is set back makes no activation longer than one is.
            Self::Licensed { until } if until != Self::FOREVER => {
                Self::Licensed { until: until.min(now.saturating_add(rules.validity)) }
            }
            state => state,
        }
    }

    /// The number that requests and tools show.
    #[must_use]
    pub const fn status(self) -> LicenseStatus {
        match self {
            Self::Unlicensed => LicenseStatus::UNLICENSED,
            Self::Licensed { .. } => LicenseStatus::LICENSED,
            Self::InitialGrace { .. } => LicenseStatus::OOB_GRACE,
            Self::AdditionalGrace { .. } => LicenseStatus::OOT_GRACE,
            Self::NonGenuineGrace { .. } => LicenseStatus::NON_GENUINE_GRACE,
            Self::Notification { .. } => LicenseStatus::NOTIFICATION,
            Self::ExtendedGrace { .. } => LicenseStatus::EXTENDED_GRACE,
        }
    }

    /// Whether the client is activated.
    #[must_use]
    pub const fn is_licensed(self) -> bool {
        matches!(self, Self::Licensed { .. })
    }

    /// When the state ends by itself.
    #[must_use]
    pub fn until(self) -> Option<FileTime> {
        match self {
            Self::Unlicensed | Self::Notification { .. } => None,
            Self::Licensed { until }
            | Self::InitialGrace { until }
            | Self::AdditionalGrace { until }
            | Self::NonGenuineGrace { until }
            | Self::ExtendedGrace { until } => Some(until).filter(|until| *until != Self::FOREVER),
        }
    }

    /// Whole minutes until the state ends, as a request carries them; 0 where it has no end.
    #[must_use]
    pub fn minutes_left(self, now: FileTime) -> u32 {
        let ticks = self.until().map_or(0, |until| until.ticks().saturating_sub(now.ticks()));
        u32::try_from(ticks / TICKS_PER_MINUTE).unwrap_or(u32::MAX)
    }
}

const TICKS_PER_MINUTE: u64 = 60 * 10_000_000;

/// SL_E_GRACE_TIME_EXPIRED, what slmgr gives as the notification's reason.
const GRACE_TIME_EXPIRED: Hresult = Hresult(0xC004_F009);
/// SL_E_NONGENUINE_GRACE_TIME_EXPIRED.
const NON_GENUINE_GRACE_EXPIRED: Hresult = Hresult(0xC004_F064);
/// SL_E_VL_MACHINE_NOT_BOUND: the reason of a KMS client that was never activated.
const NOT_ACTIVATED: Hresult = Hresult(0xC004_F056);
