//! One connection: bytes in, bytes out, time, and the limits on all three.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::calls::{OpenCalls, PartialCall};
use super::dispatch::Step;
use super::negotiation::Contexts;
use super::{Call, CloseReason, Config, Event, Refusal, TimeoutReason};
use crate::limits::TRANSMIT_BACKLOG_MAX;
use crate::rpc::{
    BindNak, BindNakReason, Body, Fault, Frame, Header, Packet, PfcFlags, Response, Status,
    SyntaxId, next_frame,
};
use crate::time::Instant;
use crate::transmit::{Transmit, empty, fragments};
use crate::wire::Misuse;

/// The server end of one connection. See the module's documentation.
#[derive(Debug)]
pub struct Connection {
    pub(super) config: Config,
    pub(super) phase: Phase,
    pub(super) contexts: Contexts,
    pub(super) partial: Option<Box<PartialCall>>,
    pub(super) open: OpenCalls,
    pub(super) transmit: Transmit,
    pub(super) assoc_group_id: u32,
    pub(super) max_xmit_frag: u16,
    pub(super) multiplexed: bool,
    received: Vec<u8>,
    /// 0 <= consumed <= received.len()
    consumed: usize,
    /// Stub of the call that `poll_event` returned last, when it came in several fragments.
    reassembled: Vec<u8>,
    peer_finished: bool,
    close_reason: Option<CloseReason>,
    now: Instant,
    last_activity: Instant,
    /// When the PDU or call that is arriving began to arrive.
    arriving_since: Option<Instant>,
}

/// Where the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing but a bind is legal.
    ExpectBind,
    /// The caller has to choose an association group.
    AwaitGroup,
    /// The group is chosen, and the bind is about to be answered.
    GroupChosen,
    /// Bound: calls and alter_contexts.
    Bound,
    /// Nothing is read any more; what is queued is sent, then the transport is closed.
    Closing,
}

