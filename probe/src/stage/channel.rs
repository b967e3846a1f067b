//! A TCP connection that speaks RPC: the protocol's client machine driven over a blocking socket,
//! under one deadline per stage.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use kms_protocol::client::{CloseReason, Config, Connection, Event};
use kms_protocol::time;
use serde::Serialize;
use socket2::SockRef;

use super::connect::{ErrorKind, SocketError};
use super::deadline::Deadline;
use super::guess::{self, Guess};
use crate::platform::{self, SocketFacts as _};

/// A connection and the RPC client that speaks over it.
#[derive(Debug)]
pub struct Channel {
    stream: TcpStream,
    /// The client machine: what to send next is asked of it.
    pub client: Connection,
    epoch: Instant,
    received_bytes: u64,
    /// The first bytes of the stage, to show what a peer said that is not understood.
    first_bytes: Vec<u8>,
    write_failed: Option<SocketError>,
    retransmissions_told: u32,
}

/// How a stage ended without the answer it waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// What happened.
    pub how: BrokenHow,
    /// What was wrong, where something arrived that should not have.
    pub detail: Option<String>,
    /// The socket error, where there was one. After a timeout it is what an ICMP error said that
    /// came back meanwhile.
    pub error: Option<SocketError>,
    /// Bytes that arrived in this stage.
    pub received_bytes: u64,
    /// The first of them, in hexadecimal, at most 64 bytes.
    pub first_bytes: String,
    /// What the bytes look like, where they are not RPC.
    pub guess: Option<Guess>,
}

/// What happened instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BrokenHow {
    /// The deadline passed; a part of an answer may have arrived.
    TimedOut,
    /// The peer closed without a byte of answer.
    Closed,
    /// The connection was reset.
    Reset,
    /// What arrived is not RPC.
    NotRpc,
    /// The answer carries another call id.
    CallIdMismatch,
    /// The answer is damaged, cut, or not allowed here.
    Malformed,
}

