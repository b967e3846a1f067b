//! The order of SRV records and the share of clients that each gets (RFC 2782). Pure.
//!
//! Priorities go strictly one before the other: clients reach for the next only when every target
//! of the better one has failed. Among equals the RFC draws a number from 0 to the sum of weights,
//! with the zero weights in front, so that they are met by the number 0 only. Two choices make that
//! exact here, whatever the order in which a server lists its records:
//!
//! - where there are zero weights beside others, they share that number 0 evenly: each gets
//!   `1 / (zeros * (sum + 1))`, a weight `w` gets `w / (sum + 1)`;
//! - where there are none, 0 is not drawn: a weight `w` gets exactly `w / sum`.
//!
//! All weights zero, which is what a KMS host publishes by default, means equal shares.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Serialize;

use super::message::Service;

/// A record's part of the clients, as fractions of 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    /// Of all clients, while every host works: 0 outside the best priority.
    pub of_all: f64,
    /// Of the clients that reach its priority, because every better priority has failed.
    pub of_priority: f64,
}

/// The share of each record, in the order given.
#[must_use]
pub fn shares(records: &[Service]) -> Vec<Share> {
    let groups = by_priority(records);
    let best = groups.keys().next().copied();
    records
        .iter()
        .map(|record| {
            let group = groups.get(&record.priority).map_or(&[][..], Vec::as_slice);
            let of_priority = share_within(record.weight, group);
            let of_all = if Some(record.priority) == best { of_priority } else { 0.0 };
            Share { of_all, of_priority }
        })
        .collect()
}

/// The order in which one client with this seed would try the records, as indices into `records`.
/// The order of the input does not matter, equal records apart.
#[must_use]
pub fn order(records: &[Service], seed: u64) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = |bound: u64| random.random_range(0..=bound);
    let mut sorted: Vec<usize> = (0..records.len()).collect();
    sorted.sort_by_key(|&index| records.get(index));
    let mut ordered = Vec::with_capacity(records.len());
    let mut rest = sorted.as_slice();
    while let Some(priority) = rest.first().and_then(|&index| records.get(index)) {
        let same = |&index: &usize| {
            records.get(index).is_some_and(|record| record.priority == priority.priority)
        };
        let (group, others) = rest.split_at(rest.iter().take_while(|index| same(index)).count());
        draw_group(records, group.to_vec(), &mut draw, &mut ordered);
        rest = others;
    }
    ordered
}

fn draw_group(
    records: &[Service],
    mut group: Vec<usize>,
    draw: &mut impl FnMut(u64) -> u64,
    ordered: &mut Vec<usize>,
) {
    while !group.is_empty() {
        let weights: Vec<u16> =
            group.iter().filter_map(|&index| records.get(index)).map(|r| r.weight).collect();
        ordered.push(group.remove(pick(&weights, draw).min(group.len() - 1)));
    }
}

/// Index of the weight drawn. `draw(n)` returns a number from 0 to n, both included.
fn pick(weights: &[u16], draw: &mut impl FnMut(u64) -> u64) -> usize {
    let sum: u64 = weights.iter().copied().map(u64::from).sum();
    let zeros: Vec<usize> =
        weights.iter().enumerate().filter(|(_, weight)| **weight == 0).map(|(i, _)| i).collect();
    let number = if zeros.is_empty() { 1 + draw(sum.saturating_sub(1)) } else { draw(sum) };
    if number == 0 {
        let last = zeros.len().saturating_sub(1);
        let index = usize::try_from(draw(last as u64)).unwrap_or(last);
        return zeros.get(index).copied().unwrap_or_default();
    }
    let mut running = 0;
    let reached = |weight: &u16| {
        running += u64::from(*weight);
        running >= number
    };
    weights.iter().position(reached).unwrap_or_default()
}

fn share_within(weight: u16, group: &[u16]) -> f64 {
    let sum: u32 = group.iter().copied().map(u32::from).sum();
    let zeros = group.iter().filter(|weight| **weight == 0).count();
    let zeros = f64::from(u32::try_from(zeros).unwrap_or(u32::MAX));
    let numbers = if zeros > 0.0 { f64::from(sum) + 1.0 } else { f64::from(sum) };
    match weight {
        0 => 1.0 / (zeros * numbers),
        weight => f64::from(weight) / numbers,
    }
}

