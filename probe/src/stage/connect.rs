//! TCP connect: what came back to the SYN, how often it was sent, and who objected.
//!
//! ICMP errors are kept by type, code and sender; the errno alone cannot tell a filter from a
//! missing route. The pending socket error is read before the error queue, because reading the
//! queue clears it.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::Serialize;
use socket2::{Domain, Protocol, Socket, Type};

use super::deadline::Deadline;
use crate::platform::origin::Origin;
use crate::platform::{self, IcmpError, SocketFacts};

/// What a connect saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectFacts {
    /// How it ended.
    pub outcome: ConnectOutcome,
    /// This end of the connection, once the kernel had chosen one.
    pub source: Option<SocketAddr>,
    /// SYNs sent, the first one included; `None` where the system does not tell.
    pub syns_sent: Option<u32>,
    /// The error of the socket, when it failed.
    pub error: Option<SocketError>,
    /// The ICMP error behind it, if one came back.
    pub icmp: Option<IcmpError>,
    /// From where it was asked to leave; `None` leaves it to the kernel.
    pub origin: Option<Origin>,
    /// How long the stage was allowed to take, in milliseconds.
    pub timeout_ms: u64,
}

/// How a connect ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectOutcome {
    /// The handshake completed.
    Connected,
    /// Nothing decisive came back before the deadline.
    TimedOut,
    /// Something came back, or nothing could be sent.
    Failed,
}

/// A socket error: the number that the system gave and its portable kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SocketError {
    /// errno, where there is one.
    pub errno: Option<i32>,
    /// What it means on every system.
    pub kind: ErrorKind,
}

/// The socket errors that lead to different verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// ECONNREFUSED.
    ConnectionRefused,
    /// ECONNRESET, EPIPE, ECONNABORTED.
    ConnectionReset,
    /// ETIMEDOUT.
    TimedOut,
    /// EHOSTUNREACH.
    HostUnreachable,
    /// ENETUNREACH.
    NetworkUnreachable,
    /// EADDRNOTAVAIL.
    AddressNotAvailable,
    /// EACCES, EPERM.
    PermissionDenied,
    /// EINVAL: for a connect, a route that discards, or a link-local address without a zone.
    InvalidInput,
    /// The machine has no such address family.
    NoAddressFamily,
    /// Any other.
    Other,
}

/// Connects to `address` within `timeout`, from where the kernel chooses.
///
/// # Errors
/// As [`connect_from`].
pub fn connect(
    address: SocketAddr,
    timeout: Duration,
) -> io::Result<(ConnectFacts, Duration, Option<TcpStream>)> {
    connect_from(Origin::default(), address, timeout)
}

/// Connects to `address` from `origin` within `timeout`.
///
/// Returns the facts, how long it took, and the connection if there is one.
///
/// # Errors
/// Only this program's own failure: no descriptor or memory for a socket.
pub fn connect_from(
    origin: Origin,
    address: SocketAddr,
    timeout: Duration,
) -> io::Result<(ConnectFacts, Duration, Option<TcpStream>)> {
    let deadline = Deadline::after(timeout);
    let system = platform::current();
    let mut facts = ConnectFacts {
        outcome: ConnectOutcome::Failed,
        source: None,
        syns_sent: None,
        error: None,
        icmp: None,
        origin: origin.is_asked_for().then_some(origin),
        timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
    };
    let socket = match Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
    {
        Ok(socket) => socket,
        Err(error) if system.lacks_address_family(&error) => {
            let kind = ErrorKind::NoAddressFamily;
            facts.error = Some(SocketError { errno: error.raw_os_error(), kind });
            return Ok((facts, deadline.elapsed(), None));
        }
        Err(error) => return Err(error),
    };
    system.keep_icmp_errors(&socket, address.is_ipv6());
    if let Err(error) = origin.apply(&socket, address.is_ipv6()) {
        facts.error = Some(SocketError::of(&error));
        return Ok((facts, deadline.elapsed(), None));
    }
    let result = socket.connect_timeout(&address.into(), timeout);
    let elapsed = deadline.elapsed();
    facts.source = socket.local_addr().ok().and_then(|own| own.as_socket());
    facts.source = facts.source.filter(|own| !own.ip().is_unspecified());
    match result {
        Ok(()) => facts.outcome = ConnectOutcome::Connected,
        // A reset that follows the handshake may arrive before the handshake is noticed: it belongs
        // to the next stage, which will meet it again.
        Err(error) if is_late_reset(&error, &socket) => {
            facts.outcome = ConnectOutcome::Connected;
        }
        Err(error) => {
            // connect_timeout has read SO_ERROR already, so the queue is safe to read now.
            facts.icmp = system.icmp_error(&socket);
            if error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none() {
                facts.outcome = ConnectOutcome::TimedOut;
            } else {
                facts.error = Some(SocketError::of(&error));
            }
        }
    }
    let sent_any = facts.source.is_some();
    facts.syns_sent = if sent_any { system.syns_sent(&socket) } else { None };
    let connected = facts.outcome == ConnectOutcome::Connected;
    let stream = connected.then(|| {
        system.ignore_icmp_errors(&socket, address.is_ipv6());
        // Every PDU leaves at once; without this a second small write waits for an ACK.
        let _only_slower = socket.set_tcp_nodelay(true);
        TcpStream::from(socket)
    });
    Ok((facts, elapsed, stream))
}

fn is_late_reset(error: &io::Error, socket: &Socket) -> bool {
    SocketError::of(error).kind == ErrorKind::ConnectionReset
        && platform::current().handshake_completed(socket) == Some(true)
}

impl SocketError {
    /// The number and kind of an I/O error.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionRefused => ErrorKind::ConnectionRefused,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => ErrorKind::ConnectionReset,
            io::ErrorKind::TimedOut => ErrorKind::TimedOut,
            io::ErrorKind::HostUnreachable => ErrorKind::HostUnreachable,
            io::ErrorKind::NetworkUnreachable => ErrorKind::NetworkUnreachable,
            io::ErrorKind::AddrNotAvailable => ErrorKind::AddressNotAvailable,
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            io::ErrorKind::InvalidInput => ErrorKind::InvalidInput,
            _ => ErrorKind::Other,
        };
        Self { errno: error.raw_os_error(), kind }
    }
}

impl ErrorKind {
    /// In words, for a sentence.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::ConnectionRefused => "connection refused",
            Self::ConnectionReset => "connection reset",
            Self::TimedOut => "timed out",
            Self::HostUnreachable => "host unreachable",
            Self::NetworkUnreachable => "network unreachable",
            Self::AddressNotAvailable => "address not available",
            Self::PermissionDenied => "permission denied",
            Self::InvalidInput => "invalid argument",
            Self::NoAddressFamily => "address family not supported",
            Self::Other => "unexpected socket error",
        }
    }
}
