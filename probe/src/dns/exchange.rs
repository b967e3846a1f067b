//! One exchange with one DNS server: UDP with retransmission, TCP where the answer is truncated,
//! EDNS dropped where it is refused; everything under one deadline.
//!
//! The socket is connected, so that an ICMP error arrives as an error at once instead of passing
//! for silence, and only datagrams of the server asked are seen.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::message::{Judgement, NOERROR, NXDOMAIN, Question, REFUSED, Response, SERVFAIL, Stray};
use crate::platform::origin::Origin;
use crate::platform::{self, IcmpError, SocketFacts};

/// What an exchange did and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// The server asked.
    pub server: SocketAddr,
    /// The address of this machine that the server sees, if no translation stands between.
    pub source: Option<IpAddr>,
    /// What it was asked.
    pub question: Question,
    /// What came of it.
    pub outcome: Outcome,
    /// The transport that carried the answer, or that was tried last.
    pub transport: Transport,
    /// UDP queries sent.
    pub attempts: u32,
    /// From the first query to the outcome, in microseconds.
    pub elapsed_us: u64,
    /// Size of the accepted answer in octets.
    pub answer_bytes: Option<usize>,
    /// How the server took EDNS.
    pub edns: EdnsUse,
    /// Messages that arrived and were no answer to the query; at most [`MAX_STRAYS`] are listed.
    pub strays: Vec<Stray>,
    /// The accepted answer.
    pub response: Option<Response>,
}

/// What came of an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Outcome {
    /// NOERROR with records of the type asked for.
    Answer,
    /// The name does not exist.
    NxDomain,
    /// The name exists, or may exist, without such a record.
    NoData,
    /// The server failed.
    ServFail,
    /// The server will not answer this client, or not about this zone.
    Refused,
    /// Another response code; the response has it.
    OtherRcode,
    /// Nothing came back before the deadline.
    Timeout,
    /// The query could not be delivered.
    Unreachable(OsError),
    /// The UDP answer was truncated and TCP gave no whole one.
    TruncatedNoTcp {
        /// What TCP did.
        tcp: TcpFailure,
    },
    /// Something came back that is not an answer.
    Malformed {
        /// What is wrong with it.
        detail: String,
    },
}

/// An error of the operating system, with the ICMP error behind it where there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OsError {
    /// Error number, 0 where the system gave none.
    pub errno: i32,
    /// Its symbol, such as `ECONNREFUSED`; in words where symbols are not available.
    pub errno_name: String,
    /// The ICMP error that caused it, and who sent it.
    pub icmp: Option<IcmpError>,
}

/// Why TCP gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TcpFailure {
    /// The connection was refused.
    Refused,
    /// No connection, or no whole answer, before the deadline.
    Timeout,
    /// The server closed the connection before a whole answer had come.
    Closed,
    /// Any other error.
    Failed(OsError),
}

/// UDP or TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// RFC 1035 4.2.1.
    Udp,
    /// RFC 7766.
    Tcp,
}

/// How the server took EDNS (RFC 6891).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EdnsUse {
    /// No answer, so nothing is known.
    Unknown,
    /// Its answer carries EDNS too.
    Answered,
    /// It ignored the option and answered.
    Ignored,
    /// FORMERR, NOTIMP or BADVERS with it; asked again without.
    Refused,
    /// No answer came until a query went out without it: lost packets, or a device that drops it.
    OnlyWithout,
}

/// How to ask.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The exchange ends by then, whatever happens.
    pub deadline: Instant,
    /// UDP queries sent before silence counts as silence, spread evenly over the time left;
    /// 1 to [`MAX_ATTEMPTS`]. The last of several goes without EDNS.
    pub attempts: u32,
    /// From where queries leave, as far as that makes sense towards the server.
    pub origin: Origin,
}

impl Patience {
    /// Patience that runs out after `timeout`.
    #[must_use]
    pub fn of(timeout: Duration, attempts: u32) -> Self {
        let attempts = attempts.clamp(1, MAX_ATTEMPTS);
        Self { deadline: Instant::now() + timeout, attempts, origin: Origin::default() }
    }

