//! Locust's users as load: a run of the generator that is started, rescaled and stopped.
//!
//! A user is one closed loop (the next request begins when the last is answered and its think time is
//! over), or, with a rate per user, a share of an open schedule that waits for nobody.

use std::sync::Arc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::Sender;

use super::report::{Entry, ErrorEntry, Report};
use crate::load::{Control, Demand, Depth, Plan, Profile, Run, Spacing, Tally, Verdict};

/// What users tell.
#[derive(Debug)]
pub enum Told {
    /// Figures of one more second.
    Figures(Box<Report>, Box<Tally>),
    /// The run has ended, and all its figures were told before.
    Ended,
    /// It could not go on.
    Failed(String),
}

/// All users of this worker.
pub struct Users {
    plan: Plan,
    /// Requests per second of one user; `None`: a closed loop.
    rate: Option<f64>,
    tell: Sender<Told>,
    run: Option<Arc<Control>>,
    wanted: u32,
}

impl Users {
    /// No users yet; `plan` says what each of them does. Its demand is replaced.
    #[must_use]
    pub const fn new(plan: Plan, rate: Option<f64>, tell: Sender<Told>) -> Self {
        Self { plan, rate, tell, run: None, wanted: 0 }
    }

    /// Lets `users` run. Zero ends the run, and [`Told::Ended`] follows.
    ///
    /// # Errors
    /// Why a run cannot begin.
    pub fn set(&mut self, users: u32) -> Result<(), String> {
        self.wanted = users;
        match (&self.run, users) {
            (None, 0) => Ok(()),
            (None, _) => self.start(users),
            (Some(control), 0) => {
                control.stop();
                Ok(())
            }
            (Some(control), _) => {
                match self.rate {
                    Some(rate) => control.set_rate(rate * f64::from(users)),
                    None => control.set_users(users),
                }
                Ok(())
            }
        }
    }

    /// Whether a run is on, or still ending.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.run.is_some()
    }

    /// The run has ended; whether there should still be users.
    pub fn ended(&mut self) -> bool {
        self.run = None;
        std::mem::take(&mut self.wanted) > 0
    }

    fn start(&mut self, users: u32) -> Result<(), String> {
        let mut plan = self.plan.clone();
        plan.demand = match (self.rate, plan.demand) {
            (Some(rate), _) => {
                Demand::Open(Profile::Constant(rate * f64::from(users)), Spacing::Constant)
            }
            (None, Demand::Closed { think, .. }) => Demand::Closed { users, think },
            (None, Demand::Open(..)) => Demand::Closed { users, think: std::time::Duration::ZERO },
        };
        let name = plan.depth;
        let run = Run::start(plan).map_err(|error| error.to_string())?;
        self.run = Some(run.control());
        let tell = self.tell.clone();
        thread::spawn(move || {
            let ended = run.collect(|second, tally, _| {
                let at = unix_s();
                let report = report(name, at, tally);
                // The receiver is bounded: a slow master slows the collecting, not the load.
                let _ = second;
                tell.blocking_send(Told::Figures(Box::new(report), Box::new(tally.clone()))).ok();
            });
            let last = match ended {
                Ok(_) => Told::Ended,
                Err(error) => Told::Failed(error.to_string()),
            };
            tell.blocking_send(last).ok();
        });
        Ok(())
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        if let Some(control) = &self.run {
            control.cut();
        }
    }
}

/// A second of load as a row of Locust's.
fn report(depth: Depth, ended_s: f64, tally: &Tally) -> Report {
    let mut entry =
        Entry { name: depth.name().to_owned(), method: METHOD.to_owned(), ..Entry::default() };
    for histogram in [&tally.latencies.intended, &tally.latencies.failed] {
        for value in histogram.iter_recorded() {
            let elapsed_ms = value.value_iterated_to() as f64 / 1000.0;
            entry.record_many(ended_s, elapsed_ms, value.count_at_value());
        }
    }
    let failed = tally.counts.by_verdict().filter(|(_, occurrences)| *occurrences > 0);
    let errors: Vec<ErrorEntry> = failed
        .map(|(verdict, occurrences)| failure(depth, ended_s, verdict, occurrences))
        .collect();
    entry.fail_many(ended_s, errors.iter().map(|error| error.occurrences).sum());
    let entries = if entry.requests > 0 { vec![entry] } else { Vec::new() };
    Report { entries, errors }
}

fn failure(depth: Depth, seen_s: f64, verdict: Verdict, occurrences: u64) -> ErrorEntry {
    ErrorEntry {
        name: depth.name().to_owned(),
        method: METHOD.to_owned(),
        error: verdict.name().to_owned(),
        occurrences,
        first_seen_s: seen_s,
        last_seen_s: seen_s,
    }
}

/// Seconds since 1970, as Locust's figures carry them.
#[must_use]
pub fn unix_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Method of every row; the name is the depth.
pub const METHOD: &str = "KMS";
