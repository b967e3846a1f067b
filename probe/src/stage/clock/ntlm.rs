//! The time in an NTLM challenge: a bind whose trailer asks for one, and the bind_ack whose trailer
//! carries it. Nothing is proved and nothing else is sent; the connection is then closed.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime};

use kms_protocol::rpc::ntlm::{AvId, Challenge, NEGOTIATE};
use kms_protocol::rpc::{
    AuthLevel, AuthTrailer, AuthType, Bind, Body, ContextElement, ContextList, Frame, Packet,
    PfcFlags, SyntaxId, next_frame,
};
use kms_protocol::wire::Misuse;
use serde::Serialize;

use super::{ClockFacts, ClockSource, Reading, Unknown, file_time};
use crate::dns::name::escape_text;
use crate::stage::channel::hex;
use crate::stage::connect::{ErrorKind, SocketError};
use crate::stage::deadline::Deadline;
use crate::stage::guess;

/// What a challenge says beside the time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChallengeFacts {
    /// NetBIOS name of the computer.
    pub computer: Option<String>,
    /// NetBIOS name of its domain.
    pub domain: Option<String>,
    /// DNS name of the computer.
    pub dns_computer: Option<String>,
    /// DNS name of its domain.
    pub dns_domain: Option<String>,
    /// Version of its operating system: `10.0.20348`.
    pub os_version: Option<String>,
}

/// Asks over a fresh connection to `address`. Returns the facts and how long it took.
///
/// # Errors
/// [`Misuse`] would be a defect of this program.
pub fn ask(
    stream: TcpStream,
    address: SocketAddr,
    timeout: Duration,
) -> Result<(ClockFacts, Duration), Misuse> {
    let bind = bind()?;
    let deadline = Deadline::after(timeout);
    let facts = ClockFacts::new(ClockSource::Ntlm, Some(address), timeout);
    let (sent_at, sent) = (SystemTime::now(), Instant::now());
    let answer = exchange(stream, &bind, &deadline);
    let round_trip = sent.elapsed();
    let facts = match answer {
        Err(why) => facts.without_reading(why),
        Ok(pdu) => match challenge(&pdu) {
            Err(why) => facts.without_reading(why),
            Ok(challenge) => read(facts, &challenge, sent_at, round_trip),
        },
    };
    Ok((facts, deadline.elapsed()))
}

fn read(
    facts: ClockFacts,
    challenge: &Challenge<'_>,
    sent_at: SystemTime,
    round_trip: Duration,
) -> ClockFacts {
    let facts = ClockFacts { ntlm: Some(ChallengeFacts::of(challenge)), ..facts };
    // A server that has no time to give may leave the field at zero.
    let Some(time) = challenge.timestamp().filter(|time| time.ticks() != 0) else {
        return facts.without_reading(Unknown::NoTime);
    };
    let Some(sent_at) = file_time(sent_at) else {
        return facts.without_reading(Unknown::OwnClock);
    };
    let reading = Reading::of_round_trip(time, sent_at, round_trip);
    ClockFacts { reading: Some(reading), ..facts }
}

/// One context, as servers look at the trailer whatever becomes of it.
fn bind() -> Result<Vec<u8>, Misuse> {
    let contexts = [ContextElement::new(0, SyntaxId::KMS, &[SyntaxId::NDR32])];
    let body = Body::Bind(Bind {
        max_xmit_frag: FRAGMENT_BYTES,
        max_recv_frag: FRAGMENT_BYTES,
        assoc_group_id: 0,
        contexts: ContextList::new(&contexts),
    });
    let auth = AuthTrailer {
        auth_type: AuthType::NTLMSSP,
        level: AuthLevel::CONNECT,
        pad_length: 0,
        reserved: 0,
        context_id: 0,
        credentials: &NEGOTIATE,
    };
    let packet = Packet { auth: Some(auth), ..Packet::new(PfcFlags::WHOLE, CALL_ID, body) };
    let mut bytes = vec![0; packet.encoded_len()];
    packet.encode(&mut bytes)?;
    Ok(bytes)
}

