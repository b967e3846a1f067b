//! What is known of one target from one address, and what follows from each check of it.
//!
//! Pure: observations and instants go in, [`Decision`]s come out. [`Memory`] is all that lasts; it is
//! stored after every observation, so that a restart goes on where the process ended.

mod confirm;
mod flapping;
mod recovery;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::confirm::ConfirmRules;
use self::confirm::Window;
pub use self::flapping::FlapRules;
use self::flapping::Flapping;
use self::recovery::Recovery;
pub use self::recovery::RecoveryRules;
use super::moment::Moment;
use crate::verdict::Severity;

/// How well a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Healthy, or nothing that somebody has to act on.
    Up,
    /// Works, or works in part.
    Degraded,
    /// Clients cannot activate.
    Down,
}

/// What one check saw, as far as decisions depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// How well the target was.
    pub level: Level,
    /// The worst verdict.
    pub verdict: String,
}

/// A state that enough checks have seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Level and verdict.
    #[serde(flatten)]
    pub seen: Sighting,
    /// When it was confirmed.
    pub since: Moment,
}

/// How to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// When a change is believed.
    pub confirm: ConfirmRules,
    /// When a target is said to flap; `None` is never.
    pub flapping: Option<FlapRules>,
    /// When the recovery command runs; `None` where there is none.
    pub recovery: Option<RecoveryRules>,
}

/// Everything that lasts from check to check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    confirmed: Option<Condition>,
    window: Window,
    flapping: Flapping,
    recovery: Recovery,
}

/// What follows from a check or from the passing of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The confirmed state is another one.
    Changed {
        /// Before; `None` at the first.
        from: Option<Condition>,
        /// From now on.
        to: Condition,
        /// Whether nobody is told, since the target flaps.
        is_held: bool,
    },
    /// Somebody has to be told.
    Alert(Occasion),
    /// The recovery command is to be run.
    Recover {
        /// Which attempt of this outage it is, from 1.
        attempt: u32,
    },
    /// The check after the recovery command has been made.
    Verified {
        /// Which attempt it was.
        attempt: u32,
        /// Whether the target was well enough again.
        helped: bool,
    },
}

/// Why somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// Clients can no longer activate.
    Down,
    /// It works in part.
    Degraded,
    /// It is well again.
    Up,
    /// As bad as before, for another reason.
    CauseChanged,
    /// It changes so often that changes are held back from now on.
    FlappingBegan,
    /// It has been quiet for long enough; changes are told again.
    FlappingEnded,
    /// The recovery command has been tried as often as it may in one outage.
    RecoveryFailed,
}

impl Memory {
    /// Takes in what a check saw at `now`. `is_verification` marks the check that was asked for after
    /// a recovery command.
    pub fn observe(
        &mut self,
        now: Moment,
        seen: &Sighting,
        is_verification: bool,
        rules: &Rules,
    ) -> Vec<Decision> {
        let mut decisions = Vec::new();
        if is_verification && let Some((attempt, helped)) = self.verified(now, seen, rules) {
            decisions.push(Decision::Verified { attempt, helped });
        }
        let turn = self.flapping.observe(now, seen.level, rules.flapping.as_ref());
        self.window.push(seen.clone(), rules.confirm);
        if let Some(to) = self.window.verdict(self.confirmed.as_ref(), rules.confirm) {
            self.change(Condition { seen: to, since: now }, &mut decisions);
        }
        match turn {
            Some(flapping::Turn::Began) => {
                // What this very check changed is told by this alert.
                decisions.retain(|decision| !matches!(decision, Decision::Alert(_)));
                decisions.push(Decision::Alert(Occasion::FlappingBegan));
            }
            Some(flapping::Turn::Ended) => {
                decisions.retain(|decision| !matches!(decision, Decision::Alert(_)));
                decisions.push(Decision::Alert(Occasion::FlappingEnded));
            }
            None => {}
        }
        decisions.extend(self.recover(now, Some(seen), rules));
        decisions
    }

    /// What the passing of time alone brings about.
    pub fn poll(&mut self, now: Moment, rules: &Rules) -> Vec<Decision> {
        self.recover(now, None, rules)
    }

    /// The recovery command has ended, however it did.
    pub fn command_ended(&mut self, now: Moment, rules: &Rules) {
        self.recovery.command_ended(now, rules.recovery.as_ref());
    }

