//! One request and its answer over TCP, as a Windows client makes them.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use kms_page::text::escape;
use kms_protocol::client::{CloseReason, Config, Connection, Event};
use kms_protocol::kms::crypto::LabKeys;
use kms_protocol::kms::envelope::{
    OpenResponse, ResponseError, open_response, request_len, seal_request,
};
use kms_protocol::kms::{DEFAULT_PORT, Hresult, Request};
use kms_protocol::ndr::{self, Ndr};
use kms_protocol::rpc::{ContextElement, PfcFlags, Status, SyntaxId};
use kms_protocol::time::Instant;
use kms_protocol::wire::{ByteOrder, Misuse};
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::dns::name;

/// A KMS host as a client has it: name or address, and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    /// A domain name, or an address as text.
    pub name: String,
    /// TCP port.
    pub port: u16,
}

/// Why there was no answer that counts.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error(
        "{address} is not on loopback, and only a lab of one's own may be asked \
             (--i-own-this-target)"
    )]
    NotLoopback { address: SocketAddr },
    #[error("cannot connect to {address}: {source}")]
    Connect { address: SocketAddr, source: io::Error },
    #[error("{address} gave no answer within {timeout:?}")]
    TimedOut { address: SocketAddr, timeout: Duration },
    #[error("the connection to {address} broke: {source}")]
    Broken { address: SocketAddr, source: io::Error },
    #[error("{address} ended the connection instead of answering: {reason:?}")]
    Closed { address: SocketAddr, reason: Option<CloseReason> },
    #[error("{address} does not offer the KMS interface")]
    NotKms { address: SocketAddr },
    #[error("{address} answered the call with RPC fault {status}")]
    Fault { address: SocketAddr, status: Status },
    #[error("{address} refused with {hresult}")]
    Refused { address: SocketAddr, hresult: Hresult },
    #[error("the answer of {address} cannot be read: {detail}")]
    Malformed { address: SocketAddr, detail: String },
    #[error("the answer of {address} does not verify: {source}")]
    Unverified { address: SocketAddr, source: ResponseError },
    #[error("the request cannot be made: {0}")]
    Misuse(#[from] Misuse),
}

impl Failure {
    /// What event 12288 shows: the host's own code, or that no RPC server answered.
    pub(crate) const fn hresult(&self) -> Hresult {
        match self {
            Self::Refused { hresult, .. } => *hresult,
            Self::Unverified { .. } | Self::Malformed { .. } => Hresult::INVALID_DATA,
            _ => Hresult::RPC_SERVER_UNAVAILABLE,
        }
    }

    /// Whether the host itself said no, or something that is no answer.
    pub(crate) const fn came_from_the_host(&self) -> bool {
        matches!(self, Self::Refused { .. }) || self.is_answer()
    }

    /// Whether an answer came, which a client processes (event 12289) and then refuses.
    pub(super) const fn is_answer(&self) -> bool {
        matches!(self, Self::Unverified { .. } | Self::Malformed { .. })
    }
}

/// Asks the host at `address` and verifies what it answers, all within `timeout`.
pub(super) async fn exchange(
    address: SocketAddr,
    keys: &LabKeys,
    request: &Request,
    iv: &[u8; 16],
    timeout: Duration,
) -> Result<(OpenResponse, SocketAddr), Failure> {
    exchange_from(None, address, keys, request, iv, timeout).await
}

/// The same, as a client that has the address `source`.
pub(crate) async fn exchange_from(
    source: Option<IpAddr>,
    address: SocketAddr,
    keys: &LabKeys,
    request: &Request,
    iv: &[u8; 16],
    timeout: Duration,
) -> Result<(OpenResponse, SocketAddr), Failure> {
    let asked = async {
        let connected = connect(source, address).await;
        let stream = connected.map_err(|source| Failure::Connect { address, source })?;
        ask(stream, address, keys, request, iv).await
    };
    match tokio::time::timeout(timeout, asked).await {
        Ok(result) => result.map(|response| (response, address)),
        Err(_) => Err(Failure::TimedOut { address, timeout }),
    }
}

/// Makes one exchange and says why its answer does not verify under `keys`, if so.
///
/// # Errors
/// The reason, for people.
pub async fn prove(
    address: SocketAddr,
    keys: &LabKeys,
    request: &Request,
    iv: &[u8; 16],
    timeout: Duration,
) -> Result<(), String> {
    exchange(address, keys, request, iv, timeout).await.map(|_| ()).map_err(|e| e.to_string())
}

async fn connect(source: Option<IpAddr>, address: SocketAddr) -> io::Result<TcpStream> {
    let Some(source) = source else { return TcpStream::connect(address).await };
    let socket = if source.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(source, 0))?;
    socket.connect(address).await
}

