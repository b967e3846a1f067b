//! What a client goes by: its product's policy, and what Microsoft leaves open, by name.

use std::time::Duration;

use kms_protocol::kms::product::{Family, Grace, Product, VALIDITY_DAYS};
use kms_protocol::kms::{DEFAULT_ACTIVATION_INTERVAL_MINUTES, DEFAULT_RENEWAL_INTERVAL_MINUTES};

/// The rules of one product; many clients share one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Count that the licence needs (PLAN: 25 for Windows clients, 5 for the rest).
    pub n_policy: u32,
    /// Length of the initial and the additional period (TR-pol, OFF).
    pub grace: Grace,
    /// How long an activation holds: 180 days, not configurable in Windows (TR-pol).
    pub validity: Duration,
    /// The client's own activation interval, until a host tells its own (SLM: 120 minutes).
    pub activation_interval_minutes: u16,
    /// The client's own renewal interval, until a host tells its own (SLM: 7 days).
    pub renewal_interval_minutes: u16,
    /// How long a failed renewal makes the client watch for a network change (TR-time: 15 minutes).
    pub network_watch: Duration,
    /// Whether the host of the last success is remembered (SLM: on, `/ckhc` switches it off).
    pub host_caching: bool,
    /// Rearms that the first activation adds (OFF: one for Office).
    pub rearms_by_activation: u16,
    /// Whether an activated client renews at every start. Not documented clearly: no.
    pub renews_at_start: bool,
    /// The most that is added to an interval, at random, in whole seconds. Nothing is documented: none.
    pub jitter: Duration,
}

impl Rules {
    /// The documented rules for `product`.
    #[must_use]
    pub fn of(product: &Product) -> Self {
        let office = matches!(product.family, Family::Office | Family::Project | Family::Visio);
        Self {
            n_policy: product.n_policy,
            grace: product.grace,
            validity: Self::days(VALIDITY_DAYS),
            activation_interval_minutes: ACTIVATION_INTERVAL_MINUTES,
            renewal_interval_minutes: RENEWAL_INTERVAL_MINUTES,
            network_watch: Duration::from_secs(15 * 60),
            host_caching: true,
            rearms_by_activation: u16::from(office),
            renews_at_start: false,
            jitter: Duration::ZERO,
        }
    }

    pub(super) fn days(days: u16) -> Duration {
        Duration::from_secs(u64::from(days) * 86_400)
    }

    pub(super) fn minutes(minutes: u16) -> Duration {
        Duration::from_secs(u64::from(minutes) * 60)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "checked by a test: 120")]
const ACTIVATION_INTERVAL_MINUTES: u16 = DEFAULT_ACTIVATION_INTERVAL_MINUTES as u16;
#[allow(clippy::cast_possible_truncation, reason = "checked by a test: 10,080")]
const RENEWAL_INTERVAL_MINUTES: u16 = DEFAULT_RENEWAL_INTERVAL_MINUTES as u16;

#[cfg(test)]
mod tests {
    use super::*;
    use kms_protocol::kms::product::DEFAULT;

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let rules = Rules::of(DEFAULT);
        assert_eq!(
            (rules.activation_interval_minutes, rules.renewal_interval_minutes),
            (120, 10_080)
        );
        assert_eq!((rules.n_policy, rules.validity.as_secs() / 60), (25, 259_200));
        assert!(rules.host_caching && rules.jitter.is_zero());
    }
}
