//! A check's report as a finding: the worst that it saw, with its entries as evidence.

use std::time::Duration;

use serde_json::Value;

use super::alert::{ENTRIES_MAX, Finding};
use super::moment::Moment;
use super::state::{Level, Sighting};
use crate::check::Report;
use crate::report::json;

impl Finding {
    /// What `report` comes to.
    #[must_use]
    pub fn of(report: &Report, at: Moment, elapsed: Duration) -> Self {
        let (severity, worst) = (report.severity(), report.worst());
        Self {
            at: at.text(),
            verdict: worst.map_or("", |verdict| verdict.row.code).to_owned(),
            severity,
            level: Level::from(severity),
            cause: worst.map_or_else(String::new, |verdict| verdict.cause.clone()),
            remedy: worst.and_then(|verdict| verdict.remedy.clone()),
            client_sees: worst
                .map(|it| {
                    it.client_sees.iter().map(|seen| format!("0x{:08X}", seen.code)).collect()
                })
                .unwrap_or_default(),
            elapsed_us: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            entries: entries(report),
        }
    }

    /// As far as decisions depend on it.
    #[must_use]
    pub fn sighting(&self) -> Sighting {
        Sighting { level: self.level, verdict: self.verdict.clone() }
    }
}

/// The first entries, as far as they fit.
fn entries(report: &Report) -> Vec<Value> {
    let (mut entries, mut room) = (Vec::new(), ENTRIES_BYTES_MAX);
    for entry in report.entries.iter().take(ENTRIES_MAX) {
        let Ok(value) = serde_json::to_value(json::entry(entry)) else { break };
        let Some(left) = room.checked_sub(value.to_string().len()) else { break };
        room = left;
        entries.push(value);
    }
    entries
}

/// JSON of all entries of an alert.
const ENTRIES_BYTES_MAX: usize = 128 * 1024;
