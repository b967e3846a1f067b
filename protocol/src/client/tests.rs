//! What the client asks, and what it makes of every answer, in virtual time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

extern crate std;

mod calls;
mod ends;
mod negotiation;
mod violations;

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::{CloseReason, Config, Connection, Event};
use crate::rpc::{
    Bind, BindAck, BindNakReason, Body, ContextElement, ContextList, ContextReason, DataRep, Fault,
    Frame, Header, Packet, PfcFlags, Request, Response, ResultElement, ResultList, Status,
    SyntaxId, next_frame,
};
use crate::time::Instant;
use crate::wire::{ByteOrder, Expected, Violation};

const FIRST: PfcFlags = PfcFlags::FIRST_FRAG;
const LAST: PfcFlags = PfcFlags::LAST_FRAG;
const MIDDLE: PfcFlags = PfcFlags(0);
const WHOLE: PfcFlags = PfcFlags::WHOLE;
const MULTIPLEXED: PfcFlags = PfcFlags(0x13);

const NDR32: ContextElement<'_> = ContextElement::new(0, SyntaxId::KMS, &[SyntaxId::NDR32]);
const NDR64: ContextElement<'_> = ContextElement::new(1, SyntaxId::KMS, &[SyntaxId::NDR64]);

const ACCEPTED32: ResultElement = ResultElement::accepted(SyntaxId::NDR32);
const ACCEPTED64: ResultElement = ResultElement::accepted(SyntaxId::NDR64);
const NO_SYNTAX: ResultElement =
    ResultElement::rejected(ContextReason::TRANSFER_SYNTAXES_NOT_SUPPORTED);

/// A client connection and the time.
struct Lab {
    client: Connection,
    now: Instant,
}

/// An event without its borrow.
#[derive(Debug, PartialEq)]
enum Seen {
    Bound(Vec<ResultElement>),
    BindRefused(BindNakReason),
    Altered(Vec<ResultElement>),
    Response { call_id: u32, context_id: u16, byte_order: ByteOrder, stub: Vec<u8> },
    Fault { call_id: u32, context_id: u16, flags: u8, status: Status },
    Shutdown,
}

impl Lab {
    fn new(config: Config) -> Self {
        Self { client: Connection::new(config, Instant::ZERO), now: Instant::ZERO }
    }

    /// Bound by call 2 with KMS in NDR32 on context 0.
    fn bound() -> Self {
        Self::bound_with(WHOLE, Config::default())
    }

    /// The same, with concurrent calls granted.
    fn multiplexed() -> Self {
        Self::bound_with(MULTIPLEXED, Config::default())
    }

    fn bound_with(flags: PfcFlags, config: Config) -> Self {
        let mut lab = Self::new(config);
        let call_id = lab.client.bind(flags, 0, &[NDR32]).unwrap();
        assert_eq!(lab.sent(), 1);
        let seen = lab.feed(&ack(flags, call_id, &[ACCEPTED32]));
        assert_eq!(seen, [Seen::Bound(vec![ACCEPTED32])]);
        lab
    }

    /// Feeds bytes and takes every event.
    fn feed(&mut self, bytes: &[u8]) -> Vec<Seen> {
        self.client.handle_input(self.now, bytes);
        self.events()
    }

    fn eof(&mut self) -> Vec<Seen> {
        self.client.handle_eof(self.now);
        self.events()
    }

    fn events(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        while let Some(event) = self.client.poll_event() {
            seen.push(Seen::from(event));
        }
        seen
    }

    /// Moves the time and tells the client when its own timeout has come.
    fn pass(&mut self, duration: Duration) {
        self.now = self.now.saturating_add(duration);
        if self.client.poll_timeout().is_some_and(|deadline| deadline <= self.now) {
            self.client.handle_timeout(self.now);
        }
    }

    /// A call on context 0; its bytes are sent.
    fn call(&mut self, stub: &[u8]) -> u32 {
        let call_id = self.client.call(0, 0, stub).unwrap();
        self.sent();
        call_id
    }

    /// Takes what is to be sent and says how many PDUs it was.
    fn sent(&mut self) -> usize {
        let bytes = self.client.poll_transmit().to_vec();
        self.client.transmitted(bytes.len());
        pdus(&bytes).len()
    }

