//! What a machine is made of, and whether a client takes it for the one that it was activated on.

use super::draw::{ClientId, Draws, Purpose};
use super::scenario::Fingerprint;

/// A component that a fingerprint may look at.
#[derive(Clone, Copy, Debug)]
struct Component {
    /// How much a difference weighs.
    weight: u32,
    /// Of how many kinds it comes: machines may have the same.
    kinds: u32,
    /// Whether it moves along with the drive.
    moves: bool,
}

/// What a machine is made of, as this client sees it: one value for each of [`COMPONENTS`].
pub(super) type Parts = [u32; COMPONENTS.len()];

/// The parts of `machine` with the drive of `client` in it. Machines are those of the whole `group`.
pub(super) fn parts(draws: Draws, group: usize, client: ClientId, machine: u32) -> Parts {
    let machines = ClientId::new(group, u32::MAX);
    let mut parts = Parts::default();
    for (number, (part, component)) in (0_u64..).zip(parts.iter_mut().zip(&COMPONENTS)) {
        let (owner, counter) = match component.moves {
            true => (client, number),
            false => (machines, (u64::from(machine) << 8) | number),
        };
        *part = draws.below(owner, Purpose::Component, counter, component.kinds);
    }
    parts
}

/// Whether `seen` is taken for another machine than `bound`.
pub(super) fn is_out_of_tolerance(
    fingerprint: Fingerprint,
    tolerance: f64,
    bound: &Parts,
    seen: &Parts,
) -> bool {
    match fingerprint {
        Fingerprint::Whole => bound != seen,
        Fingerprint::StableParts => differing(bound, seen).any(|component| component.moves),
        Fingerprint::Weighted | Fingerprint::Anchor => {
            let score: u32 = differing(bound, seen).map(|component| component.weight).sum();
            let all: u32 = COMPONENTS.iter().map(|component| component.weight).sum();
            f64::from(score) > tolerance * f64::from(all)
        }
    }
}

/// The anchor after `seen` was accepted: one part that differs, the first, is taken over.
pub(super) fn followed(anchor: &Parts, seen: &Parts) -> Parts {
    let mut followed = *anchor;
    if let Some((part, seen)) = followed.iter_mut().zip(seen).find(|(part, seen)| part != seen) {
        *part = *seen;
    }
    followed
}

fn differing<'a>(bound: &'a Parts, seen: &'a Parts) -> impl Iterator<Item = Component> + 'a {
    let pairs = bound.iter().zip(seen).zip(COMPONENTS);
    pairs.filter(|((bound, seen), _)| bound != seen).map(|(_, component)| component)
}

/// Drive, volume, processor, network adapter, graphics, memory size, disk controller. Microsoft
/// publishes neither the parts nor the weights of its fingerprint: these are for comparison.
const COMPONENTS: [Component; 7] = [
    Component { weight: 3, kinds: u32::MAX, moves: true },
    Component { weight: 2, kinds: u32::MAX, moves: true },
    Component { weight: 3, kinds: 6, moves: false },
    Component { weight: 3, kinds: u32::MAX, moves: false },
    Component { weight: 2, kinds: 5, moves: false },
    Component { weight: 1, kinds: 4, moves: false },
    Component { weight: 2, kinds: 3, moves: false },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(machine: u32) -> Parts {
        parts(Draws::new(1), 0, ClientId::new(0, 5), machine)
    }

    #[test]
    fn fingerprints_differ_in_what_they_take_for_another_machine() {
        let (one, two) = (of(1), of(2));
        assert_eq!(one, of(1));
        assert!(is_out_of_tolerance(Fingerprint::Whole, 1.0, &one, &two));
        assert!(!is_out_of_tolerance(Fingerprint::StableParts, 0.0, &one, &two));
        assert!(is_out_of_tolerance(Fingerprint::Weighted, 0.0, &one, &two));
        assert!(!is_out_of_tolerance(Fingerprint::Weighted, 1.0, &one, &two));
        let other_drive = parts(Draws::new(1), 0, ClientId::new(0, 6), 1);
        assert!(is_out_of_tolerance(Fingerprint::StableParts, 1.0, &one, &other_drive));
    }

    #[test]
    fn an_anchor_arrives_where_it_is_led_one_part_at_a_time() {
        let (mut anchor, seen) = (of(1), of(2));
        let steps = anchor.iter().zip(&seen).filter(|(a, b)| a != b).count();
        assert!(steps > 0);
        for left in (0..steps).rev() {
            anchor = followed(&anchor, &seen);
            assert_eq!(anchor.iter().zip(&seen).filter(|(a, b)| a != b).count(), left);
        }
    }
}
