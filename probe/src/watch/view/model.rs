//! What there is to see, in the words of the screen.

use std::collections::VecDeque;

/// Everything on the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// One row for each target and address.
    pub rows: Vec<Row>,
    /// Alerts that wait to be delivered.
    pub waiting: u64,
    /// What happened last, the latest at the end; at most [`NOTES_MAX`].
    pub notes: VecDeque<String>,
}

/// One target from one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What is checked.
    pub target: String,
    /// The address that it is checked from; empty where the kernel chooses.
    pub source: String,
    /// How it looks.
    pub look: Look,
    /// Whether it changes so often that nobody is told.
    pub flapping: bool,
    /// The verdict that is believed.
    pub verdict: String,
    /// Since when, in UTC.
    pub since: String,
    /// What is the matter.
    pub cause: String,
    /// What to do.
    pub remedy: String,
    /// The last checks, the latest at the end.
    pub checks: Vec<Check>,
    /// The last changes, the latest first.
    pub changes: Vec<Change>,
    /// What was tried in the last outage, each in one line.
    pub attempts: Vec<String>,
    /// Whether it is being checked.
    pub is_checking: bool,
}

/// How well something looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Look {
    /// Nothing is believed yet.
    #[default]
    Unknown,
    /// Healthy.
    Up,
    /// Works, or works in part.
    Degraded,
    /// Clients cannot activate.
    Down,
}

/// One check that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// How well.
    pub look: Look,
    /// When, in UTC.
    pub at: String,
    /// The worst verdict.
    pub verdict: String,
    /// How long it took, in microseconds.
    pub elapsed_us: u64,
}

/// One change of what is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// How well since then.
    pub look: Look,
    /// When, in UTC.
    pub at: String,
    /// The verdict.
    pub verdict: String,
}

impl Model {
    /// Adds a note, and lets the oldest go.
    pub fn note(&mut self, text: String) {
        while self.notes.len() >= NOTES_MAX {
            self.notes.pop_front();
        }
        self.notes.push_back(text);
    }

    /// How many rows look so.
    #[must_use]
    pub fn count(&self, look: Look) -> usize {
        self.rows.iter().filter(|row| row.look == look).count()
    }
}

impl Look {
    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "DOWN",
        }
    }

    /// One character for a check: it reads without colour.
    #[must_use]
    pub const fn mark(self) -> char {
        match self {
            Self::Unknown => '?',
            Self::Up => '·',
            Self::Degraded => 'w',
            Self::Down => 'X',
        }
    }
}

/// Notes that are kept.
pub const NOTES_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_notes_give_way() {
        let mut model = Model::default();
        (0..NOTES_MAX + 2).for_each(|number| model.note(number.to_string()));
        assert_eq!(model.notes.len(), NOTES_MAX);
        assert_eq!(model.notes.front().map(String::as_str), Some("2"));
    }
}
