//! The thread that writes, and the handle on it.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use kms_protocol::filetime::FileTime;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::config::{Durability, FailurePolicy, JournalConfig};
use super::error::JournalError;
use super::queue::{Condition, Leave, Queue, Ticket};
use super::reader::Reader;
use super::row::{Event, EventKind, Row, Subject, real_time_us};
use super::store::{HostTable, Restored, Store};
use crate::model::{ClientTable, HostName};

/// A journal that has been opened and restored from, before the host starts.
#[derive(Debug)]
pub struct OpenJournal {
    config: JournalConfig,
    store: Store,
    restored: Restored,
}

/// A journal that is being written. Dropping it writes out what is left.
#[derive(Debug)]
pub struct Journal {
    queue: Arc<Queue>,
    tally: Arc<Tally>,
    config: JournalConfig,
}

/// What a journal has done so far, as numbers that only grow, and how far behind it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalTotals {
    /// Rows written.
    pub rows: u64,
    /// Transactions that wrote them.
    pub commits: u64,
    /// Rows that could not be written and are gone.
    pub lost: u64,
    /// Rows that old age or number deleted.
    pub deleted: u64,
    /// Rows that wait to be written now.
    pub behind: usize,
}

#[derive(Debug, Default)]
struct Tally {
    rows: AtomicU64,
    commits: AtomicU64,
    lost: AtomicU64,
    deleted: AtomicU64,
    failure: OnceLock<String>,
}

impl OpenJournal {
    /// Opens or makes the file of `config`, migrates it, and restores the tables of clients. The
    /// first of `hosts` gets what the file has from before it knew of several.
    ///
    /// # Errors
    /// [`JournalError`]; a file that is no journal is left as it was.
    pub fn open(config: JournalConfig, hosts: &[HostName]) -> Result<Self, JournalError> {
        let store = Store::open(&config.path)?;
        let restored = store.restore(hosts)?;
        Ok(Self { config, store, restored })
    }

    /// The clients that the host called `name` knew when the last row was written.
    #[must_use]
    pub fn clients(&self, name: &HostName) -> ClientTable {
        let table = self.restored.hosts.iter().find(|host| host.name == *name);
        table.map_or_else(ClientTable::default, |host| host.clients.clone())
    }

    /// Starts to write, beginning with `tables`, which the hosts that were named to
    /// [`OpenJournal::open`] start with.
    ///
    /// # Errors
    /// The file cannot be written, or there are no resources for a thread.
    pub fn start(mut self, tables: Vec<(HostName, ClientTable)>) -> anyhow::Result<Journal> {
        let next = self.restored.next_number;
        let mut hosts = self.restored.hosts;
        for (name, clients) in tables {
            hosts.iter_mut().filter(|host| host.name == name).for_each(|host| {
                host.clients.clone_from(&clients);
            });
        }
        self.store.write(&[], &hosts, Some(next - 1))?;
        let queue = Arc::new(Queue::new(self.config.durability, next));
        let tally = Arc::new(Tally::default());
        let writer = Writer {
            store: self.store,
            config: self.config.clone(),
            queue: Arc::clone(&queue),
            tally: Arc::clone(&tally),
            hosts,
            next,
            pending: Vec::new(),
            since_snapshot: 0,
            lost: None,
        };
        thread::Builder::new()
            .name("journal".into())
            .spawn(move || writer.run())
            .context("cannot start the journal's thread")?;
        Ok(Journal { queue, tally, config: self.config })
    }
}

