//! The latest probes, for the page that a person opens.

use std::collections::VecDeque;
use std::time::Duration;

/// One probe that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probed {
    /// When, RFC 3339.
    pub at: String,
    /// As it was asked.
    pub target: String,
    /// Of the request.
    pub module: String,
    /// The worst verdict.
    pub verdict: String,
    /// Its severity by name.
    pub severity: &'static str,
    /// How long it took.
    pub elapsed: Duration,
}

/// The last [`RECENT_MAX`] probes, the newest first.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<Probed>);

impl Recent {
    pub(super) fn add(&mut self, probed: Probed) {
        self.0.truncate(RECENT_MAX - 1);
        self.0.push_front(probed);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Probed> {
        self.0.iter()
    }
}

const RECENT_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_are_kept_newest_first() {
        let mut recent = Recent::default();
        for number in 0..RECENT_MAX + 7 {
            recent.add(Probed {
                at: number.to_string(),
                target: String::new(),
                module: String::new(),
                verdict: String::new(),
                severity: "ok",
                elapsed: Duration::ZERO,
            });
        }
        let ats: Vec<&str> = recent.iter().map(|probed| probed.at.as_str()).collect();
        assert_eq!((ats.len(), ats.first(), ats.last()), (RECENT_MAX, Some(&"106"), Some(&"7")));
    }
}