/// Sends `bind` and returns the first whole PDU, or why there is none.
fn exchange(mut stream: TcpStream, bind: &[u8], deadline: &Deadline) -> Result<Vec<u8>, Unknown> {
    let mut received = Vec::new();
    let mut buffer = [0; READ_BYTES];
    match send(&mut stream, bind, deadline) {
        // What the peer said before it left is worth more than the failed write.
        Err(error) if !is_reset(&error) => return Err(broken(&error)),
        _ => {}
    }
    loop {
        match next_frame(&received) {
            Ok(Frame::Whole { pdu, .. }) => return Ok(pdu.to_vec()),
            Ok(Frame::Incomplete { .. }) => {}
            Ok(Frame::TooLong { .. }) | Err(_) => return Err(foreign(&received)),
        }
        if received.len() >= guess::BYTES_WANTED && guess::is_foreign(&received) {
            return Err(foreign(&received));
        }
        let Some(remaining) = deadline.remaining() else {
            return Err(Unknown::Silent);
        };
        let read = stream.set_read_timeout(Some(remaining)).and_then(|()| stream.read(&mut buffer));
        match read {
            Ok(0) if received.is_empty() => return Err(Unknown::Closed),
            Ok(0) => return Err(foreign(&received)),
            Ok(count) => received.extend_from_slice(buffer.get(..count).unwrap_or(&[])),
            Err(error) if is_transient(&error) => {}
            Err(error) => return Err(broken(&error)),
        }
    }
}

fn send(stream: &mut TcpStream, bytes: &[u8], deadline: &Deadline) -> io::Result<()> {
    stream.set_write_timeout(Some(deadline.limit()))?;
    stream.write_all(bytes)
}

/// The challenge in an answer to the bind, or why there is none.
fn challenge(pdu: &[u8]) -> Result<Challenge<'_>, Unknown> {
    // Emulators echo the length of the trailer without sending one, which ends up here as well.
    let packet = Packet::decode(pdu).map_err(malformed)?;
    match (&packet.body, packet.auth) {
        (Body::BindNak(nak), _) => {
            let reason = nak.reason;
            Err(Unknown::Refused { reason: reason.0, reason_name: reason.to_string() })
        }
        (Body::BindAck(_), None) => Err(Unknown::NotOffered),
        (Body::BindAck(_), Some(auth)) if auth.auth_type == AuthType::NTLMSSP => {
            Challenge::decode(auth.credentials).map_err(malformed)
        }
        (Body::BindAck(_), Some(auth)) => {
            Err(malformed(format!("a trailer of {:?} answers NTLM", auth.auth_type)))
        }
        (body, _) => Err(malformed(format!("{} answers the bind", body.ptype()))),
    }
}

fn malformed(detail: impl ToString) -> Unknown {
    Unknown::Malformed { detail: detail.to_string() }
}

fn foreign(received: &[u8]) -> Unknown {
    let start = received.get(..received.len().min(SHOWN_BYTES)).unwrap_or(received);
    Unknown::Foreign { first_bytes: hex(start) }
}

fn broken(error: &io::Error) -> Unknown {
    match SocketError::of(error).kind {
        ErrorKind::ConnectionReset => Unknown::Reset,
        _ if is_transient(error) => Unknown::Silent,
        kind => Unknown::NotReached { detail: kind.words() },
    }
}

fn is_reset(error: &io::Error) -> bool {
    SocketError::of(error).kind == ErrorKind::ConnectionReset
}

/// What a read with a timeout gives when it passes, or a signal.
fn is_transient(error: &io::Error) -> bool {
    let timed_out = cfg!(windows) && error.kind() == io::ErrorKind::TimedOut;
    timed_out || matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl ChallengeFacts {
    fn of(challenge: &Challenge<'_>) -> Self {
        let name = |id| {
            let name: String = challenge.name(id)?.take(NAME_CHARS_MAX + 1).collect();
            Some(escape_text(&name, NAME_CHARS_MAX))
        };
        Self {
            computer: name(AvId::NETBIOS_COMPUTER),
            domain: name(AvId::NETBIOS_DOMAIN),
            dns_computer: name(AvId::DNS_COMPUTER),
            dns_domain: name(AvId::DNS_DOMAIN),
            os_version: challenge
                .version
                .map(|version| format!("{}.{}.{}", version.major, version.minor, version.build)),
        }
    }
}

/// What Windows clients offer and begin with.
const FRAGMENT_BYTES: u16 = 5840;
const CALL_ID: u32 = 2;

const READ_BYTES: usize = 4096;
const SHOWN_BYTES: usize = 32;
const NAME_CHARS_MAX: usize = 255;
