//! How far a sweep is: a bar on a terminal, otherwise a line now and then.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::verdict::Severity;

/// How far a sweep is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Rows of the list.
    pub rows: usize,
    /// Rows that are finished, earlier runs included.
    pub finished: usize,
    /// Rows that an earlier run had finished.
    pub resumed: usize,
    /// Finished rows, from ok to critical.
    pub by_severity: [usize; 4],
    /// Addresses that were silent and are still to be tried again.
    pub waiting_again: usize,
    /// Time since this run began.
    pub elapsed: Duration,
}

/// Shows progress on standard error.
#[derive(Debug)]
pub enum Meter {
    /// A bar.
    Bar(ProgressBar),
    /// A line every [`LINE_EVERY`].
    Lines {
        /// When the next one is due, since the beginning.
        due: Duration,
    },
    /// Nothing.
    Quiet,
}

impl Meter {
    /// What standard error allows.
    #[must_use]
    pub fn new(rows: usize, quiet: bool) -> Self {
        if quiet {
            return Self::Quiet;
        }
        if !io::stderr().is_terminal() {
            return Self::Lines { due: LINE_EVERY };
        }
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        let bar = ProgressBar::with_draw_target(Some(rows), ProgressDrawTarget::stderr());
        let style =
            ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        Self::Bar(bar)
    }

    /// Shows `progress`.
    pub fn show(&mut self, progress: &Progress) {
        match self {
            Self::Bar(bar) => {
                if bar.position() == 0 && progress.resumed > 0 {
                    // The rate is that of this run.
                    bar.inc(u64::try_from(progress.resumed).unwrap_or(0));
                    bar.reset_eta();
                }
                bar.set_message(progress.words());
                bar.set_position(u64::try_from(progress.finished).unwrap_or(u64::MAX));
            }
            Self::Lines { due } if progress.elapsed >= *due => {
                *due = progress.elapsed + LINE_EVERY;
                let _nowhere_to_complain = writeln!(io::stderr(), "{}", progress.line());
            }
            Self::Lines { .. } | Self::Quiet => {}
        }
    }

    /// Takes the bar away.
    pub fn end(self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

impl Progress {
    /// Rows per second in this run; `None` before there is any.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        let done = self.finished.saturating_sub(self.resumed);
        (done > 0 && !self.elapsed.is_zero()).then(|| done as f64 / self.elapsed.as_secs_f64())
    }

    /// `1200 of 10000 rows, 600 per second, about 15 s to go, 12 critical`.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!("{} of {} rows", self.finished, self.rows);
        if let Some(rate) = self.rate() {
            let to_go = self.rows.saturating_sub(self.finished) as f64 / rate;
            line.push_str(&format!(", {rate:.0} per second, about {to_go:.0} s to go"));
        }
        match self.words() {
            words if words.is_empty() => line,
            words => format!("{line}, {words}"),
        }
    }

    /// What is not healthy, and what will be tried again.
    fn words(&self) -> String {
        let [_, _, warning, critical] = self.by_severity;
        let counts = [
            (critical, Severity::Critical.name()),
            (warning, Severity::Warning.name()),
            (self.waiting_again, "silent so far"),
        ];
        let some = counts.into_iter().filter(|(count, _)| *count > 0);
        some.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    }
}

/// How often a line is written where there is no terminal.
pub const LINE_EVERY: Duration = Duration::from_secs(10);

const TEMPLATE: &str = "{bar:30} {pos}/{len} rows  {per_sec}  ETA {eta}  {msg}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_what_is_wrong() {
        let mut progress = Progress {
            rows: 10_000,
            finished: 1_600,
            resumed: 400,
            by_severity: [1_580, 0, 8, 12],
            waiting_again: 300,
            elapsed: Duration::from_secs(2),
        };
        assert_eq!(
            progress.line(),
            "1600 of 10000 rows, 600 per second, about 14 s to go, 12 critical, 8 warning, 300 \
             silent so far"
        );
        progress =
            Progress { finished: 400, by_severity: [400, 0, 0, 0], waiting_again: 0, ..progress };
        assert_eq!(
            progress.line(),
            "400 of 10000 rows",
            "no rate before the first row of this run"
        );
    }
}
