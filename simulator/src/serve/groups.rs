//! Association groups, C706 12.6.3.1: shared by all connections of one server.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use kms_protocol::kms::mark::{GROUP_NUMBER_MAX, group_id};

/// The live association groups of a server and how many connections each has.
///
/// Every id carries the simulator's mark ([`kms_protocol::kms::mark`]), which cannot be switched off.
#[derive(Debug, Default)]
pub(super) struct AssociationGroups {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_number: u32,
    connections: HashMap<u32, u32>,
}

/// No further group can be made: all 1,048,575 numbers are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

impl AssociationGroups {
    /// A new group with one connection in it.
    ///
    /// # Errors
    /// [`Exhausted`] when every number belongs to a live group.
    pub(super) fn open(&self) -> Result<NonZeroU32, Exhausted> {
        let mut state = self.lock();
        if state.connections.len() >= GROUP_NUMBER_MAX as usize {
            return Err(Exhausted);
        }
        loop {
            state.last_number = state.last_number % GROUP_NUMBER_MAX + 1;
            let id = group_id(state.last_number);
            if let Entry::Vacant(vacant) = state.connections.entry(id) {
                vacant.insert(1);
                return NonZeroU32::new(id).ok_or(Exhausted);
            }
        }
    }

    /// Adds a connection to the group `id`; false when there is no such live group.
    pub(super) fn join(&self, id: u32) -> bool {
        match self.lock().connections.get_mut(&id) {
            Some(connections) => {
                *connections += 1;
                true
            }
            None => false,
        }
    }

    /// Takes a connection out of the group `id`, which ends with its last one.
    pub(super) fn leave(&self, id: u32) {
        let mut state = self.lock();
        if let Some(connections) = state.connections.get_mut(&id) {
            *connections -= 1;
            if *connections == 0 {
                state.connections.remove(&id);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_id_carries_the_mark_and_a_number_that_is_not_zero() {
        let groups = AssociationGroups::default();
        let (first, second) = (groups.open().unwrap().get(), groups.open().unwrap().get());
        assert_eq!((first, second), (0x1AB0_0001, 0x1AB0_0002));
    }

    #[test]
    fn numbers_wrap_past_zero_and_past_groups_that_live() {
        let groups = AssociationGroups::default();
        let kept = groups.open().unwrap().get();
        groups.lock().last_number = GROUP_NUMBER_MAX - 1;
        assert_eq!(groups.open().unwrap().get(), 0x1ABF_FFFF);
        assert_eq!(groups.open().unwrap().get(), kept + 1);
    }

    #[test]
    fn when_every_number_is_in_use_the_next_group_is_refused_until_one_ends() {
        let groups = AssociationGroups::default();
        let all = (1..=GROUP_NUMBER_MAX).map(|number| (group_id(number), 1)).collect();
        groups.lock().connections = all;
        assert_eq!(groups.open(), Err(Exhausted));
        groups.leave(0x1AB0_0007);
        assert_eq!(groups.open().map(NonZeroU32::get), Ok(0x1AB0_0007));
    }

    #[test]
    fn a_group_can_be_joined_until_its_last_connection_leaves() {
        let groups = AssociationGroups::default();
        let id = groups.open().unwrap().get();
        assert!(groups.join(id));
        groups.leave(id);
        assert!(groups.join(id));
        groups.leave(id);
        groups.leave(id);
        assert!(!groups.join(id));
        assert!(!groups.join(0));
        assert!(!groups.join(0x1234_5678));
    }
}
