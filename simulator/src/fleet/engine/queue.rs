//! What is to come, in the order of (time, sequence).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A client's turn at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) time: u32,
    /// Index within the component, doubled; odd for what concerns its switch.
    pub(super) turn: u32,
}

/// A queue of turns. Of those at the same time, the one that was put in first comes first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<(u32, u64, u32)>>,
    sequence: u64,
}

impl Queue {
    pub(super) fn push(&mut self, entry: Entry) {
        self.heap.push(Reverse((entry.time, self.sequence, entry.turn)));
        self.sequence += 1;
    }

    /// The time of the first.
    pub(super) fn next_time(&mut self) -> Option<u32> {
        self.heap.peek().map(|Reverse((time, ..))| *time)
    }

    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.heap.pop().map(|Reverse((time, _, turn))| Entry { time, turn })
    }
}
