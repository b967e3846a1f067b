//! Calls between their first fragment and their answer.

use alloc::vec::Vec;

use crate::rpc::{DataRep, Reassembler};

/// A call whose last fragment has not arrived. A connection has at most one.
#[derive(Debug)]
pub(super) struct PartialCall {
    pub(super) call_id: u32,
    pub(super) context_id: u16,
    pub(super) opnum: u16,
    pub(super) drep: DataRep,
    pub(super) stub: Reassembler,
}

/// A call that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct OpenCall {
    call_id: u32,
    context_id: u16,
    orphaned: bool,
}

/// The calls that wait for an answer, oldest first; bounded by the connection's configuration.
#[derive(Debug, Default)]
pub(super) struct OpenCalls(Vec<OpenCall>);

/// An answered call: where the answer goes, and whether anybody still wants it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    pub(super) context_id: u16,
    pub(super) wanted: bool,
}

impl OpenCalls {
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, call_id: u32, context_id: u16) {
        self.0.push(OpenCall { call_id, context_id, orphaned: false });
    }

    /// Takes the oldest call of that id; call ids may repeat.
    pub(super) fn take(&mut self, call_id: u32) -> Option<Answered> {
        let index = self.0.iter().position(|call| call.call_id == call_id)?;
        let call = self.0.remove(index);
        Some(Answered { context_id: call.context_id, wanted: !call.orphaned })
    }

    /// Whether an answer to such a call is still wanted.
    pub(super) fn wants(&self, call_id: u32) -> bool {
        self.0.iter().any(|call| call.call_id == call_id && !call.orphaned)
    }

    /// Marks a call as abandoned; false when there is no such call.
    pub(super) fn orphan(&mut self, call_id: u32) -> bool {
        let call = self.0.iter_mut().find(|call| call.call_id == call_id && !call.orphaned);
        call.map(|call| call.orphaned = true).is_some()
    }
}
