//! What the caller asks for: binds, calls, and giving up on them.

use alloc::vec::Vec;

use super::{CloseReason, Config, Event};
use crate::limits::{CONTEXTS_MAX, FRAGMENT_MAX, OPEN_CALLS_MAX};
use crate::rpc::{
    Bind, Body, ContextElement, ContextList, DataRep, Header, Packet, PfcFlags, Reassembler,
    Request, SyntaxId,
};
use crate::time::Instant;
use crate::transmit::{Transmit, fragments};
use crate::wire::{Expected, Misuse};

/// The client end of one connection. See the module's documentation.
#[derive(Debug)]
pub struct Connection {
    pub(super) config: Config,
    pub(super) phase: Phase,
    pub(super) offered: Vec<Offered>,
    pub(super) accepted: Vec<Accepted>,
    pub(super) calls: Vec<OpenCall>,
    /// Call ids whose answers are dropped; the latest 16.
    pub(super) abandoned: Vec<u32>,
    pub(super) received: Vec<u8>,
    /// 0 <= consumed <= received.len()
    pub(super) consumed: usize,
    /// Stub of the answer that `poll_event` returned last, when it came in several fragments.
    pub(super) reassembled: Vec<u8>,
    pub(super) peer_finished: bool,
    pub(super) fragment_max: usize,
    pub(super) multiplexed: bool,
    transmit: Transmit,
    next_call_id: u32,
    close_reason: Option<CloseReason>,
    now: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing was sent.
    Unbound,
    /// A bind or alter_context awaits its answer.
    Negotiating { call_id: u32, first: bool, since: Instant },
    /// Bound: calls are possible.
    Bound,
    /// Over.
    Closed,
}

/// What one element of the outstanding bind or alter_context offered.
#[derive(Clone, Debug)]
pub(super) struct Offered {
    pub(super) id: u16,
    pub(super) transfer_syntaxes: Vec<SyntaxId>,
}

/// A context that the server accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    pub(super) id: u16,
    pub(super) transfer_syntax: SyntaxId,
}

/// A call that awaits its answer.
#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) call_id: u32,
    pub(super) context_id: u16,
    pub(super) since: Instant,
    /// Fragments of the answer so far, once the first has arrived.
    pub(super) partial: Option<PartialAnswer>,
}

/// An answer whose last fragment has not arrived.
#[derive(Debug)]
pub(super) struct PartialAnswer {
    /// All fragments must be in the representation of the first.
    pub(super) drep: DataRep,
    pub(super) stub: Reassembler,
}

