//! A run: workers started, their counts collected second by second, stopped or rescaled from
//! outside.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use kms_protocol::filetime::FileTime;
use thiserror::Error;

use super::judge;
use super::mix::Ring;
use super::plan::{Demand, Plan, PlanError, Room, nanos};
use super::schedule::Profile;
use super::tally::{Counts, Tally, percentile};
use super::worker::Worker;

/// What a run is told while it goes on. All that the workers share, and they only read it.
#[derive(Debug, Default)]
pub struct Control {
    stop: AtomicBool,
    cut: AtomicBool,
    /// Users plus one; zero says nothing.
    users: AtomicU32,
    /// Bits of the rate; zero says nothing.
    rate: AtomicU64,
}

/// Counts of one worker since its last ones.
#[derive(Debug)]
pub struct Delta {
    /// Which.
    pub worker: u32,
    /// The second since the start in which the counting began.
    pub second: u64,
    /// Exchanges under way.
    pub in_flight: u32,
    /// What was counted.
    pub tally: Box<Tally>,
    pub(super) last: Option<Last>,
}

/// What a worker says when it ends.
#[derive(Debug)]
pub(super) struct Last {
    /// Its own sum of everything that it handed over.
    pub(super) totals: Counts,
    pub(super) unsent: u64,
    pub(super) ended: u64,
    pub(super) last_end: u64,
}

/// One second of all workers.
#[derive(Clone, Debug)]
pub struct Second {
    /// Since the start, warm-up included.
    pub second: u64,
    /// Counts.
    pub counts: Counts,
    /// Exchanges under way at its end.
    pub in_flight: u32,
    /// p50, p90, p99, p99.9 and maximum from the intended start, in microseconds.
    pub intended_us: [Option<u64>; 5],
    /// The same from the actual start.
    pub actual_us: [Option<u64>; 5],
}

/// Everything that is known of a run, in memory that grows by a row per second only.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Sum of everything.
    pub total: Tally,
    /// By worker, as each has counted for itself.
    pub workers: Vec<Counts>,
    /// By second.
    pub seconds: Vec<Second>,
    /// Exchanges that were due and never began, because no connection was free.
    pub unsent: u64,
    /// What was measured: from the end of the warm-up to the end, or to the last answer if later.
    pub elapsed: Duration,
    /// Whether it was cut short from outside.
    pub cut: bool,
    /// Wall-clock time of the start.
    pub started: Option<SystemTime>,
}

/// Why a run could not begin or go on.
#[derive(Debug, Error)]
pub enum RunError {
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The system.
    #[error("cannot generate load: {0}")]
    System(#[from] io::Error),
    /// A worker that ended without saying so.
    #[error("a worker of the load has failed")]
    Worker,
}

/// A run that has begun. Dropping it stops it.
#[derive(Debug)]
pub struct Run {
    plan: Arc<Plan>,
    control: Arc<Control>,
    deltas: Receiver<Delta>,
    threads: Vec<JoinHandle<io::Result<()>>>,
    started: SystemTime,
}

impl Control {
    /// No exchange begins any more; those under way are waited for.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Ends at once; exchanges under way are counted as cut.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    /// Of a closed loop: so many users from now on.
    pub fn set_users(&self, users: u32) {
        self.users.store(users.saturating_add(1), Ordering::Relaxed);
    }

    /// Of an open loop: this constant rate from now on, in requests per second; 0 rests.
    pub fn set_rate(&self, rate: f64) {
        // Negative zero rests as well, and is not "nothing said".
        let rate = if rate > 0.0 { rate } else { -0.0 };
        self.rate.store(rate.to_bits(), Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    pub(super) fn told(&self) -> (u32, u64) {
        (self.users.load(Ordering::Relaxed), self.rate.load(Ordering::Relaxed))
    }
}

impl Run {
    /// Checks the plan and starts its workers.
    ///
    /// # Errors
    /// A plan that cannot be carried out on this machine; nothing was sent then.
    pub fn start(plan: Plan) -> Result<Self, RunError> {
        let room = Room::of_this_machine(plan.target);
        Self::start_in(plan, &room)
    }

    /// The same with this room.
    ///
    /// # Errors
    /// As [`Run::start`].
    pub fn start_in(plan: Plan, room: &Room) -> Result<Self, RunError> {
        plan.check(room)?;
        let plan = Arc::new(plan);
        let control = Arc::new(Control::default());
        let started = SystemTime::now();
        let (sender, deltas) = sync_channel(plan.workers as usize * 4);
        let now = file_time(started);
        let rings = (0..plan.workers).map(|index| {
            let (keys, seed) = (&plan.identity.keys, plan.identity.seed);
            Ring::new(&plan.mix, keys, now, seed, index, plan.workers)
        });
        let rings: Vec<Ring> =
            rings.collect::<Result<_, _>>().map_err(|error| io::Error::other(error.to_string()))?;
        let epoch = Instant::now();
        let mut threads = Vec::new();
        for (index, ring) in (0..).zip(rings) {
            let (plan, control) = (Arc::clone(&plan), Arc::clone(&control));
            let worker = Worker::new(index, plan, control, epoch, ring, sender.clone())?;
            let thread = thread::Builder::new().name(format!("load-{index}"));
            threads.push(thread.spawn(move || worker.run())?);
        }
        Ok(Self { plan, control, deltas, threads, started })
    }

    /// To stop or rescale it from another thread.
    #[must_use]
    pub fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control)
    }

