//! What the server answers, claim by claim, in virtual time. The cases follow the published
//! conformance tests that Samba also runs against Windows (`raw_protocol.py`); those that need a
//! security provider have no counterpart here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

extern crate std;

mod authentication;
mod bind;
mod calls;
mod cancel;
mod closing;
mod contexts;
mod fragments;
mod limits;
mod multiplexing;
mod timeouts;

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::{Call, CloseReason, Config, Connection, Event, Refusal};
use crate::rpc::{
    AuthTrailer, Bind, BindAck, BindNakReason, Body, ContextElement, ContextList, DataRep, Frame,
    Header, Packet, PfcFlags, Request, ResultElement, Status, SyntaxId, next_frame,
};
use crate::time::Instant;
use crate::wire::ByteOrder;

/// The association group that the lab's application gives to everybody.
const GROUP: u32 = 0x1ab0_0001;

const FIRST: PfcFlags = PfcFlags::FIRST_FRAG;
const LAST: PfcFlags = PfcFlags::LAST_FRAG;
const MIDDLE: PfcFlags = PfcFlags(0);
const WHOLE: PfcFlags = PfcFlags::WHOLE;
const MULTIPLEXED: PfcFlags = PfcFlags(0x13);

/// KMS in NDR32 on context 0.
const NDR32: ContextElement<'_> = ContextElement::new(0, SyntaxId::KMS, &[SyntaxId::NDR32]);
/// KMS in NDR64 on context 1.
const NDR64: ContextElement<'_> = ContextElement::new(1, SyntaxId::KMS, &[SyntaxId::NDR64]);

/// A server connection, the application above it, and the time.
struct Lab {
    server: Connection,
    now: Instant,
    /// Whether calls are answered with their own stub as soon as they arrive.
    echoes: bool,
    seen: Vec<Seen>,
}

/// An event without its borrow.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Bind(u32),
    Call { head: Call<'static>, stub: Vec<u8> },
    Cancelled(u32),
    Orphaned(u32),
    Refused(Refusal),
}

/// A PDU that the server sent, reduced to what the tests ask about.
#[derive(Debug, PartialEq)]
enum Reply {
    Ack(Ack),
    AlterResp(Ack),
    Nak { call_id: u32, reason: BindNakReason },
    Fault { flags: u8, call_id: u32, context_id: u16, status: Status },
    Response { flags: u8, call_id: u32, context_id: u16, alloc_hint: u32, stub: Vec<u8> },
}

#[derive(Debug, PartialEq)]
struct Ack {
    flags: u8,
    call_id: u32,
    max_xmit_frag: u16,
    max_recv_frag: u16,
    assoc_group_id: u32,
    sec_addr: Vec<u8>,
    results: Vec<ResultElement>,
}

/// A request PDU; `request(..)` gives a whole call of operation 0 on context 0.
#[derive(Clone, Copy)]
struct Outgoing<'a> {
    flags: PfcFlags,
    call_id: u32,
    drep: DataRep,
    body: Request<'a>,
    auth: Option<AuthTrailer<'a>>,
}

impl Lab {
    fn new(config: Config) -> Self {
        let now = Instant::ZERO;
        Self { server: Connection::new(config, now), now, echoes: true, seen: Vec::new() }
    }

    /// Bound with KMS in NDR32 on context 0.
    fn bound() -> Self {
        Self::bound_with(WHOLE, Config::new(1688))
    }

    /// The same, with concurrent calls granted.
    fn multiplexed() -> Self {
        Self::bound_with(MULTIPLEXED, Config::new(1688))
    }

    fn bound_with(flags: PfcFlags, config: Config) -> Self {
        let mut lab = Self::new(config);
        let replies = lab.feed(&bind(flags, &[NDR32]));
        assert!(matches!(replies.as_slice(), [Reply::Ack(ack)] if ack.flags == flags.0));
        lab.seen.clear();
        lab
    }

    /// Leaves calls open until the test answers them.
    fn holding(mut self) -> Self {
        self.echoes = false;
        self
    }

    /// Feeds bytes, lets the application answer, and takes what the server sends.
    fn feed(&mut self, bytes: &[u8]) -> Vec<Reply> {
        self.server.handle_input(self.now, bytes);
        self.pump()
    }

