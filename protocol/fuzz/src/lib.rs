//! Bodies of the fuzz targets: plain functions, so that an ordinary test can run them over the
//! corpus. A panic is a bug of the protocol crate, never of the bytes.

use std::time::Duration;

use kms_protocol::client;
use kms_protocol::kms::Version;
use kms_protocol::kms::crypto::{LabKey, LabKeys};
use kms_protocol::kms::envelope::open_request;
use kms_protocol::limits::{BIND_MAX, CONNECTION_BUFFER_MAX, OPEN_CALLS_MAX};
use kms_protocol::ndr::{self, Ndr};
use kms_protocol::rpc::ntlm::{AvId, Challenge};
use kms_protocol::rpc::{
    BindNakReason, ContextElement, Frame, Header, Packet, PfcFlags, Status, SyntaxId, next_frame,
};
use kms_protocol::server;
use kms_protocol::time::Instant;
use kms_protocol::wire::ByteOrder;

/// Any bytes as a PDU, as a stream, as stubs, as a KMS request and as an NTLM challenge.
pub fn decode(bytes: &[u8]) {
    let _any = Packet::decode(bytes);
    let mut stream = bytes;
    while let Ok(Frame::Whole { pdu, .. }) = next_frame(stream) {
        let _any = Packet::decode(pdu);
        stream = &stream[pdu.len()..];
    }
    for order in [ByteOrder::Little, ByteOrder::Big] {
        for ndr in [Ndr::Ndr32, Ndr::Ndr64] {
            let _any = ndr::decode_request(bytes, ndr, order);
            let _any = ndr::decode_response(bytes, ndr, order);
        }
    }
    let keys = LabKeys::new(&LabKey::DEFAULT);
    if let Ok(opened) = open_request(&keys, bytes) {
        assert!(Version::ALL.contains(&opened.request.version));
    }
    if let Ok(challenge) = Challenge::decode(bytes) {
        let held: usize = challenge.pairs().map(|pair| pair.value.len() + 4).sum();
        assert!(held <= bytes.len(), "the attributes lie inside the message, each once");
        for pair in challenge.pairs() {
            assert!(pair.chars().count() <= pair.value.len());
        }
        let dated = challenge.pairs().any(|pair| pair.id == AvId::TIMESTAMP);
        assert_eq!(challenge.timestamp().is_some(), dated, "a time has been checked to be one");
    }
}

/// A PDU that decodes encodes to as many bytes as it says, and those decode to the same PDU.
pub fn round_trip(bytes: &[u8]) {
    let Ok(packet) = Packet::decode(bytes) else { return };
    let mut encoded = vec![0; packet.encoded_len()];
    match packet.encode(&mut encoded) {
        Ok(len) => assert_eq!(len, encoded.len()),
        Err(misuse) => {
            // Bytes that mean nothing are not kept: what they filled may be missing before a
            // trailer, or the padding that a peer announced and did not send may not fit.
            assert!(packet.auth.is_some(), "without a trailer: {misuse}");
            return;
        }
    }
    let again = Packet::decode(&encoded).expect("what was encoded decodes");
    // Lengths follow from the content, of which unused bytes are no part.
    let frag_length = again.header.frag_length;
    assert_eq!(again, Packet { header: Header { frag_length, ..packet.header }, ..packet });
    let mut once_more = vec![0; again.encoded_len()];
    again.encode(&mut once_more).expect("encodes again");
    assert_eq!(once_more, encoded, "encoding is stable");
}

/// A sequence of operations and of bytes from a server, all taken from `bytes`.
pub fn client_operations(bytes: &[u8]) {
    let mut script = Script(bytes);
    let config = client::Config {
        answer_timeout: Some(Duration::from_secs(4)),
        response_max: 4096,
        ..client::Config::default()
    };
    let mut now = Instant::ZERO;
    let mut connection = client::Connection::new(config, now);
    let mut sent = Vec::new();
    while let Some(operation) = script.byte() {
        match operation % 9 {
            0 => {
                let _refused = connection.bind(script.flags(), 0, &CONTEXTS);
            }
            1 => {
                let _refused = connection.alter_context(script.flags(), &CONTEXTS[..1]);
            }
            2 => {
                let opnum = u16::from(script.byte().unwrap_or(0));
                let _refused = connection.call(opnum % 3, opnum, script.chunk());
            }
            3 => {
                let _refused = connection.cancel(script.call_id());
            }
            4 => {
                let _refused = connection.orphan(script.call_id());
            }
            5 => connection.handle_input(now, script.chunk()),
            6 => connection.handle_input(now, &script.framed()),
            7 => {
                now = now.saturating_add(Duration::from_millis(500));
                connection.handle_timeout(now);
            }
            _ => connection.handle_eof(now),
        }
        let mut events = 0;
        while connection.poll_event().is_some() {
            events += 1;
            assert!(events <= bytes.len(), "more events than bytes");
        }
        let taken = connection.poll_transmit().len() / 2;
        sent.extend_from_slice(&connection.poll_transmit()[..taken]);
        connection.transmitted(taken);
        let held = connection.buffered_bytes();
        assert!(held <= OPEN_CALLS_MAX * 4096 + BIND_MAX + 2 * bytes.len() + QUEUED_MAX);
        assert_eq!(connection.is_closed(), connection.close_reason().is_some());
        assert!(!connection.is_closed() || connection.poll_timeout().is_none());
    }
    sent.extend_from_slice(connection.poll_transmit());
    assert_whole_pdus(&sent);
    connection.handle_eof(now);
    while connection.poll_event().is_some() {}
    assert!(connection.is_closed(), "the server has left");
}

