//! What is to come, in the order of (time, sequence).

/// A client's turn at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) time: u32,
    /// Index within the component, doubled; odd for what concerns its switch.
    pub(super) turn: u32,
}

/// A calendar queue of three wheels: seconds of a block of 1024, blocks of an age of 2^21 seconds,
/// ages. Of entries at the same time, the one that was put in first comes first: an entry goes to the
/// finest wheel that the current block or age allows, and what a coarser wheel holds for a block is
/// dealt out, in order, before anything else can get there. So no sequence has to be kept.
#[derive(Debug)]
pub(super) struct Queue {
    seconds: Wheel<u32>,
    blocks: Wheel<Entry>,
    ages: Wheel<Entry>,
    /// The block whose seconds are dealt out.
    block: u32,
    /// Entries taken from the current second.
    taken: usize,
    /// Emptied lists, to be used again.
    spare: Vec<Vec<Entry>>,
}

#[derive(Debug)]
struct Wheel<T> {
    lists: Vec<Vec<T>>,
    /// One bit for each list that is not empty.
    filled: Vec<u64>,
}

impl Queue {
    /// Nothing is to come.
    pub(super) fn new() -> Self {
        Self {
            seconds: Wheel::new(1 << SECOND_BITS),
            blocks: Wheel::new(1 << BLOCK_BITS),
            ages: Wheel::new(1 << (32 - SECOND_BITS - BLOCK_BITS)),
            block: 0,
            taken: 0,
            spare: Vec::new(),
        }
    }

    /// Puts in an entry that is not before the one that was taken last.
    pub(super) fn push(&mut self, entry: Entry) {
        let block = entry.time >> SECOND_BITS;
        if block <= self.block {
            self.seconds.list((entry.time & SECOND_MASK) as usize).push(entry.turn);
        } else if block >> BLOCK_BITS == self.block >> BLOCK_BITS {
            put(&mut self.blocks, (block & BLOCK_MASK) as usize, entry, &mut self.spare);
        } else {
            put(&mut self.ages, (block >> BLOCK_BITS) as usize, entry, &mut self.spare);
        }
    }

    /// The first entry, unless it is after `limit`. `coming` is shown the entries of a block before
    /// their turn.
    pub(super) fn pop(&mut self, limit: u32, coming: impl Fn(&[Entry])) -> Option<Entry> {
        loop {
            if let Some(second) = self.seconds.first_from(0) {
                #[allow(clippy::cast_possible_truncation, reason = "below 1024")]
                let time = (self.block << SECOND_BITS) | second as u32;
                if time > limit {
                    return None;
                }
                let list = &mut self.seconds.lists[second];
                if let Some(&turn) = list.get(self.taken) {
                    self.taken += 1;
                    return Some(Entry { time, turn });
                }
                list.clear();
                self.taken = 0;
                self.seconds.clear(second);
            } else if !self.deal(limit, &coming) {
                return None;
            }
        }
    }

    /// Goes to the next block that has entries and deals them out, unless it begins after `limit`.
    fn deal(&mut self, limit: u32, coming: &impl Fn(&[Entry])) -> bool {
        let age = self.block >> BLOCK_BITS;
        #[allow(clippy::cast_possible_truncation, reason = "wheels have at most 2048 lists")]
        if let Some(place) = self.blocks.first_from((self.block & BLOCK_MASK) as usize) {
            let block = (age << BLOCK_BITS) | place as u32;
            if block << SECOND_BITS > limit {
                return false;
            }
            self.block = block;
            let mut list = self.blocks.take(place);
            coming(&list);
            for entry in list.drain(..) {
                self.seconds.list((entry.time & SECOND_MASK) as usize).push(entry.turn);
            }
            self.spare.push(list);
            return true;
        }
        #[allow(clippy::cast_possible_truncation, reason = "wheels have at most 2048 lists")]
        let Some(age) = self.ages.first_from(age as usize + 1).map(|age| age as u32) else {
            return false;
        };
        if age << (SECOND_BITS + BLOCK_BITS) > limit {
            return false;
        }
        self.block = age << BLOCK_BITS;
        let mut list = self.ages.take(age as usize);
        for entry in list.drain(..) {
            let block = (entry.time >> SECOND_BITS) & BLOCK_MASK;
            put(&mut self.blocks, block as usize, entry, &mut self.spare);
        }
        // It held most clients: kept, it would become the list of one block.
        drop(list);
        true
    }
}

