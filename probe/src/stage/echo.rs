//! ICMP echo without privilege, where the kernel lets this user have an ICMP socket
//! (`net.ipv4.ping_group_range` on Linux). Informative only: many hosts answer no echo and serve
//! well, and an echo says nothing of a TCP port.

use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::Serialize;
use socket2::{Domain, Protocol, Socket, Type};

use super::connect::{ErrorKind, SocketError};
use super::deadline::Deadline;
use crate::platform::origin::Origin;
use crate::platform::{self, IcmpError, SocketFacts};

/// What came of an echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EchoFacts {
    /// What came back.
    #[serde(flatten)]
    pub outcome: EchoOutcome,
    /// Requests sent.
    pub sent: u32,
}

/// What came back to an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum EchoOutcome {
    /// A reply.
    Answered {
        /// From the request that it answers to the reply, in microseconds.
        rtt_us: u64,
    },
    /// Nothing before the deadline.
    Silent,
    /// An ICMP error.
    Unreachable {
        /// The error and its sender.
        icmp: IcmpError,
    },
    /// The kernel does not let this user have an ICMP socket.
    NotAllowed,
    /// Any other failure of this machine.
    Failed {
        /// The system's error.
        error: SocketError,
    },
}

/// Sends echo requests to `address` from `origin`, one a second, until one is answered or `timeout`
/// is over.
#[must_use]
pub fn echo(origin: Origin, address: SocketAddr, timeout: Duration) -> EchoFacts {
    let deadline = Deadline::after(timeout);
    match open(origin, address) {
        Ok(socket) => exchange(&socket, address.is_ipv6(), deadline),
        Err(error) => EchoFacts { outcome: outcome_of_error(&error), sent: 0 },
    }
}

impl EchoFacts {
    /// In words, for a line of a report.
    #[must_use]
    pub fn words(&self) -> String {
        match self.outcome {
            EchoOutcome::Answered { rtt_us } => {
                let rtt = crate::verdict::judge::duration(Duration::from_micros(rtt_us));
                format!("answered in {rtt}")
            }
            EchoOutcome::Silent => {
                format!("not answered ({} sent), which is common and no fault by itself", self.sent)
            }
            EchoOutcome::Unreachable { icmp } => match icmp.from {
                Some(from) => format!("{} from {from}", icmp.words()),
                None => icmp.words(),
            },
            EchoOutcome::NotAllowed => "not allowed here (ping_group_range)".to_owned(),
            EchoOutcome::Failed { error } => format!("not possible here ({})", error.kind.words()),
        }
    }
}

fn open(origin: Origin, address: SocketAddr) -> io::Result<Socket> {
    let protocol = if address.is_ipv6() { Protocol::ICMPV6 } else { Protocol::ICMPV4 };
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(protocol))?;
    platform::current().keep_icmp_errors(&socket, address.is_ipv6());
    origin.apply(&socket, address.is_ipv6())?;
    // Connected, so that only this host's replies arrive.
    let mut to = address;
    to.set_port(0);
    socket.connect(&to.into())?;
    Ok(socket)
}

fn exchange(mut socket: &Socket, is_v6: bool, deadline: Deadline) -> EchoFacts {
    let mut sent = Vec::new();
    let mut outcome = EchoOutcome::Silent;
    let mut buffer = [0; 128];
    while let Some(remaining) = deadline.remaining()
        && sent.len() < REQUESTS_MAX
    {
        let sequence = u16::try_from(sent.len()).unwrap_or(u16::MAX);
        sent.push(Instant::now());
        let wait_until = Deadline::after(remaining.min(REQUEST_GAP));
        let result = socket.send(&request(is_v6, sequence)).map(|_| ());
        let reply = result.and_then(|()| {
            while let Some(wait) = wait_until.remaining() {
                socket.set_read_timeout(Some(wait))?;
                let received = socket.read(&mut buffer)?;
                let answered = sequence_of_reply(is_v6, buffer.get(..received).unwrap_or_default());
                if let Some(begun) = answered.and_then(|number| sent.get(usize::from(number))) {
                    return Ok(Some(begun.elapsed()));
                }
            }
            Ok(None)
        });
        match reply {
            Ok(Some(rtt)) => {
                let rtt_us = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX);
                outcome = EchoOutcome::Answered { rtt_us };
                break;
            }
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                let icmp = platform::current().icmp_error(socket);
                outcome = match icmp {
                    Some(icmp) => EchoOutcome::Unreachable { icmp },
                    None => outcome_of_error(&error),
                };
                break;
            }
        }
    }
    EchoFacts { outcome, sent: u32::try_from(sent.len()).unwrap_or(u32::MAX) }
}

fn outcome_of_error(error: &io::Error) -> EchoOutcome {
    let error = SocketError::of(error);
    match error.kind {
        ErrorKind::PermissionDenied => EchoOutcome::NotAllowed,
        _ => EchoOutcome::Failed { error },
    }
}

/// An echo request, RFC 792 and RFC 4443 4.1. The kernel fills in identifier and checksum.
fn request(is_v6: bool, sequence: u16) -> [u8; REQUEST_OCTETS] {
    let kind = if is_v6 { ECHO_REQUEST_V6 } else { ECHO_REQUEST };
    let [high, low] = sequence.to_be_bytes();
    [kind, 0, 0, 0, 0, 0, high, low, b'k', b'm', b's', b'-', b'p', b'r', b'o', b'b']
}

/// The sequence number of an echo reply; `None` for anything else.
fn sequence_of_reply(is_v6: bool, message: &[u8]) -> Option<u16> {
    let wanted = if is_v6 { ECHO_REPLY_V6 } else { ECHO_REPLY };
    match message {
        [kind, 0, _, _, _, _, high, low, ..] if *kind == wanted => {
            Some(u16::from_be_bytes([*high, *low]))
        }
        _ => None,
    }
}

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;
const REQUEST_OCTETS: usize = 16;
const REQUEST_GAP: Duration = Duration::from_secs(1);
const REQUESTS_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_known_by_type_and_sequence_number() {
        assert_eq!(sequence_of_reply(false, &[0, 0, 1, 2, 3, 4, 1, 2, 9]), Some(0x0102));
        assert_eq!(sequence_of_reply(true, &[129, 0, 1, 2, 3, 4, 0, 7]), Some(7));
    }

    #[test]
    fn anything_else_is_no_reply() {
        for message in
            [&[][..], &[0, 0, 0, 0, 0, 0, 0], &[8, 0, 0, 0, 0, 0, 0, 0], &[0, 1, 0, 0, 0, 0, 0, 0]]
        {
            assert_eq!(sequence_of_reply(false, message), None, "{message:?}");
        }
        assert_eq!(sequence_of_reply(true, &[0, 0, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn a_request_carries_its_type_and_sequence_number() {
        assert_eq!(request(false, 0x0203)[..8], [8, 0, 0, 0, 0, 0, 2, 3]);
        assert_eq!(request(true, 1)[..8], [128, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn a_kernel_that_forbids_icmp_sockets_is_said_to() {
        let facts = EchoFacts {
            outcome: outcome_of_error(&io::Error::from(io::ErrorKind::PermissionDenied)),
            sent: 0,
        };
        assert_eq!(facts.words(), "not allowed here (ping_group_range)");
    }
}
