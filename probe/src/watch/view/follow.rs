//! From what the engine knows to what there is to see.

use super::model::{Change, Check, Look, Model, Row};
use crate::watch::alert::Attempt;
use crate::watch::engine::{Engine, Point};
use crate::watch::state::Level;

impl Model {
    /// Takes over what `engine` knows now.
    pub fn follow(&mut self, engine: &Engine) {
        self.rows = engine.points().iter().map(row).collect();
        // What cannot be read now is read the next time.
        self.waiting = engine.waiting().unwrap_or(self.waiting);
    }
}

impl From<Level> for Look {
    fn from(level: Level) -> Self {
        match level {
            Level::Up => Self::Up,
            Level::Degraded => Self::Degraded,
            Level::Down => Self::Down,
        }
    }
}

fn row(point: &Point) -> Row {
    let believed = point.memory.confirmed();
    let latest = point.latest.as_ref();
    let skipped = point.past.len().saturating_sub(CHECKS_MAX);
    Row {
        name: point.spec.name.clone(),
        target: point.spec.asked.text.clone(),
        source: point.spec.source.map(|source| source.to_string()).unwrap_or_default(),
        look: believed.map_or(Look::Unknown, |condition| condition.seen.level.into()),
        flapping: point.memory.flapping_since().is_some(),
        verdict: believed.map(|condition| condition.seen.verdict.clone()).unwrap_or_default(),
        since: believed.map(|condition| seconds(&condition.since.text())).unwrap_or_default(),
        cause: latest.map(|finding| finding.cause.clone()).unwrap_or_default(),
        remedy: latest.and_then(|finding| finding.remedy.clone()).unwrap_or_default(),
        checks: point
            .past
            .iter()
            .skip(skipped)
            .map(|past| Check {
                look: past.level.into(),
                at: seconds(&past.at.text()),
                verdict: past.verdict.clone(),
                elapsed_us: past.elapsed_us,
            })
            .collect(),
        changes: point
            .changes
            .iter()
            .map(|change| Change {
                look: change.to.0.into(),
                at: seconds(&change.at.text()),
                verdict: change.to.1.clone(),
            })
            .collect(),
        attempts: point.attempts.iter().map(attempt).collect(),
        is_checking: point.is_checking,
    }
}

fn attempt(attempt: &Attempt) -> String {
    let outcome = attempt.outcome.as_deref().unwrap_or("it runs");
    let helped = match attempt.helped {
        Some(true) => ", helped",
        Some(false) => ", did not help",
        None => "",
    };
    format!(
        "{}  {}, attempt {}: {outcome}{helped}",
        seconds(&attempt.started),
        attempt.recovery,
        attempt.attempt
    )
}

/// A time without its fraction of a second, for a narrow column.
fn seconds(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => text.to_owned(),
    }
}

/// Checks that there is room for.
const CHECKS_MAX: usize = 60;