impl Channel {
    /// An RPC client on a fresh connection.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        let mut channel = Self {
            stream,
            client: Connection::new(Config::default(), time::Instant::ZERO),
            epoch: Instant::now(),
            received_bytes: 0,
            first_bytes: Vec::new(),
            write_failed: None,
            retransmissions_told: 0,
        };
        // Those of the handshake belong to the stage before.
        channel.retransmissions_told = channel.segments_resent().unwrap_or(0);
        channel
    }

    /// Segments that this end sent again since this was asked last, or since the handshake; `None`
    /// where the system does not tell.
    pub fn take_retransmissions(&mut self) -> Option<u32> {
        let all = self.segments_resent()?;
        Some(all.saturating_sub(std::mem::replace(&mut self.retransmissions_told, all)))
    }

    /// Segments that this end has sent again so far, SYNs among them; `None` where the system does
    /// not tell.
    #[must_use]
    pub fn segments_resent(&self) -> Option<u32> {
        platform::current().retransmissions(&SockRef::from(&self.stream))
    }

    /// Sends what the client has to send and waits until `pick` takes one of its events.
    ///
    /// # Errors
    /// [`Broken`] when the deadline passes or the connection ends first.
    pub fn wait<T>(
        &mut self,
        deadline: &Deadline,
        mut pick: impl FnMut(Event<'_>) -> Option<T>,
    ) -> Result<T, Broken> {
        self.received_bytes = 0;
        self.first_bytes.clear();
        loop {
            while let Some(event) = self.client.poll_event() {
                if let Some(picked) = pick(event) {
                    return Ok(picked);
                }
            }
            if let Some(reason) = self.client.close_reason() {
                return Err(self.broken_by(reason));
            }
            self.send(deadline);
            let Some(remaining) = deadline.remaining() else {
                return Err(self.out_of_time());
            };
            match self.receive(remaining) {
                Ok(()) if self.is_foreign(true) => return Err(self.broken(BrokenHow::NotRpc)),
                Ok(()) => {}
                Err(error) => return Err(self.broken_by_socket(error)),
            }
        }
    }

    /// A failed write is kept for later: what the peer said before it left is worth more.
    fn send(&mut self, deadline: &Deadline) {
        while self.write_failed.is_none() && !self.client.poll_transmit().is_empty() {
            let Some(remaining) = deadline.remaining() else { return };
            let written = self
                .stream
                .set_write_timeout(Some(remaining))
                .and_then(|()| self.stream.write(self.client.poll_transmit()));
            match written {
                Ok(count) => self.client.transmitted(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return,
                Err(error) => self.write_failed = Some(SocketError::of(&error)),
            }
        }
    }

    /// Takes what arrives within `remaining`, if anything.
    fn receive(&mut self, remaining: std::time::Duration) -> io::Result<()> {
        let mut buffer = [0; READ_BYTES];
        self.stream.set_read_timeout(Some(remaining))?;
        match self.stream.read(&mut buffer) {
            Ok(0) => self.client.handle_eof(self.now()),
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or(&[]);
                let room = FIRST_BYTES_MAX.saturating_sub(self.first_bytes.len());
                self.first_bytes.extend(bytes.iter().take(room));
                self.received_bytes = self.received_bytes.saturating_add(count as u64);
                self.client.handle_input(self.now(), bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted || is_timeout(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether the peer speaks something else. `still_open`: more may come that tells what.
    fn is_foreign(&self, still_open: bool) -> bool {
        let enough = !still_open || self.first_bytes.len() >= guess::BYTES_WANTED;
        enough && guess::is_foreign(&self.first_bytes)
    }

    fn silence(&self) -> BrokenHow {
        if self.is_foreign(false) { BrokenHow::NotRpc } else { BrokenHow::TimedOut }
    }

    /// Silence until the deadline. On an established connection ICMP errors are advice that the
    /// kernel only remembers (RFC 1122 4.2.3.9); it tells them here.
    fn out_of_time(&self) -> Broken {
        let advice = self.stream.take_error().ok().flatten();
        Broken { error: advice.as_ref().map(SocketError::of), ..self.broken(self.silence()) }
    }

    fn broken_by(&self, reason: CloseReason) -> Broken {
        if self.is_foreign(false) {
            return self.broken(BrokenHow::NotRpc);
        }
        let malformed =
            |detail: String| Broken { detail: Some(detail), ..self.broken(BrokenHow::Malformed) };
        match reason {
            CloseReason::Timeout => self.broken(BrokenHow::TimedOut),
            CloseReason::PeerFinished if self.write_failed.is_some() => {
                self.broken(BrokenHow::Reset)
            }
            CloseReason::PeerFinished | CloseReason::Local | CloseReason::BindRefused => {
                self.broken(BrokenHow::Closed)
            }
            CloseReason::PeerLeftMidway => {
                malformed(format!("the answer ends after {} bytes", self.received_bytes))
            }
            CloseReason::Malformed(malformed_pdu) => malformed(malformed_pdu.to_string()),
            CloseReason::Violation(violation) if violation.0.field == "call_id" => {
                let got = violation.0.got;
                let detail = Some(format!("got {got}, expected {}", violation.0.expected));
                Broken { detail, ..self.broken(BrokenHow::CallIdMismatch) }
            }
            CloseReason::Violation(violation) => malformed(violation.to_string()),
        }
    }

    fn broken_by_socket(&self, error: io::Error) -> Broken {
        let error = SocketError::of(&error);
        let how = match error.kind {
            _ if self.is_foreign(false) => BrokenHow::NotRpc,
            // The kernel gave up on retransmissions, or ICMP says that the path is gone.
            ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                BrokenHow::TimedOut
            }
            _ => BrokenHow::Reset,
        };
        Broken { error: Some(error), ..self.broken(how) }
    }

    fn broken(&self, how: BrokenHow) -> Broken {
        let guess = (how == BrokenHow::NotRpc).then(|| guess::guess(&self.first_bytes));
        Broken {
            how,
            detail: None,
            error: self.write_failed,
            received_bytes: self.received_bytes,
            first_bytes: hex(&self.first_bytes),
            guess,
        }
    }

    fn now(&self) -> time::Instant {
        let nanos = self.epoch.elapsed().as_nanos();
        time::Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// What a read or write with a timeout gives when it passes. ETIMEDOUT is something else on Unix:
/// the kernel has given up on the connection.
fn is_timeout(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::WouldBlock || (cfg!(windows) && kind == io::ErrorKind::TimedOut)
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

const READ_BYTES: usize = 8192;
const FIRST_BYTES_MAX: usize = 64;
