//! When the next exchange of a worker is due. Intentions that cannot be met yet are not stored: the
//! schedule stands still at the first of them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::load::plan::{Demand, Plan, nanos};
use crate::load::schedule::{Offsets, Profile, Spacing};

/// Times are nanoseconds since the start.
pub(super) struct Feed {
    source: Source,
    /// Exchanges that may still begin.
    left: u64,
    end: u64,
}

enum Source {
    Open {
        offsets: Box<Offsets>,
        next: Option<u64>,
        base: u64,
    },
    Closed {
        due: VecDeque<u64>,
        users: u32,
        wanted: u32,
        think: u64,
        /// Between two exchanges, so that all workers together stay below the ceiling.
        gap: u64,
        /// No exchange is due before.
        not_before: u64,
    },
}

impl Feed {
    /// The share of worker `index`.
    pub(super) fn new(plan: &Plan, index: u32) -> Self {
        let source = match &plan.demand {
            Demand::Open(profile, spacing) => {
                let seed = plan.identity.seed;
                let profile = profile.clone();
                let mut offsets =
                    Box::new(Offsets::new(profile, *spacing, seed, index, plan.workers));
                let next = offsets.next();
                Source::Open { offsets, next, base: 0 }
            }
            Demand::Closed { users, think } => {
                let users = share((*users).into(), index, plan.workers) as u32;
                let due = (0..users).map(|_| 0).collect();
                let gap = f64::from(plan.workers) * 1e9 / plan.rate_max;
                Source::Closed {
                    due,
                    users,
                    wanted: users,
                    think: nanos(*think),
                    gap: gap.ceil() as u64,
                    not_before: 0,
                }
            }
        };
        let left = plan.count.map_or(u64::MAX, |count| share(count, index, plan.workers));
        Self { source, left, end: nanos(plan.warm_up.saturating_add(plan.duration)) }
    }

    /// When the next exchange is due; `None` when none is, for now or for ever.
    pub(super) fn peek(&self) -> Option<u64> {
        let next = match &self.source {
            Source::Open { next, base, .. } => next.map(|next| next.saturating_add(*base)),
            Source::Closed { due, not_before, .. } => {
                due.front().map(|due| (*due).max(*not_before))
            }
        };
        next.filter(|due| self.left > 0 && *due < self.end)
    }

    /// Takes it.
    pub(super) fn take(&mut self) -> Option<u64> {
        let due = self.peek()?;
        match &mut self.source {
            Source::Open { offsets, next, .. } => *next = offsets.next(),
            Source::Closed { due: users, gap, not_before, .. } => {
                users.pop_front();
                *not_before = due.saturating_add(*gap);
            }
        }
        self.left -= 1;
        Some(due)
    }

    /// An exchange has ended: in a closed loop its user thinks, or leaves.
    pub(super) fn ended(&mut self, now: u64) {
        if let Source::Closed { due, users, wanted, think, .. } = &mut self.source {
            if *users > *wanted {
                *users -= 1;
            } else {
                due.push_back(now.saturating_add(*think));
            }
        }
    }

    /// Nothing will come any more, whatever ends.
    pub(super) fn is_over(&self, now: u64) -> bool {
        let exhausted = matches!(&self.source, Source::Open { next: None, .. });
        now >= self.end || self.left == 0 || exhausted
    }

    /// From `now` on so many users.
    pub(super) fn set_users(&mut self, count: u32, now: u64) {
        if let Source::Closed { due, users, wanted, .. } = &mut self.source {
            *wanted = count;
            while *users > count && due.pop_back().is_some() {
                *users -= 1;
            }
            while *users < count {
                due.push_back(now);
                *users += 1;
            }
        }
    }

    /// From `now` on this worker's own constant rate; zero rests.
    pub(super) fn set_rate(&mut self, rate: f64, now: u64) {
        if let Source::Open { offsets, next, base } = &mut self.source {
            *base = now;
            *next = None;
            if Profile::Constant(rate).check().is_ok() {
                **offsets = Offsets::new(Profile::Constant(rate), Spacing::Constant, 0, 0, 1);
                *next = offsets.next();
            }
        }
    }

