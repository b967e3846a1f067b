//! Which of the published hosts a client tries, in which order.

/// One SRV record, as far as the choice goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Lower first.
    pub priority: u16,
    /// Share among equal priorities.
    pub weight: u16,
}

/// The order in which a client tries `candidates`, as indices. CLI: a host is drawn at random; one
/// that fails is dropped and another is drawn. Windows 7 and later honour priority and weight
/// (RFC 2782); all weights zero means equal chances, and beside others a zero has a chance of its own.
///
/// `draw(n)` returns a random number below `n`, which is never zero.
pub fn order(candidates: &[Candidate], mut draw: impl FnMut(u32) -> u32) -> Vec<usize> {
    let mut left: Vec<(usize, Candidate)> = candidates.iter().copied().enumerate().collect();
    left.sort_by_key(|(_, candidate)| (candidate.priority, candidate.weight));
    let mut ordered = Vec::with_capacity(left.len());
    while let Some((_, first)) = left.first() {
        let equals = left.partition_point(|(_, other)| other.priority <= first.priority);
        let group = left.get(..equals).unwrap_or_default();
        // One more than the sum, so that a zero weight, which sorts first, is met by the number 0.
        let sum: u32 = group.iter().map(|(_, candidate)| u32::from(candidate.weight)).sum();
        let picked = if sum == 0 {
            draw(u32::try_from(equals).unwrap_or(u32::MAX)) as usize
        } else {
            let has_zero = first.weight == 0;
            let number = if has_zero { draw(sum.saturating_add(1)) } else { draw(sum) + 1 };
            let mut running = 0;
            let reaches = |(_, candidate): &(usize, Candidate)| {
                running += u32::from(candidate.weight);
                running >= number
            };
            group.iter().position(reaches).unwrap_or_default()
        };
        ordered.push(left.remove(picked.min(equals - 1)).0);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn candidate(priority: u16, weight: u16) -> Candidate {
        Candidate { priority, weight }
    }

    #[test]
    fn a_better_priority_always_comes_first_and_weights_share_its_draws() {
        let list = [candidate(10, 25), candidate(90, 100), candidate(10, 75)];
        let firsts = (0..100).filter(|number| {
            let mut numbers = [*number, 0].into_iter();
            let order = order(&list, |n| numbers.next().unwrap_or(0) % n);
            assert_eq!(order.last(), Some(&1), "priority 90 comes last");
            order.first() == Some(&2)
        });
        assert_eq!(firsts.count(), 75, "as Microsoft's example of 75 and 25 has it");
    }

    proptest! {
        #[test]
        fn everyone_is_tried_once_in_the_order_of_priorities(list in prop::collection::vec((0u16..4, any::<u16>()), 0..20), seed: u32) {
            let list: Vec<_> = list.into_iter().map(|(p, w)| candidate(p, w)).collect();
            let order = order(&list, |n| seed % n);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..list.len()).collect::<Vec<_>>());
            let priorities: Vec<u16> = order.iter().filter_map(|&i| list.get(i)).map(|c| c.priority).collect();
            prop_assert!(priorities.is_sorted());
        }
    }
}