    /// A new process goes on from here. The recovery command that ran when the last one ended did
    /// nobody knows what: it is verified. The attempt is returned.
    pub fn interrupted(&mut self, now: Moment, rules: &Rules) -> Option<u32> {
        let running = self.recovery.running();
        if rules.recovery.is_none() {
            // There is none any more.
            self.recovery = Recovery::default();
        }
        let attempt = running?;
        self.command_ended(now, rules);
        Some(attempt)
    }

    /// Which attempt of this outage the last recovery was, from 1.
    #[must_use]
    pub const fn recovery_attempt(&self) -> u32 {
        self.recovery.attempts()
    }

    /// When the recovery command is to be run, or the check after it made.
    #[must_use]
    pub fn next_wake(&self) -> Option<Moment> {
        self.recovery.next_wake()
    }

    /// When the check after a recovery command is due.
    #[must_use]
    pub fn verification_due(&self) -> Option<Moment> {
        self.recovery.verification_due()
    }

    /// The state that enough checks have seen.
    #[must_use]
    pub const fn confirmed(&self) -> Option<&Condition> {
        self.confirmed.as_ref()
    }

    /// Since when changes are held back.
    #[must_use]
    pub const fn flapping_since(&self) -> Option<Moment> {
        self.flapping.since()
    }

    /// Changes that were held back since then.
    #[must_use]
    pub const fn held(&self) -> u32 {
        self.flapping.held()
    }

    /// Whether recent checks disagree with the confirmed state, so that the next should come soon.
    #[must_use]
    pub fn is_uncertain(&self) -> bool {
        self.window.disagrees(self.confirmed.as_ref())
    }

    fn change(&mut self, to: Condition, decisions: &mut Vec<Decision>) {
        let from = self.confirmed.replace(to.clone());
        let occasion = occasion(from.as_ref(), &to.seen);
        let is_held = self.flapping.since().is_some();
        if is_held && occasion.is_some() {
            self.flapping.hold();
        }
        decisions.push(Decision::Changed { from, to, is_held });
        if let Some(occasion) = occasion.filter(|_| !is_held) {
            decisions.push(Decision::Alert(occasion));
        }
    }

    fn verified(&mut self, now: Moment, seen: &Sighting, rules: &Rules) -> Option<(u32, bool)> {
        self.recovery.verified(now, seen.level, rules.recovery.as_ref()?)
    }

    fn recover(&mut self, now: Moment, seen: Option<&Sighting>, rules: &Rules) -> Vec<Decision> {
        let Some(recovery) = &rules.recovery else { return Vec::new() };
        let confirmed = self.confirmed.as_ref().map(|condition| condition.seen.level);
        let mut decisions =
            self.recovery.poll(now, confirmed, seen.map(|seen| seen.level), recovery);
        if self.flapping.since().is_some() {
            decisions.retain(|decision| !matches!(decision, Decision::Alert(_)));
        }
        decisions
    }
}

/// Whom a change concerns: a beginning that is well, and another reason for being well, nobody.
fn occasion(from: Option<&Condition>, to: &Sighting) -> Option<Occasion> {
    let before = from.map_or(Level::Up, |condition| condition.seen.level);
    match (to.level, to.level == before) {
        (Level::Up, true) => None,
        (_, true) => Some(Occasion::CauseChanged),
        (Level::Up, false) => Some(Occasion::Up),
        (Level::Degraded, false) => Some(Occasion::Degraded),
        (Level::Down, false) => Some(Occasion::Down),
    }
}

impl Level {
    /// As reports name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

impl Level {
    /// The severity that stands for it.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::Up => Severity::Ok,
            Self::Degraded => Severity::Warning,
            Self::Down => Severity::Critical,
        }
    }
}

impl From<Severity> for Level {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Ok | Severity::Info => Self::Up,
            Severity::Warning => Self::Degraded,
            Severity::Critical => Self::Down,
        }
    }
}

impl Occasion {
    /// As reports name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Degraded => "degraded",
            Self::Up => "up",
            Self::CauseChanged => "cause_changed",
            Self::FlappingBegan => "flapping_began",
            Self::FlappingEnded => "flapping_ended",
            Self::RecoveryFailed => "recovery_failed",
        }
    }
}