    /// No exchange begins any more; returns how many were due from `from` to `now` and did not.
    pub(super) fn close(&mut self, from: u64, now: u64) -> u64 {
        let closed_loop = matches!(self.source, Source::Closed { .. });
        let mut unsent = 0;
        while let Some(due) = self.peek().filter(|due| !closed_loop && *due < now) {
            unsent += u64::from(due >= from);
            self.take();
        }
        self.left = 0;
        unsent
    }
}

/// The share of `index` among `of`; all shares together are `total`.
pub(super) fn share(total: u64, index: u32, of: u32) -> u64 {
    let (index, of) = (u64::from(index), u64::from(of.max(1)));
    total / of + u64::from(index < total % of)
}

/// How long a worker waits at most before it looks at what it was told.
pub(super) const GLANCE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::plan::tests::plan;

    fn open(rate: f64) -> Plan {
        let demand = Demand::Open(Profile::Constant(rate), Spacing::Constant);
        plan(([127, 0, 0, 1], 1688).into(), demand)
    }

    #[test]
    fn a_count_is_shared_out_exactly_and_ends_the_feed() {
        let plan = Plan { count: Some(10), workers: 3, ..open(100.0) };
        let mut taken = 0;
        for index in 0..3 {
            let mut feed = Feed::new(&plan, index);
            while feed.take().is_some() {
                taken += 1;
            }
            assert!(feed.is_over(0));
        }
        assert_eq!(taken, 10);
    }

    #[test]
    fn what_was_due_and_never_began_is_counted_and_not_stored() {
        let plan = Plan { duration: Duration::from_secs(10), ..open(100.0) };
        let mut feed = Feed::new(&plan, 0);
        assert_eq!(feed.take(), Some(0));
        // Due at 10 ms, 20 ms .. 990 ms, of which those before 500 ms belong to the warm-up.
        assert_eq!(feed.close(500_000_000, 1_000_000_000), 50);
        assert_eq!(feed.peek(), None);
    }

    #[test]
    fn users_come_back_after_thinking_and_their_number_can_change() {
        let closed = Demand::Closed { users: 3, think: Duration::from_nanos(7) };
        let plan = Plan { demand: closed, rate_max: f64::INFINITY, ..open(1.0) };
        let mut feed = Feed::new(&plan, 0);
        assert_eq!((feed.take(), feed.take(), feed.take()), (Some(0), Some(0), Some(0)));
        assert_eq!(feed.take(), None, "all are busy");
        feed.ended(100);
        assert_eq!(feed.take(), Some(107));
        feed.set_users(1, 200);
        feed.ended(210);
        feed.ended(220);
        assert_eq!(feed.peek(), None, "two have left");
        feed.ended(230);
        assert_eq!(feed.take(), Some(237), "one has stayed");
        feed.set_users(2, 300);
        assert_eq!(feed.take(), Some(300));
    }

    #[test]
    fn a_closed_loop_stays_below_the_ceiling_and_its_workers_share_it() {
        let closed = Demand::Closed { users: 6, think: Duration::ZERO };
        let plan = Plan { demand: closed, rate_max: 1000.0, workers: 2, ..open(1.0) };
        for index in 0..2 {
            let mut feed = Feed::new(&plan, index);
            let times: Vec<_> = (0..3).map(|_| feed.take()).collect();
            assert_eq!(times, [Some(0), Some(2_000_000), Some(4_000_000)]);
            feed.ended(4_500_000);
            assert_eq!(feed.take(), Some(6_000_000), "held back");
            feed.ended(20_000_000);
            assert_eq!(feed.take(), Some(20_000_000), "what was not used is not made up for");
        }
    }

    #[test]
    fn a_rate_can_change_and_rest() {
        let mut feed = Feed::new(&open(1000.0), 0);
        feed.set_rate(0.0, 50);
        assert_eq!(feed.peek(), None);
        feed.set_rate(1_000_000.0, 70);
        assert_eq!((feed.take(), feed.take()), (Some(70), Some(1070)));
    }
}