fn put(wheel: &mut Wheel<Entry>, place: usize, entry: Entry, spare: &mut Vec<Vec<Entry>>) {
    let list = wheel.list(place);
    if list.capacity() == 0 {
        *list = spare.pop().unwrap_or_default();
    }
    list.push(entry);
}

impl<T> Wheel<T> {
    fn new(lists: usize) -> Self {
        let filled = vec![0; lists.div_ceil(64)];
        Self { lists: (0..lists).map(|_| Vec::new()).collect(), filled }
    }

    /// A list that is about to be added to.
    fn list(&mut self, place: usize) -> &mut Vec<T> {
        self.filled[place / 64] |= 1 << (place % 64);
        &mut self.lists[place]
    }

    fn take(&mut self, place: usize) -> Vec<T> {
        self.clear(place);
        std::mem::take(&mut self.lists[place])
    }

    fn clear(&mut self, place: usize) {
        self.filled[place / 64] &= !(1 << (place % 64));
    }

    /// The first list from `place` on that is not empty.
    fn first_from(&self, place: usize) -> Option<usize> {
        let first = self.filled.get(place / 64)? & (u64::MAX << (place % 64));
        if first != 0 {
            return Some(place / 64 * 64 + first.trailing_zeros() as usize);
        }
        let mut rest = self.filled.iter().enumerate().skip(place / 64 + 1);
        rest.find(|(_, word)| **word != 0)
            .map(|(at, word)| at * 64 + word.trailing_zeros() as usize)
    }
}

/// Seconds of a block: 1024, some 17 minutes.
const SECOND_BITS: u32 = 10;
const SECOND_MASK: u32 = (1 << SECOND_BITS) - 1;
/// Blocks of an age: 2048, some 24 days.
const BLOCK_BITS: u32 = 11;
const BLOCK_MASK: u32 = (1 << BLOCK_BITS) - 1;

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a heap of (time, sequence): after each entry some more are put in, now or later.
        #[test]
        fn entries_come_in_the_order_of_time_and_then_of_sequence(
            first in prop::collection::vec(0_u32..100_000_000, 1..50),
            more in prop::collection::vec((0_u32..4, any::<u32>()), 0..300),
            limits in prop::collection::vec(0_u32..40_000_000, 0..20),
        ) {
            let (mut queue, mut heap) = (Queue::new(), BinaryHeap::new());
            let mut sequence = 0;
            let mut put = |queue: &mut Queue, heap: &mut BinaryHeap<_>, time: u32| {
                queue.push(Entry { time, turn: sequence });
                heap.push(Reverse((time, sequence)));
                sequence += 1;
            };
            for time in first {
                put(&mut queue, &mut heap, time);
            }
            let mut more = more.into_iter();
            let mut limit = 0_u32;
            for step in limits.into_iter().chain([u32::MAX]) {
                limit = limit.saturating_add(step);
                while let Some(entry) = queue.pop(limit, |_| {}) {
                    let expected = heap.pop().map(|Reverse(first)| first);
                    prop_assert_eq!(expected, Some((entry.time, entry.turn)));
                    if let Some((scale, later)) = more.next() {
                        let later = later % [1, 2_000, 700_000, 80_000_000][scale as usize];
                        let time = entry.time.saturating_add(later);
                        put(&mut queue, &mut heap, time);
                    }
                }
                prop_assert!(heap.peek().is_none_or(|Reverse((time, _))| *time > limit));
                // A change at the limit puts something in as well.
                if let Some((_, later)) = more.next().filter(|_| limit < u32::MAX) {
                    put(&mut queue, &mut heap, limit.saturating_add(later % 5_000));
                }
            }
            prop_assert!(heap.is_empty());
        }
    }
}
