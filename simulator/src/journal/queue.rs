//! The bounded queue between those who serve and the thread that writes.
//!
//! A number is taken first (for a request: while the host's lock is held) and its row is filled in
//! soon after, by the same thread. The writer takes only what follows the last row without a gap.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::config::{BEHIND_MAX, Durability, QUEUE_ROWS_MAX};
use super::row::Row;

/// The queue of one journal.
#[derive(Debug)]
pub(super) struct Queue {
    durability: Durability,
    state: Mutex<State>,
    changed: Condvar,
    next_number: AtomicU64,
    /// Rows that are filled in and not yet written.
    behind: AtomicUsize,
    /// When the oldest of them was filled in, in milliseconds since `epoch`; [`NOTHING`] waits.
    oldest_ms: AtomicU64,
    epoch: Instant,
    condition: AtomicU8,
    /// The first number that is not yet settled: written, or given up.
    settled: watch::Sender<u64>,
    settled_now: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// What was filled in, in no particular order. A number without a row was taken for nothing.
    filled: Vec<(u64, Option<Row>)>,
    /// When the writer last took what was there: whatever waits now is younger.
    taken_ms: u64,
    stopping: bool,
    ended: bool,
}

/// A number that has been taken. Its row must be filled in at once, for those behind it wait; when
/// it is dropped the number stays unused.
#[derive(Debug)]
pub struct Ticket<'a> {
    queue: &'a Queue,
    number: u64,
    filled: bool,
}

/// How a journal is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Rows are written.
    Writing = 0,
    /// Rows are lost, and the host serves on.
    Losing = 1,
    /// Nothing is written any more, and nothing may be answered.
    Stopped = 2,
}

/// Whether an answer may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Its row is settled.
    Now,
    /// Its row is on its way.
    Later,
    /// Never: the journal cannot be written and the host must not serve without it.
    Never,
}

impl Queue {
    pub(super) fn new(durability: Durability, next_number: u64) -> Self {
        Self {
            durability,
            state: Mutex::default(),
            changed: Condvar::new(),
            next_number: AtomicU64::new(next_number),
            behind: AtomicUsize::new(0),
            oldest_ms: AtomicU64::new(NOTHING),
            epoch: Instant::now(),
            condition: AtomicU8::new(Condition::Writing as u8),
            settled: watch::Sender::new(next_number),
            settled_now: AtomicU64::new(next_number),
        }
    }

