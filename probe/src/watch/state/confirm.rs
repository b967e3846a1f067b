//! A change is believed once M of the last N checks have seen it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Condition, Level, Sighting};

/// M of N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmRules {
    /// Checks that have to see the change, at least 1.
    pub checks: usize,
    /// Among this many, at most [`ConfirmRules::OUT_OF_MAX`].
    pub out_of: usize,
}

/// What the checks saw since the last change, latest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Window(VecDeque<Sighting>);

impl ConfirmRules {
    /// Upper bound of N.
    pub const OUT_OF_MAX: usize = 20;
}

impl Window {
    /// Adds what the latest check saw.
    pub(super) fn push(&mut self, seen: Sighting, rules: ConfirmRules) {
        self.0.push_back(seen);
        while self.0.len() > rules.out_of.clamp(1, ConfirmRules::OUT_OF_MAX) {
            self.0.pop_front();
        }
    }

    /// The state that is confirmed now, where it is not `before`. The window then begins anew, for a
    /// check must not be counted for two changes.
    ///
    /// Checks of another level count together, whatever their verdicts: a host that is down for
    /// reasons that alternate is down.
    pub(super) fn verdict(
        &mut self,
        before: Option<&Condition>,
        rules: ConfirmRules,
    ) -> Option<Sighting> {
        let level = before.map(|condition| condition.seen.level);
        let verdict = before.map(|condition| condition.seen.verdict.as_str());
        let others = || self.0.iter().rev().filter(|seen| Some(seen.level) != level);
        let to = if others().count() >= rules.checks {
            let level = most_frequent(others().map(|seen| seen.level));
            others().find(|seen| Some(seen.level) == level).cloned()
        } else {
            let latest = self.0.back().filter(|it| Some(it.verdict.as_str()) != verdict)?;
            let same = self.0.iter().filter(|seen| *seen == latest).count();
            (Some(latest.level) == level && same >= rules.checks).then(|| latest.clone())
        }?;
        self.0.clear();
        Some(to)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a check since the last change saw something else than `confirmed`.
    pub(super) fn disagrees(&self, confirmed: Option<&Condition>) -> bool {
        self.0.iter().any(|seen| confirmed.is_none_or(|condition| condition.seen != *seen))
    }
}

/// The level that occurs most often; of equals the one that comes first.
fn most_frequent(levels: impl Iterator<Item = Level> + Clone) -> Option<Level> {
    let count = |level| levels.clone().filter(|other| *other == level).count();
    let mut best: Option<(usize, Level)> = None;
    for level in levels.clone() {
        let count = count(level);
        if best.is_none_or(|(most, _)| count > most) {
            best = Some((count, level));
        }
    }
    best.map(|(_, level)| level)
}
