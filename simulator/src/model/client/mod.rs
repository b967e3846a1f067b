//! One volume-licence client over time: its licence state, its timers and the host it remembers.
//!
//! Pure: the client's clock and a random number are parameters, and what a host answered comes in as
//! an [`Event`]. Whoever owns the wire, or simulates it, calls [`Lifecycle::handle`] with each event,
//! waits until [`Lifecycle::next_due`], and makes an attempt when [`Lifecycle::is_attempt_due`] says
//! so: at the remembered host first, then at what DNS leads to.
//!
//! Sources are named in short at each rule: TN-time and TR-time are Microsoft's "KMS Activation
//! Timing and Discovery" for Windows 7 and for Windows 8.1 and later, TR-pol "Activation Policy
//! Values", SLM "Slmgr.vbs options", CLI "Activate clients running Windows", ERR "Troubleshoot Windows
//! activation error codes", OFF "Volume activation of Office", TR-wmi "WMI Properties and Methods".

mod choice;
pub mod packed;
mod rules;
mod state;

#[cfg(test)]
mod tests;

pub use choice::{Candidate, order};
pub use rules::Rules;
pub use state::State;

use std::time::Duration;

use kms_protocol::filetime::FileTime;
use kms_protocol::kms::{Hresult, INTERVAL_MINUTES_MAX, INTERVAL_MINUTES_MIN};

/// A client. `H` is how a host is named: a name and port on the wire, an index in a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle<H> {
    state: State,
    next_attempt: Option<FileTime>,
    watching_until: Option<FileTime>,
    cached_host: Option<H>,
    last_result: Hresult,
    activation_interval_minutes: u16,
    renewal_interval_minutes: u16,
    rearms_left: u16,
    was_activated: bool,
}

/// What happens to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<H> {
    /// Time has passed.
    Tick,
    /// The machine, or its Software Protection service, starts.
    Start,
    /// Somebody runs `slmgr /ato`.
    Activate,
    /// The network changed.
    NetworkChange,
    /// The remembered host did not answer; the attempt goes on elsewhere.
    CachedHostFailed,
    /// The attempt ended with an answer.
    Answered(Answer<H>),
    /// The attempt ended without one: what `slmgr /ato` would show.
    Failed(Hresult),
    /// The hardware is no longer the one that was activated.
    HardwareChange,
    /// `slmgr /rearm`, and the restart that it needs.
    Rearm,
    /// A client setup key is installed.
    InstallKey,
    /// The key is removed.
    RemoveKey,
    /// The internet activated it by MAK: without an end.
    MakActivated,
    /// The internet refused, as no activation was left on the MAK (ERR, 0xC004C020).
    MakExhausted,
}

/// What a host answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<H> {
    /// Who.
    pub host: H,
    /// Clients that it has counted.
    pub count: u32,
    /// Its activation interval, in minutes, whatever was sent.
    pub activation_interval_minutes: u32,
    /// Its renewal interval, in minutes, whatever was sent.
    pub renewal_interval_minutes: u32,
}

impl<H: Clone> Lifecycle<H> {
    /// A client whose setup key has just been installed. It is due to try at once.
    #[must_use]
    pub fn new(rules: &Rules, now: FileTime) -> Self {
        Self {
            state: State::Unlicensed,
            next_attempt: None,
            watching_until: None,
            cached_host: None,
            last_result: Hresult::OK,
            // SLM, TR-reg: a client starts with its own values.
            activation_interval_minutes: rules.activation_interval_minutes,
            renewal_interval_minutes: rules.renewal_interval_minutes,
            rearms_left: rules.grace.rearm_limit,
            was_activated: false,
        }
        .with_key(rules, now)
    }

    /// The same client in another state, such as one that no documented event leads to.
    #[must_use]
    pub fn in_state(mut self, state: State, now: FileTime) -> Self {
        self.state = state;
        self.next_attempt = (state != State::Unlicensed).then_some(now);
        self
    }