fn by_priority(records: &[Service]) -> BTreeMap<u16, Vec<u16>> {
    let mut groups: BTreeMap<u16, Vec<u16>> = BTreeMap::new();
    for record in records {
        groups.entry(record.priority).or_default().push(record.weight);
    }
    groups
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::dns::name::DomainName;

    fn service(priority: u16, weight: u16, target: &str) -> Service {
        Service { priority, weight, port: 1688, target: DomainName::parse(target).unwrap() }
    }

    /// The example of Microsoft's planning guide: own site 10 with 75 and 25, other site 90.
    fn two_sites() -> Vec<Service> {
        vec![
            service(90, 25, "d.test"),
            service(10, 25, "b.test"),
            service(90, 75, "c.test"),
            service(10, 75, "a.test"),
        ]
    }

    fn assert_shares(records: &[Service], expected: &[f64]) {
        let shares = shares(records);
        assert_eq!(shares.len(), expected.len());
        for (share, expected) in shares.iter().zip(expected) {
            assert!((share.of_all - expected).abs() < 1e-12, "{shares:?}, not {expected}");
        }
    }

    #[test]
    fn weights_share_the_best_priority_and_the_others_get_none() {
        assert_shares(&two_sites(), &[0.0, 0.25, 0.0, 0.75]);
        let backup = shares(&two_sites())[2].of_priority;
        assert!((backup - 0.75).abs() < 1e-12);
    }

    #[test]
    fn all_zero_weights_share_evenly() {
        let records = [service(0, 0, "a.test"), service(0, 0, "b.test"), service(0, 0, "c.test")];
        assert_shares(&records, &[1.0 / 3.0; 3]);
    }

    #[test]
    fn zero_weights_beside_others_share_one_number_of_the_draw() {
        let records = [service(0, 0, "a.test"), service(0, 99, "b.test"), service(0, 0, "c.test")];
        assert_shares(&records, &[0.005, 0.99, 0.005]);
    }

    #[test]
    fn the_shares_of_each_priority_add_up_to_one_at_the_largest_weights() {
        let records: Vec<_> =
            (0..1500).map(|i| service(i % 2, u16::MAX - (i % 3), "a.test")).collect();
        let total: f64 = shares(&records).iter().map(|share| share.of_priority).sum();
        assert!((total - 2.0).abs() < 1e-9, "{total}");
    }

    #[test]
    fn no_record_has_no_share_and_no_order() {
        assert!(shares(&[]).is_empty());
        assert!(order(&[], 1).is_empty());
    }

    #[test]
    fn a_seed_gives_one_order_whatever_the_servers_order() {
        let records = two_sites();
        let mut turned = records.clone();
        turned.rotate_left(3);
        for seed in 0..50 {
            let names = |records: &[Service]| -> Vec<String> {
                order(records, seed).iter().map(|&i| records[i].target.to_string()).collect()
            };
            assert_eq!(names(&records), names(&turned), "seed {seed}");
        }
    }

    #[test]
    fn every_record_is_ordered_once_and_priorities_never_mix() {
        let records = two_sites();
        for seed in 0..50 {
            let order = order(&records, seed);
            let priorities: Vec<u16> = order.iter().map(|&index| records[index].priority).collect();
            assert_eq!(priorities, [10, 10, 90, 90], "seed {seed}");
            let mut all = order.clone();
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2, 3], "seed {seed}");
        }
    }

    /// Every number that the draw can give, taken once: the count of first places is the share.
    #[test]
    fn the_draw_gives_exactly_the_shares() {
        for weights in [&[75, 25][..], &[0, 3, 0, 5], &[0, 0, 0], &[7], &[0], &[1, 1, 2]] {
            let records: Vec<_> = weights.iter().map(|&w| service(0, w, "a.test")).collect();
            let mut got = vec![0.0; weights.len()];
            let sum: u64 = weights.iter().copied().map(u64::from).sum();
            let numbers = if weights.contains(&0) { sum } else { sum - 1 };
            for first in 0..=numbers {
                let zeros = weights.iter().filter(|&&weight| weight == 0).count().max(1) as u64;
                for second in 0..zeros {
                    let mut draws = [first, second].into_iter();
                    let index = pick(weights, &mut |_| draws.next().unwrap_or_default());
                    got[index] += 1.0 / ((numbers + 1) * zeros) as f64;
                }
            }
            for (share, got) in shares(&records).iter().zip(&got) {
                assert!((share.of_all - got).abs() < 1e-12, "{weights:?}: {got} {share:?}");
            }
        }
    }
}
