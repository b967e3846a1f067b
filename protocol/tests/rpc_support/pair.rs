//! A client and a server joined by a wire with latency and segments, in virtual time: the same
//! run, whatever the machine it runs on.

use std::collections::VecDeque;
use std::time::Duration;

use kms_protocol::client::{self, Event as ClientEvent};
use kms_protocol::rpc::{ContextResult, PfcFlags, ResultElement, Status};
use kms_protocol::server::{self, Event as ServerEvent};
use kms_protocol::time::Instant;

/// The association group of every server here.
pub(crate) const GROUP: u32 = 0x1ab0_0001;

/// Both ends of one connection, the wire between them, and the time.
pub(crate) struct Pair {
    pub(crate) client: client::Connection,
    pub(crate) server: server::Connection,
    pub(crate) now: Instant,
    pub(crate) application: Application,
    /// Calls that the application has not answered, in the order of their arrival.
    pub(crate) held: Vec<(u32, Vec<u8>)>,
    to_server: Wire,
    to_client: Wire,
}

/// What the server's caller does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Application {
    /// Answers with the call's own stub.
    Echo,
    /// Keeps it in [`Pair::held`].
    Hold,
}

/// What the client saw, without borrows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Bound { flags: PfcFlags, group: u32, results: Vec<ResultElement> },
    BindRefused,
    Altered { results: Vec<ResultElement> },
    Response { call_id: u32, context_id: u16, stub: Vec<u8> },
    Fault { call_id: u32, status: Status },
    Shutdown,
}

struct Wire {
    latency: Duration,
    /// Largest piece that arrives at once, in bytes.
    segment_max: usize,
    in_flight: VecDeque<(Instant, Vec<u8>)>,
    /// When the end of the stream arrives, once the sender has closed.
    end: Option<Instant>,
    ended: bool,
}

impl Pair {
    pub(crate) fn new(client: client::Config, server: server::Config) -> Self {
        let now = Instant::ZERO;
        Self {
            client: client::Connection::new(client, now),
            server: server::Connection::new(server, now),
            now,
            application: Application::Echo,
            held: Vec::new(),
            to_server: Wire::new(Duration::from_millis(10), 1460),
            to_client: Wire::new(Duration::from_millis(10), 1460),
        }
    }

    pub(crate) fn with_segments(mut self, segment_max: usize) -> Self {
        self.to_server.segment_max = segment_max;
        self.to_client.segment_max = segment_max;
        self
    }

    /// Runs until nothing is on the wire any more; returns what the client saw.
    pub(crate) fn drive(&mut self) -> Vec<Seen> {
        self.run(false)
    }

    /// Runs until both ends are closed, with every timeout on the way.
    pub(crate) fn drive_to_the_end(&mut self) -> Vec<Seen> {
        let seen = self.run(true);
        assert!(self.client.is_closed() && self.server.is_closed(), "one end hangs for ever");
        seen
    }

    fn run(&mut self, with_timeouts: bool) -> Vec<Seen> {
        let mut seen = Vec::new();
        for _ in 0..STEPS_MAX {
            self.settle(&mut seen);
            let arrivals = [self.to_server.next(), self.to_client.next()];
            let timeouts = [
                self.server.poll_timeout().map(|(deadline, _)| deadline),
                self.client.poll_timeout(),
            ];
            let next_arrival = arrivals.into_iter().flatten().min();
            let next_timeout = timeouts.into_iter().flatten().min().filter(|_| with_timeouts);
            let Some(next) = next_arrival.into_iter().chain(next_timeout).min() else {
                return seen;
            };
            self.now = self.now.max(next);
            self.deliver();
            if with_timeouts && next_timeout.is_some_and(|deadline| deadline <= self.now) {
                self.server.handle_timeout(self.now);
                self.client.handle_timeout(self.now);
            }
        }
        panic!("not quiet after {STEPS_MAX} steps");
    }

