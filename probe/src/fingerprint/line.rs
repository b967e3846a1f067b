//! A connection on which RPC rules can be bent: PDUs go out as they are made, and whatever comes
//! back is an answer.

use std::io::{Read, Write};
use std::net::TcpStream;

use kms_protocol::rpc::{Body, Frame, Packet, PduType, PfcFlags, Status, next_frame};
use kms_protocol::wire::Misuse;

use super::score::SILENCE;
use crate::stage::deadline::Deadline;
use crate::stage::guess;

/// One connection, under one deadline.
pub(super) struct Line {
    stream: TcpStream,
    deadline: Deadline,
    received: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A whole PDU.
    Pdu(Vec<u8>),
    /// The peer closed.
    Closed,
    /// The peer reset the connection.
    Reset,
    /// Nothing more before the deadline.
    Silence,
    /// Bytes that are no RPC: the first of them.
    NotRpc(Vec<u8>),
}

impl Line {
    pub(super) fn new(stream: TcpStream, deadline: Deadline) -> Self {
        Self { stream, deadline, received: Vec::new() }
    }

    /// Sends one PDU. That it cannot be sent shows in what is heard.
    ///
    /// # Errors
    /// [`Misuse`] would be a defect of this program.
    pub(super) fn say(
        &mut self,
        flags: PfcFlags,
        call_id: u32,
        body: Body<'_>,
    ) -> Result<(), Misuse> {
        let packet = Packet::new(flags, call_id, body);
        let mut bytes = vec![0; packet.encoded_len()];
        packet.encode(&mut bytes)?;
        if let Some(left) = self.deadline.remaining() {
            let written = self.stream.set_write_timeout(Some(left));
            let _shows_when_read = written.and_then(|()| self.stream.write_all(&bytes));
        }
        Ok(())
    }

    /// Waits for the next PDU or the end.
    pub(super) fn hear(&mut self) -> Heard {
        loop {
            if guess::is_foreign(&self.received) {
                return Heard::NotRpc(self.received.clone());
            }
            match next_frame(&self.received) {
                Ok(Frame::Whole { pdu, .. }) => {
                    let pdu = pdu.to_vec();
                    self.received.drain(..pdu.len());
                    return Heard::Pdu(pdu);
                }
                Ok(Frame::Incomplete { .. }) => {}
                Ok(Frame::TooLong { .. }) | Err(_) => {
                    return Heard::NotRpc(self.received.clone());
                }
            }
            if let Some(end) = self.receive() {
                return end;
            }
        }
    }

    /// Takes what arrives; the end, if it is one.
    fn receive(&mut self) -> Option<Heard> {
        let Some(left) = self.deadline.remaining() else { return Some(Heard::Silence) };
        let mut buffer = [0; 4096];
        let read = self.stream.set_read_timeout(Some(left));
        match read.and_then(|()| self.stream.read(&mut buffer)) {
            Ok(0) => Some(Heard::Closed),
            Ok(count) => {
                self.received.extend(buffer.iter().take(count));
                None
            }
            Err(error) => match error.kind() {
                std::io::ErrorKind::Interrupted => None,
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
                    Some(Heard::Silence)
                }
                _ => Some(Heard::Reset),
            },
        }
    }
}

impl Heard {
    /// The PDU, if it is one that can be read.
    pub(super) fn packet(&self) -> Option<Packet<'_>> {
        match self {
            Self::Pdu(bytes) => Packet::decode(bytes).ok(),
            _ => None,
        }
    }

    /// In full, for people.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Pdu(bytes) => match self.packet() {
                Some(packet) => describe(&packet),
                None => format!("{} bytes that are no whole PDU: {}", bytes.len(), hex(bytes)),
            },
            Self::Closed => "the connection was closed".to_owned(),
            Self::Reset => "the connection was reset".to_owned(),
            Self::Silence => "no answer in time".to_owned(),
            Self::NotRpc(bytes) => format!("no RPC: {}", hex(bytes)),
        }
    }

    /// One word for what is no PDU of use.
    pub(super) const fn failure(&self) -> &'static str {
        match self {
            Self::Pdu(_) => "another answer",
            // Some systems turn a close with unread bytes into a reset.
            Self::Closed | Self::Reset => "closed",
            Self::Silence => SILENCE,
            Self::NotRpc(_) => "no RPC",
        }
    }

    /// The status of a fault, and whether it says that nothing was executed.
    pub(super) fn fault(&self) -> Option<(Status, bool)> {
        let packet = self.packet()?;
        let Body::Fault(fault) = packet.body else { return None };
        Some((fault.status, packet.header.flags.contains(PfcFlags::DID_NOT_EXECUTE)))
    }

    /// Whether it is a fault that is too short to be one.
    pub(super) fn is_short_fault(&self) -> bool {
        let Self::Pdu(bytes) = self else { return false };
        self.packet().is_none() && bytes.get(2) == Some(&PduType::FAULT.0)
    }

    /// The call that it answers.
    pub(super) fn call_id(&self) -> Option<u32> {
        let Self::Pdu(bytes) = self else { return None };
        let id: [u8; 4] = bytes.get(12..16)?.try_into().ok()?;
        Some(u32::from_le_bytes(id))
    }
}

fn describe(packet: &Packet<'_>) -> String {
    let (flags, id) = (packet.header.flags.0, packet.header.call_id);
    match packet.body {
        Body::BindAck(ack) | Body::AlterContextResp(ack) => {
            let name = packet.header.ptype.name().unwrap_or("answer");
            let results: Vec<String> = ack
                .results
                .iter()
                .map(|result| format!("({},{})", result.result.0, result.reason.0))
                .collect();
            format!(
                "{name}, flags 0x{flags:02X}, fragments {}/{}, group 0x{:08X}, results {}",
                ack.max_xmit_frag,
                ack.max_recv_frag,
                ack.assoc_group_id,
                results.join(" ")
            )
        }
        Body::BindNak(nak) => format!("bind_nak, reason {} ({})", nak.reason.0, nak.reason),
        Body::Fault(fault) => {
            let name = fault.status.name().unwrap_or("unknown status");
            let hint = fault.alloc_hint;
            format!(
                "fault 0x{:08X} ({name}), flags 0x{flags:02X}, call id {id}, alloc_hint {hint}",
                fault.status.0
            )
        }
        Body::Response(response) => {
            let stub = response.stub;
            format!("response, call id {id}, {} bytes: {}", stub.len(), hex(stub))
        }
        _ => packet.header.ptype.name().unwrap_or("a PDU of an unknown type").to_owned(),
    }
}

/// The first bytes, in hexadecimal.
fn hex(bytes: &[u8]) -> String {
    let text: Vec<String> =
        bytes.iter().take(SHOWN_MAX).map(|byte| format!("{byte:02x}")).collect();
    let more = if bytes.len() > SHOWN_MAX { " ..." } else { "" };
    format!("{}{more}", text.join(" "))
}

const SHOWN_MAX: usize = 32;
