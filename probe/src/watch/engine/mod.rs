//! The loop that watches: it starts checks, recoveries and deliveries when they are due, each on a
//! thread of its own, and takes in what they return. Everything is decided and written here, by one
//! thread.

mod outbox;
mod point;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use self::outbox::Outbox;
pub use self::point::{CHANGES_MAX, PAST_MAX, Point};
use super::alert::Finding;
use super::config::Config;
use super::deliver;
use super::moment::Moment;
use super::notice::{Notice, What};
use super::process::{self, Ran};
use super::state::Level;
use super::store::{RecoveryEvent, Store};
use crate::check;

/// Watches the targets of a configuration.
pub struct Engine {
    config: Config,
    store: Store,
    points: Vec<Point>,
    outbox: Outbox,
    mode: Mode,
    checking: usize,
    recovering: usize,
    cleaned: Option<Moment>,
    sender: Sender<Event>,
    events: Receiver<Event>,
    is_stopping: bool,
}

/// For how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Until it is told to stop.
    ForGood,
    /// Every target is checked once, and what waits is delivered once.
    Once,
}

/// What comes back from a thread.
pub(super) enum Event {
    Checked { point: usize, is_verification: bool, result: Result<Finding, String> },
    Recovered { point: usize, ran: Ran },
    Attempted { channel: usize, result: Result<(), String> },
    Stop,
}

/// Tells an engine to end. It lets deliveries come to their end; checks and recovery commands that
/// run are left, and a recovery is verified at the next start.
#[derive(Clone)]
pub struct Stopper(Sender<Event>);

impl Stopper {
    /// Tells it.
    pub fn stop(&self) {
        // It has ended already where nobody listens.
        self.0.send(Event::Stop).ok();
    }
}

impl Engine {
    /// Goes on from what `store` remembers.
    ///
    /// # Errors
    /// As the history says.
    pub fn new(config: Config, mut store: Store, seed: u32, mode: Mode) -> anyhow::Result<Self> {
        let now = Moment::now();
        let mut points = Vec::new();
        for (index, spec) in config.watchpoints.iter().enumerate() {
            points.push(Point::open(spec.clone(), &mut store, seed, index, now)?);
        }
        let outbox = Outbox::open(&config.channels, &mut store, now)?;
        let (sender, events) = channel();
        Ok(Self {
            config,
            store,
            points,
            outbox,
            mode,
            checking: 0,
            recovering: 0,
            cleaned: None,
            sender,
            events,
            is_stopping: false,
        })
    }

