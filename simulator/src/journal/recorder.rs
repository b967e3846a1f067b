//! What a server records to: the journal, where it has one, and whoever watches at the moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use kms_protocol::filetime::FileTime;
use tokio::sync::broadcast;

use super::queue::{Leave, Ticket};
use super::row::{Row, Subject, real_time_us};
use super::writer::Journal;
use crate::model::HostName;

/// Takes in rows and hands them on. It costs nothing while nobody wants them.
#[derive(Debug)]
pub struct Recorder {
    journal: Option<Journal>,
    live: broadcast::Sender<Arc<Row>>,
    watchers: Arc<AtomicUsize>,
    /// Numbers rows where no journal does.
    next_number: AtomicU64,
}

/// Rows as they happen, in the order in which they are recorded, which need not be that of their
/// numbers. Whoever is more than [`LIVE_ROWS_MAX`] rows behind loses the oldest and is told how many.
#[derive(Debug)]
pub struct LiveRows {
    rows: broadcast::Receiver<Arc<Row>>,
    watchers: Arc<AtomicUsize>,
}

/// A place in the order of rows.
#[derive(Debug)]
pub enum Place<'a> {
    /// In the journal.
    Journal(Ticket<'a>),
    /// Only for those who watch.
    Live(u64),
}

impl Recorder {
    /// Records to `journal`, where there is one.
    #[must_use]
    pub fn new(journal: Option<Journal>) -> Self {
        Self {
            journal,
            live: broadcast::Sender::new(LIVE_ROWS_MAX),
            watchers: Arc::default(),
            next_number: AtomicU64::new(1),
        }
    }

    /// Whether anybody wants rows.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.journal.is_some() || self.watchers.load(Ordering::Relaxed) > 0
    }

    /// Takes the next place, where rows are wanted; the row is to follow at once.
    #[must_use]
    pub fn place(&self) -> Option<Place<'_>> {
        match &self.journal {
            Some(journal) => Some(Place::Journal(journal.ticket())),
            None if self.is_wanted() => {
                Some(Place::Live(self.next_number.fetch_add(1, Ordering::Relaxed)))
            }
            None => None,
        }
    }

    /// Puts a row in its place and returns its number.
    pub fn record(
        &self,
        place: Place<'_>,
        host: &HostName,
        host_time: FileTime,
        subject: Subject,
    ) -> u64 {
        let number = match &place {
            Place::Journal(ticket) => ticket.number(),
            Place::Live(number) => *number,
        };
        let real_time_us = real_time_us(SystemTime::now());
        let row = Row { number, real_time_us, host_time, host: host.clone(), subject };
        if self.watchers.load(Ordering::Relaxed) > 0 {
            // An error means that the last watcher has just gone.
            self.live.send(Arc::new(row.clone())).ok();
        }
        if let Place::Journal(ticket) = place {
            ticket.fill(row);
        }
        number
    }

    /// Records something that takes no place earlier than now.
    pub fn record_now(
        &self,
        host: &HostName,
        host_time: FileTime,
        subject: impl FnOnce() -> Subject,
    ) {
        if let Some(place) = self.place() {
            self.record(place, host, host_time, subject());
        }
    }

    /// Watches from now on.
    #[must_use]
    pub fn watch(&self) -> LiveRows {
        let rows = self.live.subscribe();
        self.watchers.fetch_add(1, Ordering::Relaxed);
        LiveRows { rows, watchers: Arc::clone(&self.watchers) }
    }

    /// The journal.
    #[must_use]
    pub const fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// Whether the answer of row `number` may leave.
    #[must_use]
    pub fn may_leave(&self, number: u64) -> Leave {
        self.journal.as_ref().map_or(Leave::Now, |journal| journal.may_leave(number))
    }

    /// Whether more calls may be taken in.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.journal.as_ref().is_none_or(Journal::has_room)
    }

    /// Whether nothing may be answered any more.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.journal.as_ref().is_some_and(Journal::is_stopped)
    }
}

impl LiveRows {
    /// The next row.
    ///
    /// # Errors
    /// How many rows were missed; or that the server is gone.
    pub async fn next(&mut self) -> Result<Arc<Row>, broadcast::error::RecvError> {
        self.rows.recv().await
    }
}

impl Drop for LiveRows {
    fn drop(&mut self) {
        self.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Rows that wait for a slow watcher, at most.
pub const LIVE_ROWS_MAX: usize = 1024;
