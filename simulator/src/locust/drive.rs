//! The edge of a worker: its socket, its users, its clock.

use std::time::{Duration, Instant};

use data_encoding::BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::message::{Counts, FromMaster, ToMaster};
use super::socket::{Address, Link, LinkError};
use super::users::{METHOD, Told, Users};
use super::worker::{Input, Leave, Output, Worker};
use crate::load::{Plan, Tally};

/// A worker's own command line, which no master widens.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Master and node id.
    pub address: Address,
    /// The class that this worker runs.
    pub class: String,
    /// What a user does; where, how deep and how long at most.
    pub plan: Plan,
    /// Requests per second of one user; `None`: a closed loop.
    pub rate: Option<f64>,
    /// Most users.
    pub users_max: u32,
    /// How long a master is waited for, at the start and after each loss.
    pub wait: Duration,
}

/// Why a worker ended otherwise than it should.
#[derive(Debug, Error)]
pub enum DriveError {
    /// The master.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// It accepts connections and says nothing.
    #[error("the Locust master at {0} does not answer: is it a Locust 2 master?")]
    Silent(String),
    /// The system.
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
}

/// Works until the master or a signal ends it.
///
/// # Errors
/// [`DriveError`].
pub async fn drive(settings: Settings) -> Result<Leave, DriveError> {
    let started = Instant::now();
    let (tell, mut told) = mpsc::channel(TOLD_MAX);
    let depth = settings.plan.depth;
    let mut edge = Edge {
        users: Users::new(settings.plan, settings.rate, tell),
        worker: Worker::new(
            vec![settings.class.clone()],
            settings.users_max.into(),
            started.elapsed(),
        ),
        link: Some(Link::connect(&settings.address, settings.wait).await?),
        histogram: None,
        address: settings.address,
        class: settings.class,
        row: depth.name(),
        started,
        usage: Usage::default(),
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(DriveError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DriveError::Signals)?;
    let mut inputs = vec![Input::Connected];
    loop {
        for input in std::mem::take(&mut inputs) {
            if let Some(why) = edge.handle(input, &mut inputs).await {
                return match why {
                    Leave::NoMaster => Err(DriveError::Silent(edge.master())),
                    why => Ok(why),
                };
            }
        }
        if !inputs.is_empty() {
            continue;
        }
        if edge.link.is_none() {
            tokio::select! {
                link = Link::connect(&edge.address, settings.wait) => {
                    edge.link = Some(link?);
                    inputs.push(Input::Connected);
                }
                told = told.recv() => edge.hear(told, &mut inputs),
                _ = terminate.recv() => inputs.push(Input::Interrupt),
                _ = interrupt.recv() => inputs.push(Input::Interrupt),
            }
            continue;
        }
        let due = edge.worker.next_due().saturating_sub(started.elapsed());
        tokio::select! {
            message = receive(&mut edge.link) => inputs.extend(read(message)),
            told = told.recv() => edge.hear(told, &mut inputs),
            () = tokio::time::sleep(due) => inputs.push(edge.usage.tick()),
            _ = terminate.recv() => inputs.push(Input::Interrupt),
            _ = interrupt.recv() => inputs.push(Input::Interrupt),
        }
    }
}

struct Edge {
    users: Users,
    worker: Worker,
    link: Option<Link>,
    /// Latencies since the last report, at full resolution.
    histogram: Option<Histogram<u64>>,
    address: Address,
    class: String,
    row: &'static str,
    started: Instant,
    usage: Usage,
}

impl Edge {
    async fn handle(&mut self, input: Input, inputs: &mut Vec<Input>) -> Option<Leave> {
        for output in self.worker.handle(self.started.elapsed(), input) {
            match output {
                Output::Send(message) => {
                    if matches!(*message, ToMaster::Stats(..)) {
                        self.send_histogram(inputs).await;
                    }
                    self.send(&message, inputs).await;
                }
                Output::Users(counts) => self.set_users(&counts, inputs),
                Output::Reconnect => self.link = None,
                Output::Exit(why) => {
                    // The socket hands its bytes to a task of its own; the master waits half a second.
                    tokio::time::sleep(LAST_WORDS).await;
                    return Some(why);
                }
            }
        }
        None
    }

    fn set_users(&mut self, counts: &Counts, inputs: &mut Vec<Input>) {
        let users = counts.get(&self.class).copied().unwrap_or_default();
        let users = u32::try_from(users).unwrap_or(u32::MAX);
        match self.users.set(users) {
            // A run that ends says so once its last figures are told.
            Ok(()) if users == 0 && self.users.is_running() => {}
            Ok(()) => inputs.push(Input::Running(counts.clone())),
            Err(message) => {
                inputs.push(Input::Trouble(format!("no user can run: {message}")));
                inputs.push(Input::Running(Counts::new()));
            }
        }
    }

    fn hear(&mut self, told: Option<Told>, inputs: &mut Vec<Input>) {
        match told {
            Some(Told::Figures(report, tally)) => {
                self.worker.record(&report);
                self.add(&tally);
            }
            Some(Told::Ended) => self.ended("a ceiling of this worker's own was reached", inputs),
            Some(Told::Failed(message)) => self.ended(&message, inputs),
            None => {}
        }
    }

    /// All users are gone: as wanted, or because of `reason`, which the page then shows.
    fn ended(&mut self, reason: &str, inputs: &mut Vec<Input>) {
        if self.users.ended() {
            inputs.push(Input::Trouble(format!("all users ended: {reason}")));
        }
        inputs.push(Input::Running(Counts::new()));
    }

    fn add(&mut self, tally: &Tally) {
        let latencies = &tally.latencies.intended;
        match &mut self.histogram {
            Some(histogram) => drop(histogram.add(latencies)),
            None => self.histogram = Some(latencies.clone()),
        }
    }

    async fn send_histogram(&mut self, inputs: &mut Vec<Input>) {
        let Some(histogram) = self.histogram.take().filter(|histogram| !histogram.is_empty())
        else {
            return;
        };
        let mut bytes = Vec::new();
        if V2DeflateSerializer::new().serialize(&histogram, &mut bytes).is_ok() {
            let (name, method) = (self.row.to_owned(), METHOD.to_owned());
            let encoded = BASE64.encode(&bytes);
            self.send(&ToMaster::Histogram { name, method, encoded }, inputs).await;
        }
    }

    async fn send(&mut self, message: &ToMaster, inputs: &mut Vec<Input>) {
        let Some(link) = &mut self.link else { return };
        if link.send(message.encode(&self.address.node_id)).await.is_err() {
            self.link = None;
            inputs.push(Input::Disconnected);
        }
    }

    fn master(&self) -> String {
        format!("{}:{}", self.address.host, self.address.port)
    }
}

async fn receive(link: &mut Option<Link>) -> Result<Vec<u8>, LinkError> {
    match link {
        Some(link) => link.receive().await,
        None => std::future::pending().await,
    }
}

fn read(message: Result<Vec<u8>, LinkError>) -> Option<Input> {
    match message.map(|bytes| FromMaster::decode(&bytes)) {
        Ok(Ok(message)) => Some(Input::Message(message)),
        Ok(Err(error)) => {
            tracing::warn!("a message of the Locust master was left unread: {error}");
            None
        }
        Err(_) => Some(Input::Disconnected),
    }
}

/// What this process uses of the machine, between two ticks.
#[derive(Debug)]
struct Usage {
    at: Instant,
    cpu: Duration,
    percent: f64,
}

impl Default for Usage {
    fn default() -> Self {
        Self { at: Instant::now(), cpu: cpu_time(), percent: 0.0 }
    }
}

impl Usage {
    fn tick(&mut self) -> Input {
        let elapsed = self.at.elapsed();
        if elapsed >= USAGE_OVER {
            let cpu = cpu_time();
            let used = cpu.saturating_sub(self.cpu);
            self.percent = 100.0 * used.as_secs_f64() / elapsed.as_secs_f64();
            (self.at, self.cpu) = (Instant::now(), cpu);
        }
        Input::Tick { cpu_percent: self.percent, memory_bytes: resident_bytes() }
    }
}

fn cpu_time() -> Duration {
    let clock = nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID;
    clock.now().map(Duration::from).unwrap_or_default()
}

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or_default() * PAGE_BYTES
}

const PAGE_BYTES: u64 = 4096;
/// Seconds of figures that wait for the master.
const TOLD_MAX: usize = 64;
/// Over how long the use of processors is averaged.
const USAGE_OVER: Duration = Duration::from_secs(1);
const LAST_WORDS: Duration = Duration::from_millis(100);