impl Connection {
    /// A connection that was accepted at `now`.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            config,
            phase: Phase::ExpectBind,
            contexts: Contexts::default(),
            partial: None,
            open: OpenCalls::default(),
            transmit: Transmit::default(),
            assoc_group_id: 0,
            max_xmit_frag: crate::limits::FRAGMENT_GRANT_MIN,
            multiplexed: false,
            received: Vec::new(),
            consumed: 0,
            reassembled: Vec::new(),
            peer_finished: false,
            close_reason: None,
            now,
            last_activity: now,
            arriving_since: None,
        }
    }

    /// Takes bytes from the peer. They are dropped once the connection is closing.
    pub fn handle_input(&mut self, now: Instant, bytes: &[u8]) {
        self.now = now;
        if bytes.is_empty() || self.phase == Phase::Closing {
            return;
        }
        self.last_activity = now;
        self.discard_consumed();
        self.received.extend_from_slice(bytes);
        if self.buffered_bytes() > self.config.buffer_max {
            self.refuse_overload();
        }
    }

    /// Tells that the peer will send nothing more. Open calls are still answered.
    pub fn handle_eof(&mut self, now: Instant) {
        self.now = now;
        self.peer_finished = true;
    }

    /// Tells the time, at or after what `poll_timeout` asked for.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        let Some((deadline, reason)) = self.poll_timeout() else {
            return;
        };
        if now >= deadline {
            self.close(match reason {
                TimeoutReason::Idle => CloseReason::Idle,
                TimeoutReason::Request => CloseReason::RequestTimeout,
            });
        }
    }

    /// Refuses for want of memory outside this connection: the peer gets the fault
    /// nca_s_server_too_busy, or a bind_nak "local limit exceeded" before it is bound.
    pub fn refuse_overload(&mut self) {
        match self.phase {
            Phase::Closing => {}
            Phase::Bound => {
                let arriving = self.partial.as_ref().map(|partial| partial.call_id);
                let call_id = arriving.unwrap_or_else(|| self.call_id_at_front());
                let status = Status::SERVER_TOO_BUSY;
                self.queue_fault(call_id, 0, status, PfcFlags::DID_NOT_EXECUTE);
                self.close(CloseReason::Fault(status));
            }
            Phase::ExpectBind | Phase::AwaitGroup | Phase::GroupChosen => {
                self.send_bind_nak(BindNakReason::LOCAL_LIMIT_EXCEEDED);
            }
        }
    }

    /// Closes from this side once what is queued has been sent.
    pub fn close_local(&mut self) {
        self.close(CloseReason::Local);
    }

    /// The next event. Poll again after any `handle_*` call and after every answer.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event<'_>> {
        self.reassembled = Vec::new();
        let step = self.next_step();
        self.note_arrival();
        if step.is_none() {
            self.discard_consumed();
        }
        match step? {
            Step::Event(event) => Some(event),
            Step::Call { head, stub } => {
                let stub = self.received.get(stub).unwrap_or(&[]);
                Some(Event::Call(Call { stub, ..head }))
            }
            Step::Reassembled { head, stub } => {
                self.reassembled = stub;
                Some(Event::Call(Call { stub: &self.reassembled, ..head }))
            }
            // `next_step` returns only what the caller has to see.
            Step::Handled => None,
        }
    }

    /// Bytes to send. Poll again after any `handle_*` call, event and answer.
    #[must_use]
    pub fn poll_transmit(&self) -> &[u8] {
        self.transmit.pending()
    }

    /// Tells that the first `count` bytes of `poll_transmit` have been sent.
    pub fn transmitted(&mut self, count: usize) {
        self.transmit.sent(count);
    }

    /// When to call `handle_timeout`, and what it will mean; `None` while only the caller is waited
    /// for: its decision on a bind, its answers, or its sending of the last bytes, which it has to
    /// bound itself. Changes with every `handle_*` call, event and answer.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, TimeoutReason)> {
        if matches!(self.phase, Phase::AwaitGroup | Phase::Closing) {
            return None;
        }
        if let Some(since) = self.arriving_since {
            let deadline = since.saturating_add(self.config.request_timeout);
            return Some((deadline, TimeoutReason::Request));
        }
        if !self.open.is_empty() {
            return None;
        }
        let deadline = self.last_activity.saturating_add(self.config.idle_timeout);
        Some((deadline, TimeoutReason::Idle))
    }

    /// Whether the transport should be closed now: nothing is left to send or to wait for.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closing && self.transmit.backlog() == 0
    }

    /// Whether the connection will close as soon as `poll_transmit` has been sent.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.phase == Phase::Closing
    }

    /// Why the connection closes, once it does.
    #[must_use]
    pub const fn close_reason(&self) -> Option<CloseReason> {
        self.close_reason
    }

    /// Whether reading more makes sense: false while a decision, answers or sending are due first.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !self.peer_finished
            && matches!(self.phase, Phase::ExpectBind | Phase::Bound)
            && self.may_start_call()
            && self.transmit.backlog() < TRANSMIT_BACKLOG_MAX
    }

    /// Bytes that the connection holds for its peer, beside the small buffers that it keeps.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        let partial = self.partial.as_ref().map_or(0, |partial| partial.stub.capacity());
        self.received.len() + self.reassembled.len() + partial + self.transmit.held()
    }

    /// Calls that wait for an answer.
    #[must_use]
    pub const fn open_calls(&self) -> usize {
        self.open.len()
    }

    /// The association group; 0 before the bind was accepted.
    #[must_use]
    pub const fn assoc_group_id(&self) -> u32 {
        self.assoc_group_id
    }

    /// Accepts the bind that [`Event::Bind`] reported, into association group `id` (not 0).
    pub fn accept_bind(&mut self, id: u32) {
        if self.phase == Phase::AwaitGroup {
            self.assoc_group_id = id;
            self.phase = Phase::GroupChosen;
        }
    }

    /// Refuses the bind that [`Event::Bind`] reported.
    pub fn refuse_bind(&mut self, reason: BindNakReason) {
        if self.phase == Phase::AwaitGroup {
            self.send_bind_nak(reason);
        }
    }

    /// Changes what this connection offers, before the bind that [`Event::Bind`] reported is
    /// answered or at any later time: the interface, and the transfer syntaxes for it.
    pub fn offer(&mut self, interface: SyntaxId, ndr32: bool, ndr64: bool) {
        self.config = Config { interface, ndr32, ndr64, ..self.config };
    }

    /// Answers an open call. The answer to an abandoned or unknown call is dropped.
    ///
    /// # Errors
    /// [`Misuse`] when the stub is larger than any client takes; the call is then still open.
    pub fn respond(&mut self, call_id: u32, stub: &[u8]) -> Result<(), Misuse> {
        self.respond_in_fragments(call_id, stub, usize::MAX)
    }

    /// As [`respond`](Self::respond), with at most `stub_bytes` of the stub in each fragment: in
    /// steps of 16, and never more than the client takes.
    ///
    /// # Errors
    /// As [`respond`](Self::respond).
    pub fn respond_in_fragments(
        &mut self,
        call_id: u32,
        stub: &[u8],
        stub_bytes: usize,
    ) -> Result<(), Misuse> {
        let fragment_max =
            usize::from(self.max_xmit_frag).min(Response::STUB_OFFSET.saturating_add(stub_bytes));
        let fragments = fragments(stub, fragment_max, Response::STUB_OFFSET)?;
        let Some(answered) = self.open.take(call_id) else {
            return Ok(());
        };
        self.last_activity = self.now;
        if !answered.wanted || self.phase == Phase::Closing {
            return Ok(());
        }
        for fragment in fragments {
            let body = Response {
                alloc_hint: fragment.left,
                // Windows and Samba return only the low byte of the context id in a response.
                context_id: answered.context_id & 0xFF,
                cancel_count: 0,
                stub: fragment.stub,
            };
            self.queue(&Packet::new(fragment.flags, call_id, Body::Response(body)));
        }
        Ok(())
    }

    /// Answers an open call with a fault; the connection goes on.
    pub fn fault(&mut self, call_id: u32, status: Status) {
        if let Some(answered) = self.open.take(call_id) {
            self.last_activity = self.now;
            if answered.wanted && self.phase != Phase::Closing {
                self.queue_fault(call_id, answered.context_id, status, PfcFlags::default());
            }
        }
    }

    /// Refuses an open call because there is no such operation, as the machine itself does where
    /// it does not show such calls; the connection goes on.
    pub fn refuse_operation(&mut self, call_id: u32) {
        if let Some(answered) = self.open.take(call_id) {
            self.last_activity = self.now;
            if answered.wanted && self.phase != Phase::Closing {
                let status = Status::OP_RANGE_ERROR;
                let extra = PfcFlags::DID_NOT_EXECUTE;
                self.queue_fault(call_id, answered.context_id, status, extra);
            }
        }
    }

    pub(super) fn may_start_call(&self) -> bool {
        self.open.len() < self.config.open_calls_max
    }

    pub(super) fn close(&mut self, reason: CloseReason) {
        if self.phase != Phase::Closing {
            self.phase = Phase::Closing;
            self.close_reason = Some(reason);
            self.received = Vec::new();
            self.consumed = 0;
            self.partial = None;
            self.arriving_since = None;
        }
    }

    pub(super) fn queue_fault(
        &mut self,
        call_id: u32,
        context_id: u16,
        status: Status,
        extra: PfcFlags,
    ) {
        let body = Body::Fault(Fault::new(context_id, status));
        self.queue(&Packet::new(PfcFlags::WHOLE | extra, call_id, body));
    }

    /// Queues a PDU whose size follows from this machine alone.
    pub(super) fn queue(&mut self, packet: &Packet<'_>) {
        let queued = self.transmit.push(packet);
        debug_assert!(queued.is_ok(), "own PDU does not encode: {queued:?}");
    }

    /// Refuses the bind and closes. Returns what the caller should know.
    pub(super) fn refuse_bind_with(
        &mut self,
        call_id: u32,
        reason: BindNakReason,
        close: CloseReason,
    ) -> Event<'static> {
        let body = Body::BindNak(BindNak::new(reason));
        self.queue(&Packet::new(PfcFlags::WHOLE, call_id, body));
        self.close(close);
        Event::Refused(Refusal::Bind(reason))
    }

    /// A bind_nak for the bind at the front of the input, or for none when there is none.
    fn send_bind_nak(&mut self, reason: BindNakReason) {
        let call_id = self.call_id_at_front();
        let _event = self.refuse_bind_with(call_id, reason, CloseReason::BindRefused(reason));
    }

    /// Call id of the PDU at the front of the input, arrived or arriving; 0 when there is none.
    fn call_id_at_front(&self) -> u32 {
        let front = self.received.get(self.consumed..).unwrap_or(&[]);
        Header::decode(front).map_or(0, |header| header.call_id)
    }

    /// Goes through the buffered PDUs up to the first thing that the caller has to see.
    fn next_step(&mut self) -> Option<Step> {
        loop {
            let waits_for_caller = matches!(self.phase, Phase::AwaitGroup | Phase::Closing);
            if waits_for_caller || !self.may_start_call() {
                return None;
            }
            let start = self.consumed;
            let step = match next_frame(self.received.get(start..).unwrap_or(&[])) {
                Ok(Frame::Incomplete { .. }) => {
                    self.finish_if_peer_did();
                    return None;
                }
                Err(malformed) => {
                    self.close(CloseReason::Unframeable(malformed));
                    return None;
                }
                Ok(Frame::TooLong { header, limit }) => self.refuse_too_long(&header, limit),
                Ok(Frame::Whole { header, pdu }) => {
                    let len = pdu.len();
                    self.dispatch(&header, start, len)
                }
            };
            match step {
                Step::Handled => {}
                seen => return Some(seen),
            }
        }
    }

    /// Takes the PDU out of the connection for the time of its handling, so that handling may
    /// change the connection; the bytes go back afterwards, since an event may borrow from them.
    fn dispatch(&mut self, header: &Header, start: usize, len: usize) -> Step {
        let received = core::mem::take(&mut self.received);
        let end = start.saturating_add(len);
        let pdu = received.get(start..end).unwrap_or(&[]);
        let step = self.handle_pdu(header, pdu, start);
        if self.phase != Phase::Closing {
            self.received = received;
            if self.phase != Phase::AwaitGroup {
                self.consumed = end;
            }
            if self.partial.is_none() {
                // What follows in the buffer belongs to the next call, which starts its own clock.
                self.arriving_since = None;
            }
        }
        step
    }

    fn finish_if_peer_did(&mut self) {
        if !self.peer_finished || !self.open.is_empty() {
            return;
        }
        let midway = self.partial.is_some() || self.consumed < self.received.len();
        self.close(match midway {
            true => CloseReason::PeerLeftMidway,
            false => CloseReason::PeerFinished,
        });
    }

    /// Forgets handled bytes; a connection without unread input keeps a small buffer at most.
    fn discard_consumed(&mut self) {
        if self.consumed == self.received.len() {
            empty(&mut self.received);
        } else if self.consumed > 0 {
            self.received.drain(..self.consumed);
        }
        self.consumed = 0;
    }

    /// The clock of a PDU or call runs from its first byte to its last, however slowly it drips.
    fn note_arrival(&mut self) {
        let unread = self.consumed < self.received.len() || self.partial.is_some();
        let blocked_here = self.phase == Phase::AwaitGroup || !self.may_start_call();
        // What was left unfinished at the peer's end of stream will not arrive any more.
        let over = self.phase == Phase::Closing || self.peer_finished;
        self.arriving_since = match unread && !blocked_here && !over {
            true => self.arriving_since.or(Some(self.now)),
            false => None,
        };
    }
}
