//! What a host has done, kept in an SQLite file, and what it remembers, restored from there.
//!
//! ```text
//! worker ──ticket, row──▸ Queue ──batch──▸ Writer (one thread) ──COMMIT──▸ file
//!    ▴                                        │
//!    └──────────── progress: numbers ◂────────┘        Reader ◂── file, read-only
//! ```
//!
//! A row's number is taken in the order in which the host decides, and rows are committed in the order
//! of their numbers without a gap: at every moment the file holds a prefix of what happened, and the
//! table of clients is a function of that prefix.

mod askers;
mod config;
mod error;
mod export;
mod filter;
mod queue;
mod reader;
mod recorder;
mod row;
pub mod schema;
mod stats;
mod store;
mod writer;

pub use askers::{ASKED_HOURS_MAX, AskedHour, Asker, Askers, NAMES_MAX};
pub use config::{
    BEHIND_MAX, Durability, FailurePolicy, JournalConfig, QUEUE_ROWS_MAX, RETAINED_AGE,
    RETAINED_ROWS, RETAINED_ROWS_MIN, Retention,
};
pub use error::JournalError;
pub use export::{COLUMNS, Exporter, FlatRow, Format, event_12290};
pub use filter::Filter;
pub use queue::{Leave, Ticket};
pub use reader::{Cursor, PAGE_ROWS_MAX, Reader};
pub use recorder::{LIVE_ROWS_MAX, LiveRows, Place, Recorder};
pub use row::{AnswerRow, Event, EventKind, Exchange, FaultApplied, OutcomeKind, Row, Subject};
pub use stats::{HOURS_MAX, Hour, ProductSum, RefusalSum, Stats};
pub use writer::{Journal, JournalTotals, OpenJournal};

#[cfg(test)]
mod tests;
