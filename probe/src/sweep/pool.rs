//! The threads of a sweep. A conversation blocks its thread, as it does in a check, so that both
//! have the same facts; the stacks are small and mostly untouched.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};

use super::Ended;
use super::input::Row;
use super::journal::Journal;
use super::names::Names;
use super::progress::Progress;
use super::queue::{Job, Next, Queue};
use super::record::{self, Outcome};
use super::stop::Stop;
use crate::check::{self, Entry, Planned, Probe};
use crate::target::Target;
use crate::verdict::table::tcp;

/// Threads and what they share. They are left behind when a sweep is stopped: what they still find
/// is not kept.
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    rows: Arc<[Row]>,
    options: check::Options,
    names: Option<Names>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    queue: Queue<Box<Probe>>,
    /// Rows that have begun and are not finished.
    begun: HashMap<usize, Begun>,
    /// `None` once the sweep has ended.
    journal: Option<Journal>,
    /// No more work is given out.
    stopping: bool,
    failure: Option<anyhow::Error>,
}

struct Begun {
    entries: Vec<Option<Entry>>,
    attempts: u32,
    elapsed: Duration,
}

impl Pool {
    /// Starts `at_once` threads on the rows `missing`.
    pub(super) fn start(
        rows: &Arc<[Row]>,
        options: check::Options,
        names: Option<Names>,
        journal: Journal,
        missing: Vec<usize>,
        at_once: usize,
    ) -> anyhow::Result<Self> {
        let state = State {
            queue: Queue::new(missing),
            begun: HashMap::new(),
            journal: Some(journal),
            stopping: false,
            failure: None,
        };
        let shared = Arc::new(Shared {
            rows: Arc::clone(rows),
            options,
            names,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        for number in 0..at_once {
            let worker = Arc::clone(&shared);
            let builder = thread::Builder::new().name("sweep".to_owned()).stack_size(STACK_BYTES);
            let started = builder.spawn(move || worker.work());
            started.with_context(|| format!("cannot start thread {} of {at_once}", number + 1))?;
        }
        Ok(Self(shared))
    }

    /// Waits for the end, and stops the work where it comes early.
    pub(super) fn watch(
        &self,
        stop: &Stop,
        deadline: Option<Instant>,
        tell: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<Ended> {
        let shared = &self.0;
        let mut state = shared.lock();
        loop {
            let progress = state.progress()?;
            let is_complete = progress.finished == progress.rows;
            drop(state);
            tell(progress);
            if is_complete {
                return Ok(Ended::Complete);
            }
            let is_over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if is_over || stop.is_set() {
                let grace = if is_over { Duration::ZERO } else { GRACE };
                return self
                    .stop(grace, if is_over { Ended::TotalTimeout } else { Ended::Interrupted });
            }
            let until =
                deadline.map_or(TICK, |at| TICK.min(at.saturating_duration_since(Instant::now())));
            state = shared.wait(shared.lock(), until);
        }
    }

    /// Gives no more work out, and waits a little for what is under way.
    fn stop(&self, grace: Duration, why: Ended) -> anyhow::Result<Ended> {
        let until = Instant::now() + grace;
        let mut state = self.0.lock();
        state.stopping = true;
        loop {
            let progress = state.progress()?;
            if progress.finished == progress.rows {
                return Ok(Ended::Complete);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || !state.queue.is_under_way() {
                return Ok(why);
            }
            state = self.0.wait(state, left);
        }
    }

    /// Takes the journal; nothing is written to it from now on. Returns with it how many rows were
    /// silent and not tried again.
    pub(super) fn end(&self) -> anyhow::Result<(Journal, usize)> {
        let mut state = self.0.lock();
        state.stopping = true;
        let journal = state.journal.take().context("the sweep has ended already")?;
        let silent_once = state.begun.values().filter(|begun| begun.attempts > 0).count();
        drop(state);
        self.0.changed.notify_all();
        Ok((journal, silent_once))
    }
}

impl Shared {
    fn work(&self) {
        while let Some(job) = self.next() {
            let result = match job {
                Job::Row(row) => self.begin(row),
                Job::Address { row, place, attempt, probe } => {
                    self.converse(row, place, attempt, *probe)
                }
            };
            let mut state = self.lock();
            state.queue.ended();
            if let Err(error) = result {
                state.failure.get_or_insert(error);
                state.stopping = true;
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Option<Job<Box<Probe>>> {
        let mut state = self.lock();
        loop {
            if state.stopping {
                return None;
            }
            match state.queue.next() {
                Next::Do(job) => return Some(job),
                Next::Done => return None,
                Next::Wait => state = self.wait(state, TICK),
            }
        }
    }

    /// Looks a row's name up, where it has one, and plans its conversations.
    fn begin(&self, number: usize) -> anyhow::Result<()> {
        let row = self.row(number)?;
        let begun_at = Instant::now();
        let planned = match row.asked.target {
            Target::Address(address) => vec![check::address(&row.asked.text, address)],
            _ => {
                let names = self.names.as_ref().context("no DNS client for a name")?;
                check::plan_resolved(&row.asked, names.look_up(row)?, &self.options_of(row))
            }
        };
        let mut entries = Vec::new();
        let mut probes = Vec::new();
        for (place, planned) in planned.into_iter().enumerate() {
            match planned {
                Planned::Done(entry) => entries.push(Some(*entry)),
                Planned::Probe(probe) => {
                    entries.push(None);
                    probes.push(Job::Address { row: number, place, attempt: 1, probe });
                }
            }
        }
        let begun = Begun { entries, attempts: 0, elapsed: begun_at.elapsed() };
        if probes.is_empty() {
            return self.finish(number, begun);
        }
        let mut state = self.lock();
        state.begun.insert(number, begun);
        probes.into_iter().for_each(|probe| state.queue.add(probe));
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Talks to one address. The first silence is no verdict yet.
    fn converse(
        &self,
        number: usize,
        place: usize,
        attempt: u32,
        probe: Probe,
    ) -> anyhow::Result<()> {
        let options = self.options_of(self.row(number)?);
        let begun_at = Instant::now();
        let again = (attempt < ATTEMPTS_MAX).then(|| Box::new(probe.clone()));
        let entry = check::run_one(Planned::Probe(Box::new(probe)), &options)?;
        let is_silent = entry.verdict.row.code == tcp::TIMEOUT.code;
        let mut state = self.lock();
        let begun = state.begun.get_mut(&number).context("a row that has not begun")?;
        begun.attempts = begun.attempts.max(attempt);
        begun.elapsed += begun_at.elapsed();
        if let Some(probe) = again.filter(|_| is_silent) {
            state.queue.add_again(Job::Address { row: number, place, attempt: attempt + 1, probe });
            return Ok(());
        }
        if let Some(slot) = begun.entries.get_mut(place) {
            *slot = Some(entry);
        }
        if begun.entries.iter().any(Option::is_none) {
            return Ok(());
        }
        let begun = state.begun.remove(&number).context("a row that has not begun")?;
        drop(state);
        self.finish(number, begun)
    }

    fn finish(&self, number: usize, begun: Begun) -> anyhow::Result<()> {
        let Begun { entries, attempts, elapsed } = begun;
        let outcome =
            Outcome { entries: entries.into_iter().flatten().collect(), attempts, elapsed };
        let severity = outcome.severity();
        let line =
            record::line(number, self.row(number)?, outcome).context("cannot encode a row")?;
        let mut state = self.lock();
        // A sweep that has ended keeps nothing more.
        if let Some(journal) = &mut state.journal {
            journal.append(number, severity, &line)?;
        }
        Ok(())
    }

    fn row(&self, number: usize) -> anyhow::Result<&Row> {
        self.rows.get(number).ok_or_else(|| anyhow!("no row {number}"))
    }

    fn options_of(&self, row: &Row) -> check::Options {
        check::Options { depth: row.depth, ..self.options.clone() }
    }

    /// A thread that panicked has left nothing half-done: each change under the lock is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    /// How far it is, or the failure that ends it.
    fn progress(&mut self) -> anyhow::Result<Progress> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let journal = self.journal.as_ref().context("the sweep has ended already")?;
        Ok(Progress {
            rows: journal.rows(),
            finished: journal.finished(),
            resumed: 0,
            by_severity: journal.by_severity(),
            waiting_again: self.queue.waiting_again(),
            elapsed: Duration::ZERO,
        })
    }
}

/// A silent address is tried twice.
const ATTEMPTS_MAX: u32 = 2;

/// Enough for a conversation and its report in an unoptimised build; only what is touched is memory.
const STACK_BYTES: usize = 512 * 1024;

/// How often progress is told, and signals are noticed.
const TICK: Duration = Duration::from_millis(100);

/// After a signal, time for the conversations that are under way.
const GRACE: Duration = Duration::from_secs(1);
