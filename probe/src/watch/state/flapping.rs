//! A target flaps when its checks disagree with one another too often. Changes are counted check by
//! check, before confirmation: what alternates so fast that nothing is ever confirmed flaps too.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Level;
use crate::watch::moment::Moment;

/// When a target is said to flap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlapRules {
    /// So many changes from one check to the next, from 2 to [`FlapRules::CHANGES_MAX`].
    pub changes: usize,
    /// Within this time. It ends when there was no change for as long.
    pub within: Duration,
}

/// Recent changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flapping {
    last: Option<Level>,
    changes: VecDeque<Moment>,
    since: Option<Moment>,
    held: u32,
}

/// What a check turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Began,
    Ended,
}

impl FlapRules {
    /// Upper bound of the changes that are remembered.
    pub const CHANGES_MAX: usize = 50;
}

impl Flapping {
    pub(super) fn observe(
        &mut self,
        now: Moment,
        level: Level,
        rules: Option<&FlapRules>,
    ) -> Option<Turn> {
        let has_changed = self.last.replace(level).is_some_and(|last| last != level);
        let Some(rules) = rules else {
            *self = Self { last: self.last, ..Self::default() };
            return None;
        };
        if has_changed {
            self.changes.push_back(now);
        }
        while self.changes.len() > rules.changes.min(FlapRules::CHANGES_MAX)
            || self.changes.front().is_some_and(|at| *at <= now.before(rules.within))
        {
            self.changes.pop_front();
        }
        match self.since {
            None if self.changes.len() >= rules.changes => {
                (self.since, self.held) = (Some(now), 0);
                Some(Turn::Began)
            }
            Some(_) if self.changes.is_empty() => {
                self.since = None;
                Some(Turn::Ended)
            }
            _ => None,
        }
    }

    /// One more change of which nobody is told.
    pub(super) fn hold(&mut self) {
        self.held = self.held.saturating_add(1);
    }

    pub(super) const fn since(&self) -> Option<Moment> {
        self.since
    }

    /// Also once it has ended, for the alert that says so.
    pub(super) const fn held(&self) -> u32 {
        self.held
    }
}
