//! In which order the work of a sweep is done. Pure.
//!
//! Rows begin in the order of the list. A row that leads to several addresses goes on with them at
//! once, so that few rows are under way at a time. What was silent waits until every row has had its
//! turn, and is tried once more then: one lost SYN is no verdict.

use std::collections::VecDeque;

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Job<P> {
    /// Begin with a row.
    Row(usize),
    /// Talk to one address of a row.
    Address {
        /// The row.
        row: usize,
        /// The place of the address among those of the row.
        place: usize,
        /// 1 for the first time.
        attempt: u32,
        /// Whom to talk to.
        probe: P,
    },
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Queue<P> {
    rows: VecDeque<usize>,
    addresses: VecDeque<Job<P>>,
    again: VecDeque<Job<P>>,
    under_way: usize,
}

/// What a worker is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<P> {
    /// To do this.
    Do(Job<P>),
    /// To wait: what is under way may lead to more.
    Wait,
    /// That everything is done.
    Done,
}

impl<P> Queue<P> {
    pub(super) fn new(rows: impl IntoIterator<Item = usize>) -> Self {
        Self {
            rows: rows.into_iter().collect(),
            addresses: VecDeque::new(),
            again: VecDeque::new(),
            under_way: 0,
        }
    }

    /// What to do next. Each job that is given out ends with [`Self::ended`].
    pub(super) fn next(&mut self) -> Next<P> {
        let row = || self.rows.pop_front().map(Job::Row);
        match self.addresses.pop_front().or_else(row).or_else(|| self.again.pop_front()) {
            Some(job) => {
                self.under_way += 1;
                Next::Do(job)
            }
            None if self.under_way == 0 => Next::Done,
            None => Next::Wait,
        }
    }

    /// A further address of a row.
    pub(super) fn add(&mut self, job: Job<P>) {
        self.addresses.push_back(job);
    }

    /// The same address once more, after everything else.
    pub(super) fn add_again(&mut self, job: Job<P>) {
        self.again.push_back(job);
    }

    /// How much waits to be tried again.
    pub(super) fn waiting_again(&self) -> usize {
        self.again.len()
    }

    /// Whether a job that was given out has not ended.
    pub(super) const fn is_under_way(&self) -> bool {
        self.under_way > 0
    }

    /// A job has ended, after what it led to was added.
    pub(super) fn ended(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(row: usize, attempt: u32) -> Job<()> {
        Job::Address { row, place: 0, attempt, probe: () }
    }

    #[test]
    fn addresses_of_a_row_come_before_further_rows_and_second_tries_last() {
        let mut queue = Queue::new([0, 1]);
        assert_eq!(queue.next(), Next::Do(Job::Row(0)));
        queue.add(address(0, 1));
        queue.ended();
        assert_eq!(queue.next(), Next::Do(address(0, 1)));
        queue.add_again(address(0, 2));
        queue.ended();
        assert_eq!(queue.next(), Next::Do(Job::Row(1)));
        queue.ended();
        assert_eq!(queue.next(), Next::Do(address(0, 2)));
        queue.ended();
        assert_eq!(queue.next(), Next::Done);
    }

    #[test]
    fn nobody_leaves_while_a_job_under_way_may_lead_to_more() {
        let mut queue: Queue<()> = Queue::new([0]);
        assert_eq!(queue.next(), Next::Do(Job::Row(0)));
        assert_eq!(queue.next(), Next::Wait);
        queue.add(address(0, 1));
        assert_eq!(queue.next(), Next::Do(address(0, 1)));
        queue.ended();
        assert_eq!(queue.next(), Next::Wait, "the row itself is still under way");
        queue.ended();
        assert_eq!(queue.next(), Next::Done);
    }
}