impl Journal {
    /// Takes the next number; its row is to be filled in at once with [`Journal::record`].
    #[must_use]
    pub fn ticket(&self) -> Ticket<'_> {
        self.queue.ticket()
    }

    /// Hands a row to the writer. Its number is the ticket's.
    pub fn record(&self, ticket: Ticket<'_>, row: Row) {
        ticket.fill(row);
    }

    /// Whether more calls may be taken in: see [`super::config::QUEUE_ROWS_MAX`].
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.queue.has_room()
    }

    /// Whether the answer of row `number` may leave.
    #[must_use]
    pub fn may_leave(&self, number: u64) -> Leave {
        self.queue.may_leave(number)
    }

    /// Whether nothing may be answered any more.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.queue.condition() == Condition::Stopped
    }

    /// Whether rows are being lost at present.
    #[must_use]
    pub fn is_losing(&self) -> bool {
        self.queue.condition() == Condition::Losing
    }

    /// Changes whenever rows are settled or the journal's condition does.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<u64> {
        self.queue.progress()
    }

    /// Why the journal stopped, once it has.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.tally.failure.get().map(String::as_str)
    }

    /// Another view of the file, for pages of rows and sums; rows that are behind are not in it yet.
    ///
    /// # Errors
    /// The file has gone or cannot be read.
    pub fn reader(&self) -> Result<Reader, JournalError> {
        Reader::open(&self.config.path)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.config.path
    }

    /// How it is kept.
    #[must_use]
    pub const fn config(&self) -> &JournalConfig {
        &self.config
    }

    /// What it has done so far.
    #[must_use]
    pub fn totals(&self) -> JournalTotals {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        JournalTotals {
            rows: get(&self.tally.rows),
            commits: get(&self.tally.commits),
            lost: get(&self.tally.lost),
            deleted: get(&self.tally.deleted),
            behind: self.queue.behind(),
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.queue.stop();
        // A disk that hangs must not keep the process alive: hence no join.
        if !self.queue.wait_for_end(LAST_WRITE_TIMEOUT) {
            let behind = self.queue.behind();
            error!(behind, "journal: the disk takes nothing, rows are left unwritten");
        }
    }
}

/// The thread's own state.
struct Writer {
    store: Store,
    config: JournalConfig,
    queue: Arc<Queue>,
    tally: Arc<Tally>,
    /// The hosts' tables as of the row before `next`.
    hosts: Vec<HostTable>,
    next: u64,
    pending: Vec<(u64, Option<Row>)>,
    since_snapshot: usize,
    lost: Option<Lost>,
}

/// What was lost since writing last worked.
struct Lost {
    rows: u64,
    /// Place of the first of them, which no row of the file has.
    first: Option<(u64, i64, FileTime, HostName)>,
    last_failure: Instant,
}

impl Writer {
    fn run(mut self) {
        info!(
            path = %self.config.path.display(),
            durability = match self.config.durability {
                Durability::Full => "full: every answer waits for its row",
                Durability::Async => "async: at most 1 s or 10000 rows behind the answers",
            },
            "journal"
        );
        while self.queue.take(&mut self.pending) {
            self.write_ready(false);
        }
        self.write_ready(true);
        // The file is closed before anybody is told: it can be opened again at once.
        drop(self.store);
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        info!(
            rows = get(&self.tally.rows),
            commits = get(&self.tally.commits),
            rows_lost = get(&self.tally.lost),
            rows_deleted = get(&self.tally.deleted),
            "journal closed"
        );
        self.queue.end();
    }

    /// Writes what follows the last row without a gap.
    fn write_ready(&mut self, is_last: bool) {
        let follows = |((number, _), expected): &(&(u64, _), u64)| number == expected;
        let ready = self.pending.iter().zip(self.next..).take_while(follows).count();
        let is_idle = ready == 0 && self.pending.is_empty();
        let rows: Vec<Row> = self.pending.drain(..ready).filter_map(|(_, row)| row).collect();
        self.next += ready as u64;
        for row in &rows {
            apply(&mut self.hosts, row);
        }
        self.since_snapshot += rows.len();
        let snapshot_is_due =
            is_last || is_idle || self.lost.is_some() || self.since_snapshot >= SNAPSHOT_ROWS;
        if snapshot_is_due || !rows.is_empty() {
            self.write(rows, snapshot_is_due, is_last);
        }
        self.queue.settle(self.next, ready);
        if snapshot_is_due && self.lost.is_none() {
            self.delete_old();
        }
    }