    /// The same with queries that leave from `origin`.
    #[must_use]
    pub const fn leaving_from(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }
}

/// Asks `server` and waits for the outcome. Transaction ids are random.
pub async fn exchange(server: SocketAddr, question: &Question, patience: Patience) -> Exchange {
    let begun = Instant::now();
    let mut run = Run::new(server, question, patience);
    let outcome = run.udp().await;
    let outcome = match outcome {
        Reply::Settled(outcome) => outcome,
        Reply::Truncated => run.tcp().await,
    };
    let mut exchange = run.exchange;
    exchange.outcome = outcome;
    exchange.elapsed_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    exchange
}

impl Outcome {
    fn of(question: &Question, response: &Response) -> Self {
        match response.rcode {
            NOERROR if response.follow(&question.name, question.record_type).1.is_empty() => {
                Self::NoData
            }
            NOERROR => Self::Answer,
            NXDOMAIN => Self::NxDomain,
            SERVFAIL => Self::ServFail,
            REFUSED => Self::Refused,
            _ => Self::OtherRcode,
        }
    }

    /// True if the server said what it knows about the name: there are such records, or there are
    /// none. Everything else is a failure to say.
    #[must_use]
    pub const fn is_definite(&self) -> bool {
        matches!(self, Self::Answer | Self::NxDomain | Self::NoData)
    }
}

impl OsError {
    fn of(error: &io::Error, icmp: Option<IcmpError>) -> Self {
        let errno = error.raw_os_error().unwrap_or_default();
        Self { errno, errno_name: errno_name(error, errno), icmp }
    }
}

impl TcpFailure {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::UnexpectedEof => Self::Closed,
            io::ErrorKind::TimedOut => Self::Timeout,
            _ => Self::Failed(OsError::of(error, None)),
        }
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.errno_name)?;
        if let Some(icmp) = &self.icmp {
            write!(out, ", ICMP {}", icmp.name())?;
            if let Some(from) = icmp.from {
                write!(out, " from {from}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for TcpFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => write!(out, "TCP refuses the connection"),
            Self::Timeout => write!(out, "no whole answer over TCP in time"),
            Self::Closed => write!(out, "the server closes the TCP connection without an answer"),
            Self::Failed(error) => write!(out, "{error}"),
        }
    }
}

#[cfg(target_os = "linux")]
fn errno_name(error: &io::Error, errno: i32) -> String {
    match nix::errno::Errno::from_raw(errno) {
        nix::errno::Errno::UnknownErrno => error.kind().to_string(),
        known => format!("{known:?}"),
    }
}

#[cfg(not(target_os = "linux"))]
fn errno_name(error: &io::Error, _errno: i32) -> String {
    error.kind().to_string()
}

enum Reply {
    Settled(Outcome),
    Truncated,
}

/// A query on its way.
#[derive(Clone, Copy)]
struct Pending {
    id: u16,
    edns: bool,
}

struct Run<'a> {
    question: &'a Question,
    patience: Patience,
    pending: Vec<Pending>,
    exchange: Exchange,
}

impl<'a> Run<'a> {
    fn new(server: SocketAddr, question: &'a Question, patience: Patience) -> Self {
        let exchange = Exchange {
            server,
            source: None,
            question: question.clone(),
            outcome: Outcome::Timeout,
            transport: Transport::Udp,
            attempts: 0,
            elapsed_us: 0,
            answer_bytes: None,
            edns: EdnsUse::Unknown,
            strays: Vec::new(),
            response: None,
        };
        Self { question, patience, pending: Vec::new(), exchange }
    }

