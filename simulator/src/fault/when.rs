//! Which of the matching events a rule strikes: by number, by chance, by time, so many times.

use std::time::Duration;

use kms_protocol::filetime::FileTime;

use super::draw::Draw;

/// Conditions on the running number and on time. All must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When {
    /// The event of this number only, from 1.
    pub nth: Option<u64>,
    /// Each event whose number is a multiple of this.
    pub every: Option<u64>,
    /// The share of events, from 0 to 1.
    pub probability: Option<f64>,
    /// Not before.
    pub from: Option<Moment>,
    /// Not at this moment or after.
    pub until: Option<Moment>,
    /// At most so many times.
    pub limit: Option<u64>,
}

/// A moment by the host's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long after the rule was set.
    After(Duration),
    /// A date and time.
    At(FileTime),
}

impl When {
    /// Whether event `number` (from 1) of a rule that was set at `set_at` is struck at `now`, but
    /// for the limit, which depends on what was struck before.
    #[must_use]
    pub fn strikes(&self, number: u64, now: FileTime, set_at: FileTime, draw: &mut Draw) -> bool {
        // Drawn in any case: what follows in the stream must not depend on other conditions.
        let drawn = draw.unit();
        self.is_open(now, set_at)
            && self.nth.is_none_or(|nth| number == nth)
            && self.every.is_none_or(|every| number.is_multiple_of(every))
            && self.probability.is_none_or(|share| drawn < share)
    }

    /// Whether `now` lies in the window of time.
    #[must_use]
    pub fn is_open(&self, now: FileTime, set_at: FileTime) -> bool {
        self.from.is_none_or(|moment| moment.of(set_at) <= now)
            && self.until.is_none_or(|moment| now < moment.of(set_at))
    }

    /// Whether there is no condition at all.
    #[must_use]
    pub fn is_always(&self) -> bool {
        *self == Self::default()
    }
}

impl Moment {
    fn of(self, set_at: FileTime) -> FileTime {
        match self {
            Self::After(time) => set_at.saturating_add(time),
            Self::At(time) => time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(when: &When, numbers: std::ops::RangeInclusive<u64>) -> Vec<u64> {
        let now = FileTime::default();
        numbers
            .filter(|number| when.strikes(*number, now, now, &mut Draw::new(5, "r", *number)))
            .collect()
    }

    #[test]
    fn numbers_choose_one_or_each_of_so_many() {
        assert_eq!(struck(&When { nth: Some(3), ..When::default() }, 1..=9), [3]);
        assert_eq!(struck(&When { every: Some(4), ..When::default() }, 1..=12), [4, 8, 12]);
        assert_eq!(struck(&When::default(), 1..=3), [1, 2, 3]);
    }

    #[test]
    fn a_probability_strikes_its_share_and_the_same_ones_again() {
        let when = When { probability: Some(0.25), ..When::default() };
        let first = struck(&when, 1..=10_000);
        assert!((2_350..2_650).contains(&first.len()), "{}", first.len());
        assert_eq!(struck(&when, 1..=10_000), first);
        assert!(struck(&When { probability: Some(0.0), ..When::default() }, 1..=1_000).is_empty());
        assert_eq!(
            struck(&When { probability: Some(1.0), ..When::default() }, 1..=1_000).len(),
            1_000
        );
    }

    #[test]
    fn a_window_is_open_from_its_start_to_before_its_end() {
        let hour = Duration::from_secs(3600);
        let set_at = FileTime::default().saturating_add(hour * 100);
        let at = |hours| set_at.saturating_add(hour * hours);
        let when = When {
            from: Some(Moment::After(hour)),
            until: Some(Moment::At(at(3))),
            ..When::default()
        };
        let open: Vec<bool> = (0..5).map(|hours| when.is_open(at(hours), set_at)).collect();
        assert_eq!(open, [false, true, true, false, false]);
    }
}