    /// The next number. Whoever takes it decides the order.
    pub(super) fn ticket(&self) -> Ticket<'_> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        Ticket { queue: self, number, filled: false }
    }

    /// Whether more calls may be read: neither too many rows nor too old ones wait.
    pub(super) fn has_room(&self) -> bool {
        let oldest_ms = self.oldest_ms.load(Ordering::Relaxed);
        let age_ms = match oldest_ms {
            NOTHING => 0,
            oldest_ms => self.now_ms().saturating_sub(oldest_ms),
        };
        is_within_bounds(self.behind(), age_ms)
    }

    /// Whether the answer of row `number` may leave.
    pub(super) fn may_leave(&self, number: u64) -> Leave {
        match self.condition() {
            Condition::Stopped => Leave::Never,
            _ if self.durability == Durability::Async
                || number < self.settled_now.load(Ordering::Acquire) =>
            {
                Leave::Now
            }
            _ => Leave::Later,
        }
    }

    pub(super) fn condition(&self) -> Condition {
        match self.condition.load(Ordering::Acquire) {
            0 => Condition::Writing,
            1 => Condition::Losing,
            _ => Condition::Stopped,
        }
    }

    /// Tells the first unsettled number whenever it changes, and when the condition does.
    pub(super) fn progress(&self) -> watch::Receiver<u64> {
        self.settled.subscribe()
    }

    pub(super) fn behind(&self) -> usize {
        self.behind.load(Ordering::Relaxed)
    }

    /// Lets the writer end once it has taken everything.
    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    /// Says that the writer has ended.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Waits for the writer's end; false when it does not come within `patience`.
    pub(super) fn wait_for_end(&self, patience: Duration) -> bool {
        let runs = |state: &mut State| !state.ended;
        let waited = self.changed.wait_timeout_while(self.lock(), patience, runs);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn fill(&self, number: u64, row: Option<Row>) {
        let mut state = self.lock();
        state.filled.push((number, row));
        let len = state.filled.len();
        if self.behind.fetch_add(1, Ordering::Relaxed) == 0 {
            self.oldest_ms.store(self.now_ms(), Ordering::Relaxed);
        }
        drop(state);
        if len == 1 || len == FLUSH_ROWS {
            self.changed.notify_all();
        }
    }

    /// Waits for rows, and moves all of them to `pending`, which keeps them in order. Returns false
    /// when there will be no more.
    pub(super) fn take(&self, pending: &mut Vec<(u64, Option<Row>)>) -> bool {
        let idle = |state: &mut State| state.filled.is_empty() && !state.stopping;
        let waited = self.changed.wait_timeout_while(self.lock(), UPKEEP_INTERVAL, idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if self.durability == Durability::Async {
            let few = |state: &mut State| state.filled.len() < FLUSH_ROWS && !state.stopping;
            if !state.filled.is_empty() {
                let waited = self.changed.wait_timeout_while(state, GATHER_TIME, few);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        let goes_on = !(state.stopping && state.filled.is_empty());
        if pending.is_empty() {
            std::mem::swap(pending, &mut state.filled);
        } else {
            pending.append(&mut state.filled);
        }
        state.taken_ms = self.now_ms();
        drop(state);
        pending.sort_by_key(|(number, _)| *number);
        goes_on
    }

    /// Says that everything before `next` is settled, of which `rows` were filled in.
    pub(super) fn settle(&self, next: u64, rows: usize) {
        {
            let state = self.lock();
            let left = self.behind.fetch_sub(rows, Ordering::Relaxed).saturating_sub(rows);
            let oldest = if left == 0 { NOTHING } else { state.taken_ms };
            self.oldest_ms.store(oldest, Ordering::Relaxed);
        }
        self.settled_now.store(next, Ordering::Release);
        self.settled.send_replace(next);
    }

    pub(super) fn set_condition(&self, condition: Condition) {
        self.condition.store(condition as u8, Ordering::Release);
        self.settled.send_modify(|_| {});
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(NOTHING - 1)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket<'_> {
    /// The number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Hands the row of this number to the writer.
    pub(super) fn fill(mut self, row: Row) {
        self.filled = true;
        self.queue.fill(self.number, Some(row));
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.filled {
            self.queue.fill(self.number, None);
        }
    }
}

/// The promise of [`Durability::Async`], and the bound of memory in both.
const fn is_within_bounds(behind: usize, oldest_age_ms: u64) -> bool {
    behind < QUEUE_ROWS_MAX && (oldest_age_ms as u128) < BEHIND_MAX.as_millis()
}

/// No row waits.
const NOTHING: u64 = u64::MAX;

/// How long rows are gathered when no answer waits for them.
const GATHER_TIME: Duration = Duration::from_millis(200);

/// Rows that end the gathering at once.
const FLUSH_ROWS: usize = QUEUE_ROWS_MAX / 4;

/// How often the writer looks after old rows when nothing happens.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::row::{Event, EventKind, Subject};
    use crate::model::HostName;
    use kms_protocol::filetime::FileTime;

    #[test]
    fn no_more_is_taken_in_at_ten_thousand_rows_or_one_second() {
        for (behind, age_ms, is_open) in
            [(0, 0, true), (9_999, 999, true), (10_000, 0, false), (1, 1_000, false)]
        {
            assert_eq!(is_within_bounds(behind, age_ms), is_open, "{behind} rows, {age_ms} ms");
        }
    }

    #[test]
    fn a_full_queue_has_room_again_when_rows_are_settled() {
        let queue = Queue::new(Durability::Full, 1);
        for _ in 0..QUEUE_ROWS_MAX {
            assert!(queue.has_room());
            fill(queue.ticket());
        }
        assert!(!queue.has_room());
        let mut pending = Vec::new();
        assert!(queue.take(&mut pending));
        assert!(!queue.has_room(), "taken is not written");
        queue.settle(2, 1);
        assert!(queue.has_room());
    }

    #[test]
    fn rows_come_in_the_order_of_their_numbers_and_unused_numbers_leave_no_gap() {
        let queue = Queue::new(Durability::Full, 7);
        let (first, second, third) = (queue.ticket(), queue.ticket(), queue.ticket());
        fill(third);
        drop(second);
        let mut pending = Vec::new();
        queue.take(&mut pending);
        fill(first);
        queue.take(&mut pending);
        let order: Vec<_> = pending.iter().map(|(number, row)| (*number, row.is_some())).collect();
        assert_eq!(order, [(7, true), (8, false), (9, true)]);
    }

    #[test]
    fn an_answer_leaves_when_its_row_is_settled_and_never_once_the_journal_has_stopped() {
        let queue = Queue::new(Durability::Full, 1);
        fill(queue.ticket());
        assert_eq!(queue.may_leave(1), Leave::Later);
        queue.settle(2, 1);
        assert_eq!(queue.may_leave(1), Leave::Now);
        queue.set_condition(Condition::Stopped);
        assert_eq!(queue.may_leave(1), Leave::Never);
        let queue = Queue::new(Durability::Async, 1);
        fill(queue.ticket());
        assert_eq!(queue.may_leave(1), Leave::Now);
    }

    #[test]
    fn a_stopped_queue_is_emptied_first() {
        let queue = Queue::new(Durability::Async, 1);
        fill(queue.ticket());
        queue.stop();
        let mut pending = Vec::new();
        assert!(queue.take(&mut pending));
        assert_eq!(pending.len(), 1);
        assert!(!queue.take(&mut pending));
    }

    fn fill(ticket: Ticket<'_>) {
        let subject = Subject::Event(Event::new(EventKind::ClockChanged, ""));
        let number = ticket.number();
        let (host, host_time) = (HostName::default(), FileTime::default());
        ticket.fill(Row { number, real_time_us: 0, host_time, host, subject });
    }
}