/// Bytes from a client and the answers of a host, all taken from `bytes`.
pub fn server_operations(bytes: &[u8]) {
    let mut script = Script(bytes);
    let mut now = Instant::ZERO;
    let mut connection = server::Connection::new(server::Config::new(1688), now);
    let mut open = Vec::new();
    let mut sent = Vec::new();
    while let Some(operation) = script.byte() {
        match operation % 7 {
            0 | 1 => connection.handle_input(now, &script.framed()),
            2 => connection.handle_input(now, script.chunk()),
            3 => {
                if let Some(call_id) = open.pop() {
                    let stub = vec![operation; usize::from(operation) * 64];
                    connection.respond(call_id, &stub).expect("a small stub");
                }
            }
            4 => {
                if let Some(call_id) = open.pop() {
                    connection.fault(call_id, Status::BAD_STUB_DATA);
                }
            }
            5 => {
                now = now.saturating_add(Duration::from_secs(3));
                connection.handle_timeout(now);
            }
            _ => connection.handle_eof(now),
        }
        drain(&mut connection, &mut open, operation);
        let taken = connection.poll_transmit().len().div_ceil(2);
        sent.extend_from_slice(&connection.poll_transmit()[..taken]);
        connection.transmitted(taken);
        assert!(connection.open_calls() <= OPEN_CALLS_MAX);
        assert!(connection.buffered_bytes() <= CONNECTION_BUFFER_MAX);
        assert_eq!(connection.is_closing(), connection.close_reason().is_some());
        assert!(!connection.is_closing() || connection.poll_timeout().is_none());
    }
    // The client leaves and every call is answered: nothing may be left open.
    connection.handle_eof(now);
    drain(&mut connection, &mut open, 0);
    while let Some(call_id) = open.pop() {
        connection.fault(call_id, Status::BAD_STUB_DATA);
        drain(&mut connection, &mut open, 0);
    }
    sent.extend_from_slice(connection.poll_transmit());
    connection.transmitted(connection.poll_transmit().len());
    assert_whole_pdus(&sent);
    assert!(connection.is_closed(), "the client has left, and nothing is owed to it");
    assert_eq!(connection.buffered_bytes(), 0);
}

fn drain(connection: &mut server::Connection, open: &mut Vec<u32>, operation: u8) {
    while let Some(event) = connection.poll_event() {
        match event {
            server::Event::Bind { .. } if operation >= 0x80 => {
                connection.refuse_bind(BindNakReason::TEMPORARY_CONGESTION);
            }
            server::Event::Bind { .. } => connection.accept_bind(7),
            server::Event::Call(call) => open.push(call.call_id),
            _ => {}
        }
    }
}

/// What a machine sends must be PDUs, whole and sound, and nothing else.
fn assert_whole_pdus(mut stream: &[u8]) {
    while !stream.is_empty() {
        let Ok(Frame::Whole { header, pdu }) = next_frame(stream) else {
            panic!("not a whole PDU: {stream:02x?}");
        };
        header.check().expect("its own header");
        Packet::decode(pdu).expect("its own PDU");
        stream = &stream[pdu.len()..];
    }
}

/// Reads operations and their operands; at the end every operand is empty or zero.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// As many bytes as the next byte says, or what is left.
    fn chunk(&mut self) -> &'a [u8] {
        let wanted = usize::from(self.byte().unwrap_or(0));
        let (chunk, rest) = self.0.split_at(wanted.min(self.0.len()));
        self.0 = rest;
        chunk
    }

    /// A chunk whose `frag_length` is right, so that machines get past the framing.
    fn framed(&mut self) -> Vec<u8> {
        let mut pdu = self.chunk().to_vec();
        if let (Ok(len), true) = (u16::try_from(pdu.len()), pdu.len() >= 16) {
            let little_endian = pdu[4] >> 4 == 1;
            let length = if little_endian { len.to_le_bytes() } else { len.to_be_bytes() };
            pdu[8..10].copy_from_slice(&length);
        }
        pdu
    }

    fn flags(&mut self) -> PfcFlags {
        PfcFlags(self.byte().unwrap_or(3))
    }

    /// Call ids begin at 2 and are few.
    fn call_id(&mut self) -> u32 {
        u32::from(self.byte().unwrap_or(0) % 8) + 2
    }
}

/// What Windows clients offer.
const CONTEXTS: [ContextElement<'static>; 2] = [
    ContextElement::new(0, SyntaxId::KMS, &[SyntaxId::NDR32]),
    ContextElement::new(1, SyntaxId::KMS, &[SyntaxId::NDR64]),
];

/// Bytes that a client may have asked to send and not sent: half of what one operation adds stays
/// behind, and one operation adds a few hundred.
const QUEUED_MAX: usize = 4096;
