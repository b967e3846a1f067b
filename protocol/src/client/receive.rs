//! What the server may send, and when: every PDU is checked against what was asked.

use alloc::vec::Vec;
use core::ops::Range;

use super::connection::{Accepted, Connection, Offered, PartialAnswer, Phase};
use super::{CloseReason, Event};
use crate::limits::FRAGMENT_MAX;
use crate::rpc::{
    BindAck, Body, ContextResult, Frame, Header, Packet, PfcFlags, Reassembler, Response,
    next_frame,
};
use crate::wire::{Expected, Violation};

/// Largest `alloc_hint` of an answer that is believed, [MS-RPCE] 3.3.2.5.2.
const ALLOC_HINT_MAX: u32 = i32::MAX as u32;

/// What one PDU comes to.
enum Step {
    /// Nothing to report yet.
    Handled,
    /// Report the PDU at this place.
    Report(Range<usize>),
    /// Report an answer that was put together.
    Reassembled { header: Header, context_id: u16, stub: Vec<u8> },
}

pub(super) fn poll_event(connection: &mut Connection) -> Option<Event<'_>> {
    connection.reassembled = Vec::new();
    match next_step(connection)? {
        Step::Handled => None,
        Step::Report(range) => report(connection.received.get(range)?),
        Step::Reassembled { header, context_id, stub } => {
            connection.reassembled = stub;
            Some(Event::Response {
                call_id: header.call_id,
                context_id,
                byte_order: header.drep.byte_order(),
                stub: &connection.reassembled,
            })
        }
    }
}

fn next_step(connection: &mut Connection) -> Option<Step> {
    loop {
        if connection.phase == Phase::Closed {
            return None;
        }
        let start = connection.consumed;
        let len = match next_frame(connection.received.get(start..).unwrap_or(&[])) {
            Ok(Frame::Whole { pdu, .. }) => pdu.len(),
            Ok(Frame::Incomplete { .. }) => {
                finish_if_peer_did(connection);
                return None;
            }
            Ok(Frame::TooLong { header, limit }) => {
                let got = u64::from(header.frag_length);
                let expected = Expected::AtMost(limit as u64);
                let violation = Violation::new(8, "frag_length", got, expected);
                connection.close(CloseReason::Violation(violation));
                return None;
            }
            Err(malformed) => {
                connection.close(CloseReason::Malformed(malformed));
                return None;
            }
        };
        let end = start.saturating_add(len);
        // Taken out for the time of its handling, which changes the connection.
        let received = core::mem::take(&mut connection.received);
        let step = handle_pdu(connection, received.get(start..end).unwrap_or(&[]), start..end);
        connection.received = received;
        match step {
            Ok(Step::Handled) => connection.consumed = end,
            Ok(seen) => {
                connection.consumed = end;
                return Some(seen);
            }
            // The offending PDU stays unread, so that a caller can show it.
            Err(reason) => {
                connection.close(reason);
                return None;
            }
        }
    }
}

fn finish_if_peer_did(connection: &mut Connection) {
    if !connection.peer_finished {
        return;
    }
    let in_answer = connection.calls.iter().any(|call| call.partial.is_some());
    let midway = in_answer || !connection.unread().is_empty();
    connection.close(match midway {
        true => CloseReason::PeerLeftMidway,
        false => CloseReason::PeerFinished,
    });
}