    /// Takes one event. `draw` is a random number, which only a jitter makes use of.
    pub fn handle(&mut self, rules: &Rules, now: FileTime, draw: u32, event: Event<H>) {
        self.pass_time(rules, now);
        match event {
            Event::Tick => {}
            Event::Start => self.start(rules, now),
            Event::Activate => self.try_at(now),
            // TR-time, TN-time: for 15 minutes after a failed renewal, a network change is an
            // occasion to try.
            Event::NetworkChange if self.watching_until.is_some_and(|end| now < end) => {
                self.try_at(now);
            }
            Event::NetworkChange => {}
            // CLI: a client whose remembered host fails discovers anew.
            Event::CachedHostFailed => self.cached_host = None,
            _ if self.state == State::Unlicensed && !matches!(event, Event::InstallKey) => {}
            Event::Answered(answer) => self.answered(rules, now, draw, answer),
            Event::Failed(result) => self.failed(rules, now, draw, result),
            Event::HardwareChange => self.hardware_changed(rules, now),
            Event::Rearm => self.rearm(rules, now),
            Event::InstallKey => {
                if self.state == State::Unlicensed {
                    *self = self.clone().with_key(rules, now);
                }
            }
            // ERR, 0xC004F014: without a key there is nothing to activate.
            Event::RemoveKey => {
                self.state = State::Unlicensed;
                (self.next_attempt, self.watching_until) = (None, None);
            }
            Event::MakActivated => {
                self.state = State::Licensed { until: State::FOREVER };
                self.last_result = Hresult::OK;
                (self.next_attempt, self.watching_until) = (None, None);
            }
            // Not documented: nothing is tried again before the next start or `/ato`.
            Event::MakExhausted => {
                self.last_result = Hresult(MAK_EXHAUSTED);
                self.next_attempt = None;
            }
        }
    }

    /// When something is to be done next: an attempt, or the end of a state. `None`: never by itself.
    #[must_use]
    pub fn next_due(&self) -> Option<FileTime> {
        [self.next_attempt, self.state.until()].into_iter().flatten().min()
    }

    /// Whether an attempt is due.
    #[must_use]
    pub fn is_attempt_due(&self, now: FileTime) -> bool {
        self.next_attempt.is_some_and(|due| due <= now)
    }

    /// The licence state, as of the last event.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// When the next attempt is due.
    #[must_use]
    pub const fn next_attempt(&self) -> Option<FileTime> {
        self.next_attempt
    }

    /// The host of the last success, which is tried first.
    #[must_use]
    pub const fn cached_host(&self) -> Option<&H> {
        self.cached_host.as_ref()
    }

    /// What the last attempt came to.
    #[must_use]
    pub const fn last_result(&self) -> Hresult {
        self.last_result
    }

    /// Minutes between attempts while not activated.
    #[must_use]
    pub const fn activation_interval_minutes(&self) -> u16 {
        self.activation_interval_minutes
    }

    /// Minutes between renewals.
    #[must_use]
    pub const fn renewal_interval_minutes(&self) -> u16 {
        self.renewal_interval_minutes
    }

    /// How often the initial period can still be started again.
    #[must_use]
    pub const fn rearms_left(&self) -> u16 {
        self.rearms_left
    }

    fn with_key(mut self, rules: &Rules, now: FileTime) -> Self {
        self.state = State::initial(rules, now);
        self.try_at(now);
        self
    }

    fn try_at(&mut self, now: FileTime) {
        if self.state != State::Unlicensed {
            self.next_attempt = Some(now);
        }
    }

    /// Lets states run out, one after the other.
    fn pass_time(&mut self, rules: &Rules, now: FileTime) {
        self.state = self.state.at(rules, now);
        // Not documented: a clock that is set back puts off no attempt beyond one interval.
        let longest = self.activation_interval_minutes.max(self.renewal_interval_minutes);
        let latest = now.saturating_add(Rules::minutes(longest)).saturating_add(rules.jitter);
        self.next_attempt = self.next_attempt.map(|due| due.min(latest));
    }

    /// TN-time: a client tries at startup. Read as: one that is not activated; an activated one goes
    /// by its renewal interval unless `renews_at_start` is set.
    fn start(&mut self, rules: &Rules, now: FileTime) {
        if rules.renews_at_start || !self.state.is_licensed() {
            self.try_at(now);
        }
    }

