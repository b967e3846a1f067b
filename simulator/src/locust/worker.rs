//! What a worker does when: pure, so that every rule is tested without a socket or a clock.
//!
//! Feed [`Worker::handle`] with what happened and carry out what it returns, in order. Time is a
//! monotonic [`Duration`] since any fixed moment.

use std::time::Duration;

use super::message::{Counts, FromMaster, ToMaster, WorkerState};
use super::report::Report;

/// One worker.
#[derive(Debug)]
pub struct Worker {
    classes: Vec<String>,
    users_max: u64,
    phase: Phase,
    connected: bool,
    acked: bool,
    ready_tries: u32,
    last_spawn_s: f64,
    wanted: Counts,
    running: Counts,
    report: Report,
    ready_due: Duration,
    heartbeat_due: Duration,
    stats_due: Duration,
    quit_due: Option<Duration>,
    heard: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Ready,
    Spawning,
    Running,
    Stopping,
    Leaving(Leave),
}

/// Why a worker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The master says so.
    Told,
    /// Somebody at this machine says so.
    Interrupted,
    /// The master has not been heard for [`MASTER_SILENT`], or never answered.
    NoMaster,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The socket is connected.
    Connected,
    /// It is no longer.
    Disconnected,
    /// The master said something.
    Message(FromMaster),
    /// So many users run now.
    Running(Counts),
    /// Something is wrong here, for people to see.
    Trouble(String),
    /// Time has passed; with this process's use of the machine.
    Tick {
        /// Percent of one processor.
        cpu_percent: f64,
        /// Resident bytes.
        memory_bytes: u64,
    },
    /// SIGINT or SIGTERM.
    Interrupt,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send this.
    Send(Box<ToMaster>),
    /// Let so many users run: absolute numbers, classes that are missing have none.
    Users(Counts),
    /// Connect anew.
    Reconnect,
    /// End; everything to be sent has been returned before.
    Exit(Leave),
}

impl Worker {
    /// A worker that knows `classes` and runs at most `users_max` users, whatever a master asks.
    #[must_use]
    pub fn new(classes: Vec<String>, users_max: u64, now: Duration) -> Self {
        Self {
            classes,
            users_max,
            phase: Phase::Ready,
            connected: false,
            acked: false,
            ready_tries: 0,
            last_spawn_s: f64::NEG_INFINITY,
            wanted: Counts::new(),
            running: Counts::new(),
            report: Report::default(),
            ready_due: now,
            heartbeat_due: now,
            stats_due: now,
            quit_due: None,
            heard: now,
        }
    }

    /// Adds figures of the run that is on; they are told with the next report.
    pub fn record(&mut self, figures: &Report) {
        self.report.add(figures);
    }

    /// When [`Input::Tick`] is due next.
    #[must_use]
    pub fn next_due(&self) -> Duration {
        let ready = (self.connected && !self.acked).then_some(self.ready_due);
        let all = [Some(self.heartbeat_due), Some(self.stats_due), self.quit_due, ready];
        all.into_iter().flatten().min().unwrap_or(self.heartbeat_due)
    }

    /// Takes what happened at `now` and says what to do.
    pub fn handle(&mut self, now: Duration, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        match input {
            Input::Connected => self.connected(now, &mut outputs),
            Input::Disconnected => self.disconnected(&mut outputs),
            Input::Message(message) => {
                self.heard = now;
                self.message(now, message, &mut outputs);
            }
            Input::Running(counts) => {
                self.running = without_zeros(counts);
                self.settled(&mut outputs);
            }
            Input::Trouble(message) => {
                outputs.push(send(ToMaster::Exception { message, traceback: String::new() }));
            }
            Input::Tick { cpu_percent, memory_bytes } => {
                self.tick(now, cpu_percent, memory_bytes, &mut outputs);
            }
            Input::Interrupt => self.leave(now, Leave::Interrupted, &mut outputs),
        }
        outputs
    }

    fn connected(&mut self, now: Duration, outputs: &mut Vec<Output>) {
        (self.connected, self.acked, self.ready_tries) = (true, false, 0);
        self.heard = now;
        // A master that was restarted begins to count from its own clock.
        self.last_spawn_s = f64::NEG_INFINITY;
        self.say_ready(now, outputs);
    }

    /// The run is over with its master: figures of it must not reach the next one.
    fn disconnected(&mut self, outputs: &mut Vec<Output>) {
        self.connected = false;
        if !matches!(self.phase, Phase::Leaving(_)) {
            self.phase = Phase::Ready;
        }
        self.want(Counts::new(), outputs);
        self.report = Report::default();
        outputs.push(Output::Reconnect);
    }