    /// Drains both machines: events first, then what they send.
    fn settle(&mut self, seen: &mut Vec<Seen>) {
        while let Some(event) = self.client.poll_event() {
            seen.push(Seen::from(event));
        }
        loop {
            match self.server.poll_event() {
                Some(ServerEvent::Bind { .. }) => self.server.accept_bind(GROUP),
                Some(ServerEvent::Call(call)) => {
                    let (call_id, stub) = (call.call_id, call.stub.to_vec());
                    match self.application {
                        Application::Echo => self.server.respond(call_id, &stub).unwrap(),
                        Application::Hold => self.held.push((call_id, stub)),
                    }
                }
                Some(_) => {}
                None => break,
            }
        }
        let sent = self.to_server.carry(self.now, self.client.poll_transmit());
        self.client.transmitted(sent);
        let sent = self.to_client.carry(self.now, self.server.poll_transmit());
        self.server.transmitted(sent);
        self.to_server.end_if(self.client.is_closed(), self.now);
        self.to_client.end_if(self.server.is_closed(), self.now);
    }

    fn deliver(&mut self) {
        let now = self.now;
        while let Some(bytes) = self.to_server.arrived(now) {
            self.server.handle_input(now, &bytes);
        }
        if self.to_server.end_arrived(now) {
            self.server.handle_eof(now);
        }
        while let Some(bytes) = self.to_client.arrived(now) {
            self.client.handle_input(now, &bytes);
        }
        if self.to_client.end_arrived(now) {
            self.client.handle_eof(now);
        }
    }
}

impl Wire {
    fn new(latency: Duration, segment_max: usize) -> Self {
        Self { latency, segment_max, in_flight: VecDeque::new(), end: None, ended: false }
    }

    /// Takes bytes in segments that arrive one nanosecond after another, so that the receiver
    /// handles each by itself; returns how many it took.
    fn carry(&mut self, now: Instant, bytes: &[u8]) -> usize {
        let mut at = now.saturating_add(self.latency);
        if let Some((last, _)) = self.in_flight.back() {
            at = at.max(last.saturating_add(NANOSECOND));
        }
        for segment in bytes.chunks(self.segment_max) {
            self.in_flight.push_back((at, segment.to_vec()));
            at = at.saturating_add(NANOSECOND);
        }
        bytes.len()
    }

    fn end_if(&mut self, closed: bool, now: Instant) {
        if closed && self.end.is_none() {
            let last = self.in_flight.back().map_or(now, |(at, _)| *at);
            self.end = Some(last.max(now.saturating_add(self.latency)).saturating_add(NANOSECOND));
        }
    }

    fn next(&self) -> Option<Instant> {
        let end = self.end.filter(|_| !self.ended);
        self.in_flight.front().map(|(at, _)| *at).or(end)
    }

    fn arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.in_flight.pop_front_if(|(at, _)| *at <= now).map(|(_, bytes)| bytes)
    }

    fn end_arrived(&mut self, now: Instant) -> bool {
        let arrives =
            !self.ended && self.in_flight.is_empty() && self.end.is_some_and(|e| e <= now);
        self.ended |= arrives;
        arrives
    }
}

impl From<ClientEvent<'_>> for Seen {
    fn from(event: ClientEvent<'_>) -> Self {
        match event {
            ClientEvent::Bound { flags, ack, .. } => Self::Bound {
                flags,
                group: ack.assoc_group_id,
                results: ack.results.iter().collect(),
            },
            ClientEvent::BindRefused { .. } => Self::BindRefused,
            ClientEvent::Altered { ack, .. } => {
                Self::Altered { results: ack.results.iter().collect() }
            }
            ClientEvent::Response { call_id, context_id, stub, .. } => {
                Self::Response { call_id, context_id, stub: stub.to_vec() }
            }
            ClientEvent::Fault { call_id, status, .. } => Self::Fault { call_id, status },
            ClientEvent::Shutdown => Self::Shutdown,
        }
    }
}

/// Results of which the test only asks whether they are acceptances.
pub(crate) fn accepted(results: &[ResultElement]) -> Vec<bool> {
    results.iter().map(|element| element.result == ContextResult::ACCEPTANCE).collect()
}

const NANOSECOND: Duration = Duration::from_nanos(1);

/// More than any run here takes: a machine that never gets quiet fails instead of hanging.
const STEPS_MAX: usize = 100_000;
