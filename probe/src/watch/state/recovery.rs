//! When the recovery command runs: at once when a target is confirmed to be bad, then with a
//! back-off that doubles, never more often in an hour or an outage than it may.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Decision, Level, Occasion};
use crate::watch::moment::Moment;

/// When the recovery command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryRules {
    /// The level from which on it does.
    pub from: Level,
    /// The wait after the first attempt that did not help; each further one is twice as long.
    pub backoff: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
    /// Attempts in an hour, at most [`RecoveryRules::PER_HOUR_MAX`].
    pub per_hour: usize,
    /// Attempts in one outage.
    pub attempts: u32,
    /// From the end of the command to the check that says whether it helped.
    pub verify_after: Duration,
}

/// What has been tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recovery {
    phase: Phase,
    /// In this outage.
    attempts: u32,
    /// Starts within the last hour, of all outages.
    started: VecDeque<Moment>,
    /// When the last verification was made.
    verified: Option<Moment>,
    has_given_up: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    #[default]
    Idle,
    /// The command is to be run at this instant.
    Due(Moment),
    /// It runs.
    Running,
    /// It has ended, and the check is to be made at this instant.
    Verifying(Moment),
}

impl RecoveryRules {
    /// Upper bound of the attempts in an hour.
    pub const PER_HOUR_MAX: usize = 60;

    fn wait_after(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        self.backoff.saturating_mul(1 << doublings).min(self.backoff_max)
    }
}

impl Recovery {
    /// Decides at `now`. `confirmed` is the state that is believed, `seen` what a check saw just now.
    pub(super) fn poll(
        &mut self,
        now: Moment,
        confirmed: Option<Level>,
        seen: Option<Level>,
        rules: &RecoveryRules,
    ) -> Vec<Decision> {
        if confirmed.is_none_or(|level| level < rules.from) {
            self.end_outage();
            return Vec::new();
        }
        if self.phase == Phase::Idle && seen.is_some_and(|level| level >= rules.from) {
            if self.attempts >= rules.attempts {
                let is_first = !std::mem::replace(&mut self.has_given_up, true);
                let alert = Decision::Alert(Occasion::RecoveryFailed);
                return is_first.then_some(alert).into_iter().collect();
            }
            let waited = self.verified.map(|at| at.after(rules.wait_after(self.attempts)));
            self.phase = Phase::Due(waited.filter(|_| self.attempts > 0).unwrap_or(now));
        }
        match self.phase {
            Phase::Due(at) if at <= now => self.begin(now, rules).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn begin(&mut self, now: Moment, rules: &RecoveryRules) -> Option<Decision> {
        // A start in the future is one of a clock that has been set back: it counts.
        self.started.retain(|at| *at > now.before(HOUR));
        while self.started.len() > RecoveryRules::PER_HOUR_MAX {
            self.started.pop_front();
        }
        if self.started.len() >= rules.per_hour {
            let index = self.started.len() - rules.per_hour;
            let earliest = self.started.get(index).copied().unwrap_or(now);
            // A clock that has been set back must not make it wait for longer than an hour.
            self.phase = Phase::Due(earliest.min(now).after(HOUR));
            return None;
        }
        self.started.push_back(now);
        self.attempts = self.attempts.saturating_add(1);
        self.phase = Phase::Running;
        Some(Decision::Recover { attempt: self.attempts })
    }

    pub(super) fn command_ended(&mut self, now: Moment, rules: Option<&RecoveryRules>) {
        if self.phase == Phase::Running {
            self.phase =
                rules.map_or(Phase::Idle, |it| Phase::Verifying(now.after(it.verify_after)));
        }
    }

    /// The check after the command: which attempt that was, and whether it helped.
    pub(super) fn verified(
        &mut self,
        now: Moment,
        level: Level,
        rules: &RecoveryRules,
    ) -> Option<(u32, bool)> {
        let Phase::Verifying(_) = self.phase else { return None };
        self.phase = Phase::Idle;
        self.verified = Some(now);
        Some((self.attempts, level < rules.from))
    }

    fn end_outage(&mut self) {
        self.has_given_up = false;
        // A command that runs, or waits to be verified, is brought to its end.
        if matches!(self.phase, Phase::Idle | Phase::Due(_)) {
            self.phase = Phase::Idle;
            self.attempts = 0;
        }
    }

    pub(super) const fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(super) fn running(&self) -> Option<u32> {
        (self.phase == Phase::Running).then_some(self.attempts)
    }

    pub(super) const fn next_wake(&self) -> Option<Moment> {
        match self.phase {
            Phase::Due(at) | Phase::Verifying(at) => Some(at),
            Phase::Idle | Phase::Running => None,
        }
    }

    pub(super) const fn verification_due(&self) -> Option<Moment> {
        match self.phase {
            Phase::Verifying(at) => Some(at),
            _ => None,
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);