fn handle_pdu(
    connection: &mut Connection,
    pdu: &[u8],
    range: Range<usize>,
) -> Result<Step, CloseReason> {
    let packet = Packet::decode(pdu).map_err(CloseReason::Malformed)?;
    packet.header.check().map_err(CloseReason::Violation)?;
    let is_answer = matches!(packet.body, Body::Response(_) | Body::Fault(_));
    if is_answer && connection.abandoned.contains(&packet.header.call_id) {
        return Ok(Step::Handled);
    }
    let step = match (&packet.body, connection.phase) {
        (Body::BindAck(ack), Phase::Negotiating { call_id, first: true, .. }) => {
            take_results(connection, &packet.header, call_id, ack).map(|()| Step::Report(range))
        }
        (Body::AlterContextResp(ack), Phase::Negotiating { call_id, first: false, .. }) => {
            take_results(connection, &packet.header, call_id, ack).map(|()| Step::Report(range))
        }
        (Body::BindNak(_), Phase::Negotiating { call_id, first: true, .. }) => {
            expect_call_id(&packet.header, call_id)?;
            connection.close(CloseReason::BindRefused);
            Ok(Step::Report(range))
        }
        (Body::Fault(_), Phase::Negotiating { call_id, first: false, .. }) => {
            expect_call_id(&packet.header, call_id)?;
            connection.phase = Phase::Bound;
            Ok(Step::Report(range))
        }
        (Body::Fault(_), Phase::Bound) => {
            let index = find_call(connection, &packet.header)?;
            connection.calls.remove(index);
            Ok(Step::Report(range))
        }
        (Body::Response(response), Phase::Bound) => {
            take_response(connection, &packet.header, response, range)
        }
        (Body::Shutdown, Phase::Bound) if connection.calls.is_empty() => Ok(Step::Report(range)),
        (Body::Shutdown, _) => Ok(Step::Handled),
        _ => Err(unexpected_type(connection, &packet.header)),
    };
    step.map_err(CloseReason::Violation)
}

fn unexpected_type(connection: &Connection, header: &Header) -> Violation {
    let expected = match connection.phase {
        Phase::Negotiating { first: true, .. } => "bind_ack (12) or bind_nak (13)",
        Phase::Negotiating { first: false, .. } => "alter_context_resp (15) or fault (3)",
        Phase::Bound if !connection.calls.is_empty() => "response (2) or fault (3)",
        Phase::Bound | Phase::Unbound | Phase::Closed => "nothing: no answer is awaited",
    };
    Violation::new(2, "ptype", u64::from(header.ptype.0), Expected::Text(expected))
}

fn expect_call_id(header: &Header, call_id: u32) -> Result<(), CloseReason> {
    if header.call_id == call_id {
        return Ok(());
    }
    let expected = Expected::Exactly(u64::from(call_id));
    let violation = Violation::new(12, "call_id", u64::from(header.call_id), expected);
    Err(CloseReason::Violation(violation))
}

fn take_results(
    connection: &mut Connection,
    header: &Header,
    call_id: u32,
    ack: &BindAck<'_>,
) -> Result<(), Violation> {
    if header.call_id != call_id {
        let expected = Expected::Exactly(u64::from(call_id));
        return Err(Violation::new(12, "call_id", u64::from(header.call_id), expected));
    }
    if ack.results.len() != connection.offered.len() {
        let expected = Expected::Exactly(connection.offered.len() as u64);
        return Err(Violation::new(28, "n_results", ack.results.len() as u64, expected));
    }
    let offered = core::mem::take(&mut connection.offered);
    for (offer, result) in offered.iter().zip(ack.results.iter()) {
        if result.result != ContextResult::ACCEPTANCE {
            continue;
        }
        let transfer_syntax = result.transfer_syntax;
        if !offer.transfer_syntaxes.contains(&transfer_syntax) {
            let expected = Expected::Text("a transfer syntax that was offered");
            return Err(Violation::new(28, "transfer_syntax", u64::from(offer.id), expected));
        }
        accept(connection, offer, Accepted { id: offer.id, transfer_syntax });
    }
    if let Phase::Negotiating { first: true, .. } = connection.phase {
        // Everything that a server grants is used, but never beyond what TCP allows; a grant
        // below any legal size is treated as that size.
        connection.fragment_max = usize::from(ack.max_recv_frag).clamp(1432, FRAGMENT_MAX);
        connection.multiplexed = header.flags.contains(PfcFlags::CONC_MPX);
    }
    connection.phase = Phase::Bound;
    Ok(())
}