    fn message(&mut self, now: Duration, message: FromMaster, outputs: &mut Vec<Output>) {
        match message {
            FromMaster::Ack { .. } => self.acked = true,
            FromMaster::Spawn { timestamp_s, counts, .. } => {
                self.spawn(timestamp_s, counts, outputs);
            }
            FromMaster::Stop if matches!(self.phase, Phase::Leaving(_)) => {}
            FromMaster::Stop => {
                self.phase = Phase::Stopping;
                self.want(Counts::new(), outputs);
                self.settled(outputs);
            }
            FromMaster::Quit => self.leave(now, Leave::Told, outputs),
            FromMaster::Reconnect => self.disconnected(outputs),
            FromMaster::Heartbeat | FromMaster::Other(_) => {}
        }
    }

    fn spawn(&mut self, timestamp_s: f64, counts: Counts, outputs: &mut Vec<Output>) {
        if timestamp_s <= self.last_spawn_s || matches!(self.phase, Phase::Leaving(_)) {
            return;
        }
        self.last_spawn_s = timestamp_s;
        if self.phase == Phase::Ready {
            self.report = Report::default();
        }
        self.phase = Phase::Spawning;
        outputs.push(send(ToMaster::Spawning));
        let wanted = self.allowed(counts, outputs);
        self.want(wanted, outputs);
        self.settled(outputs);
    }

    /// A master asks for more than this worker's own command line allows, or for a class that it does
    /// not have: it gets what there is, and the page says so.
    fn allowed(&self, counts: Counts, outputs: &mut Vec<Output>) -> Counts {
        let mut left = self.users_max;
        let mut allowed = Counts::new();
        for (class, count) in without_zeros(counts) {
            let given = if self.classes.contains(&class) { count.min(left) } else { 0 };
            left -= given;
            if given < count {
                let known = self.classes.join(", ");
                let message = format!(
                    "{given} of {count} users of class `{class}` run here: this worker has {known}, \
                     and at most {} users",
                    self.users_max
                );
                outputs.push(send(ToMaster::Exception { message, traceback: String::new() }));
            }
            if given > 0 {
                allowed.insert(class, given);
            }
        }
        allowed
    }

    fn want(&mut self, counts: Counts, outputs: &mut Vec<Output>) {
        if self.wanted != counts {
            self.wanted.clone_from(&counts);
            outputs.push(Output::Users(counts));
        }
    }

    /// What follows once as many users run as are wanted.
    fn settled(&mut self, outputs: &mut Vec<Output>) {
        if self.running != self.wanted {
            return;
        }
        match self.phase {
            Phase::Spawning => {
                self.phase = Phase::Running;
                outputs.push(send(ToMaster::SpawningComplete(self.counts())));
            }
            Phase::Stopping => {
                self.flush(outputs);
                self.phase = Phase::Ready;
                // The master forgets a worker that stopped, so that it has to say again that it is ready.
                outputs.push(send(ToMaster::ClientStopped));
                outputs.push(send(ToMaster::ClientReady));
            }
            Phase::Leaving(why) => self.exit(why, outputs),
            Phase::Ready | Phase::Running => {}
        }
    }

    /// Every class of this worker by number: a master reads a class that is missing as unchanged.
    fn counts(&self) -> Counts {
        let running = |class: &String| self.running.get(class).copied().unwrap_or_default();
        self.classes.iter().map(|class| (class.clone(), running(class))).collect()
    }

    fn leave(&mut self, now: Duration, why: Leave, outputs: &mut Vec<Output>) {
        if matches!(self.phase, Phase::Leaving(_)) {
            return;
        }
        self.phase = Phase::Leaving(why);
        self.quit_due = Some(now + QUIT_WITHIN);
        self.want(Counts::new(), outputs);
        self.settled(outputs);
    }

    fn exit(&mut self, why: Leave, outputs: &mut Vec<Output>) {
        if self.connected {
            self.flush(outputs);
            if why != Leave::Told {
                outputs.push(send(ToMaster::Quit));
            }
        }
        outputs.push(Output::Exit(why));
    }

