//! What somebody is told, in the shape that `docs/schema/watch-alert.schema.json` describes.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::{Condition, Level, Occasion};
use crate::verdict::Severity;

/// One alert, as it goes to every channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Version of this shape.
    pub schema_version: u32,
    /// The program that found it.
    pub tool: Tool,
    /// The same for every attempt to deliver it, and for no other alert.
    pub id: String,
    /// When it was decided, RFC 3339 in UTC.
    pub at: String,
    /// Why somebody is told.
    pub occasion: Occasion,
    /// One line for people.
    pub summary: String,
    /// The target's name.
    pub name: String,
    /// The target as it was given.
    pub target: String,
    /// The address that it is watched from, where one was asked for.
    pub source: Option<IpAddr>,
    /// What is believed of the target now; `None` where it flaps from its beginning.
    pub state: Option<State>,
    /// What was believed before.
    pub before: Option<State>,
    /// What the latest check saw.
    pub finding: Finding,
    /// Whether changes are held back, and how many were.
    pub flapping: Flapping,
    /// What the same target is like from other addresses.
    pub elsewhere: Vec<Elsewhere>,
    /// What was tried in this outage and whether it helped, latest last.
    pub recovery: Vec<Attempt>,
}

/// The program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `kms-probe`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A confirmed state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// How well.
    pub level: Level,
    /// The worst verdict.
    pub verdict: String,
    /// When it was confirmed, RFC 3339 in UTC.
    pub since: String,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// When the check began, RFC 3339 in UTC.
    pub at: String,
    /// The worst verdict.
    pub verdict: String,
    /// Its severity.
    pub severity: Severity,
    /// How well the target was.
    pub level: Level,
    /// What is the matter.
    pub cause: String,
    /// What to do.
    pub remedy: Option<String>,
    /// Codes that a Windows client shows.
    pub client_sees: Vec<String>,
    /// How long the check took, in microseconds.
    pub elapsed_us: u64,
    /// Its entries, as `check --format ndjson` writes them; the first of many.
    pub entries: Vec<Value>,
}

/// Whether changes are held back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flapping {
    /// Since when, RFC 3339 in UTC.
    pub since: Option<String>,
    /// Changes of which nobody was told.
    pub held: u32,
}

/// The same target from another address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The address.
    pub source: Option<IpAddr>,
    /// What is believed there; `None` before anything is.
    pub state: Option<State>,
}

/// One run of the recovery command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which one of the outage, from 1.
    pub attempt: u32,
    /// The name of the recovery.
    pub recovery: String,
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// When it ended; `None` while it runs.
    pub ended: Option<String>,
    /// How it ended: `exit 0`, `killed after 60s`, `interrupted`, or why it could not start.
    pub outcome: Option<String>,
    /// The end of what it wrote to standard output and standard error.
    pub output: Option<String>,
    /// The verdict of the check afterwards.
    pub verified_verdict: Option<String>,
    /// Whether that check was good enough; `None` before it is made.
    pub helped: Option<bool>,
}

impl Tool {
    /// This program.
    #[must_use]
    pub fn this() -> Self {
        Self {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

impl State {
    /// A confirmed state, for a report.
    #[must_use]
    pub fn of(condition: &Condition) -> Self {
        Self {
            level: condition.seen.level,
            verdict: condition.seen.verdict.clone(),
            since: condition.since.text(),
        }
    }
}

impl Alert {
    /// One line for people: what, where, since when.
    #[must_use]
    pub fn summarise(&self) -> String {
        let from = self.source.map_or_else(String::new, |source| format!(" from {source}"));
        let subject = format!("{}{from}", self.name);
        let found = &self.finding;
        match self.occasion {
            Occasion::Up => format!("{subject} is up: {}", found.verdict),
            Occasion::Degraded => {
                format!("{subject} is degraded: {}: {}", found.verdict, found.cause)
            }
            Occasion::Down => format!("{subject} is down: {}: {}", found.verdict, found.cause),
            Occasion::CauseChanged => {
                let level = found.level.name();
                format!(
                    "{subject} is {level} for another reason: {}: {}",
                    found.verdict, found.cause
                )
            }
            Occasion::FlappingBegan => {
                format!("{subject} flaps, and changes are held back; latest: {}", found.verdict)
            }
            Occasion::FlappingEnded => format!(
                "{subject} has settled: {}: {} ({} changes were held back)",
                found.level.name(),
                found.verdict,
                self.flapping.held
            ),
            Occasion::RecoveryFailed => format!(
                "{subject} is still {}: the recovery command has been tried {} times",
                found.level.name(),
                self.recovery.len()
            ),
        }
    }
}

/// Version of the shape of an alert.
pub const SCHEMA_VERSION: u32 = 1;
/// Entries of a check that an alert carries.
pub const ENTRIES_MAX: usize = 16;