fn accept(connection: &mut Connection, offer: &Offered, context: Accepted) {
    match connection.accepted.iter_mut().find(|known| known.id == offer.id) {
        Some(known) => *known = context,
        None => connection.accepted.push(context),
    }
}

fn find_call(connection: &Connection, header: &Header) -> Result<usize, CloseReason> {
    let found = connection.calls.iter().position(|call| call.call_id == header.call_id);
    found.ok_or_else(|| {
        let expected = match connection.calls.as_slice() {
            [] => return CloseReason::Violation(unexpected_type(connection, header)),
            [only] => Expected::Exactly(u64::from(only.call_id)),
            _ => Expected::Text("an outstanding call"),
        };
        CloseReason::Violation(Violation::new(12, "call_id", u64::from(header.call_id), expected))
    })
}

fn take_response(
    connection: &mut Connection,
    header: &Header,
    response: &Response<'_>,
    range: Range<usize>,
) -> Result<Step, Violation> {
    let index = find_call(connection, header).map_err(|reason| match reason {
        CloseReason::Violation(violation) => violation,
        _ => unexpected_type(connection, header),
    })?;
    let response_max = connection.config.response_max;
    let Some(call) = connection.calls.get_mut(index) else {
        return Ok(Step::Handled);
    };
    if response.context_id & 0xFF != call.context_id & 0xFF {
        let expected = Expected::Exactly(u64::from(call.context_id & 0xFF));
        return Err(Violation::new(20, "p_cont_id", u64::from(response.context_id), expected));
    }
    if response.alloc_hint > ALLOC_HINT_MAX {
        let expected = Expected::AtMost(u64::from(ALLOC_HINT_MAX));
        return Err(Violation::new(16, "alloc_hint", u64::from(response.alloc_hint), expected));
    }
    let first = header.flags.contains(PfcFlags::FIRST_FRAG);
    if first == call.partial.is_some() {
        let expected = Expected::Text("the first fragment first, and once");
        return Err(Violation::new(3, "pfc_flags", u64::from(header.flags.0), expected));
    }
    let last = header.flags.contains(PfcFlags::LAST_FRAG);
    if first && last {
        connection.calls.remove(index);
        return Ok(Step::Report(range));
    }
    let drep = header.drep;
    let partial =
        call.partial.get_or_insert_with(|| PartialAnswer { drep, stub: Reassembler::new() });
    if partial.drep != drep {
        let expected = Expected::Text("the representation of the first fragment");
        let got = u64::from(u32::from_be_bytes(drep.0));
        return Err(Violation::new(4, "drep", got, expected));
    }
    partial.stub.push(response.stub, response_max)?;
    if !last {
        return Ok(Step::Handled);
    }
    let stub = call.partial.take().map(|partial| partial.stub.into_stub()).unwrap_or_default();
    let context_id = response.context_id;
    connection.calls.remove(index);
    Ok(Step::Reassembled { header: *header, context_id, stub })
}

/// The event that a PDU is; the PDU has been checked before.
fn report(pdu: &[u8]) -> Option<Event<'_>> {
    let packet = Packet::decode(pdu).ok()?;
    let Header { call_id, flags, drep, .. } = packet.header;
    Some(match packet.body {
        Body::BindAck(ack) => Event::Bound { call_id, flags, ack },
        Body::AlterContextResp(ack) => Event::Altered { call_id, flags, ack },
        Body::BindNak(nak) => Event::BindRefused { call_id, nak },
        Body::Response(Response { context_id, stub, .. }) => {
            Event::Response { call_id, context_id, byte_order: drep.byte_order(), stub }
        }
        Body::Fault(fault) => {
            Event::Fault { call_id, context_id: fault.context_id, flags, status: fault.status }
        }
        Body::Shutdown => Event::Shutdown,
        _ => return None,
    })
}
