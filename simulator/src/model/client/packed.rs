//! A client's life in 32 bytes, for fleets of millions: times as whole seconds since a start.

use kms_protocol::filetime::FileTime;
use kms_protocol::kms::Hresult;

use super::{Lifecycle, Rules, State};

/// A [`Lifecycle`] whose times are whole seconds within 136 years after a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed {
    next_attempt: u32,
    /// The end of the state, or the reason of a notification.
    until_or_reason: u32,
    watching_until: u32,
    last_result: u32,
    cached_host: u16,
    activation_interval_minutes: u16,
    renewal_interval_minutes: u16,
    rearms_left: u16,
    status: u8,
    was_activated: bool,
}

impl Packed {
    /// `life` in short; its times must be whole seconds after `start`.
    #[must_use]
    pub fn pack(life: &Lifecycle<u16>, start: FileTime) -> Self {
        let seconds = |time: Option<FileTime>| time.map_or(NEVER, |time| seconds(start, time));
        #[allow(clippy::cast_possible_truncation, reason = "0 to 6")]
        let status = life.state.status().0 as u8;
        Self {
            next_attempt: seconds(life.next_attempt),
            until_or_reason: match life.state {
                State::Notification { reason } => reason.0,
                state => seconds(state.until()),
            },
            watching_until: seconds(life.watching_until),
            last_result: life.last_result.0,
            cached_host: life.cached_host.unwrap_or(NO_HOST),
            activation_interval_minutes: life.activation_interval_minutes,
            renewal_interval_minutes: life.renewal_interval_minutes,
            rearms_left: life.rearms_left,
            status,
            was_activated: life.was_activated,
        }
    }

    /// The life that was packed.
    #[must_use]
    pub fn unpack(&self, start: FileTime) -> Lifecycle<u16> {
        let time = |seconds: u32| (seconds != NEVER).then(|| at(start, seconds));
        let until = time(self.until_or_reason).unwrap_or(State::FOREVER);
        Lifecycle {
            state: match self.status {
                0 => State::Unlicensed,
                1 => State::Licensed { until },
                2 => State::InitialGrace { until },
                3 => State::AdditionalGrace { until },
                4 => State::NonGenuineGrace { until },
                6 => State::ExtendedGrace { until },
                _ => State::Notification { reason: Hresult(self.until_or_reason) },
            },
            next_attempt: time(self.next_attempt),
            watching_until: time(self.watching_until),
            cached_host: self.cached_host(),
            last_result: Hresult(self.last_result),
            activation_interval_minutes: self.activation_interval_minutes,
            renewal_interval_minutes: self.renewal_interval_minutes,
            rearms_left: self.rearms_left,
            was_activated: self.was_activated,
        }
    }

    /// The licence state, 0 to 6, as of the last event.
    #[must_use]
    pub const fn status(&self) -> usize {
        self.status as usize
    }

    /// The host that is tried first.
    #[must_use]
    pub const fn cached_host(&self) -> Option<u16> {
        if self.cached_host == NO_HOST { None } else { Some(self.cached_host) }
    }

    /// When something is to be done next; [`NEVER`]. A client that is off attempts nothing.
    #[must_use]
    pub const fn next_due(&self, is_on: bool) -> u32 {
        let until = if self.status == NOTIFICATION { NEVER } else { self.until_or_reason };
        if is_on && self.next_attempt < until { self.next_attempt } else { until }
    }

    /// The host to ask, where nothing but a renewal at the remembered host is due at `now`.
    #[must_use]
    pub const fn renews_at(&self, now: u32) -> Option<u16> {
        let is_due = self.next_attempt <= now && self.status == LICENSED;
        // Who was activated by MAK before is for the long way.
        if is_due
            && self.until_or_reason > now
            && self.until_or_reason != NEVER
            && self.was_activated
        {
            self.cached_host()
        } else {
            None
        }
    }

    /// The renewal that [`Packed::renews_at`] announced has succeeded at `now`; intervals are legal.
    pub const fn renewed(
        &mut self,
        now: u32,
        validity_s: u32,
        jitter_s: u32,
        intervals_minutes: (u16, u16),
    ) {
        (self.activation_interval_minutes, self.renewal_interval_minutes) = intervals_minutes;
        self.until_or_reason = now.saturating_add(validity_s);
        self.watching_until = NEVER;
        self.last_result = 0;
        let interval_s = self.renewal_interval_minutes as u32 * 60;
        self.next_attempt = now.saturating_add(interval_s).saturating_add(jitter_s);
    }
}