    fn tick(&mut self, now: Duration, cpu: f64, memory_bytes: u64, outputs: &mut Vec<Output>) {
        if let (Some(due), Phase::Leaving(why)) = (self.quit_due, self.phase)
            && due <= now
        {
            self.exit(why, outputs);
            return;
        }
        if !self.connected {
            self.heartbeat_due = now + HEARTBEAT;
            self.stats_due = now + STATS;
            return;
        }
        if now.saturating_sub(self.heard) >= MASTER_SILENT || self.ready_tries > READY_TRIES {
            self.leave(now, Leave::NoMaster, outputs);
            return;
        }
        if !self.acked && self.ready_due <= now {
            self.say_ready(now, outputs);
        }
        if self.heartbeat_due <= now {
            self.heartbeat_due = now + HEARTBEAT;
            let state = self.state();
            outputs.push(send(ToMaster::Heartbeat { state, cpu_percent: cpu, memory_bytes }));
        }
        if self.stats_due <= now {
            self.stats_due = now + STATS;
            self.flush(outputs);
        }
    }

    const fn state(&self) -> WorkerState {
        match self.phase {
            Phase::Ready => WorkerState::Ready,
            Phase::Spawning => WorkerState::Spawning,
            Phase::Running => WorkerState::Running,
            Phase::Stopping | Phase::Leaving(_) => WorkerState::Stopping,
        }
    }

    fn say_ready(&mut self, now: Duration, outputs: &mut Vec<Output>) {
        self.ready_tries += 1;
        self.ready_due = now + READY_AGAIN;
        outputs.push(send(ToMaster::ClientReady));
    }

    fn flush(&mut self, outputs: &mut Vec<Output>) {
        let report = self.report.take();
        outputs.push(send(ToMaster::Stats(report, self.counts())));
    }
}

fn send(message: ToMaster) -> Output {
    Output::Send(Box::new(message))
}

fn without_zeros(mut counts: Counts) -> Counts {
    counts.retain(|_, count| *count > 0);
    counts
}

