//! What is done with each PDU. Faults that close the connection come in two forms: with
//! "did not execute" where the PDU as such is refused, without it where a call is broken off.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use super::calls::PartialCall;
use super::connection::{Connection, Phase};
use super::{Call, CloseReason, Event, Refusal};
use crate::limits::{FRAGMENT_GRANT_MIN, FRAGMENT_MAX, REASSEMBLED_MAX};
use crate::rpc::{
    AuthTrailer, Bind, BindAck, BindNakReason, BindTimeFeatures, Body, Header, Packet, PduType,
    PfcFlags, Reassembler, Request, ResultElement, ResultList, Status,
};
use crate::wire::{Expected, Malformed, Reader, Violation};

/// What handling one PDU came to.
pub(super) enum Step {
    /// Nothing that the caller has to see.
    Handled,
    /// An event that borrows nothing.
    Event(Event<'static>),
    /// A call whose stub lies in the received bytes.
    Call { head: Call<'static>, stub: Range<usize> },
    /// A call whose stub was put together.
    Reassembled { head: Call<'static>, stub: Vec<u8> },
}

impl Connection {
    /// Handles one whole PDU, which lies at `start` of the received bytes.
    pub(super) fn handle_pdu(&mut self, header: &Header, pdu: &[u8], start: usize) -> Step {
        if let Err(violation) = header.check() {
            return self.refuse_pdu(header, CloseReason::Violation(violation));
        }
        match self.phase {
            Phase::Bound => self.handle_bound(header, pdu, start),
            _ => self.handle_first(header, pdu),
        }
    }

    /// A PDU that claims more bytes than its type may have.
    pub(super) fn refuse_too_long(&mut self, header: &Header, limit: usize) -> Step {
        let expected = Expected::AtMost(limit as u64);
        let got = u64::from(header.frag_length);
        let violation = Violation::new(8, "frag_length", got, expected);
        match (self.phase, header.ptype) {
            (Phase::Bound, PduType::REQUEST) => {
                let close = CloseReason::Violation(violation);
                self.abort(header.call_id, 0, Status::PROTO_ERROR, close)
            }
            _ => self.refuse_pdu(header, CloseReason::Violation(violation)),
        }
    }

    /// The first PDU must be a bind.
    fn handle_first(&mut self, header: &Header, pdu: &[u8]) -> Step {
        if header.ptype != PduType::BIND {
            let got = u64::from(header.ptype.0);
            let violation = Violation::new(2, "ptype", got, Expected::Text("bind (11)"));
            return self.refuse_pdu(header, CloseReason::Violation(violation));
        }
        let packet = match Packet::decode(pdu) {
            Ok(packet) => packet,
            Err(malformed) => return self.refuse_pdu(header, CloseReason::Malformed(malformed)),
        };
        let Body::Bind(bind) = packet.body else {
            return Step::Handled;
        };
        match self.phase {
            Phase::GroupChosen => self.answer_bind(header, &bind, packet.auth.as_ref()),
            _ => {
                self.phase = Phase::AwaitGroup;
                Step::Event(Event::Bind { assoc_group_id: bind.assoc_group_id })
            }
        }
    }

    fn answer_bind(
        &mut self,
        header: &Header,
        bind: &Bind<'_>,
        auth: Option<&AuthTrailer<'_>>,
    ) -> Step {
        if bind.contexts.is_empty() {
            let violation = Violation::new(24, "n_context_elem", 0, Expected::AtLeast(1));
            return self.refuse_pdu(header, CloseReason::Violation(violation));
        }
        let config = self.config;
        let supported = Some(SUPPORTED_FEATURES);
        let negotiated = match self.contexts.negotiate(&config, &bind.contexts, supported) {
            Ok(negotiated) => negotiated,
            Err(violation) => {
                let close = CloseReason::Violation(violation);
                let reason = BindNakReason::NOT_SPECIFIED;
                return Step::Event(self.refuse_bind_with(header.call_id, reason, close));
            }
        };
        if let Some(reason) = auth.and_then(refusal_of_auth) {
            let close = CloseReason::BindRefused(reason);
            return Step::Event(self.refuse_bind_with(header.call_id, reason, close));
        }
        self.max_xmit_frag = granted_fragment(bind.max_xmit_frag, bind.max_recv_frag);
        self.phase = Phase::Bound;
        let flags = self.grant_flags(header.flags, negotiated.added);
        let mut text = [0; PORT_TEXT_MAX];
        let sec_addr = port_text(config.port, &mut text);
        let ack = self.ack(sec_addr, &negotiated.results);
        self.queue(&Packet::new(flags, header.call_id, Body::BindAck(ack)));
        Step::Handled
    }

    fn handle_bound(&mut self, header: &Header, pdu: &[u8], start: usize) -> Step {
        let packet = match Packet::decode(pdu) {
            Ok(packet) => packet,
            Err(malformed) => return self.refuse_malformed(header, pdu, malformed),
        };
        match packet.body {
            Body::Request(request) => self.handle_request(&packet, &request, pdu, start),
            Body::AlterContext(alter) => self.handle_alter(header, &alter, packet.auth.is_some()),
            Body::Bind(_) => {
                let violation = unexpected(header, "no second bind");
                let close = CloseReason::Violation(violation);
                let reason = BindNakReason::NOT_SPECIFIED;
                Step::Event(self.refuse_bind_with(header.call_id, reason, close))
            }
            Body::CoCancel if self.open.wants(header.call_id) => {
                Step::Event(Event::Cancelled { call_id: header.call_id })
            }
            Body::Orphaned if self.open.orphan(header.call_id) => {
                Step::Event(Event::Orphaned { call_id: header.call_id })
            }
            // Neither is ever answered, and a call that is still arriving is not affected.
            Body::CoCancel | Body::Orphaned => Step::Handled,
            // No provider has begun an authentication that this could finish.
            Body::Auth3(_) => {
                let violation = unexpected(header, "no auth3 without authentication");
                self.refuse_pdu(header, CloseReason::Violation(violation))
            }
            Body::Response(_)
            | Body::Fault(_)
            | Body::BindAck(_)
            | Body::BindNak(_)
            | Body::AlterContextResp(_)
            | Body::Shutdown => {
                let violation = unexpected(header, "a PDU that clients send");
                self.refuse_pdu(header, CloseReason::Violation(violation))
            }
        }
    }

    fn handle_alter(&mut self, header: &Header, alter: &Bind<'_>, authenticated: bool) -> Step {
        if alter.contexts.is_empty() {
            let violation = Violation::new(24, "n_context_elem", 0, Expected::AtLeast(1));
            return self.refuse_pdu(header, CloseReason::Violation(violation));
        }
        let config = self.config;
        let negotiated = match self.contexts.negotiate(&config, &alter.contexts, None) {
            Ok(negotiated) => negotiated,
            Err(violation) => return self.refuse_pdu(header, CloseReason::Violation(violation)),
        };
        if authenticated {
            // The connection was bound without authentication, and that cannot be changed.
            let status = Status::SEC_PKG_ERROR;
            return self.refuse_with(header.call_id, 0, status, CloseReason::Fault(status));
        }
        let flags = self.grant_flags(header.flags, negotiated.added);
        let ack = self.ack(&[], &negotiated.results);
        self.queue(&Packet::new(flags, header.call_id, Body::AlterContextResp(ack)));
        Step::Handled
    }

    fn handle_request(
        &mut self,
        packet: &Packet<'_>,
        request: &Request<'_>,
        pdu: &[u8],
        start: usize,
    ) -> Step {
        let header = &packet.header;
        let first = header.flags.contains(PfcFlags::FIRST_FRAG);
        let last = header.flags.contains(PfcFlags::LAST_FRAG);
        let refused = match first {
            true => self.check_first(header, request),
            false => self.check_continuation(packet, request),
        };
        if let Some(step) = refused {
            return step;
        }
        if packet.auth.is_some() {
            let (call_id, context_id) = self.named_call(header, request);
            let status = Status::ACCESS_DENIED;
            return self.abort(call_id, context_id, status, CloseReason::Fault(status));
        }
        match (first, last) {
            (true, true) => {
                let stub = stub_range(request, pdu, start);
                self.begin_call(header, request.context_id, request.opnum, |head| Step::Call {
                    head,
                    stub,
                })
            }
            (true, false) => self.begin_partial(header, request),
            (false, _) => self.continue_partial(request, last),
        }
    }

    /// Checks that a first fragment may begin a call.
    fn check_first(&mut self, header: &Header, request: &Request<'_>) -> Option<Step> {
        let status = Status::PROTO_ERROR;
        let concurrent = || {
            let expected = Expected::Text("the end of the call before the next begins");
            CloseReason::Violation(Violation::new(
                12,
                "call_id",
                u64::from(header.call_id),
                expected,
            ))
        };
        if !self.open.is_empty() && !self.multiplexed {
            return Some(self.abort(header.call_id, 0, status, concurrent()));
        }
        if let Some(partial) = &self.partial {
            let same_call = partial.call_id == header.call_id;
            let (call_id, context_id) = match (self.multiplexed, same_call) {
                (false, _) => (partial.call_id, partial.context_id),
                (true, true) => (header.call_id, partial.context_id),
                (true, false) => (header.call_id, 0),
            };
            return Some(self.abort(call_id, context_id, status, concurrent()));
        }
        if header.flags.contains(PfcFlags::PENDING_CANCEL) {
            let status = Status::NO_CALL_ACTIVE;
            let close = CloseReason::Fault(status);
            return Some(self.refuse_with(header.call_id, 0, status, close));
        }
        self.check_context(header, request)
    }

    /// Checks that a later fragment belongs to the call that is arriving.
    fn check_continuation(&mut self, packet: &Packet<'_>, request: &Request<'_>) -> Option<Step> {
        let header = &packet.header;
        let status = Status::PROTO_ERROR;
        let expected = Expected::Text("the call whose first fragment came before");
        let violation = Violation::new(12, "call_id", u64::from(header.call_id), expected);
        let close = CloseReason::Violation(violation);
        match &self.partial {
            Some(partial) if partial.call_id == header.call_id => {
                if partial.drep == header.drep {
                    return None;
                }
                let expected = Expected::Text("the representation of the first fragment");
                let got = u64::from(u32::from_be_bytes(header.drep.0));
                let close = CloseReason::Violation(Violation::new(4, "drep", got, expected));
                let (call_id, context_id) = (partial.call_id, partial.context_id);
                Some(self.refuse_with(call_id, context_id, status, close))
            }
            Some(partial) if !self.multiplexed => {
                let (call_id, context_id) = (partial.call_id, partial.context_id);
                Some(self.abort(call_id, context_id, status, close))
            }
            None if self.multiplexed => Some(match self.check_context(header, request) {
                Some(step) => step,
                None if packet.auth.is_some() => {
                    let status = Status::ACCESS_DENIED;
                    let close = CloseReason::Fault(status);
                    self.abort(header.call_id, request.context_id, status, close)
                }
                None => self.abort(header.call_id, request.context_id, status, close),
            }),
            Some(_) | None => Some(self.abort(header.call_id, 0, status, close)),
        }
    }

    /// A call on an unknown context is refused; the connection goes on.
    fn check_context(&mut self, header: &Header, request: &Request<'_>) -> Option<Step> {
        if self.contexts.transfer_syntax(request.context_id).is_some() {
            return None;
        }
        Some(self.refuse_call(header.call_id, 0, Status::UNKNOWN_INTERFACE))
    }

    /// The call and context that a fault about this request names.
    fn named_call(&self, header: &Header, request: &Request<'_>) -> (u32, u16) {
        match &self.partial {
            Some(partial) => (partial.call_id, partial.context_id),
            None => (header.call_id, request.context_id),
        }
    }

    fn begin_partial(&mut self, header: &Header, request: &Request<'_>) -> Step {
        // Only with more to come does the hint promise anything; it never makes us allocate.
        if request.alloc_hint as usize > REASSEMBLED_MAX {
            return self.refuse_size(header.call_id, request.context_id, request.alloc_hint);
        }
        let mut stub = Reassembler::new();
        if stub.push(request.stub, REASSEMBLED_MAX).is_err() {
            return self.refuse_size(header.call_id, request.context_id, request.alloc_hint);
        }
        self.partial = Some(Box::new(PartialCall {
            call_id: header.call_id,
            context_id: request.context_id,
            opnum: request.opnum,
            drep: header.drep,
            stub,
        }));
        Step::Handled
    }

    fn continue_partial(&mut self, request: &Request<'_>, last: bool) -> Step {
        let Some(mut partial) = self.partial.take() else {
            return Step::Handled;
        };
        let room = REASSEMBLED_MAX.saturating_sub(partial.stub.len());
        if request.alloc_hint as usize > room
            || partial.stub.push(request.stub, REASSEMBLED_MAX).is_err()
        {
            return self.refuse_size(partial.call_id, partial.context_id, request.alloc_hint);
        }
        if !last {
            self.partial = Some(partial);
            return Step::Handled;
        }
        let PartialCall { call_id, context_id, opnum, drep, stub } = *partial;
        let header = Header { drep, ..Header::new(PduType::REQUEST, PfcFlags::WHOLE, call_id) };
        self.begin_call(&header, context_id, opnum, |head| Step::Reassembled {
            head,
            stub: stub.into_stub(),
        })
    }

    /// A whole call has arrived: refuses an operation that does not exist, opens the others.
    fn begin_call(
        &mut self,
        header: &Header,
        context_id: u16,
        opnum: u16,
        step: impl FnOnce(Call<'static>) -> Step,
    ) -> Step {
        let Some(transfer_syntax) = self.contexts.transfer_syntax(context_id) else {
            return self.refuse_call(header.call_id, 0, Status::UNKNOWN_INTERFACE);
        };
        if opnum >= self.config.operations && !self.config.shows_unknown_operations {
            return self.refuse_call(header.call_id, context_id, Status::OP_RANGE_ERROR);
        }
        self.open.add(header.call_id, context_id);
        step(Call {
            call_id: header.call_id,
            context_id,
            opnum,
            transfer_syntax,
            byte_order: header.drep.byte_order(),
            stub: &[],
        })
    }

    fn refuse_size(&mut self, call_id: u32, context_id: u16, alloc_hint: u32) -> Step {
        let expected = Expected::AtMost(REASSEMBLED_MAX as u64);
        let violation = Violation::new(16, "alloc_hint", u64::from(alloc_hint), expected);
        let close = CloseReason::Violation(violation);
        self.abort(call_id, context_id, Status::ACCESS_DENIED, close)
    }

    /// Refuses one call; the connection goes on.
    fn refuse_call(&mut self, call_id: u32, context_id: u16, status: Status) -> Step {
        self.queue_fault(call_id, context_id, status, PfcFlags::DID_NOT_EXECUTE);
        Step::Event(Event::Refused(Refusal::Call { call_id, status }))
    }

    /// Refuses a PDU as such and closes: a bind_nak before the bind is answered, a fault after.
    fn refuse_pdu(&mut self, header: &Header, close: CloseReason) -> Step {
        if self.phase == Phase::Bound {
            return self.refuse_with(header.call_id, 0, Status::PROTO_ERROR, close);
        }
        let reason = BindNakReason::PROTOCOL_VERSION_NOT_SUPPORTED;
        Step::Event(self.refuse_bind_with(header.call_id, reason, close))
    }

    /// A PDU that cannot be decoded. A request whose trailer is merely misplaced breaks off a call
    /// that is known, and the fault names its context.
    fn refuse_malformed(&mut self, header: &Header, pdu: &[u8], malformed: Malformed) -> Step {
        let close = CloseReason::Malformed(malformed);
        let misplaced_trailer = malformed.0.field == "auth trailer offset";
        if header.ptype == PduType::REQUEST && misplaced_trailer {
            let context_id = context_of(header, pdu)
                .filter(|id| self.contexts.transfer_syntax(*id).is_some())
                .unwrap_or(0);
            return self.abort(header.call_id, context_id, Status::PROTO_ERROR, close);
        }
        self.refuse_pdu(header, close)
    }

    /// Fault with "did not execute", then close.
    fn refuse_with(
        &mut self,
        call_id: u32,
        context_id: u16,
        status: Status,
        close: CloseReason,
    ) -> Step {
        self.queue_fault(call_id, context_id, status, PfcFlags::DID_NOT_EXECUTE);
        self.close(close);
        Step::Event(Event::Refused(Refusal::Connection { call_id, status }))
    }

    /// Fault without "did not execute", then close.
    fn abort(&mut self, call_id: u32, context_id: u16, status: Status, close: CloseReason) -> Step {
        self.queue_fault(call_id, context_id, status, PfcFlags::default());
        self.close(close);
        Step::Event(Event::Refused(Refusal::Connection { call_id, status }))
    }

    /// Flags of a bind_ack or alter_context_resp: header signing is echoed, multiplexing granted
    /// when the same PDU added a context.
    fn grant_flags(&mut self, requested: PfcFlags, context_added: bool) -> PfcFlags {
        let mut flags = PfcFlags::WHOLE;
        if requested.contains(PfcFlags::SUPPORT_HEADER_SIGN) {
            flags = flags | PfcFlags::SUPPORT_HEADER_SIGN;
        }
        if requested.contains(PfcFlags::CONC_MPX) && context_added {
            self.multiplexed = true;
            flags = flags | PfcFlags::CONC_MPX;
        }
        flags
    }

    fn ack<'a>(&self, sec_addr: &'a [u8], results: &'a [ResultElement]) -> BindAck<'a> {
        BindAck {
            max_xmit_frag: self.max_xmit_frag,
            max_recv_frag: self.max_xmit_frag,
            assoc_group_id: self.assoc_group_id,
            sec_addr,
            results: ResultList::new(results),
        }
    }
}

/// Why a bind with this trailer is refused: a level that is none, or a provider that is not here.
fn refusal_of_auth(auth: &AuthTrailer<'_>) -> Option<BindNakReason> {
    Some(if auth.pad_length != 0 {
        BindNakReason::PROTOCOL_VERSION_NOT_SUPPORTED
    } else if auth.level.is_authenticated() {
        BindNakReason::AUTHENTICATION_TYPE_NOT_RECOGNIZED
    } else {
        BindNakReason::NOT_SPECIFIED
    })
}

/// Both sizes of the answer: the smaller offer, held between 2048 and 5840, in steps of eight.
fn granted_fragment(max_xmit: u16, max_recv: u16) -> u16 {
    let cap = u16::try_from(FRAGMENT_MAX).unwrap_or(u16::MAX);
    max_xmit.min(max_recv).clamp(FRAGMENT_GRANT_MIN, cap) & !7
}

/// The port as text with its NUL.
fn port_text(port: u16, buffer: &mut [u8; PORT_TEXT_MAX]) -> &[u8] {
    let mut start = buffer.len() - 1;
    let mut rest = port;
    loop {
        start = start.saturating_sub(1);
        let digit = u8::try_from(rest % 10).unwrap_or(0);
        if let Some(place) = buffer.get_mut(start) {
            *place = b'0' + digit;
        }
        rest /= 10;
        if rest == 0 {
            return buffer.get(start..).unwrap_or(&[]);
        }
    }
}

fn stub_range(request: &Request<'_>, pdu: &[u8], start: usize) -> Range<usize> {
    // A request without trailer has its stub at the very end.
    let end = start.saturating_add(pdu.len());
    end.saturating_sub(request.stub.len())..end
}

/// Context id of a request whose trailer kept it from being decoded.
fn context_of(header: &Header, pdu: &[u8]) -> Option<u16> {
    let mut reader = Reader::new(pdu.get(20..)?, header.drep.byte_order());
    reader.u16("p_cont_id").ok()
}

fn unexpected(header: &Header, expected: &'static str) -> Violation {
    Violation::new(2, "ptype", u64::from(header.ptype.0), Expected::Text(expected))
}

/// Both features are granted, as a Windows host does; nothing else depends on them here.
const SUPPORTED_FEATURES: BindTimeFeatures = BindTimeFeatures(
    BindTimeFeatures::SECURITY_CONTEXT_MULTIPLEXING.0
        | BindTimeFeatures::KEEP_CONNECTION_ON_ORPHAN.0,
);

/// Five digits and a NUL.
const PORT_TEXT_MAX: usize = 6;
