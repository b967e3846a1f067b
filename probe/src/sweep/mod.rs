//! Thousands of targets in one run: each is checked as `check` would, a bounded number at a time,
//! and nothing that is finished is lost.
//!
//! [`input`] understands the list before anything is sent. Threads with small stacks take rows from
//! a queue and run the stages of a check, look-ups go through one bounded DNS client, and each
//! finished row becomes a line of the [`journal`], from which all reports are made.

mod binding;
pub mod csv;
pub mod html;
pub mod input;
pub mod journal;
pub mod json;
mod names;
mod pool;
pub mod progress;
mod queue;
mod record;
mod share;
mod stop;
pub mod summary;
pub mod text;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use binding::Binding;
pub use record::{Place, Record, Step};
pub use stop::Stop;

use self::input::Row;
use self::journal::Journal;
use self::names::Names;
use self::pool::Pool;
use self::progress::Progress;
use crate::check;

/// How to sweep.
#[derive(Clone)]
pub struct Options {
    /// How to check each target.
    pub check: check::Options,
    /// Conversations at the same time; by default [`AT_ONCE_DEFAULT`], or fewer where this process
    /// may not open so many descriptors.
    pub at_once: Option<usize>,
    /// Time for all of it.
    pub total_timeout: Option<Duration>,
    /// The journal to continue, or to begin.
    pub resume: Option<PathBuf>,
}

/// A sweep that has ended.
#[derive(Debug)]
pub struct Swept {
    /// The rows of the list.
    pub rows: Arc<[Row]>,
    /// What came of them.
    pub journal: Journal,
    /// When it began, RFC 3339 in UTC; where it was resumed, when it first began.
    pub started: String,
    /// How long this run took.
    pub elapsed: Duration,
    /// Why it ended.
    pub ended: Ended,
    /// Rows that an earlier run had finished.
    pub resumed: usize,
    /// Conversations at the same time, at most.
    pub at_once: usize,
    /// Rows that are missing although they were tried once: they were silent.
    pub silent_once: usize,
}

/// Why a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every row is finished.
    Complete,
    /// A signal stopped it.
    Interrupted,
    /// Its time was over.
    TotalTimeout,
}

/// Sweeps. `watch` is told several times a second how far it is.
///
/// # Errors
/// Only this program's own failures: a journal that cannot be used, a lack of descriptors. What was
/// finished before stays in the journal.
pub fn run(
    rows: &Arc<[Row]>,
    options: &Options,
    stop: &Stop,
    watch: &mut dyn FnMut(&Progress),
) -> anyhow::Result<Swept> {
    let begun = Instant::now();
    let now = jiff::Timestamp::now().to_string();
    let (journal, started) = match &options.resume {
        Some(path) => Journal::open(path, &Binding::of(rows, &options.check), &now)?,
        None => (Journal::temporary(rows.len())?, now),
    };
    let resumed = journal.finished();
    let missing: Vec<usize> = (0..rows.len()).filter(|&number| !journal.has(number)).collect();
    let share = share::of_descriptors(options.at_once, missing.len())?;
    let to_come = missing.iter().filter_map(|&number| rows.get(number));
    let names = Names::start(to_come, &options.check, share.look_ups)?;
    let pool =
        Pool::start(rows, options.check.clone(), names, journal, missing, share.conversations)?;
    let deadline = options.total_timeout.map(|timeout| begun + timeout);
    let ended = pool.watch(stop, deadline, &mut |mut progress| {
        progress.elapsed = begun.elapsed();
        progress.resumed = resumed;
        watch(&progress);
    })?;
    let (journal, silent_once) = pool.end()?;
    Ok(Swept {
        rows: Arc::clone(rows),
        journal,
        started,
        elapsed: begun.elapsed(),
        ended,
        resumed,
        at_once: share.conversations,
        silent_once,
    })
}

impl Swept {
    /// Rows without a result.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.journal.rows().saturating_sub(self.journal.finished())
    }
}

impl Ended {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
            Self::TotalTimeout => "total_timeout",
        }
    }
}

/// Time for each stage unless set otherwise: a list is long, and what is silent is tried again.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(1);

/// Conversations at the same time unless set otherwise: 10,000 targets, a third of them silent for
/// two seconds each, take 7 s and about 45 MiB.
pub const AT_ONCE_DEFAULT: usize = 1000;

/// Conversations at the same time at most.
pub const AT_ONCE_MAX: usize = 4096;
