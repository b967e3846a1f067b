//! How far a run is, on a terminal only: one line on standard error that is written over.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::fleet::engine::Progress;
use crate::fleet::scenario::{Scenario, Seconds};

/// The line of one run.
pub(super) struct Meter(Option<Arc<Mutex<State>>>);

/// What has been heard of a run.
struct State {
    start: Timestamp,
    duration: Seconds,
    begun: Instant,
    shown: Duration,
    /// Time and events of each component that has been heard of, and how many there are.
    parts: Vec<(Seconds, u64)>,
    components: usize,
}

impl Meter {
    /// What standard error allows.
    pub(super) fn new(scenario: &Scenario) -> Self {
        let shows = io::stderr().is_terminal();
        Self(shows.then(|| Arc::new(Mutex::new(State::new(scenario.start, scenario.duration)))))
    }

    /// What the engine tells.
    pub(super) fn listener(&self) -> Option<Arc<dyn Fn(Progress) + Send + Sync>> {
        let state = Arc::clone(self.0.as_ref()?);
        Some(Arc::new(move |progress| {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let elapsed = state.begun.elapsed();
            state.hear(progress);
            if elapsed >= state.shown + DRAW_EVERY {
                state.shown = elapsed;
                let line = state.line(elapsed);
                let _nowhere_to_complain = write!(io::stderr(), "\r\x1b[K{line}");
            }
        }))
    }

    /// Takes the line away.
    pub(super) fn end(self) {
        if self.0.is_some() {
            let _nowhere_to_complain = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl State {
    fn new(start: Timestamp, duration: Seconds) -> Self {
        let (begun, shown) = (Instant::now(), Duration::ZERO);
        Self { start, duration, begun, shown, parts: Vec::new(), components: 1 }
    }

    fn hear(&mut self, progress: Progress) {
        self.components = progress.components.max(1);
        if self.parts.len() <= progress.component {
            self.parts.resize(progress.component + 1, (Seconds(0), 0));
        }
        if let Some(part) = self.parts.get_mut(progress.component) {
            *part = (progress.at, progress.events);
        }
    }

    /// Where the part is that is least far of those at work, the share that is done, events a second
    /// and what is left, if all parts take alike.
    #[allow(clippy::cast_precision_loss, reason = "figures for people")]
    fn line(&self, elapsed: Duration) -> String {
        let at_work = self.parts.iter().map(|(at, _)| *at).filter(|at| *at < self.duration);
        let at = at_work.min().unwrap_or(self.duration);
        let simulated: f64 = self.parts.iter().map(|(at, _)| f64::from(at.0)).sum();
        let whole = f64::from(self.duration.0.max(1)) * self.components as f64;
        let events: u64 = self.parts.iter().map(|(_, events)| events).sum();
        let seconds = elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let done = simulated / whole;
        let date = self.start.saturating_add(SignedDuration::from_secs(at.0.into()));
        let date = date.map_or(String::new(), |date| date.strftime("%F").to_string());
        let rate = events as f64 / seconds;
        let mut line = format!("{date}, {:.0} % done, {rate:.0} events a second", done * 100.0);
        if done > 0.0 {
            line.push_str(&format!(", about {:.0} s to go", seconds * (1.0 - done) / done));
        }
        line
    }
}

/// Often enough to be read.
const DRAW_EVERY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_date_share_speed_and_what_is_left() {
        let mut state = State::new(Timestamp::UNIX_EPOCH, Seconds::days(10));
        let part = |component, days, events| Progress {
            component,
            components: 2,
            at: Seconds::days(days),
            events,
        };
        state.hear(part(0, 3, 10));
        state.hear(part(0, 10, 3_000));
        state.hear(part(1, 5, 1_000));
        let line = state.line(Duration::from_secs(30));
        assert_eq!(line, "1970-01-06, 75 % done, 133 events a second, about 10 s to go");
    }
}
