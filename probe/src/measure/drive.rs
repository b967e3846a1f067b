//! Makes the exchanges of one path at their times: a bounded number of workers, each of which takes
//! the next exchange of the schedule, waits for its time and makes it. A path whose answers take
//! longer than the workers can bridge makes exchanges begin late, which is recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::exchange::Client;
use super::plan::Path;
use super::record::Record;
use super::sample::Sample;
use super::stop::Stop;
use super::{IN_FLIGHT_MAX, Options};

/// How the exchanges of one path went.
pub(super) struct Driven {
    pub(super) record: Record,
    /// From the start to the end of the last exchange.
    pub(super) elapsed: Duration,
    /// Ended early.
    pub(super) interrupted: bool,
    /// Exchanges that had begun and were not waited for any more.
    pub(super) abandoned: u64,
}

/// What the workers share.
struct Shared {
    path: Path,
    options: Options,
    stop: Arc<Stop>,
    start: Instant,
    next: AtomicU64,
    begun: AtomicU64,
}

/// Measures `path`, and shows how far it is to `watch` at least every [`WATCH_PERIOD`].
///
/// # Errors
/// Only this program's own failure: no threads, no descriptors.
pub(super) fn drive(
    path: &Path,
    options: &Options,
    stop: &Arc<Stop>,
    watch: &mut dyn FnMut(&Record),
) -> anyhow::Result<Driven> {
    let mut record = Record::new(options.check.depth, &options.schedule)?;
    let shared = Arc::new(Shared {
        path: path.clone(),
        options: options.clone(),
        stop: Arc::clone(stop),
        start: Instant::now(),
        next: AtomicU64::new(0),
        begun: AtomicU64::new(0),
    });
    let (sender, samples) = mpsc::sync_channel(SAMPLES_WAITING_MAX);
    for _ in 0..options.workers() {
        let (shared, sender) = (Arc::clone(&shared), sender.clone());
        // Not scoped: after an interruption those that still wait for an answer are left alone.
        thread::Builder::new()
            .name("measure".to_owned())
            .spawn(move || work(&shared, &sender))
            .context("cannot start a thread")?;
    }
    drop(sender);
    let mut elapsed = Duration::ZERO;
    let mut patience_ends = None;
    loop {
        match samples.recv_timeout(WATCH_PERIOD) {
            Ok(Ok(sample)) => {
                elapsed = elapsed.max(sample.ended);
                record.record(&sample);
            }
            Ok(Err(error)) => {
                stop.request();
                return Err(error);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        watch(&record);
        if stop.is_requested() {
            let end = *patience_ends.get_or_insert_with(|| Instant::now() + PATIENCE_ON_STOP);
            if Instant::now() >= end {
                break;
            }
        }
    }
    let begun = shared.begun.load(Ordering::Relaxed);
    Ok(Driven {
        elapsed,
        interrupted: record.loss.of < options.schedule.total(),
        abandoned: begun.saturating_sub(record.loss.of),
        record,
    })
}

/// Makes exchanges until the schedule is over, the end is wished for or nobody listens any more.
fn work(shared: &Shared, sender: &SyncSender<anyhow::Result<Sample>>) {
    let Shared { path, options, stop, start, .. } = shared;
    let mut client = match Client::new(path, &options.check, options.keep_alive) {
        Ok(client) => client,
        Err(error) => {
            let _nobody_listens = sender.send(Err(error));
            return;
        }
    };
    loop {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(due) = options.schedule.due(index) else { return };
        if stop.wait_until(*start + due) {
            return;
        }
        shared.begun.fetch_add(1, Ordering::Relaxed);
        let begun = start.elapsed();
        let sample = client.exchange().map(|exchange| {
            let ended = start.elapsed();
            Sample { index, due, begun, ended, exchange }
        });
        let failed = sample.is_err();
        if sender.send(sample).is_err() || failed {
            return;
        }
    }
}

impl Options {
    /// As many workers as exchanges can be under way when every stage takes its whole time.
    fn workers(&self) -> u64 {
        if self.keep_alive {
            return 1;
        }
        let timeouts = self.check.timeouts;
        let longest = timeouts.dns + timeouts.tcp + timeouts.bind + timeouts.rpc + timeouts.kms;
        let under_way = (longest.as_secs_f64() * self.schedule.rate.hertz()).ceil() as u64;
        (under_way + 1).min(self.schedule.total()).clamp(1, IN_FLIGHT_MAX)
    }
}

/// How often the progress is shown.
const WATCH_PERIOD: Duration = Duration::from_millis(200);

/// Samples that wait to be recorded; workers wait when there are more.
const SAMPLES_WAITING_MAX: usize = 1024;

/// How long exchanges under way are still waited for when the end is wished for.
const PATIENCE_ON_STOP: Duration = Duration::from_secs(1);