    async fn udp(&mut self) -> Reply {
        let socket = match connected_udp(self.exchange.server, self.patience.origin) {
            Ok(socket) => socket,
            Err(error) => return unreachable(&error, None),
        };
        self.exchange.source = socket.local_addr().ok().map(|address| address.ip());
        let attempts = self.patience.attempts;
        for attempt in 1..=attempts {
            let refused = self.exchange.edns == EdnsUse::Refused;
            let edns = !refused && (attempts == 1 || attempt < attempts);
            if let Some(reply) = self.send(&socket, edns).await {
                return reply;
            }
            let left = self.patience.deadline.saturating_duration_since(Instant::now());
            let until = Instant::now() + left / (attempts - attempt + 1);
            if let Some(reply) = self.listen(&socket, until).await {
                return reply;
            }
        }
        Reply::Settled(self.silence())
    }

    /// Sends one query under a fresh id. `Some` if it cannot be sent.
    async fn send(&mut self, socket: &UdpSocket, edns: bool) -> Option<Reply> {
        let id = unpredictable_id();
        let Some(query) = self.question.encode(id, edns) else {
            let detail = "the name cannot be put into a query".to_owned();
            return Some(Reply::Settled(Outcome::Malformed { detail }));
        };
        self.pending.push(Pending { id, edns });
        self.exchange.attempts += 1;
        let sent = socket.send(&query).await;
        sent.err().map(|error| unreachable(&error, icmp_of(socket)))
    }