/// Between heartbeats; a master misses a worker after about four.
pub const HEARTBEAT: Duration = Duration::from_secs(1);
/// Between reports, also when nothing runs.
pub const STATS: Duration = Duration::from_secs(3);
/// Until a worker that was not acknowledged says again that it is there.
pub const READY_AGAIN: Duration = Duration::from_secs(5);
/// How often it says so.
pub const READY_TRIES: u32 = 60;
/// How long a master may be silent.
pub const MASTER_SILENT: Duration = Duration::from_secs(60);
/// How long users have to end when the worker leaves: a master waits for half a second.
pub const QUIT_WITHIN: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locust::report::Entry;

    #[test]
    fn a_run_goes_from_ready_over_spawning_to_stopped_and_ready_again() {
        let mut worker = connected();
        assert_eq!(
            worker.handle(s(1), spawn(1.0, 3)),
            [send(ToMaster::Spawning), Output::Users(users(3))]
        );
        assert_eq!(worker.handle(s(1), Input::Running(users(2))), []);
        let complete = worker.handle(s(1), Input::Running(users(3)));
        assert_eq!(complete, [send(ToMaster::SpawningComplete(users(3)))]);
        worker.record(&request());
        assert_eq!(
            worker.handle(s(2), Input::Message(FromMaster::Stop)),
            [Output::Users(Counts::new())]
        );
        let ended = worker.handle(s(2), Input::Running(Counts::new()));
        assert_eq!(kinds(&ended), ["stats 1", "stopped", "ready"]);
    }

    #[test]
    fn an_old_spawn_is_not_obeyed() {
        let mut worker = connected();
        worker.handle(s(1), spawn(2.0, 3));
        assert_eq!(worker.handle(s(1), spawn(2.0, 5)), []);
        assert_eq!(worker.handle(s(1), spawn(1.9, 5)), []);
        assert!(!worker.handle(s(1), spawn(2.1, 1)).is_empty(), "a ramp down");
    }

    #[test]
    fn a_master_never_gets_more_than_the_worker_allows() {
        let mut worker = connected();
        let outputs = worker.handle(s(1), spawn(1.0, 1000));
        assert!(outputs.contains(&Output::Users(users(10))));
        assert!(kinds(&outputs).contains(&"exception".to_owned()));
        let counts = Counts::from([("Unknown".to_owned(), 5)]);
        let message = FromMaster::Spawn { timestamp_s: 2.0, counts, host: None };
        let outputs = worker.handle(s(2), Input::Message(message));
        assert!(outputs.contains(&Output::Users(Counts::new())));
    }

    #[test]
    fn heartbeats_come_every_second_and_figures_every_three_also_when_idle() {
        let mut worker = connected();
        let mut sent = Vec::new();
        for at in 1..=6 {
            worker.handle(s(at), Input::Message(FromMaster::Heartbeat));
            sent.extend(kinds(&worker.handle(s(at), tick())));
        }
        assert_eq!(sent.iter().filter(|kind| *kind == "heartbeat").count(), 6);
        assert_eq!(sent.iter().filter(|kind| *kind == "stats 0").count(), 2);
    }

    #[test]
    fn a_quit_sends_the_last_figures_even_when_a_user_does_not_end() {
        for clean in [true, false] {
            let mut worker = running();
            worker.record(&request());
            worker.handle(s(5), Input::Message(FromMaster::Quit));
            assert_eq!(worker.handle(s(5), Input::Message(FromMaster::Quit)), [], "told again");
            let end = if clean { Input::Running(Counts::new()) } else { tick() };
            let outputs = worker.handle(s(5) + QUIT_WITHIN, end);
            assert_eq!(kinds(&outputs), ["stats 1", "exit Told"]);
        }
    }

    #[test]
    fn an_interrupt_says_that_the_worker_leaves() {
        let mut worker = connected();
        let outputs = worker.handle(s(1), Input::Interrupt);
        assert_eq!(kinds(&outputs), ["stats 0", "quit", "exit Interrupted"]);
    }

    #[test]
    fn a_lost_master_ends_the_run_and_its_figures_do_not_reach_the_next() {
        let mut worker = running();
        worker.record(&request());
        let outputs = worker.handle(s(5), Input::Disconnected);
        assert_eq!(outputs, [Output::Users(Counts::new()), Output::Reconnect]);
        worker.handle(s(5), Input::Running(Counts::new()));
        assert_eq!(kinds(&worker.handle(s(9), Input::Connected)), ["ready"]);
        worker.handle(s(9), Input::Message(FromMaster::Ack { index: Some(0) }));
        assert!(kinds(&worker.handle(s(12), tick())).contains(&"stats 0".to_owned()));
        // The clock of the new master may be behind that of the old one.
        assert!(!worker.handle(s(13), spawn(0.5, 1)).is_empty());
    }

    #[test]
    fn a_silent_master_is_left_after_a_minute_and_one_that_never_answers_after_sixty_tries() {
        let mut worker = running();
        worker.handle(s(1) + MASTER_SILENT, tick());
        let outputs = worker.handle(s(1) + MASTER_SILENT, Input::Running(Counts::new()));
        assert_eq!(kinds(&outputs).last().map(String::as_str), Some("exit NoMaster"));
    }

    fn connected() -> Worker {
        let mut worker = Worker::new(vec!["Kms".to_owned()], 10, s(0));
        assert_eq!(kinds(&worker.handle(s(0), Input::Connected)), ["ready"]);
        assert_eq!(worker.handle(s(0), Input::Message(FromMaster::Ack { index: Some(0) })), []);
        worker.handle(s(0), tick());
        worker
    }

    fn running() -> Worker {
        let mut worker = connected();
        worker.handle(s(1), spawn(1.0, 3));
        worker.handle(s(1), Input::Running(users(3)));
        worker
    }

    fn spawn(timestamp_s: f64, count: u64) -> Input {
        Input::Message(FromMaster::Spawn { timestamp_s, counts: users(count), host: None })
    }

    fn users(count: u64) -> Counts {
        Counts::from([("Kms".to_owned(), count)])
    }

    fn request() -> Report {
        let mut entry =
            Entry { name: "kms".to_owned(), method: "KMS".to_owned(), ..Entry::default() };
        entry.record_many(1.0, 1.0, 1);
        Report { entries: vec![entry], errors: Vec::new() }
    }

    fn tick() -> Input {
        Input::Tick { cpu_percent: 1.0, memory_bytes: 1 }
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn kinds(outputs: &[Output]) -> Vec<String> {
        let kind = |output: &Output| match output {
            Output::Send(message) => match message.as_ref() {
                ToMaster::ClientReady => "ready".to_owned(),
                ToMaster::ClientStopped => "stopped".to_owned(),
                ToMaster::Quit => "quit".to_owned(),
                ToMaster::Heartbeat { .. } => "heartbeat".to_owned(),
                ToMaster::Exception { .. } => "exception".to_owned(),
                ToMaster::Stats(report, _) => {
                    format!("stats {}", report.entries.iter().map(|e| e.requests).sum::<u64>())
                }
                other => format!("{other:?}"),
            },
            Output::Exit(why) => format!("exit {why:?}"),
            other => format!("{other:?}"),
        };
        outputs.iter().map(kind).collect()
    }
}