impl Connection {
    /// A connection whose transport was opened at `now`.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            config,
            phase: Phase::Unbound,
            offered: Vec::new(),
            accepted: Vec::new(),
            calls: Vec::new(),
            abandoned: Vec::new(),
            received: Vec::new(),
            consumed: 0,
            reassembled: Vec::new(),
            peer_finished: false,
            fragment_max: FRAGMENT_MAX,
            multiplexed: false,
            transmit: Transmit::default(),
            next_call_id: config.first_call_id,
            close_reason: None,
            now,
        }
    }

    /// Sends a bind and returns its call id. `assoc_group_id` 0 asks for a new group.
    ///
    /// # Errors
    /// [`Misuse`] when something was bound already, or the contexts do not fit a PDU.
    pub fn bind(
        &mut self,
        flags: PfcFlags,
        assoc_group_id: u32,
        contexts: &[ContextElement<'_>],
    ) -> Result<u32, Misuse> {
        self.require(self.phase == Phase::Unbound, "bind", "a connection that is not bound")?;
        let bind = self.bind_body(assoc_group_id, contexts);
        self.negotiate(flags, Body::Bind(bind), contexts, true)
    }

    /// Sends an alter_context and returns its call id.
    ///
    /// # Errors
    /// [`Misuse`] when nothing is bound, a call is outstanding, or the contexts do not fit a PDU.
    pub fn alter_context(
        &mut self,
        flags: PfcFlags,
        contexts: &[ContextElement<'_>],
    ) -> Result<u32, Misuse> {
        let quiet = self.phase == Phase::Bound && self.calls.is_empty();
        self.require(quiet, "alter_context", "a bound connection without outstanding call")?;
        let bind = self.bind_body(0, contexts);
        self.negotiate(flags, Body::AlterContext(bind), contexts, false)
    }

    /// Sends a call, in as many fragments as it takes, and returns its call id. The context need
    /// not have been accepted: what a server says to such a call tells a lot about it.
    ///
    /// # Errors
    /// [`Misuse`] when nothing is bound, the stub is larger than any server takes, or another call
    /// is outstanding and concurrent calls were not granted (16 at once when they were).
    pub fn call(&mut self, context_id: u16, opnum: u16, stub: &[u8]) -> Result<u32, Misuse> {
        self.require(self.phase == Phase::Bound, "call", "a bound connection")?;
        let calls_max = if self.multiplexed { OPEN_CALLS_MAX } else { 1 };
        if self.calls.len() >= calls_max {
            let expected = Expected::AtMost(calls_max as u64 - 1);
            return Err(Misuse::new(0, "outstanding calls", self.calls.len() as u64, expected));
        }
        let call_id = self.take_call_id();
        for fragment in fragments(stub, self.fragment_max, Request::STUB_OFFSET)? {
            let alloc_hint = fragment.left;
            let body = Request { alloc_hint, context_id, opnum, object: None, stub: fragment.stub };
            self.send(fragment.flags, call_id, Body::Request(body))?;
        }
        self.calls.push(OpenCall { call_id, context_id, since: self.now, partial: None });
        Ok(call_id)
    }

    /// Asks the server to end an outstanding call early; its answer is still awaited.
    ///
    /// # Errors
    /// [`Misuse`] when there is no such call.
    pub fn cancel(&mut self, call_id: u32) -> Result<(), Misuse> {
        self.require_call(call_id)?;
        self.send(PfcFlags::WHOLE, call_id, Body::CoCancel)
    }

    /// Abandons an outstanding call: no answer is awaited, and one that comes is dropped.
    ///
    /// # Errors
    /// [`Misuse`] when there is no such call.
    pub fn orphan(&mut self, call_id: u32) -> Result<(), Misuse> {
        self.require_call(call_id)?;
        self.calls.retain(|call| call.call_id != call_id);
        if self.abandoned.len() >= OPEN_CALLS_MAX {
            self.abandoned.remove(0);
        }
        self.abandoned.push(call_id);
        self.send(PfcFlags::WHOLE, call_id, Body::Orphaned)
    }

    /// Takes bytes from the server.
    pub fn handle_input(&mut self, now: Instant, bytes: &[u8]) {
        self.now = now;
        if self.phase == Phase::Closed {
            return;
        }
        self.received.drain(..self.consumed.min(self.received.len()));
        self.consumed = 0;
        self.received.extend_from_slice(bytes);
    }

    /// Tells that the server will send nothing more.
    pub fn handle_eof(&mut self, now: Instant) {
        self.now = now;
        self.peer_finished = true;
    }

    /// Tells the time, at or after what `poll_timeout` asked for.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.poll_timeout().is_some_and(|deadline| now >= deadline) {
            self.close(CloseReason::Timeout);
        }
    }

    /// The next event. Poll again after any `handle_*` call.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event<'_>> {
        super::receive::poll_event(self)
    }

    /// Bytes to send. Poll again after every request to send something.
    #[must_use]
    pub fn poll_transmit(&self) -> &[u8] {
        self.transmit.pending()
    }

    /// Tells that the first `count` bytes of `poll_transmit` have been sent.
    pub fn transmitted(&mut self, count: usize) {
        self.transmit.sent(count);
    }

    /// When to call `handle_timeout`; `None` while nothing is awaited or no timeout is configured.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timeout = self.config.answer_timeout?;
        let since = match self.phase {
            Phase::Negotiating { since, .. } => Some(since),
            Phase::Bound => self.calls.iter().map(|call| call.since).min(),
            Phase::Unbound | Phase::Closed => None,
        };
        since.map(|since| since.saturating_add(timeout))
    }

    /// Whether the transport should be closed now.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Why the connection is over, once it is.
    #[must_use]
    pub const fn close_reason(&self) -> Option<CloseReason> {
        self.close_reason
    }

    /// Gives up on the connection.
    pub fn close_local(&mut self) {
        self.close(CloseReason::Local);
    }

    /// Transfer syntax that the server accepted for a context.
    #[must_use]
    pub fn transfer_syntax(&self, context_id: u16) -> Option<SyntaxId> {
        self.accepted.iter().find(|context| context.id == context_id).map(|c| c.transfer_syntax)
    }

    /// Contexts that the server accepted, in the order of acceptance.
    pub fn accepted_contexts(&self) -> impl Iterator<Item = (u16, SyntaxId)> + '_ {
        self.accepted.iter().map(|context| (context.id, context.transfer_syntax))
    }

    /// Bytes that arrived and belong to no complete PDU: what a peer that speaks something else
    /// has said.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.received.get(self.consumed..).unwrap_or(&[])
    }

    /// Bytes of memory that the connection holds for its peer: at most [`Config::response_max`]
    /// for each outstanding call, one PDU, and what the last input brought.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        let partial = self.calls.iter().filter_map(|call| call.partial.as_ref());
        let partial: usize = partial.map(|partial| partial.stub.capacity()).sum();
        self.received.len() + self.reassembled.len() + partial + self.transmit.held()
    }

    pub(super) fn close(&mut self, reason: CloseReason) {
        if self.phase != Phase::Closed {
            self.phase = Phase::Closed;
            self.close_reason = Some(reason);
            self.calls = Vec::new();
        }
    }

    fn bind_body<'a>(&self, assoc_group_id: u32, contexts: &'a [ContextElement<'a>]) -> Bind<'a> {
        Bind {
            max_xmit_frag: self.config.max_xmit_frag,
            max_recv_frag: self.config.max_recv_frag,
            assoc_group_id,
            contexts: ContextList::new(contexts),
        }
    }

    fn negotiate(
        &mut self,
        flags: PfcFlags,
        body: Body<'_>,
        contexts: &[ContextElement<'_>],
        first: bool,
    ) -> Result<u32, Misuse> {
        let known = self.accepted.len().saturating_add(contexts.len());
        if known > CONTEXTS_MAX {
            let expected = Expected::AtMost(CONTEXTS_MAX as u64);
            return Err(Misuse::new(24, "n_context_elem", known as u64, expected));
        }
        let call_id = self.take_call_id();
        self.send(flags, call_id, body)?;
        self.offered = contexts
            .iter()
            .map(|element| Offered {
                id: element.id,
                transfer_syntaxes: element.transfer_syntaxes.iter().collect(),
            })
            .collect();
        self.phase = Phase::Negotiating { call_id, first, since: self.now };
        Ok(call_id)
    }

    fn send(&mut self, flags: PfcFlags, call_id: u32, body: Body<'_>) -> Result<(), Misuse> {
        let drep = DataRep::from(self.config.byte_order);
        let header = Header { drep, ..Header::new(body.ptype(), flags, call_id) };
        self.transmit.push(&Packet { header, body, auth: None })
    }

    fn take_call_id(&mut self) -> u32 {
        let call_id = self.next_call_id;
        self.next_call_id = call_id.wrapping_add(1);
        call_id
    }

    fn require(
        &self,
        holds: bool,
        operation: &'static str,
        expected: &'static str,
    ) -> Result<(), Misuse> {
        if holds {
            return Ok(());
        }
        let outstanding = self.calls.len() as u64;
        Err(Misuse::new(0, operation, outstanding, Expected::Text(expected)))
    }

    fn require_call(&self, call_id: u32) -> Result<(), Misuse> {
        if self.calls.iter().any(|call| call.call_id == call_id) {
            return Ok(());
        }
        let expected = Expected::Text("an outstanding call");
        Err(Misuse::new(12, "call_id", u64::from(call_id), expected))
    }
}