    /// Reads datagrams until one settles the matter or `until` is past.
    async fn listen(&mut self, socket: &UdpSocket, until: Instant) -> Option<Reply> {
        let mut buffer = vec![0; MAX_MESSAGE_OCTETS];
        loop {
            let received = timeout_at(until, socket.recv(&mut buffer)).await.ok()?;
            let reply = match received {
                Ok(length) => self.take(buffer.get(..length).unwrap_or_default()),
                Err(error) => Taken::Reply(unreachable(&error, icmp_of(socket))),
            };
            match reply {
                Taken::Reply(reply) => return Some(reply),
                Taken::Stray => {}
                Taken::EdnsRefused => {
                    if let Some(reply) = self.send(socket, false).await {
                        return Some(reply);
                    }
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Taken {
        let ids: Vec<u16> = self.pending.iter().map(|query| query.id).collect();
        match self.question.judge(&ids, bytes) {
            Judgement::Stray(stray) => {
                self.note(stray);
                Taken::Stray
            }
            Judgement::Malformed(detail) => {
                Taken::Reply(Reply::Settled(Outcome::Malformed { detail }))
            }
            Judgement::CutShort => Taken::Reply(Reply::Truncated),
            Judgement::Answer(id, response) => {
                let with_edns = self.pending.iter().any(|query| query.id == id && query.edns);
                if with_edns && response.refuses_edns() {
                    self.pending.retain(|query| !query.edns);
                    self.exchange.edns = EdnsUse::Refused;
                    // The query without EDNS may be out already; then its answer is awaited.
                    return if self.pending.is_empty() { Taken::EdnsRefused } else { Taken::Stray };
                }
                self.judge_edns(with_edns, response.edns);
                if response.truncated {
                    return Taken::Reply(Reply::Truncated);
                }
                Taken::Reply(Reply::Settled(self.accept(response, bytes.len())))
            }
        }
    }

    fn judge_edns(&mut self, asked_with: bool, answered_with: bool) {
        self.exchange.edns = match (asked_with, answered_with) {
            _ if self.exchange.edns == EdnsUse::Refused => EdnsUse::Refused,
            (_, true) => EdnsUse::Answered,
            (true, false) => EdnsUse::Ignored,
            (false, false) => EdnsUse::OnlyWithout,
        };
    }

    fn accept(&mut self, response: Response, octets: usize) -> Outcome {
        let outcome = Outcome::of(self.question, &response);
        self.exchange.answer_bytes = Some(octets);
        self.exchange.response = Some(response);
        outcome
    }

    fn note(&mut self, stray: Stray) {
        if self.exchange.strays.len() < MAX_STRAYS {
            self.exchange.strays.push(stray);
        }
    }

    /// The deadline is past. Silence is only silence if nothing at all came back.
    fn silence(&self) -> Outcome {
        match self.exchange.strays.first() {
            _ if self.exchange.edns == EdnsUse::Refused => Outcome::Malformed {
                detail: "EDNS was refused, and the query without it was not answered".to_owned(),
            },
            Some(stray) => Outcome::Malformed {
                detail: format!("no answer to the query, but a message: {}", stray.describe()),
            },
            None => Outcome::Timeout,
        }
    }

    async fn tcp(&mut self) -> Outcome {
        self.exchange.transport = Transport::Tcp;
        let edns = matches!(self.exchange.edns, EdnsUse::Answered | EdnsUse::Ignored);
        let id = unpredictable_id();
        let Some(query) = self.question.encode(id, edns) else {
            return Outcome::TruncatedNoTcp { tcp: TcpFailure::Closed };
        };
        let exchanged = tcp_exchange(self.exchange.server, self.patience.origin, &query);
        let bytes = match timeout_at(self.patience.deadline, exchanged).await {
            Err(_elapsed) => return Outcome::TruncatedNoTcp { tcp: TcpFailure::Timeout },
            Ok(Err(error)) => return Outcome::TruncatedNoTcp { tcp: TcpFailure::of(&error) },
            Ok(Ok(bytes)) => bytes,
        };
        match self.question.judge(&[id], &bytes) {
            Judgement::Answer(_, response) => self.accept(response, bytes.len()),
            Judgement::Stray(stray) => {
                Outcome::Malformed { detail: format!("over TCP: {}", stray.describe()) }
            }
            Judgement::CutShort => {
                Outcome::Malformed { detail: "truncated over TCP as well".to_owned() }
            }
            Judgement::Malformed(detail) => {
                Outcome::Malformed { detail: format!("over TCP: {detail}") }
            }
        }
    }
}

enum Taken {
    Reply(Reply),
    Stray,
    EdnsRefused,
}

/// A query id that an attacker off the path cannot guess (RFC 5452 section 4).
#[allow(clippy::disallowed_methods, reason = "a seeded id could be guessed; none is in a report")]
fn unpredictable_id() -> u16 {
    rand::random()
}

fn unreachable(error: &io::Error, icmp: Option<IcmpError>) -> Reply {
    Reply::Settled(Outcome::Unreachable(OsError::of(error, icmp)))
}

/// A non-blocking UDP socket that keeps ICMP errors and talks to `server` only.
fn connected_udp(server: SocketAddr, origin: Origin) -> io::Result<UdpSocket> {
    let socket = socket_from(server, origin, Type::DGRAM, Protocol::UDP)?;
    platform::current().keep_icmp_errors(&socket, server.is_ipv6());
    socket.connect(&SockAddr::from(server))?;
    UdpSocket::from_std(socket.into())
}

/// A non-blocking socket that leaves from `origin`, or from where the kernel chooses if this
/// machine cannot do that towards `server`: the check of the host says so where it matters.
fn socket_from(
    server: SocketAddr,
    origin: Origin,
    kind: Type,
    protocol: Protocol,
) -> io::Result<Socket> {
    let make = || Socket::new(Domain::for_address(server), kind, Some(protocol));
    let socket = make()?;
    let origin = origin.towards_resolver(server.ip());
    let socket = if origin.apply(&socket, server.is_ipv6()).is_ok() { socket } else { make()? };
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn icmp_of(socket: &UdpSocket) -> Option<IcmpError> {
    let shared = socket2::SockRef::from(socket);
    platform::current().icmp_error(&shared)
}

/// One query and one answer over a fresh connection, each behind its length (RFC 7766 section 8).
async fn tcp_exchange(server: SocketAddr, origin: Origin, query: &[u8]) -> io::Result<Vec<u8>> {
    let socket = socket_from(server, origin, Type::STREAM, Protocol::TCP)?;
    let mut stream = TcpSocket::from_std_stream(socket.into()).connect(server).await?;
    let length = u16::try_from(query.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(query);
    stream.write_all(&framed).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// UDP queries sent at most, a repetition without EDNS not counted.
pub const MAX_ATTEMPTS: u32 = 10;

/// Stray messages listed at most.
pub const MAX_STRAYS: usize = 16;

const MAX_MESSAGE_OCTETS: usize = 65_535;
