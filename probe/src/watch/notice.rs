//! What happened, for people who watch: one line each, as text or JSON.

use std::net::IpAddr;

use kms_page::text::escape;
use serde::Serialize;

use super::moment::Moment;
use super::state::Level;
use super::store::Change;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Which target, where it concerns one.
    pub name: Option<String>,
    /// From which address, where one was asked for.
    pub source: Option<IpAddr>,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// The confirmed state is another one.
    Changed {
        /// How well now.
        level: Level,
        /// The worst verdict.
        verdict: String,
        /// What is the matter.
        cause: String,
        /// How well before.
        before: Option<Level>,
        /// Whether nobody is told, since the target flaps.
        held: bool,
    },
    /// An alert goes out.
    Alert {
        /// Its line.
        summary: String,
        /// Why.
        occasion: &'static str,
    },
    /// An alert could not be delivered.
    Undelivered {
        /// To whom.
        channel: String,
        /// What came back.
        error: String,
        /// When it is tried again; `None` is never.
        next: Option<String>,
    },
    /// An alert was delivered after it had failed before.
    CaughtUp {
        /// To whom.
        channel: String,
        /// Attempts that it took.
        attempts: u32,
    },
    /// The recovery command has ended.
    RecoveryRan {
        /// Its name.
        recovery: String,
        /// Which attempt of the outage.
        attempt: u32,
        /// How it ended.
        outcome: String,
    },
    /// The check after it was made.
    RecoveryVerified {
        /// Which attempt of the outage.
        attempt: u32,
        /// The verdict.
        verdict: String,
        /// Whether it was good enough.
        helped: bool,
    },
    /// The check itself could not be made.
    CheckFailed {
        /// Why.
        error: String,
    },
}

impl Notice {
    /// About one target.
    #[must_use]
    pub fn about(at: Moment, name: &str, source: Option<IpAddr>, what: What) -> Self {
        Self { at: at.text(), name: Some(name.to_owned()), source, what }
    }

    /// One line, harmless for a terminal, without a line break.
    #[must_use]
    pub fn text(&self) -> String {
        let subject = match (&self.name, self.source) {
            (Some(name), Some(source)) => format!(" {name} from {source}"),
            (Some(name), None) => format!(" {name}"),
            (None, _) => String::new(),
        };
        let line = format!("{}{subject}: {}", self.at, self.what.text());
        escape(&line).into_owned()
    }
}

impl What {
    /// A change of the confirmed state.
    #[must_use]
    pub fn changed(change: &Change) -> Self {
        Self::Changed {
            level: change.to.0,
            verdict: change.to.1.clone(),
            cause: change.cause.clone(),
            before: change.from.as_ref().map(|(level, _)| *level),
            held: change.is_held,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Changed { level, verdict, cause, before, held } => {
                let before = before
                    .filter(|before| before != level)
                    .map_or_else(String::new, |before| format!(", was {}", before.name()));
                let held = if *held { ", held back since it flaps" } else { "" };
                format!("{}{before}{held}: {verdict}: {cause}", level.name())
            }
            Self::Alert { summary, .. } => format!("alert: {summary}"),
            Self::Undelivered { channel, error, next: Some(next) } => {
                format!("alert not delivered to {channel}, again at {next}: {error}")
            }
            Self::Undelivered { channel, error, next: None } => {
                format!("alert not delivered to {channel}, given up: {error}")
            }
            Self::CaughtUp { channel, attempts } => {
                format!("alert delivered to {channel} after {attempts} attempts")
            }
            Self::RecoveryRan { recovery, attempt, outcome } => {
                format!("recovery {recovery}, attempt {attempt}: {outcome}")
            }
            Self::RecoveryVerified { attempt, verdict, helped } => {
                let helped = if *helped { "helped" } else { "did not help" };
                format!("recovery attempt {attempt} {helped}: {verdict}")
            }
            Self::CheckFailed { error } => format!("could not be checked: {error}"),
        }
    }
}