    fn answered(&mut self, rules: &Rules, now: FileTime, draw: u32, answer: Answer<H>) {
        self.take_intervals(&answer);
        // PLAN, CLI: the client compares the count with what its licence needs. ERR: below it, the
        // result is 0xC004F038, and the client tries again.
        if answer.count < rules.n_policy {
            self.failed(rules, now, draw, Hresult::NOT_ENOUGH_COUNT);
            return;
        }
        // TR-pol, PLAN: each success starts the validity anew.
        self.state = State::Licensed { until: now.saturating_add(rules.validity) };
        self.last_result = Hresult::OK;
        self.watching_until = None;
        // SLM: caching is on unless /ckhc has switched it off.
        self.cached_host = rules.host_caching.then_some(answer.host);
        // OFF, "Rearm": a KMS activation adds one rearm to Office's five.
        if !std::mem::replace(&mut self.was_activated, true) {
            self.rearms_left = self.rearms_left.saturating_add(rules.rearms_by_activation);
        }
        self.schedule(rules, now, draw, self.renewal_interval_minutes);
    }

    /// SLM, TR-reg: the host's intervals take the place of the client's own. Not documented: values
    /// outside the range of the setters are left where they are.
    fn take_intervals(&mut self, answer: &Answer<H>) {
        let legal = |minutes: u32| {
            let range = INTERVAL_MINUTES_MIN..=INTERVAL_MINUTES_MAX;
            u16::try_from(minutes).ok().filter(|_| range.contains(&minutes))
        };
        if let Some(minutes) = legal(answer.activation_interval_minutes) {
            self.activation_interval_minutes = minutes;
        }
        if let Some(minutes) = legal(answer.renewal_interval_minutes) {
            self.renewal_interval_minutes = minutes;
        }
    }

    /// TR-time, TN-time: what failed is tried again every activation interval, whether it was the
    /// first activation or a renewal; grace and notification states alike.
    fn failed(&mut self, rules: &Rules, now: FileTime, draw: u32, result: Hresult) {
        self.last_result = result;
        if self.state.is_licensed() {
            self.watching_until = Some(now.saturating_add(rules.network_watch));
        }
        self.schedule(rules, now, draw, self.activation_interval_minutes);
    }

    fn schedule(&mut self, rules: &Rules, now: FileTime, draw: u32, interval_minutes: u16) {
        let jitter_s = u128::from(rules.jitter.as_secs()) * u128::from(draw) / u128::from(u32::MAX);
        let jitter = Duration::from_secs(u64::try_from(jitter_s).unwrap_or(u64::MAX));
        let interval = Rules::minutes(interval_minutes);
        self.next_attempt = Some(now.saturating_add(interval).saturating_add(jitter));
    }

    /// TR-wmi, state 3; ERR, 0xC004F00F: out of tolerance. A restart or /ato activates again, so the
    /// next attempt is due at once: hardware changes while the machine is off.
    fn hardware_changed(&mut self, rules: &Rules, now: FileTime) {
        if self.state.is_licensed() {
            self.state = State::additional(rules, now, Hresult(OUT_OF_TOLERANCE));
            self.last_result = Hresult(OUT_OF_TOLERANCE);
            self.try_at(now);
        }
    }

    /// SLM, TR-pol: a rearm starts the initial period again, so many times. Not documented: what a
    /// rearm at the limit does; here nothing.
    fn rearm(&mut self, rules: &Rules, now: FileTime) {
        if let Some(left) = self.rearms_left.checked_sub(1) {
            self.rearms_left = left;
            self.cached_host = None;
            self.watching_until = None;
            *self = self.clone().with_key(rules, now);
        }
    }
}

/// SL_E_OUT_OF_TOLERANCE.
const OUT_OF_TOLERANCE: u32 = 0xC004_F00F;
/// SL_E_CHPA_DMAK_LIMIT_EXCEEDED.
const MAK_EXHAUSTED: u32 = 0xC004_C020;
