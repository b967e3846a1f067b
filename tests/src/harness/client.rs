//! A client that sends any bytes and takes apart what comes back.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use super::PATIENCE;
use super::pdu::{Draft, Syntax, bind, kms32, request};
use super::reply::{Ack, Reply, accepted, status};
use super::stub;

/// One connection. Every read and write has a bound.
#[derive(Debug)]
pub struct RawClient(TcpStream);

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a FIN.
    Eof,
    /// With a RST.
    Reset,
}

impl RawClient {
    /// Connects.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("connects");
        Self::new(stream)
    }

    /// Connects from a source address.
    #[must_use]
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("socket");
        socket.bind(&SocketAddr::new(source, 0).into()).expect("binds to the source address");
        socket.connect_timeout(&address.into(), PATIENCE).expect("connects");
        Self::new(socket.into())
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_read_timeout(Some(PATIENCE)).expect("read timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("write timeout");
        Self(stream)
    }

    /// The stream itself.
    #[must_use]
    pub const fn stream(&self) -> &TcpStream {
        &self.0
    }

    /// Sends a PDU.
    #[track_caller]
    pub fn send(&mut self, draft: &Draft) {
        self.send_bytes(&draft.bytes());
    }

    /// Sends bytes.
    #[track_caller]
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("sends");
    }

    /// Sends bytes to a peer that may be gone.
    ///
    /// # Errors
    /// As the socket says.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    /// Sends the FIN; answers can still be received.
    pub fn finish(&self) {
        self.0.shutdown(Shutdown::Write).expect("FIN");
    }

    /// The next PDU. Nothing must have come before it: this is how silence is proved, since the
    /// server answers in order.
    #[track_caller]
    pub fn receive(&mut self) -> Reply {
        match self.try_receive() {
            Ok(reply) => reply,
            Err(error) => panic!("no PDU but: {error}"),
        }
    }

    /// The next PDU, or why there is none.
    ///
    /// # Errors
    /// `UnexpectedEof` when the connection ended, or as the socket says.
    pub fn try_receive(&mut self) -> io::Result<Reply> {
        let mut pdu = vec![0; 16];
        self.0.read_exact(&mut pdu)?;
        let frag_length = usize::from(u16::from_le_bytes([pdu[8], pdu[9]]));
        assert!(frag_length >= 16, "frag_length of an answer: {frag_length}");
        pdu.resize(frag_length, 0);
        self.0.read_exact(&mut pdu[16..])?;
        Ok(Reply(pdu))
    }

    /// Sends a PDU and returns its answer.
    #[track_caller]
    pub fn ask(&mut self, draft: &Draft) -> Reply {
        self.send(draft);
        self.receive()
    }

    /// Binds context 1 to the KMS interface in NDR32.
    #[track_caller]
    pub fn bind32(&mut self) -> Ack {
        self.bind32_with(1, 0x03)
    }

    /// Binds a context to the KMS interface in NDR32; the server must echo the flags.
    #[track_caller]
    pub fn bind32_with(&mut self, context_id: u16, flags: u8) -> Ack {
        let reply = self.ask(&bind(0, &[kms32(context_id)]).flags(flags));
        let ack = reply.bind_ack(0, flags);
        assert_eq!(ack.results, [accepted(super::pdu::NDR32)]);
        ack
    }

    /// Calls the KMS operation on a context that speaks NDR32: the connection is open and usable.
    #[track_caller]
    pub fn call32(&mut self, call_id: u32, context_id: u16) {
        let reply = self.ask(&request(call_id, context_id, &stub::v4(stub::Ndr::Ndr32)));
        stub::assert_accepted32(reply.response(call_id, context_id));
    }

    /// Calls the KMS operation on a context that speaks `transfer`.
    #[track_caller]
    pub fn call(&mut self, call_id: u32, context_id: u16, transfer: Syntax) {
        if transfer == super::pdu::NDR32 {
            return self.call32(call_id, context_id);
        }
        let reply = self.ask(&request(call_id, context_id, &stub::v4(stub::Ndr::Ndr64)));
        stub::assert_accepted64(reply.response(call_id, context_id));
    }

    /// Sends a PDU that the server must pass over in silence. The proof comes with the next answer.
    #[track_caller]
    pub fn send_unanswered(&mut self, draft: &Draft) {
        self.send(draft);
    }

    /// The connection must end with a FIN and nothing before it.
    #[track_caller]
    pub fn expect_eof(&mut self) {
        let (bytes, end) = self.rest();
        assert_eq!((bytes.as_slice(), end), (&[][..], End::Eof), "a plain end of the connection");
    }

    /// A fault, then the end.
    #[track_caller]
    pub fn expect_fault_and_eof(&mut self, flags: u8, call_id: u32, context_id: u16, status: u32) {
        self.receive().fault(flags, call_id, context_id, status);
        self.expect_eof();
    }

    /// A fault proto_error with "did not execute" on context 0, then the end: the PDU as such is
    /// refused.
    #[track_caller]
    pub fn expect_pdu_refused(&mut self, call_id: u32) {
        self.expect_fault_and_eof(super::pdu::F23, call_id, 0, status::PROTO_ERROR);
    }

    /// A bind_nak, then the end.
    #[track_caller]
    pub fn expect_nak_and_eof(&mut self, call_id: u32, reason: u8) {
        self.receive().bind_nak(call_id, reason);
        self.expect_eof();
    }

    /// Everything up to the end, and how it ended.
    #[track_caller]
    pub fn rest(&mut self) -> (Vec<u8>, End) {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return (bytes, End::Eof),
                Ok(count) => bytes.extend(buffer.iter().take(count)),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    return (bytes, End::Reset);
                }
                Err(error) => panic!("neither data nor end of the connection: {error}"),
            }
        }
    }
}