/// What is added to an interval, in whole seconds, for a random number.
#[must_use]
pub fn jitter_s(rules: &Rules, draw: u32) -> u32 {
    let jitter_s = u128::from(rules.jitter.as_secs()) * u128::from(draw) / u128::from(u32::MAX);
    u32::try_from(jitter_s).unwrap_or(u32::MAX)
}

fn at(start: FileTime, seconds: u32) -> FileTime {
    start.saturating_add(std::time::Duration::from_secs(seconds.into()))
}

/// Whole seconds from `start` to `time`, rounded up.
fn seconds(start: FileTime, time: FileTime) -> u32 {
    let ticks = time.ticks().saturating_sub(start.ticks());
    u32::try_from(ticks.div_ceil(TICKS_PER_SECOND)).unwrap_or(NEVER)
}

/// No time.
pub const NEVER: u32 = u32::MAX;
const NO_HOST: u16 = u16::MAX;
const LICENSED: u8 = 1;
const NOTIFICATION: u8 = 5;
const TICKS_PER_SECOND: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use kms_protocol::kms::product::PRODUCTS;
    use proptest::prelude::*;

    use super::super::{Answer, Event};
    use super::*;

    fn any_event() -> impl Strategy<Value = Event<u16>> {
        prop_oneof![
            Just(Event::Tick),
            Just(Event::Start),
            Just(Event::Activate),
            Just(Event::CachedHostFailed),
            Just(Event::HardwareChange),
            Just(Event::Rearm),
            Just(Event::InstallKey),
            Just(Event::RemoveKey),
            Just(Event::MakActivated),
            Just(Event::MakExhausted),
            any::<u32>().prop_map(|code| Event::Failed(Hresult(code))),
            (0_u16..9, 0_u32..60, 15_u32..43_200, 15_u32..43_200).prop_map(
                |(host, count, activation, renewal)| Event::Answered(Answer {
                    host,
                    count,
                    activation_interval_minutes: activation,
                    renewal_interval_minutes: renewal,
                })
            ),
        ]
    }

    proptest! {
        /// Whatever happens to a client, it is the same one after packing; and where the short way
        /// is open, it leads where the long one does.
        #[test]
        fn packing_loses_nothing_and_the_short_renewal_is_the_long_one(
            which in 0..PRODUCTS.len(),
            jitter_s_max in 0_u64..100_000,
            events in prop::collection::vec((any_event(), 0_u32..30 * 86_400, any::<u32>()), 1..40),
            (activation, renewal) in (15_u16..=43_200, 15_u16..=43_200),
        ) {
            let start = FileTime::from_ticks(134_000_000_000_000_000);
            let mut rules = Rules::of(&PRODUCTS[which]);
            rules.jitter = std::time::Duration::from_secs(jitter_s_max);
            let mut life = Lifecycle::new(&rules, start);
            let mut now = 0;
            for (event, later, draw) in events {
                now += later;
                life.handle(&rules, at(start, now), draw, event);
                let packed = Packed::pack(&life, start);
                prop_assert_eq!(&packed.unpack(start), &life);
                prop_assert_eq!(packed.status() as u32, life.state().status().0);
                let due = life.next_due().map_or(NEVER, |due| seconds(start, due));
                prop_assert_eq!(packed.next_due(true), due);
                let Some(host) = packed.renews_at(now) else { continue };
                prop_assert!(life.is_attempt_due(at(start, now)));
                let mut short = packed;
                let validity_s = u32::try_from(rules.validity.as_secs()).unwrap_or(0);
                short.renewed(now, validity_s, jitter_s(&rules, draw), (activation, renewal));
                let mut long = life.clone();
                long.handle(&rules, at(start, now), draw, Event::Tick);
                long.handle(&rules, at(start, now), draw, Event::Answered(Answer {
                    host,
                    count: rules.n_policy,
                    activation_interval_minutes: activation.into(),
                    renewal_interval_minutes: renewal.into(),
                }));
                prop_assert_eq!(short.unpack(start), long);
            }
        }
    }
}