    fn write(&mut self, mut rows: Vec<Row>, with_snapshot: bool, is_last: bool) {
        let is_pausing = |lost: &Lost| !is_last && lost.last_failure.elapsed() < RETRY_INTERVAL;
        if self.queue.condition() == Condition::Stopped
            || self.lost.as_ref().is_some_and(is_pausing)
        {
            return self.lose(&rows);
        }
        let own = rows.len();
        rows.extend(self.lost.as_ref().and_then(Lost::row));
        let snapshot = with_snapshot.then_some(self.next - 1);
        match self.store.write(&rows, &self.hosts, snapshot) {
            Ok(()) => self.written(rows.len(), with_snapshot),
            Err(failure) => {
                rows.truncate(own);
                self.fail(&failure, &rows);
            }
        }
    }

    fn written(&mut self, rows: usize, with_snapshot: bool) {
        self.tally.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.tally.commits.fetch_add(1, Ordering::Relaxed);
        if with_snapshot {
            self.since_snapshot = 0;
        }
        if let Some(lost) = self.lost.take() {
            self.queue.set_condition(Condition::Writing);
            warn!(rows_lost = lost.rows, "journal: rows are written again");
        }
    }

    fn fail(&mut self, failure: &JournalError, rows: &[Row]) {
        self.lose(rows);
        if let Some(lost) = &mut self.lost {
            lost.last_failure = Instant::now();
        }
        match self.config.on_failure {
            FailurePolicy::Stop => {
                error!(%failure, "journal cannot be written: nothing more is answered");
                self.tally.failure.get_or_init(|| failure.to_string());
                self.queue.set_condition(Condition::Stopped);
            }
            FailurePolicy::Continue if self.queue.condition() == Condition::Writing => {
                error!(%failure, "journal cannot be written: serving on, rows are lost");
                self.queue.set_condition(Condition::Losing);
            }
            FailurePolicy::Continue => {}
        }
    }

    fn lose(&mut self, rows: &[Row]) {
        let count = rows.len() as u64;
        self.tally.lost.fetch_add(count, Ordering::Relaxed);
        let nothing = || Lost { rows: 0, first: None, last_failure: Instant::now() };
        let lost = self.lost.get_or_insert_with(nothing);
        let place = |row: &Row| (row.number, row.real_time_us, row.host_time, row.host.clone());
        lost.first = lost.first.take().or_else(|| rows.first().map(place));
        lost.rows += count;
    }

    fn delete_old(&mut self) {
        let now_us = real_time_us(SystemTime::now());
        match self.store.retain(self.config.retention, now_us) {
            Ok(deleted) => {
                self.tally.deleted.fetch_add(deleted, Ordering::Relaxed);
            }
            Err(failure) => error!(%failure, "journal: old rows cannot be deleted"),
        }
    }
}

impl Lost {
    /// The row that stands for the lost ones, in the place of the first.
    fn row(&self) -> Option<Row> {
        let (number, real_time_us, host_time, host) = self.first.clone()?;
        let detail = format!("{} rows could not be written", self.rows);
        let subject = Subject::Event(Event::new(EventKind::RowsLost, detail));
        Some(Row { number, real_time_us, host_time, host, subject })
    }
}

/// What a row does to the table of clients.
fn apply(hosts: &mut [HostTable], row: &Row) {
    if let Subject::Request(exchange) = &row.subject
        && exchange.counted
        && let Some(request) = &exchange.request
        && let Some(host) = hosts.iter_mut().find(|host| host.name == row.host)
    {
        host.clients.record(request.app_id, request.cmid, request.n_policy, row.host_time);
    }
}

/// Rows after which the table of clients is written out, so that a restart reads no more than these.
const SNAPSHOT_ROWS: usize = 4096;

/// How long a journal that failed is left alone.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How long the end of the process waits for the last rows.
const LAST_WRITE_TIMEOUT: Duration = Duration::from_secs(10);