async fn ask(
    stream: TcpStream,
    address: SocketAddr,
    keys: &LabKeys,
    request: &Request,
    iv: &[u8; 16],
) -> Result<OpenResponse, Failure> {
    let connection = Connection::new(Config::default(), Instant::ZERO);
    let mut wire = Wire { address, stream, connection };
    let contexts = [
        ContextElement::new(0, SyntaxId::KMS, &[SyntaxId::NDR32]),
        ContextElement::new(1, SyntaxId::KMS, &[SyntaxId::NDR64]),
    ];
    wire.connection.bind(PfcFlags::WHOLE, 0, &contexts)?;
    wire.wait(|event| matches!(event, Event::Bound { .. }).then_some(())).await?;
    let Some((context, syntax)) = wire.connection.accepted_contexts().next() else {
        return Err(Failure::NotKms { address });
    };
    let ndr = if syntax == SyntaxId::NDR64 { Ndr::Ndr64 } else { Ndr::Ndr32 };
    let mut payload = vec![0; request_len(request.version)];
    seal_request(keys, request, iv, &mut payload)?;
    let mut stub = vec![0; ndr.request_len(payload.len())];
    ndr::encode_request(&payload, ndr, ByteOrder::Little, &mut stub)?;
    wire.connection.call(context, ndr::REQUEST_ACTIVATION, &stub)?;
    let answered = wire.wait(|event| match event {
        Event::Response { stub, byte_order, .. } => Some(Ok((stub.to_vec(), byte_order))),
        Event::Fault { status, .. } => Some(Err(Failure::Fault { address, status })),
        _ => None,
    });
    let (stub, order) = answered.await??;
    open(address, keys, request, iv, &stub, ndr, order)
}

fn open(
    address: SocketAddr,
    keys: &LabKeys,
    request: &Request,
    iv: &[u8; 16],
    stub: &[u8],
    ndr: Ndr,
    order: ByteOrder,
) -> Result<OpenResponse, Failure> {
    let malformed = |detail: String| Failure::Malformed { address, detail };
    let stub = ndr::decode_response(stub, ndr, order).map_err(|e| malformed(e.to_string()))?;
    let hresult = Hresult(stub.hresult);
    if hresult != Hresult::OK {
        return Err(Failure::Refused { address, hresult });
    }
    let payload = stub.payload.ok_or_else(|| malformed("success without a response".to_owned()))?;
    open_response(keys, payload, request, iv)
        .map_err(|source| Failure::Unverified { address, source })
}

struct Wire {
    address: SocketAddr,
    stream: TcpStream,
    connection: Connection,
}

impl Wire {
    /// Sends what is due and waits until `pick` takes an event.
    async fn wait<T>(
        &mut self,
        mut pick: impl FnMut(Event<'_>) -> Option<T>,
    ) -> Result<T, Failure> {
        let address = self.address;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            while let Some(event) = self.connection.poll_event() {
                if let Some(picked) = pick(event) {
                    return Ok(picked);
                }
            }
            let reason = self.connection.close_reason();
            if reason.is_some() {
                return Err(Failure::Closed { address, reason });
            }
            while !self.connection.poll_transmit().is_empty() {
                let sent = self.stream.write(self.connection.poll_transmit()).await;
                let sent = sent.map_err(|source| Failure::Broken { address, source })?;
                self.connection.transmitted(sent);
            }
            let read = self.stream.read(&mut buffer).await;
            match read.map_err(|source| Failure::Broken { address, source })? {
                0 => self.connection.handle_eof(Instant::ZERO),
                count => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    self.connection.handle_input(Instant::ZERO, bytes);
                }
            }
        }
    }
}

impl HostName {
    /// The address, where the name is one; `localhost` is 127.0.0.1.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.name.as_str() {
            "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            name => name.parse().ok(),
        }
    }
}

impl FromStr for HostName {
    type Err = String;

    /// `HOST`, `HOST:PORT`, `ADDR:PORT`, `[v6]:PORT`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self { name: address.to_string(), port: DEFAULT_PORT });
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return match address.port() {
                0 => Err("port 0 is no port".to_owned()),
                port => Ok(Self { name: address.ip().to_string(), port }),
            };
        }
        let (host, port) = text.rsplit_once(':').map_or((text, None), |(h, p)| (h, Some(p)));
        let port = match port.map(str::parse) {
            None => DEFAULT_PORT,
            Some(Ok(port)) if port > 0 => port,
            Some(_) => return Err("the port after `:` is not from 1 to 65535".to_owned()),
        };
        let name = name::parse(host).map_err(|error| error.to_string())?;
        Ok(Self { name: name.to_ascii().trim_end_matches('.').to_owned(), port })
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", escape(&self.name), self.port)
        } else {
            write!(f, "{}:{}", escape(&self.name), self.port)
        }
    }
}

const READ_BYTES: usize = 8192;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses_with_or_without_a_port() {
        for (text, shown) in [
            ("kms1.lab.test", "kms1.lab.test:1688"),
            ("kms1.lab.test.:1689", "kms1.lab.test:1689"),
            ("127.0.0.1:1700", "127.0.0.1:1700"),
            ("::1", "[::1]:1688"),
            ("[::1]:1700", "[::1]:1700"),
        ] {
            assert_eq!(text.parse::<HostName>().unwrap().to_string(), shown);
        }
        for text in ["", ":1688", "kms1:0", "kms1:65536", "k ms", "k;reboot", "a..b", "127.0.0.1:0"]
        {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
    }
}
