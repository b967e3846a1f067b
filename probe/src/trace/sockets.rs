//! Sends the SYNs of a trace and collects what comes back: one fresh socket per TTL, port and
//! flow, all waiting at once, so that a trace costs one timeout and not one per hop. No privilege
//! is needed: the kernel hands ICMP errors to the socket that they are about.
//!
//! SYNs leave in the order of their TTL, a moment apart, so that a path that answers is not
//! probed beyond its end. The kernel itself repeats an unanswered SYN about once a second, which
//! outlasts lost packets and routers that ration their ICMP; that is why a probe waits until the
//! deadline unless another flow has told already what it would tell.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::Options;
use super::facts::{IcmpMeaning, Outcome, ProbeFacts, TraceFacts};
use super::progress::{Progress, Slot};
use crate::platform::{self, SocketFacts, ttl};
use crate::stage::connect::{ErrorKind, SocketError};
use crate::stage::deadline::Deadline;

/// Traces the path to `address`.
///
/// # Errors
/// Only this program's own failure: no descriptors, or a system that does not tell who sent an
/// ICMP error.
pub fn trace(address: SocketAddr, options: &Options) -> io::Result<TraceFacts> {
    let mut run = Run::new(address, options);
    run.go()?;
    Ok(run.into_facts())
}

struct Run<'a> {
    address: SocketAddr,
    options: &'a Options,
    deadline: Deadline,
    source: Option<SocketAddr>,
    progress: Progress,
    in_flight: Vec<Probe>,
    probes: Vec<ProbeFacts>,
}

/// A SYN under way.
struct Probe {
    slot: Slot,
    socket: Socket,
    sent: Instant,
    /// When it was sent, from the start of the trace.
    sent_after: Duration,
}

impl<'a> Run<'a> {
    fn new(address: SocketAddr, options: &'a Options) -> Self {
        let mut ports = vec![address.port()];
        ports.extend(options.control_ports_beside(address.port()));
        Self {
            address,
            options,
            deadline: Deadline::after(options.timeout),
            source: None,
            progress: Progress::new(&ports, options),
            in_flight: Vec::new(),
            probes: Vec::new(),
        }
    }

    fn go(&mut self) -> io::Result<()> {
        while let Some(remaining) = self.deadline.remaining() {
            self.launch()?;
            let elapsed = self.deadline.elapsed();
            self.give_up_surplus();
            let slots = self.in_flight.iter().map(|probe| (probe.slot, probe.sent_after));
            let slots: Vec<_> = slots.collect();
            let Some(pause) = self.progress.next_wake(elapsed, &slots) else { break };
            let sockets: Vec<&Socket> = self.in_flight.iter().map(|probe| &probe.socket).collect();
            let news = ttl::wait(&sockets, pause.min(remaining))?;
            self.collect(&news);
        }
        self.finish();
        Ok(())
    }

    /// Sends every SYN whose time has come.
    fn launch(&mut self) -> io::Result<()> {
        while let Some(slot) = self.progress.next_launch(self.deadline.elapsed()) {
            let (sent, sent_after) = (Instant::now(), self.deadline.elapsed());
            match self.send(slot)? {
                Ok(socket) => self.in_flight.push(Probe { slot, socket, sent, sent_after }),
                Err(outcome) => self.record(slot, outcome, Some(sent.elapsed())),
            }
        }
        Ok(())
    }

    /// Sends one SYN: a socket that waits, or an outcome at once.
    fn send(&mut self, slot: Slot) -> io::Result<Result<Socket, Outcome>> {
        let system = platform::current();
        let is_v6 = self.address.is_ipv6();
        let domain = Domain::for_address(self.address);
        let socket = match Socket::new(domain, Type::STREAM, Some(Protocol::TCP)) {
            Ok(socket) => socket,
            Err(error) if system.lacks_address_family(&error) => {
                let kind = ErrorKind::NoAddressFamily;
                let errno = error.raw_os_error();
                return Ok(Err(Outcome::Failed(SocketError { errno, kind })));
            }
            Err(error) => return Err(error),
        };
        socket.set_nonblocking(true)?;
        ttl::set_ttl(&socket, is_v6, slot.ttl)?;
        system.keep_icmp_errors(&socket, is_v6);
        if let Err(error) = self.options.origin.apply(&socket, is_v6) {
            return Ok(Err(outcome_of(&error)));
        }
        let mut to = self.address;
        to.set_port(slot.port);
        let result = socket.connect(&to.into());
        let own = socket.local_addr().ok().and_then(|own| own.as_socket());
        self.source = self.source.or(own.filter(|own| !own.ip().is_unspecified()));
        match result {
            Ok(()) => Ok(Err(Outcome::SynAck)),
            Err(error) if ttl::is_under_way(&error) => Ok(Ok(socket)),
            Err(error) => {
                let icmp = system.icmp_error(&socket).filter(is_final);
                Ok(Err(icmp.map_or_else(|| outcome_of(&error), Outcome::Icmp)))
            }
        }
    }

