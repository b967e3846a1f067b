//! What a journal can be told, and its bounds.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

/// How a journal is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// The SQLite file; it is made where it does not exist.
    pub path: PathBuf,
    /// Whether an answer waits for its row.
    pub durability: Durability,
    /// What happens when rows cannot be written.
    pub on_failure: FailurePolicy,
    /// What is deleted.
    pub retention: Retention,
}

/// When an answer leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Once its row is on the disk: neither a killed process nor a power loss loses an answer
    /// that a client has.
    Full,
    /// At once: a killed process or a power loss costs at most the last second or the last
    /// 10,000 rows.
    #[default]
    Async,
}

impl Durability {
    /// The word of the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Async => "async",
        }
    }
}

/// What a host does when its journal cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailurePolicy {
    /// Answers nothing more and ends with exit code 2.
    Stop,
    /// Serves on, counts the rows that are lost, and records their number once writing works.
    Continue,
}

/// The oldest rows are deleted when either bound is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Rows kept at most.
    pub rows: NonZeroU64,
    /// How long a row is kept, in real time.
    pub age: Duration,
}

impl JournalConfig {
    /// A journal in `path` with the defaults of its durability.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, durability: Durability) -> Self {
        Self {
            path: path.into(),
            durability,
            on_failure: FailurePolicy::default_of(durability),
            retention: Retention::default(),
        }
    }
}

impl FailurePolicy {
    /// Whoever wants every answer recorded wants no answer without a record.
    #[must_use]
    pub const fn default_of(durability: Durability) -> Self {
        match durability {
            Durability::Full => Self::Stop,
            Durability::Async => Self::Continue,
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { rows: RETAINED_ROWS, age: RETAINED_AGE }
    }
}

/// Rows that wait to be written, at most; workers read no further calls beyond it.
pub const QUEUE_ROWS_MAX: usize = 10_000;

/// How old the oldest row that waits may be; workers read no further calls beyond it.
pub const BEHIND_MAX: Duration = Duration::from_secs(1);

/// Default bound of rows: about 3 GB.
pub const RETAINED_ROWS: NonZeroU64 = NonZeroU64::new(10_000_000).unwrap();

/// Smallest bound of rows that can be set: the table of clients is restored from the last few
/// thousand.
pub const RETAINED_ROWS_MIN: u64 = 10_000;

/// Default bound of a row's age: 90 days.
pub const RETAINED_AGE: Duration = Duration::from_secs(90 * 24 * 3600);