    /// Collects until all workers have ended. `observe` gets every second once all workers have
    /// told theirs, with its own counts and histograms and with what is known so far.
    ///
    /// # Errors
    /// A worker that fails.
    pub fn collect(
        mut self,
        mut observe: impl FnMut(&Second, &Tally, &Record),
    ) -> Result<Record, RunError> {
        let workers = self.plan.workers as usize;
        let mut collector = Collector::new(workers);
        collector.record.started = Some(self.started);
        while collector.left > 0 {
            match self.deltas.recv_timeout(Duration::from_millis(500)) {
                Ok(delta) => {
                    collector.take(delta);
                    collector.close_seconds(&mut observe);
                    self.judge_stop(&collector.record);
                }
                Err(RecvTimeoutError::Timeout) if self.has_lost_one(collector.left) => {
                    self.control.cut();
                    return Err(self.failure());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(self.failure()),
            }
        }
        let mut record = collector.finish(&self.plan);
        record.cut = self.control.is_cut();
        Ok(record)
    }

    fn judge_stop(&self, record: &Record) {
        let counts = &record.total.counts;
        let errors = self.plan.errors_max.is_some_and(|most| counts.failures() >= most);
        let histogram = &record.total.latencies.intended;
        let precise = self.plan.precision.is_some_and(|share| {
            judge::percentile_interval(histogram, 99.0).is_some_and(|(low, high)| {
                let value = percentile(histogram, 99.0).unwrap_or(0) as f64;
                (high - low) as f64 / 2.0 <= share * value
            })
        });
        if errors || precise {
            self.control.stop();
        }
    }

    /// A thread that has ended without its last delta having arrived.
    fn has_lost_one(&self, left: usize) -> bool {
        self.threads.iter().filter(|thread| !thread.is_finished()).count() < left
    }

    fn failure(&mut self) -> RunError {
        for thread in self.threads.drain(..).filter(JoinHandle::is_finished) {
            if let Ok(Err(error)) = thread.join() {
                return error.into();
            }
        }
        RunError::Worker
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.control.cut();
    }
}

/// Puts the seconds of all workers together.
struct Collector {
    record: Record,
    open: BTreeMap<u64, (Tally, u32)>,
    /// The second that each worker has told last; `None` once it has ended.
    told: Vec<Option<u64>>,
    left: usize,
    ended: u64,
    last_end: u64,
}

impl Collector {
    fn new(workers: usize) -> Self {
        let record = Record { workers: vec![Counts::default(); workers], ..Record::default() };
        let told = vec![Some(0); workers];
        Self { record, open: BTreeMap::new(), told, left: workers, ended: 0, last_end: 0 }
    }

    fn take(&mut self, delta: Delta) {
        let (second, in_flight) = self.open.entry(delta.second).or_default();
        second.add(&delta.tally);
        *in_flight += delta.in_flight;
        self.record.total.add(&delta.tally);
        let place = delta.worker as usize;
        if let Some(told) = self.told.get_mut(place) {
            *told = delta.last.is_none().then_some(delta.second + 1);
        }
        if let Some(last) = delta.last {
            if let Some(counts) = self.record.workers.get_mut(place) {
                *counts = last.totals;
            }
            self.record.unsent += last.unsent;
            self.ended = self.ended.max(last.ended);
            self.last_end = self.last_end.max(last.last_end);
            self.left -= 1;
        }
    }

    fn close_seconds(&mut self, observe: &mut impl FnMut(&Second, &Tally, &Record)) {
        let complete = self.told.iter().flatten().copied().min().unwrap_or(u64::MAX);
        while let Some(entry) = self.open.first_entry() {
            if *entry.key() >= complete {
                return;
            }
            let (second, (tally, in_flight)) = entry.remove_entry();
            let latencies = &tally.latencies;
            let row = Second {
                second,
                counts: tally.counts.clone(),
                in_flight,
                intended_us: five(&latencies.intended),
                actual_us: five(&latencies.actual),
            };
            observe(&row, &tally, &self.record);
            self.record.seconds.push(row);
        }
    }

    fn finish(mut self, plan: &Plan) -> Record {
        let end = nanos(plan.warm_up + plan.duration).min(self.ended);
        let used_up =
            plan.count.is_some() || matches!(&plan.demand, Demand::Open(Profile::Replay(_), _));
        // A count or a replay that is used up ends with its last answer.
        let ended =
            if used_up && self.last_end > 0 { self.last_end } else { end.max(self.last_end) };
        self.record.elapsed = Duration::from_nanos(ended.saturating_sub(nanos(plan.warm_up)));
        self.record
    }
}

impl Record {
    /// Exchanges that ended, well or not, per second.
    #[must_use]
    pub fn achieved_rate(&self) -> Option<f64> {
        let seconds = self.elapsed.as_secs_f64();
        (seconds > 0.0).then(|| self.total.counts.requests() as f64 / seconds)
    }

    /// Failed exchanges as a part of all.
    #[must_use]
    pub fn error_share(&self) -> Option<f64> {
        let counts = &self.total.counts;
        let requests = counts.requests();
        (requests > 0).then(|| counts.failures() as f64 / requests as f64)
    }
}

/// p50, p90, p99, p99.9 and maximum.
pub(super) fn five(histogram: &hdrhistogram::Histogram<u64>) -> [Option<u64>; 5] {
    [50.0, 90.0, 99.0, 99.9, 100.0].map(|percent| percentile(histogram, percent))
}

pub(super) fn file_time(time: SystemTime) -> FileTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    FileTime::from_unix(seconds, 0).unwrap_or_else(|| FileTime::from_ticks(0))
}