    fn feed_all<'a>(&mut self, pdus: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<Reply> {
        let stream: Vec<u8> = pdus.into_iter().flatten().copied().collect();
        self.feed(&stream)
    }

    fn eof(&mut self) -> Vec<Reply> {
        self.server.handle_eof(self.now);
        self.pump()
    }

    fn respond(&mut self, call_id: u32, stub: &[u8]) -> Vec<Reply> {
        self.server.respond(call_id, stub).unwrap();
        self.pump()
    }

    /// Moves the time and tells the server when its own timeout has come.
    fn pass(&mut self, duration: Duration) {
        self.now = self.now.saturating_add(duration);
        if self.server.poll_timeout().is_some_and(|(deadline, _)| deadline <= self.now) {
            self.server.handle_timeout(self.now);
        }
    }

    fn pump(&mut self) -> Vec<Reply> {
        self.decide();
        let sent = self.server.poll_transmit().to_vec();
        self.server.transmitted(sent.len());
        replies(&sent)
    }

    /// The application: one group for everybody, calls echoed or held.
    fn decide(&mut self) {
        while let Some(event) = self.server.poll_event() {
            let seen = Seen::from(event);
            self.seen.push(seen.clone());
            match seen {
                Seen::Bind(0 | GROUP) => self.server.accept_bind(GROUP),
                Seen::Bind(_) => self.server.refuse_bind(BindNakReason::NOT_SPECIFIED),
                Seen::Call { head, stub } if self.echoes => {
                    self.server.respond(head.call_id, &stub).unwrap();
                }
                _ => {}
            }
        }
    }

    /// Fails unless the server has closed after its last PDU, and takes nothing any more.
    fn assert_closed(&mut self, reason: impl FnOnce(&CloseReason) -> bool) {
        let why = self.server.close_reason();
        assert!(why.as_ref().is_some_and(reason), "closed for another reason: {why:?}");
        assert!(self.server.is_closed(), "closing, but not closed");
        assert_eq!(self.server.poll_timeout(), None);
        assert!(!self.server.wants_input());
        let seen = self.seen.len();
        assert_eq!(self.feed(&request(77).pdu()), [], "answered after it closed");
        assert_eq!(self.seen.len(), seen, "an event after it closed");
    }

    /// Fails unless a call on context 0 is still answered.
    fn assert_usable(&mut self) {
        assert_eq!(self.server.close_reason(), None);
        let reply = self.feed(&request(0xfeed).with_stub(b"still here").pdu());
        assert_eq!(reply, [response(0xfeed, 0, b"still here")]);
    }

    fn call_ids(&self) -> Vec<u32> {
        self.seen
            .iter()
            .filter_map(|seen| match seen {
                Seen::Call { head, .. } => Some(head.call_id),
                _ => None,
            })
            .collect()
    }
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Bind { assoc_group_id } => Self::Bind(assoc_group_id),
            Event::Call(call) => {
                let Call { call_id, context_id, opnum, transfer_syntax, byte_order, stub } = call;
                let head =
                    Call { call_id, context_id, opnum, transfer_syntax, byte_order, stub: &[] };
                Self::Call { head, stub: stub.to_vec() }
            }
            Event::Cancelled { call_id } => Self::Cancelled(call_id),
            Event::Orphaned { call_id } => Self::Orphaned(call_id),
            Event::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

impl<'a> Outgoing<'a> {
    fn with_flags(self, flags: PfcFlags) -> Self {
        Self { flags, ..self }
    }

    fn on_context(self, context_id: u16) -> Self {
        Self { body: Request { context_id, ..self.body }, ..self }
    }

    fn of_operation(self, opnum: u16) -> Self {
        Self { body: Request { opnum, ..self.body }, ..self }
    }

    fn with_hint(self, alloc_hint: u32) -> Self {
        Self { body: Request { alloc_hint, ..self.body }, ..self }
    }

    fn with_stub(self, stub: &'a [u8]) -> Self {
        Self { body: Request { stub, ..self.body }, ..self }
    }

    fn with_auth(self, auth: AuthTrailer<'a>) -> Self {
        Self { auth: Some(auth), ..self }
    }

    fn pdu(&self) -> Vec<u8> {
        let Self { flags, call_id, drep, body, auth } = *self;
        let packet = Packet::new(flags, call_id, Body::Request(body));
        encode(&Packet { header: Header { drep, ..packet.header }, auth, ..packet })
    }
}

fn request<'a>(call_id: u32) -> Outgoing<'a> {
    let body = Request { alloc_hint: 0, context_id: 0, opnum: 0, object: None, stub: &[] };
    Outgoing { flags: WHOLE, call_id, drep: DataRep::LITTLE, body, auth: None }
}

