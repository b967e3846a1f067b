//! The server's state machine with something behind it that answers, and no socket, clock or thread.

use std::hint::black_box;

use kms_protocol::kms::crypto::{LabKey, LabKeys};
use kms_protocol::kms::{DEFAULT_PORT, Response, envelope};
use kms_protocol::ndr::{self, Ndr};
use kms_protocol::rpc::Status;
use kms_protocol::server::{Config, Connection, Event};
use kms_protocol::time::Instant;
use kms_protocol::wire::ByteOrder;

use crate::script::Script;

/// What answers the calls: a stand-in for the simulator, without policy.
#[derive(Debug)]
pub struct Host {
    keys: LabKeys,
    /// Whether a call is answered, or refused with a fault.
    pub answer_calls: bool,
    stub: [u8; 1024],
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// One that answers.
    #[must_use]
    pub fn new() -> Self {
        Self { keys: LabKeys::new(&LabKey::DEFAULT), answer_calls: true, stub: [0; 1024] }
    }

    /// Feeds `input`, answers what it asks, and takes the output; returns its length.
    pub fn exchange(&mut self, connection: &mut Connection, input: &[u8]) -> usize {
        connection.handle_input(Instant::ZERO, input);
        loop {
            let (call_id, length) = match connection.poll_event() {
                Some(Event::Call(call)) => (call.call_id, self.answer(call.stub)),
                Some(Event::Bind { .. }) => {
                    connection.accept_bind(0x1ab0_0001);
                    continue;
                }
                Some(_) => continue,
                None => break,
            };
            match length.and_then(|length| self.stub.get(..length)) {
                // A refusal would show as an output that is too short.
                Some(stub) => connection.respond(call_id, stub).unwrap_or_default(),
                None => connection.fault(call_id, Status::BAD_STUB_DATA),
            }
        }
        let sent = black_box(connection.poll_transmit()).len();
        connection.transmitted(sent);
        sent
    }

    fn answer(&mut self, stub: &[u8]) -> Option<usize> {
        if !self.answer_calls {
            return None;
        }
        let payload = ndr::decode_request(stub, Ndr::Ndr32, ByteOrder::Little).ok()?;
        let opened = envelope::open_request(&self.keys, payload).ok()?;
        let response = Response {
            version: opened.request.version,
            cmid: opened.request.cmid,
            client_time: opened.request.client_time,
            count: 50,
            activation_interval_minutes: 120,
            renewal_interval_minutes: 10_080,
        };
        let keys = &self.keys;
        let (iv, nonce) = ([0x11; 16], [0x22; 16]);
        ndr::encode_response_with(0, Ndr::Ndr32, ByteOrder::Little, &mut self.stub, |space| {
            envelope::seal_response(keys, &response, &opened.request_iv, &iv, &nonce, space)
        })
        .ok()
    }
}

/// A connection that is bound.
pub fn bind(script: &Script, host: &mut Host) -> Connection {
    let mut connection = Connection::new(Config::new(DEFAULT_PORT), Instant::ZERO);
    host.exchange(&mut connection, &script.bind);
    connection
}
