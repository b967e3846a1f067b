//! Puts the fragments of one call together, within a cap.

use alloc::vec::Vec;

use crate::wire::{Expected, Violation};

/// Stub data of one call while its fragments arrive. Memory follows what has arrived, never what
/// was announced.
#[derive(Debug, Default)]
pub struct Reassembler {
    stub: Vec<u8>,
}

impl Reassembler {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { stub: Vec::new() }
    }

    /// Bytes so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.stub.len()
    }

    /// Whether no stub byte has arrived; legal, since a fragment may be empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.stub.is_empty()
    }

    /// Bytes of memory held.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.stub.capacity()
    }

    /// Adds the stub of the next fragment; in all at most `limit` bytes.
    ///
    /// # Errors
    /// [`Violation`] when the call would exceed `limit`; nothing is added then.
    pub fn push(&mut self, fragment: &[u8], limit: usize) -> Result<(), Violation> {
        let len = self.stub.len().saturating_add(fragment.len());
        if len > limit {
            let expected = Expected::AtMost(limit as u64);
            return Err(Violation::new(self.stub.len(), "reassembled stub", len as u64, expected));
        }
        if len > self.stub.capacity() {
            // Doubling, as a vector does by itself, but never past the limit.
            let capacity = self.stub.capacity().saturating_mul(2).clamp(len, limit);
            self.stub.reserve_exact(capacity.saturating_sub(self.stub.len()));
        }
        self.stub.extend_from_slice(fragment);
        Ok(())
    }

    /// The reassembled stub.
    #[must_use]
    pub fn stub(&self) -> &[u8] {
        &self.stub
    }

    /// The reassembled stub, by value.
    #[must_use]
    pub fn into_stub(self) -> Vec<u8> {
        self.stub
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_is_exact_and_a_refused_fragment_leaves_the_rest_alone() {
        let mut call = Reassembler::new();
        assert!(call.push(&[1, 2], 4).is_ok());
        assert!(call.push(&[], 4).is_ok());
        assert!(call.push(&[3, 4], 4).is_ok());
        let refused = call.push(&[5], 4);
        assert_eq!(refused, Err(Violation::new(4, "reassembled stub", 5, Expected::AtMost(4))));
        assert_eq!(call.stub(), [1, 2, 3, 4]);
    }
}