fn bind(flags: PfcFlags, contexts: &[ContextElement<'_>]) -> Vec<u8> {
    encode(&Packet::new(flags, 1, Body::Bind(bind_body(contexts))))
}

fn alter(flags: PfcFlags, contexts: &[ContextElement<'_>]) -> Vec<u8> {
    encode(&Packet::new(flags, 2, Body::AlterContext(bind_body(contexts))))
}

fn bind_body<'a>(contexts: &'a [ContextElement<'a>]) -> Bind<'a> {
    let contexts = ContextList::new(contexts);
    Bind { max_xmit_frag: 5840, max_recv_frag: 5840, assoc_group_id: 0, contexts }
}

fn co_cancel(call_id: u32) -> Vec<u8> {
    encode(&Packet::new(WHOLE, call_id, Body::CoCancel))
}

fn orphaned(call_id: u32) -> Vec<u8> {
    encode(&Packet::new(WHOLE, call_id, Body::Orphaned))
}

fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packet.encoded_len()];
    packet.encode(&mut bytes).unwrap();
    bytes
}

/// `pdu` with some bytes replaced.
fn patched(mut pdu: Vec<u8>, offset: usize, bytes: &[u8]) -> Vec<u8> {
    pdu[offset..offset + bytes.len()].copy_from_slice(bytes);
    pdu
}

/// Fault that breaks off a call.
fn fault03(call_id: u32, context_id: u16, status: Status) -> Reply {
    Reply::Fault { flags: 0x03, call_id, context_id, status }
}

/// Fault for something that was not executed.
fn fault23(call_id: u32, context_id: u16, status: Status) -> Reply {
    Reply::Fault { flags: 0x23, call_id, context_id, status }
}

/// An answer in one fragment.
fn response(call_id: u32, context_id: u16, stub: &[u8]) -> Reply {
    let alloc_hint = u32::try_from(stub.len()).unwrap();
    Reply::Response { flags: 0x03, call_id, context_id, alloc_hint, stub: stub.to_vec() }
}

fn nak(reason: BindNakReason) -> Reply {
    Reply::Nak { call_id: 1, reason }
}

fn is_violation(reason: &CloseReason) -> bool {
    matches!(reason, CloseReason::Violation(_))
}

fn is_malformed(reason: &CloseReason) -> bool {
    matches!(reason, CloseReason::Malformed(_))
}

/// Whether the reason is that this fault was sent.
fn is_fault(status: Status) -> impl Fn(&CloseReason) -> bool {
    move |reason| *reason == CloseReason::Fault(status)
}

fn is_bind_refused(reason: &CloseReason) -> bool {
    matches!(reason, CloseReason::BindRefused(_))
}

/// The results of the only reply, which must be a bind_ack or an alter_context_resp.
fn results(replies: Vec<Reply>) -> Vec<ResultElement> {
    match replies.into_iter().next() {
        Some(Reply::Ack(ack) | Reply::AlterResp(ack)) => ack.results,
        other => panic!("neither bind_ack nor alter_context_resp: {other:?}"),
    }
}

fn replies(mut sent: &[u8]) -> Vec<Reply> {
    let mut replies = Vec::new();
    while !sent.is_empty() {
        let Ok(Frame::Whole { pdu, .. }) = next_frame(sent) else {
            panic!("the server sent no PDU: {sent:02x?}");
        };
        replies.push(reply(pdu));
        sent = &sent[pdu.len()..];
    }
    replies
}

fn reply(pdu: &[u8]) -> Reply {
    let packet = Packet::decode(pdu).unwrap();
    let Header { flags: PfcFlags(flags), call_id, drep, .. } = packet.header;
    assert_eq!(drep, DataRep::LITTLE, "a server answers in its own representation");
    assert_eq!(packet.auth, None);
    match packet.body {
        Body::BindAck(body) => Reply::Ack(ack(flags, call_id, &body)),
        Body::AlterContextResp(body) => Reply::AlterResp(ack(flags, call_id, &body)),
        Body::BindNak(body) => {
            assert_eq!((flags, pdu.len()), (0x03, 24));
            assert_eq!(body.versions.iter().collect::<Vec<_>>(), [(5, 0)]);
            Reply::Nak { call_id, reason: body.reason }
        }
        Body::Fault(body) => {
            assert_eq!((pdu.len(), body.cancel_count, body.flags), (32, 0, 0));
            assert_ne!(body.alloc_hint, 0, "a server promises that it is not zero");
            Reply::Fault { flags, call_id, context_id: body.context_id, status: body.status }
        }
        Body::Response(body) => {
            assert_eq!(body.cancel_count, 0);
            let (context_id, alloc_hint) = (body.context_id, body.alloc_hint);
            Reply::Response { flags, call_id, context_id, alloc_hint, stub: body.stub.to_vec() }
        }
        other => panic!("a server does not send {other:?}"),
    }
}

fn ack(flags: u8, call_id: u32, body: &BindAck<'_>) -> Ack {
    Ack {
        flags,
        call_id,
        max_xmit_frag: body.max_xmit_frag,
        max_recv_frag: body.max_recv_frag,
        assoc_group_id: body.assoc_group_id,
        sec_addr: body.sec_addr.to_vec(),
        results: body.results.iter().collect(),
    }
}
