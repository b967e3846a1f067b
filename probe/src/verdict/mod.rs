//! Verdicts: what the facts of a stage mean, who must act, and what a Windows client would show.
//!
//! [`table`] holds every verdict as data; [`judge`] picks the row that facts call for and fills in
//! its sentences. Both are pure.

pub mod judge;
pub mod table;
mod template;

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::stage::Stage;

/// How much a verdict matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Healthy.
    Ok,
    /// Worth knowing; nothing has to be done.
    Info,
    /// Works, or works in part; somebody should act.
    Warning,
    /// Clients cannot activate.
    Critical,
}

/// The words of port scanners for what a connect shows of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum PortState {
    /// The port accepts connections.
    #[serde(rename = "listening")]
    Listening,
    /// The host, or something in its name, refuses.
    #[serde(rename = "not listening")]
    NotListening,
    /// A packet filter or the path keeps the answer from coming.
    #[serde(rename = "filtered")]
    Filtered,
}

/// One row of the verdict table.
#[derive(Debug)]
pub struct Row {
    /// `stage.code`, unique.
    pub code: &'static str,
    /// The stage that can say so.
    pub stage: Stage,
    /// How much it matters by default.
    pub severity: Severity,
    /// What it says of the port, where it says anything.
    pub port_state: Option<PortState>,
    /// One sentence of cause, with placeholders.
    pub cause: &'static str,
    /// One sentence of remedy, with placeholders; none where nothing has to be done.
    pub remedy: Option<&'static str>,
    /// What a Windows client shows, most visible first; empty where nothing is documented.
    pub client_sees: &'static [Seen],
    /// What else is known of the client's view, for text reports.
    pub client_note: Option<&'static str>,
}

/// A code that a Windows client shows, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The HRESULT.
    pub code: u32,
    /// Where it is seen.
    pub place: &'static str,
    /// Who documents it, or how it was derived.
    pub source: &'static str,
}

/// A row with its sentences filled from facts.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The row.
    pub row: &'static Row,
    /// The row's severity, unless options changed it.
    pub severity: Severity,
    /// One sentence of cause.
    pub cause: String,
    /// One sentence of remedy.
    pub remedy: Option<String>,
    /// What a Windows client shows.
    pub client_sees: Vec<Seen>,
}

/// Something worth saying beside the verdict.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Row and sentences.
    pub verdict: Verdict,
    /// The facts behind it.
    pub facts: serde_json::Value,
}

impl Row {
    /// The code without its stage.
    #[must_use]
    pub fn short_code(&self) -> &'static str {
        self.code.split_once('.').map_or(self.code, |(_, code)| code)
    }

    /// The cause in general words.
    #[must_use]
    pub fn general_cause(&self) -> String {
        template::fill(self.cause, &[])
    }

    /// The remedy in general words.
    #[must_use]
    pub fn general_remedy(&self) -> Option<String> {
        self.remedy.map(|remedy| template::fill(remedy, &[]))
    }
}

impl Verdict {
    /// The row with its placeholders filled from `values`.
    #[must_use]
    pub(crate) fn of(row: &'static Row, values: &[(&'static str, String)]) -> Self {
        Self {
            row,
            severity: row.severity,
            cause: template::fill(row.cause, values),
            remedy: row.remedy.map(|remedy| template::fill(remedy, values)),
            client_sees: row.client_sees.to_vec(),
        }
    }

    /// Whether the next stage may run.
    #[must_use]
    pub fn lets_continue(&self) -> bool {
        self.severity == Severity::Ok
    }
}

impl Severity {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl PortState {
    /// The words themselves.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Listening => "listening",
            Self::NotListening => "not listening",
            Self::Filtered => "filtered",
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08X}", self.code)
    }
}

impl Serialize for Seen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
