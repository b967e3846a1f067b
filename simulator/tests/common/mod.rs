//! A client on a blocking socket, for tests of running servers.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

pub(crate) mod load;
pub(crate) mod sim;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use kms_protocol::client::{Config, Connection, Event};
use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::crypto::{LabKey, LabKeys};
use kms_protocol::kms::envelope::{OpenResponse, open_response, request_len, seal_request};
use kms_protocol::kms::product::{PRODUCTS, Product};
use kms_protocol::kms::{LicenseStatus, MachineName, Request, Version};
use kms_protocol::ndr::{self, Ndr};
use kms_protocol::rpc::{ContextElement, PfcFlags, Status, SyntaxId};
use kms_protocol::time::Instant;
use kms_protocol::wire::ByteOrder;

/// A client that is bound to the KMS interface.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) connection: Connection,
    pub(crate) assoc_group_id: u32,
    keys: LabKeys,
}

/// What a call came to.
#[derive(Debug)]
pub(crate) enum Reply {
    Answer(OpenResponse),
    Error(u32),
    Fault(Status),
    /// The server closed instead of answering.
    Closed,
}

impl Client {
    /// Connects and binds; `None` when the server closes before the bind is answered.
    pub(crate) fn bind(address: SocketAddr) -> Option<Self> {
        Self::bind_on(connect(address), 0)
    }

    pub(crate) fn bind_on(stream: TcpStream, group: u32) -> Option<Self> {
        let mut client = Self {
            stream,
            connection: Connection::new(Config::default(), Instant::ZERO),
            assoc_group_id: 0,
            keys: LabKeys::new(&LabKey::DEFAULT),
        };
        let contexts = [
            ContextElement::new(0, SyntaxId::KMS, &[SyntaxId::NDR32]),
            ContextElement::new(1, SyntaxId::KMS, &[SyntaxId::NDR64]),
        ];
        client.connection.bind(PfcFlags::WHOLE, group, &contexts).unwrap();
        loop {
            client.flush().ok()?;
            if !client.receive() {
                return None;
            }
            match client.connection.poll_event() {
                Some(Event::Bound { ack, .. }) => {
                    client.assoc_group_id = ack.assoc_group_id;
                    return Some(client);
                }
                Some(_) => return None,
                None => {}
            }
        }
    }

    /// One exchange: the request sealed, sent, and its answer opened.
    pub(crate) fn ask(&mut self, request: &Request) -> Reply {
        let stub = self.stub(request);
        self.connection.call(1, 0, &stub).unwrap();
        if self.flush().is_err() {
            return Reply::Closed;
        }
        self.reply(request)
    }

    /// Waits for the answer to `request`.
    pub(crate) fn reply(&mut self, request: &Request) -> Reply {
        loop {
            match self.connection.poll_event() {
                Some(Event::Response { stub, byte_order, .. }) => {
                    let stub = ndr::decode_response(stub, Ndr::Ndr64, byte_order).unwrap();
                    let Some(payload) = stub.payload else {
                        return Reply::Error(stub.hresult);
                    };
                    let iv = if request.version == Version::V4 { [0; 16] } else { IV };
                    return Reply::Answer(
                        open_response(&self.keys, payload, request, &iv).unwrap(),
                    );
                }
                Some(Event::Fault { status, .. }) => return Reply::Fault(status),
                Some(event) => panic!("not an answer: {event:?}"),
                None => {}
            }
            if !self.receive() {
                return Reply::Closed;
            }
        }
    }

    /// The stub of a request, in NDR64.
    pub(crate) fn stub(&self, request: &Request) -> Vec<u8> {
        let mut payload = vec![0; request_len(request.version)];
        seal_request(&self.keys, request, &IV, &mut payload).unwrap();
        let mut stub = vec![0; Ndr::Ndr64.request_len(payload.len())];
        ndr::encode_request(&payload, Ndr::Ndr64, ByteOrder::Little, &mut stub).unwrap();
        stub
    }

    /// Seals with another key from now on.
    pub(crate) fn use_key(&mut self, key: &LabKey) {
        self.keys = LabKeys::new(key);
    }

    /// Takes the bytes that are due to be sent.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        let bytes = self.connection.poll_transmit().to_vec();
        self.connection.transmitted(bytes.len());
        bytes
    }

    pub(crate) fn flush(&mut self) -> std::io::Result<()> {
        let bytes = self.take_output();
        self.stream.write_all(&bytes)
    }

    /// Reads once; false when the server has closed.
    pub(crate) fn receive(&mut self) -> bool {
        let mut buffer = [0; 8192];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.connection.handle_input(Instant::ZERO, &buffer[..count]);
                true
            }
            Err(error) if is_closed(error.kind()) => false,
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => panic!("no answer and no end: {error}"),
        }
    }

    /// Whether the server closes this connection, without sending anything more.
    pub(crate) fn is_closed_by_server(&mut self) -> bool {
        !self.receive()
    }
}

impl Reply {
    pub(crate) fn count(&self) -> u32 {
        match self {
            Self::Answer(opened) => opened.response.count,
            other => panic!("not an answer: {other:?}"),
        }
    }
}

/// A connection on which a wait that would never end is a failure.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads until the server closes.
pub(crate) fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if is_closed(error.kind()) => {}
        Err(error) => panic!("no end: {error}"),
    }
    bytes
}

fn is_closed(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
    )
}

/// A well-formed request of client number `client`, with the machine's time.
pub(crate) fn request(client: u8) -> Request {
    let product = windows();
    Request {
        version: Version::V6,
        vm_info: 0,
        license_status: LicenseStatus(2),
        binding_expiration_minutes: 43_200,
        app_id: product.app_id,
        sku_id: product.sku_id,
        kms_id: product.kms_id,
        cmid: Guid::from_bytes([client; 16]),
        n_policy: product.n_policy,
        client_time: now(),
        cmid_previous: Guid::ZERO,
        machine_name: MachineName::new("LAB-PC").unwrap(),
    }
}

pub(crate) fn windows() -> &'static Product {
    PRODUCTS.iter().find(|product| product.n_policy == 25).unwrap()
}

pub(crate) fn now() -> FileTime {
    kms_simulator::serve::Clock::REAL.now()
}

const IV: [u8; 16] = [0x5A; 16];

/// Far longer than anything takes that happens at all.
const PATIENCE: Duration = Duration::from_secs(30);
