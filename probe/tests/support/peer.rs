//! A peer on loopback that follows a script for one connection.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kms_protocol::rpc::{
    BindAck, BindNak, BindNakReason, Body, ContextReason, ContextResult, Fault, Packet, PfcFlags,
    Response, ResultElement, ResultList, Status, SyntaxId,
};
use socket2::{SockRef, Socket};

/// A peer that runs a script on the first connection it gets.
pub struct Peer {
    pub address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

/// The peer's end of the connection.
pub struct End(pub TcpStream);

impl Peer {
    /// Runs `script` on the first connection.
    pub fn new(script: impl FnOnce(End) + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            script(End(stream));
        });
        Self { address, thread: Some(thread) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Wakes a peer to which nobody came.
        let _woken = TcpStream::connect(self.address);
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the script of the peer failed");
        }
    }
}

impl End {
    /// The next whole PDU; empty when the probe has left.
    pub fn pdu(&mut self) -> Vec<u8> {
        let mut header = [0; 16];
        if self.0.read_exact(&mut header).is_err() {
            return Vec::new();
        }
        let length = usize::from(u16::from_le_bytes([header[8], header[9]]));
        let mut pdu = header.to_vec();
        pdu.resize(length, 0);
        self.0.read_exact(pdu.get_mut(16..).unwrap()).unwrap();
        pdu
    }

    /// The call id of a PDU.
    pub fn call_id(pdu: &[u8]) -> u32 {
        u32::from_le_bytes(*pdu.get(12..).unwrap().first_chunk().unwrap())
    }

    /// The request stub of a PDU.
    pub fn stub(pdu: &[u8]) -> &[u8] {
        pdu.get(24..).unwrap()
    }

    /// Sends bytes as they are; a probe that has left is no failure.
    pub fn send(&mut self, bytes: &[u8]) {
        let _left = self.0.write_all(bytes);
    }

    /// Sends a PDU.
    pub fn reply(&mut self, call_id: u32, body: Body<'_>) {
        let bytes = encoded(PfcFlags::WHOLE, call_id, body);
        self.send(&bytes);
    }

    /// Reads the bind and accepts NDR32 alone.
    pub fn accept_bind(&mut self) {
        let bind = self.pdu();
        let bytes = bind_ack(Self::call_id(&bind), &NDR32_ACCEPTED);
        self.send(&bytes);
    }

    /// Reads the call of operation 0xFFFF and refuses it as an RPC runtime does.
    pub fn refuse_call(&mut self) {
        let call = self.pdu();
        let fault = encoded(
            PfcFlags(PfcFlags::WHOLE.0 | PfcFlags::DID_NOT_EXECUTE.0),
            Self::call_id(&call),
            Body::Fault(fault(Status::OP_RANGE_ERROR)),
        );
        self.send(&fault);
    }

    /// Closes with a reset.
    pub fn reset(self) {
        let socket = Socket::from(self.0);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Closes in order: what was sent arrives, then the end of the stream.
    pub fn close(mut self) {
        self.0.shutdown(std::net::Shutdown::Write).unwrap();
        self.wait_for_the_probe_to_leave();
    }

    /// Waits until the probe closes.
    pub fn wait_for_the_probe_to_leave(&mut self) {
        let mut buffer = [0; 4096];
        while self.0.read(&mut buffer).is_ok_and(|count| count > 0) {}
    }

    /// Sends one byte after the other, slowly, until the probe leaves.
    pub fn drip(&mut self, bytes: impl Iterator<Item = u8>) {
        SockRef::from(&self.0).set_tcp_nodelay(true).unwrap();
        self.0.set_read_timeout(Some(DRIP_PACE)).unwrap();
        for byte in bytes {
            if self.0.write_all(&[byte]).is_err() {
                return;
            }
            // The pace of the drip, ended early by the probe's leaving.
            if self.0.read(&mut [0; 1]).is_ok_and(|count| count == 0) {
                return;
            }
        }
    }
}

/// NDR32 accepted, NDR64 refused, features granted.
pub const NDR32_ACCEPTED: [ResultElement; 3] = [
    ResultElement::accepted(SyntaxId::NDR32),
    ResultElement::rejected(ContextReason::TRANSFER_SYNTAXES_NOT_SUPPORTED),
    FEATURES,
];

/// NDR64 accepted, NDR32 refused, features granted.
pub const NDR64_ACCEPTED: [ResultElement; 3] = [
    ResultElement::rejected(ContextReason::TRANSFER_SYNTAXES_NOT_SUPPORTED),
    ResultElement::accepted(SyntaxId::NDR64),
    FEATURES,
];

/// Bind-time features granted.
pub const FEATURES: ResultElement = ResultElement {
    result: ContextResult::NEGOTIATE_ACK,
    reason: ContextReason(3),
    transfer_syntax: SyntaxId::ZERO,
};

/// Every context refused for `reason`, features granted.
pub const fn all_refused(reason: ContextReason) -> [ResultElement; 3] {
    [ResultElement::rejected(reason), ResultElement::rejected(reason), FEATURES]
}

/// A bind_ack.
pub fn bind_ack(call_id: u32, results: &[ResultElement]) -> Vec<u8> {
    encoded(PfcFlags::WHOLE, call_id, Body::BindAck(ack(results)))
}

/// The body of a bind_ack.
pub fn ack(results: &[ResultElement]) -> BindAck<'_> {
    BindAck {
        max_xmit_frag: 5840,
        max_recv_frag: 5840,
        assoc_group_id: 0x0001_2345,
        sec_addr: b"1688\0",
        results: ResultList::new(results),
    }
}

/// A bind_nak.
pub fn bind_nak(call_id: u32, reason: BindNakReason) -> Vec<u8> {
    encoded(PfcFlags::WHOLE, call_id, Body::BindNak(BindNak::new(reason)))
}

/// The body of a fault.
pub fn fault(status: Status) -> Fault<'static> {
    Fault { alloc_hint: 32, context_id: 0, cancel_count: 0, flags: 0, status, rest: &[] }
}

/// The body of a response.
pub fn response(stub: &[u8]) -> Body<'_> {
    let alloc_hint = u32::try_from(stub.len()).unwrap();
    Body::Response(Response { alloc_hint, context_id: 0, cancel_count: 0, stub })
}

/// Any PDU as bytes.
pub fn encoded(flags: PfcFlags, call_id: u32, body: Body<'_>) -> Vec<u8> {
    let packet = Packet::new(flags, call_id, body);
    let mut bytes = vec![0; packet.encoded_len()];
    packet.encode(&mut bytes).unwrap();
    bytes
}

const DRIP_PACE: Duration = Duration::from_millis(10);