    /// What tells this engine to end.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(self.sender.clone())
    }

    /// What is watched.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// How many alerts wait to be delivered.
    ///
    /// # Errors
    /// As the history says.
    pub fn waiting(&self) -> anyhow::Result<u64> {
        self.store.waiting()
    }

    /// The worst level that is believed, or seen where nothing is believed yet.
    #[must_use]
    pub fn worst(&self) -> Level {
        self.points.iter().map(Point::level).max().unwrap_or(Level::Up)
    }

    /// Watches. `tell` hears of everything that happens, and `seen` of every turn of the loop.
    ///
    /// # Errors
    /// The history cannot be written, no thread can be started, or what `tell` returns.
    pub fn run(
        &mut self,
        tell: &mut dyn FnMut(&Notice) -> anyhow::Result<()>,
        seen: &mut dyn FnMut(&Self),
    ) -> anyhow::Result<()> {
        loop {
            let now = Moment::now();
            if !self.is_stopping {
                self.start_checks(now)?;
                self.start_recoveries(now, tell)?;
                self.outbox.start(&self.store, &self.sender, now)?;
                self.clean(now)?;
            }
            seen(self);
            if self.is_finished() {
                return Ok(());
            }
            let wait = now.until(self.next_wake(now));
            match self.events.recv_timeout(wait.min(WAIT_MAX)) {
                Ok(event) => self.take(event, tell)?,
                Err(RecvTimeoutError::Timeout) => {}
                // It holds a sender itself.
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    fn is_finished(&self) -> bool {
        if self.is_stopping {
            return !self.outbox.is_busy();
        }
        let is_idle = self.checking == 0 && self.recovering == 0 && !self.outbox.is_busy();
        let is_done = |point: &Point| point.is_done();
        self.mode == Mode::Once && is_idle && self.points.iter().all(is_done)
    }

    fn next_wake(&self, now: Moment) -> Moment {
        let can_check = self.checking < self.config.concurrency;
        let points = self.points.iter().filter_map(|it| it.next_wake(self.mode, can_check));
        points.chain(self.outbox.next_wake()).min().unwrap_or_else(|| now.after(WAIT_MAX))
    }

    fn start_checks(&mut self, now: Moment) -> anyhow::Result<()> {
        // The longest overdue first, so that none is starved.
        let mut due: Vec<(Moment, usize)> = (0..)
            .zip(&self.points)
            .filter_map(|(index, point)| Some((point.check_due(now, self.mode)?, index)))
            .collect();
        due.sort_unstable();
        for (_, index) in due {
            if self.checking >= self.config.concurrency {
                break;
            }
            let Some(point) = self.points.get_mut(index) else { continue };
            let is_verification = point.begin_check(now);
            let (asked, options) = (point.spec.asked.clone(), point.spec.check.clone());
            let sender = self.sender.clone();
            self.checking += 1;
            start("check", move || {
                let begun = Instant::now();
                let result = check::run(&[asked], &options)
                    .map(|report| Finding::of(&report, now, begun.elapsed()))
                    .map_err(|error| format!("{error:#}"));
                sender.send(Event::Checked { point: index, is_verification, result }).ok();
            })?;
        }
        Ok(())
    }

    /// The recovery is written down before its command runs: what a power cut leaves half done is
    /// known at the next start.
    fn start_recoveries(
        &mut self,
        now: Moment,
        tell: &mut dyn FnMut(&Notice) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for index in 0..self.points.len() {
            let Some(point) = self.points.get_mut(index) else { break };
            let decisions = point.poll(now);
            if !decisions.is_empty() {
                self.follow(index, now, decisions, None, false, tell)?;
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        event: Event,
        tell: &mut dyn FnMut(&Notice) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let now = Moment::now();
        match event {
            Event::Checked { point, is_verification, result } => {
                self.checking = self.checking.saturating_sub(1);
                self.checked(point, is_verification, result, now, tell)
            }
            Event::Recovered { point, ran } => {
                self.recovering = self.recovering.saturating_sub(1);
                self.recovered(point, ran, now, tell)
            }
            Event::Attempted { channel, result } => {
                let notice = self.outbox.attempted(channel, result, &mut self.store, now)?;
                notice.map_or(Ok(()), |notice| tell(&notice))
            }
            Event::Stop => {
                self.is_stopping = true;
                Ok(())
            }
        }
    }

    fn checked(
        &mut self,
        index: usize,
        is_verification: bool,
        result: Result<Finding, String>,
        now: Moment,
        tell: &mut dyn FnMut(&Notice) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Some(point) = self.points.get_mut(index) else { return Ok(()) };
        match result {
            Ok(finding) => {
                let decisions = point.observe(now, &finding, is_verification);
                self.follow(index, now, decisions, Some(finding), is_verification, tell)
            }
            Err(error) => {
                point.check_failed(now);
                let what = What::CheckFailed { error };
                tell(&Notice::about(now, &point.spec.name, point.spec.source, what))
            }
        }
    }

    /// Writes what was decided, and only then acts on it.
    fn follow(
        &mut self,
        index: usize,
        now: Moment,
        decisions: Vec<super::state::Decision>,
        finding: Option<Finding>,
        is_verification: bool,
        tell: &mut dyn FnMut(&Notice) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let followed = point::follow(
            &mut self.points,
            index,
            &mut self.store,
            now,
            decisions,
            finding,
            is_verification,
        )?;
        if followed.has_alerts {
            self.outbox.look_again();
        }
        for notice in &followed.notices {
            tell(notice)?;
        }
        match followed.recovery {
            Some(attempt) => self.start_recovery(index, attempt),
            None => Ok(()),
        }
    }

    fn start_recovery(&mut self, index: usize, attempt: u32) -> anyhow::Result<()> {
        let Some(point) = self.points.get(index) else { return Ok(()) };
        let Some(recovery) = point.spec.recovery.clone() else { return Ok(()) };
        let alert = point.recovery_input(self.store.instance(), attempt);
        let body = serde_json::to_vec(&alert)?;
        let mut environment = deliver::environment(&alert);
        environment.push(("KMS_PROBE_ATTEMPT", attempt.to_string()));
        let sender = self.sender.clone();
        self.recovering += 1;
        start("recovery", move || {
            let ran = process::run(&recovery.command, &body, &environment, recovery.timeout);
            sender.send(Event::Recovered { point: index, ran }).ok();
        })
    }

    fn recovered(
        &mut self,
        index: usize,
        ran: Ran,
        now: Moment,
        tell: &mut dyn FnMut(&Notice) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Some(point) = self.points.get_mut(index) else { return Ok(()) };
        let attempt = point.memory.recovery_attempt();
        point.command_ended(now);
        let outcome = ran.outcome.clone();
        let event = RecoveryEvent::Ended { outcome: ran.outcome, output: ran.output };
        point.write_recovery(&mut self.store, now, event)?;
        let recovery = point.spec.recovery.as_ref().map_or("", |it| it.name.as_str()).to_owned();
        let what = What::RecoveryRan { recovery, attempt, outcome };
        tell(&Notice::about(now, &point.spec.name, point.spec.source, what))
    }

    fn clean(&mut self, now: Moment) -> anyhow::Result<()> {
        if self.cleaned.is_some_and(|at| (at..at.after(CLEAN_EVERY)).contains(&now)) {
            return Ok(());
        }
        self.cleaned = Some(now);
        self.store.retain(now, self.config.retention, self.config.retained_rows)?;
        Ok(())
    }
}

/// Starts a thread that outlives nobody: it ends by itself, within the timeouts of what it does.
fn start(name: &str, work: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let builder = thread::Builder::new().name(name.to_owned());
    builder.spawn(work).map(|_| ()).with_context(|| format!("cannot start a thread for a {name}"))
}

/// The longest wait, after which the clock is looked at again: it may have been set.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How often history is shortened.
const CLEAN_EVERY: Duration = Duration::from_secs(3600);