    /// Fails unless the connection ended for this reason, and says nothing any more.
    fn assert_closed(&mut self, reason: CloseReason) {
        assert_eq!(self.client.close_reason(), Some(reason));
        assert!(self.client.is_closed());
        assert_eq!(self.client.poll_timeout(), None);
        assert_eq!(self.feed(&response(2, b"late")), [], "an event after it closed");
        assert!(self.client.call(0, 0, b"").is_err(), "a call after it closed");
    }

    /// Fails unless the connection ended because this field broke the rules.
    fn assert_violation(&mut self, offset: usize, field: &'static str, got: u64, want: Expected) {
        let violation = Violation::new(offset, field, got, want);
        self.assert_closed(CloseReason::Violation(violation));
    }

    /// Fails unless a call is still answered.
    fn assert_usable(&mut self) {
        assert_eq!(self.client.close_reason(), None);
        assert!(!self.client.is_closed());
        let call_id = self.call(b"");
        assert_eq!(self.feed(&response(call_id, b"ok")), [answered(call_id, b"ok")]);
    }
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Bound { ack, .. } => Self::Bound(ack.results.iter().collect()),
            Event::BindRefused { nak, .. } => Self::BindRefused(nak.reason),
            Event::Altered { ack, .. } => Self::Altered(ack.results.iter().collect()),
            Event::Response { call_id, context_id, byte_order, stub } => {
                Self::Response { call_id, context_id, byte_order, stub: stub.to_vec() }
            }
            Event::Fault { call_id, context_id, flags, status } => {
                Self::Fault { call_id, context_id, flags: flags.0, status }
            }
            Event::Shutdown => Self::Shutdown,
        }
    }
}

/// An answer on context 0 in the usual order.
fn answered(call_id: u32, stub: &[u8]) -> Seen {
    let byte_order = ByteOrder::Little;
    Seen::Response { call_id, context_id: 0, byte_order, stub: stub.to_vec() }
}

fn bind_ack<'a>(results: &'a [ResultElement]) -> BindAck<'a> {
    BindAck {
        max_xmit_frag: 5840,
        max_recv_frag: 5840,
        assoc_group_id: 7,
        sec_addr: b"1688\0",
        results: ResultList::new(results),
    }
}

fn ack(flags: PfcFlags, call_id: u32, results: &[ResultElement]) -> Vec<u8> {
    pdu(flags, call_id, Body::BindAck(bind_ack(results)))
}

fn altered(call_id: u32, results: &[ResultElement]) -> Vec<u8> {
    let body = BindAck { sec_addr: b"", ..bind_ack(results) };
    pdu(WHOLE, call_id, Body::AlterContextResp(body))
}

fn response(call_id: u32, stub: &[u8]) -> Vec<u8> {
    fragment(WHOLE, call_id, stub)
}

fn fragment(flags: PfcFlags, call_id: u32, stub: &[u8]) -> Vec<u8> {
    pdu(flags, call_id, Body::Response(Response { stub, ..EMPTY }))
}

fn fault(call_id: u32, status: Status) -> Vec<u8> {
    pdu(PfcFlags(0x23), call_id, Body::Fault(Fault::new(0, status)))
}

fn pdu(flags: PfcFlags, call_id: u32, body: Body<'_>) -> Vec<u8> {
    encode(&Packet::new(flags, call_id, body))
}

fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packet.encoded_len()];
    packet.encode(&mut bytes).unwrap();
    bytes
}

/// Cuts what the client sent into PDUs.
fn pdus(mut sent: &[u8]) -> Vec<&[u8]> {
    let mut pdus = Vec::new();
    while !sent.is_empty() {
        let Ok(Frame::Whole { pdu, .. }) = next_frame(sent) else {
            panic!("the client sent no PDU: {sent:02x?}");
        };
        pdus.push(pdu);
        sent = &sent[pdu.len()..];
    }
    pdus
}

const EMPTY: Response<'_> = Response { alloc_hint: 0, context_id: 0, cancel_count: 0, stub: &[] };
