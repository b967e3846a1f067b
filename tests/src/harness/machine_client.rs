//! The protocol crate's client state machine on a blocking socket.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use kms_protocol::client::{Config, Connection, Event};
use kms_protocol::rpc::{ContextElement, PfcFlags};
use kms_protocol::time::Instant;

use super::PATIENCE;

/// A connection that the state machine drives. Its clock stands still.
#[derive(Debug)]
pub struct MachineClient {
    stream: TcpStream,
    machine: Connection,
}

impl MachineClient {
    /// Connects.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("connects");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_read_timeout(Some(PATIENCE)).expect("read timeout");
        Self { stream, machine: Connection::new(Config::default(), Instant::ZERO) }
    }

    /// Binds, and returns results and reasons by context.
    pub fn bind(&mut self, contexts: &[ContextElement<'_>]) -> Vec<(u16, u16)> {
        self.machine.bind(PfcFlags::WHOLE, 0, contexts).expect("binds");
        self.answer(|event| match event {
            Event::Bound { ack, .. } => {
                ack.results.iter().map(|r| (r.result.0, r.reason.0)).collect()
            }
            other => panic!("not a bind_ack: {other:?}"),
        })
    }

    /// Alters, and returns results and reasons by context.
    pub fn alter(&mut self, contexts: &[ContextElement<'_>]) -> Vec<(u16, u16)> {
        self.machine.alter_context(PfcFlags::WHOLE, contexts).expect("alters");
        self.answer(|event| match event {
            Event::Altered { ack, .. } => {
                ack.results.iter().map(|r| (r.result.0, r.reason.0)).collect()
            }
            other => panic!("not an alter_context_resp: {other:?}"),
        })
    }

    /// Calls, and returns the stub of the answer or the status of the fault.
    ///
    /// # Errors
    /// The status of a fault.
    pub fn call(&mut self, context_id: u16, opnum: u16, stub: &[u8]) -> Result<Vec<u8>, u32> {
        self.machine.call(context_id, opnum, stub).expect("calls");
        self.answer(|event| match event {
            Event::Response { stub, .. } => Ok(stub.to_vec()),
            Event::Fault { status, .. } => Err(status.0),
            other => panic!("neither response nor fault: {other:?}"),
        })
    }

    /// Sends what is due and reads up to the next event.
    fn answer<T>(&mut self, take: impl FnOnce(Event<'_>) -> T) -> T {
        let due = self.machine.poll_transmit();
        self.stream.write_all(due).expect("sends");
        let sent = due.len();
        self.machine.transmitted(sent);
        let mut buffer = [0; 8192];
        loop {
            let count = self.stream.read(&mut buffer).expect("an answer");
            assert_ne!(count, 0, "the server closed: {:?}", self.machine.close_reason());
            let bytes = buffer.get(..count).unwrap_or(&[]);
            self.machine.handle_input(Instant::ZERO, bytes);
            if let Some(event) = self.machine.poll_event() {
                return take(event);
            }
            assert!(!self.machine.is_closed(), "closed: {:?}", self.machine.close_reason());
        }
    }
}