    /// Takes what the sockets with news have to say.
    fn collect(&mut self, news: &[usize]) {
        let now = Instant::now();
        let mut answers = Vec::new();
        for index in news {
            if let Some(probe) = self.in_flight.get(*index)
                && let Some(outcome) = answer(&probe.socket)
            {
                answers.push((probe.slot, outcome, now.duration_since(probe.sent)));
            }
        }
        for (slot, outcome, rtt) in answers {
            self.in_flight.retain(|probe| probe.slot != slot);
            self.record(slot, outcome, Some(rtt));
        }
        // A flow that has ended has nothing to learn beyond its end.
        let progress = &self.progress;
        self.in_flight.retain(|probe| !progress.is_beyond_end(probe.slot));
    }

    /// Closes the sockets whose answer nobody needs any more.
    fn give_up_surplus(&mut self) {
        let progress = &self.progress;
        let is_surplus = |probe: &mut Probe| progress.is_surplus(probe.slot, probe.sent.elapsed());
        let surplus: Vec<Slot> =
            self.in_flight.extract_if(.., is_surplus).map(|probe| probe.slot).collect();
        for slot in surplus {
            self.record_silence(slot);
        }
    }

    /// What another flow was told, or no flow needs, is no silence.
    fn record_silence(&mut self, slot: Slot) {
        if !self.progress.is_answered(slot) {
            self.record(slot, Outcome::Silent, None);
        }
    }

    fn record(&mut self, slot: Slot, outcome: Outcome, rtt: Option<Duration>) {
        let elapsed = self.deadline.elapsed();
        if outcome != Outcome::Silent {
            self.progress.note(slot, outcome, rtt.unwrap_or_default(), elapsed);
        }
        let rtt_us = rtt.filter(|_| !matches!(outcome, Outcome::Failed(_) | Outcome::Silent));
        self.probes.push(ProbeFacts {
            port: slot.port,
            flow: slot.flow,
            ttl: slot.ttl,
            outcome,
            rtt_us: rtt_us.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
        });
    }

    fn finish(&mut self) {
        for probe in std::mem::take(&mut self.in_flight) {
            self.record_silence(probe.slot);
        }
    }

    fn into_facts(mut self) -> TraceFacts {
        // A late, nearer answer may have come after answers from further away.
        let progress = &self.progress;
        self.probes.retain(|probe| {
            !progress.is_beyond_end(Slot { port: probe.port, flow: probe.flow, ttl: probe.ttl })
        });
        self.probes.sort_by_key(|probe| (probe.port, probe.flow, probe.ttl));
        TraceFacts {
            address: self.address,
            source: self.source.map(|source| source.ip()),
            origin: self.options.origin.is_asked_for().then_some(self.options.origin),
            control_ports: self.options.control_ports_beside(self.address.port()),
            payload: None,
            max_hops: self.options.max_hops,
            flows: self.options.flows,
            timeout_ms: u64::try_from(self.options.timeout.as_millis()).unwrap_or(u64::MAX),
            elapsed_us: u64::try_from(self.deadline.elapsed().as_micros()).unwrap_or(u64::MAX),
            probes: self.probes,
        }
    }
}

/// What a socket with news has received; `None` if it is to be waited for further.
///
/// The pending error is read before the error queue, because reading the queue clears it: an ICMP
/// error that ended the connection would then look like success.
fn answer(socket: &Socket) -> Option<Outcome> {
    let error = socket.take_error();
    if let Some(icmp) = platform::current().icmp_error(socket)
        && is_final(&icmp)
    {
        return Some(Outcome::Icmp(icmp));
    }
    match error {
        // A reset that follows the handshake may arrive before the handshake is noticed.
        Ok(Some(_)) if platform::current().handshake_completed(socket) == Some(true) => {
            Some(Outcome::SynAck)
        }
        Ok(Some(error)) | Err(error) => Some(outcome_of(&error)),
        Ok(None) => socket.peer_addr().is_ok().then_some(Outcome::SynAck),
    }
}

fn outcome_of(error: &io::Error) -> Outcome {
    let error = SocketError::of(error);
    match error.kind {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Outcome::Reset,
        _ => Outcome::Failed(error),
    }
}

fn is_final(icmp: &platform::IcmpError) -> bool {
    IcmpMeaning::of(icmp) != IcmpMeaning::Passing
}
