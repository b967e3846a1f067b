//! One connection: its socket, its protocol machine, and the exchanges that are under way on it.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use kms_protocol::client::{CloseReason, Config, Connection, Event};
use kms_protocol::kms::Hresult;
use kms_protocol::kms::crypto::LabKeys;
use kms_protocol::kms::envelope::{ResponseError, open_response};
use kms_protocol::ndr::{self, Ndr};
use kms_protocol::rpc::{ContextElement, PfcFlags, Status, SyntaxId};
use kms_protocol::time::Instant;
use kms_protocol::wire::{ByteOrder, Misuse};
use socket2::{Domain, Socket, Type};

use crate::load::mix::{Prepared, Ring};
use crate::load::plan::{Close, Depth};
use crate::load::verdict::{Broken, Verdict};

/// Times are nanoseconds since the start.
pub(super) struct Slot {
    pub(super) stream: Option<TcpStream>,
    machine: Connection,
    pub(super) state: State,
    /// Tells events of this connection from those of the slot's earlier ones.
    pub(super) generation: u32,
    /// When the phase of `state` began.
    pub(super) since: u64,
    /// Calls that were made on this connection.
    pub(super) calls: u32,
    pub(super) flight: Vec<Exchange>,
    /// Whether it takes no more calls and is closed once those under way are answered.
    pub(super) spent: bool,
    /// Whether it is in the worker's queue of slots with room.
    pub(super) listed: bool,
    multiplexed: bool,
    ndr: Ndr,
}

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Closed,
    Connecting,
    Binding,
    Ready,
}

/// An exchange that has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    pub(super) intended: u64,
    pub(super) started: u64,
    pub(super) request: u32,
    /// Once the call was sent.
    pub(super) called: Option<(u32, u64)>,
    /// Not of the warm-up.
    pub(super) counted: bool,
}

/// What the server said, or what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Bound,
    /// A call's answer; `Err` says how it failed.
    Answer(u32, Result<(), Verdict>),
    /// The connection is over, with this verdict where that is known.
    Over(Result<Verdict, Broken>),
}

impl Slot {
    pub(super) fn new() -> Self {
        Self {
            stream: None,
            machine: Connection::new(Config::default(), Instant::ZERO),
            state: State::Closed,
            generation: 0,
            since: 0,
            calls: 0,
            flight: Vec::new(),
            spent: false,
            listed: false,
            multiplexed: false,
            ndr: Ndr::Ndr32,
        }
    }

    /// Whether another exchange may begin here now.
    pub(super) fn has_room(&self, pipeline: u32, calls_max: Option<u32>) -> bool {
        let at_once = match self.state {
            State::Closed => 1,
            State::Connecting | State::Binding => 0,
            State::Ready if self.multiplexed => pipeline as usize,
            State::Ready => 1,
        };
        let used_up = calls_max.is_some_and(|most| self.calls >= most) || self.spent;
        self.flight.len() < at_once && !(self.state == State::Ready && used_up)
    }

    /// Begins to connect.
    pub(super) fn connect(
        &mut self,
        target: SocketAddr,
        source: Option<IpAddr>,
        close: Close,
        ndr: Ndr,
        now: u64,
    ) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(target), Type::STREAM.nonblocking(), None)?;
        socket.set_tcp_nodelay(true)?;
        if close == Close::Rst {
            socket.set_linger(Some(Duration::ZERO))?;
        }
        if let Some(source) = source {
            // The port is chosen at connect, and so may be one that waits out another target.
            nix::sys::socket::setsockopt(
                &socket,
                nix::sys::socket::sockopt::IpBindAddressNoPort,
                &true,
            )?;
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect(&target.into()) {
            Err(error) if error.raw_os_error() != Some(nix::errno::Errno::EINPROGRESS as i32) => {
                return Err(error);
            }
            _ => {}
        }
        self.stream = Some(socket.into());
        self.machine = Connection::new(Config::default(), Instant::ZERO);
        self.generation = self.generation.wrapping_add(1);
        (self.state, self.since, self.calls, self.ndr) = (State::Connecting, now, 0, ndr);
        (self.multiplexed, self.spent) = (false, false);
        Ok(())
    }

    pub(super) fn close(&mut self) {
        (self.stream, self.state) = (None, State::Closed);
    }

    /// What became of the connect.
    pub(super) fn connect_error(&self) -> Option<io::Error> {
        let taken = self.stream.as_ref().map(TcpStream::take_error)?;
        taken.unwrap_or_else(Some)
    }

    /// The connection is open: sends the bind.
    pub(super) fn bind(&mut self, pipeline: u32, now: u64) -> Result<(), Misuse> {
        (self.state, self.since) = (State::Binding, now);
        let syntax = match self.ndr {
            Ndr::Ndr32 => SyntaxId::NDR32,
            Ndr::Ndr64 => SyntaxId::NDR64,
        };
        let syntaxes = [syntax];
        let contexts = [ContextElement::new(0, SyntaxId::KMS, &syntaxes)];
        let flags =
            if pipeline > 1 { PfcFlags::WHOLE | PfcFlags::CONC_MPX } else { PfcFlags::WHOLE };
        self.machine.bind(flags, 0, &contexts).map(|_| ())
    }

    /// Calls for every exchange that waits for it.
    pub(super) fn call(&mut self, ring: &Ring, depth: Depth, now: u64) -> Result<(), Misuse> {
        for exchange in self.flight.iter_mut().filter(|exchange| exchange.called.is_none()) {
            let call_id = match ring.get(exchange.request) {
                Some(request) if depth == Depth::Kms => {
                    let stub = request.stub(self.ndr);
                    self.machine.call(0, ndr::REQUEST_ACTIVATION, stub)?
                }
                _ => self.machine.call(0, REFUSED_OPNUM, &[])?,
            };
            exchange.called = Some((call_id, now));
            self.calls = self.calls.saturating_add(1);
        }
        Ok(())
    }

    /// Sends what the socket takes.
    pub(super) fn flush(&mut self) -> Result<(), Broken> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        loop {
            let pending = self.machine.poll_transmit();
            if pending.is_empty() {
                return Ok(());
            }
            match stream.write(pending) {
                Ok(count) => self.machine.transmitted(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(&error)),
            }
        }
    }

    /// Reads once; whether there may be more.
    pub(super) fn read(&mut self, buffer: &mut [u8], to_the_end: bool) -> Result<bool, Broken> {
        let Some(stream) = &mut self.stream else { return Ok(false) };
        let room = buffer.len();
        match stream.read(buffer) {
            Ok(0) => {
                self.machine.handle_eof(Instant::ZERO);
                Ok(false)
            }
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                self.machine.handle_input(Instant::ZERO, bytes);
                Ok(to_the_end || count == room)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(broken(&error)),
        }
    }

    /// The next thing that the server has said.
    pub(super) fn hear(&mut self, ring: &Ring, keys: &LabKeys, depth: Depth) -> Option<Heard> {
        let (ndr, flight) = (self.ndr, &self.flight);
        let heard = match self.machine.poll_event() {
            Some(Event::Bound { flags, .. }) => {
                self.multiplexed = flags.contains(PfcFlags::CONC_MPX);
                let accepted = self.machine.accepted_contexts().next().is_some();
                if accepted { Heard::Bound } else { Heard::Over(Ok(Verdict::BindNotKms)) }
            }
            Some(Event::BindRefused { .. }) => Heard::Over(Ok(Verdict::BindNak)),
            Some(Event::Fault { call_id, status, .. }) => {
                Heard::Answer(call_id, judge_fault(status, depth))
            }
            Some(Event::Response { call_id, byte_order, stub, .. }) => {
                let asked = flight.iter().find(|e| e.called.is_some_and(|(id, _)| id == call_id));
                let request = asked.and_then(|exchange| ring.get(exchange.request));
                let judged = match request {
                    Some(request) if depth == Depth::Kms => {
                        judge_answer(stub, request, keys, ndr, byte_order)
                    }
                    _ => Err(Verdict::RpcExecuted),
                };
                Heard::Answer(call_id, judged)
            }
            Some(Event::Altered { .. }) => Heard::Over(Err(Broken::Malformed)),
            Some(Event::Shutdown) => Heard::Over(Err(Broken::Closed)),
            None => match self.machine.close_reason()? {
                CloseReason::Malformed(_) | CloseReason::Violation(_) => {
                    Heard::Over(Err(Broken::Malformed))
                }
                CloseReason::BindRefused => Heard::Over(Ok(Verdict::BindNak)),
                CloseReason::Timeout => Heard::Over(Err(Broken::Timeout)),
                _ => Heard::Over(Err(Broken::Closed)),
            },
        };
        Some(heard)
    }
}

fn judge_fault(status: Status, depth: Depth) -> Result<(), Verdict> {
    match depth {
        Depth::Kms => Err(Verdict::KmsFault),
        _ if status == Status::OP_RANGE_ERROR => Ok(()),
        _ => Err(Verdict::RpcFault),
    }
}

fn judge_answer(
    stub: &[u8],
    asked: &Prepared,
    keys: &LabKeys,
    ndr: Ndr,
    order: ByteOrder,
) -> Result<(), Verdict> {
    let stub = ndr::decode_response(stub, ndr, order).map_err(|_| Verdict::KmsMalformed)?;
    match Hresult(stub.hresult) {
        Hresult::OK => {}
        Hresult::INVALID_DATA => return Err(Verdict::KmsForeignKey),
        _ => return Err(Verdict::KmsHresult),
    }
    let payload = stub.payload.ok_or(Verdict::KmsMalformed)?;
    match open_response(keys, payload, &asked.request, &asked.iv) {
        Ok(_) => Ok(()),
        Err(ResponseError::Malformed(_) | ResponseError::Version { .. }) => {
            Err(Verdict::KmsMalformed)
        }
        Err(_) => Err(Verdict::KmsMacMismatch),
    }
}

fn broken(error: &io::Error) -> Broken {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Broken::Reset,
        ErrorKind::TimedOut => Broken::Timeout,
        _ => Broken::Closed,
    }
}

/// No interface has so many operations: a runtime refuses the call before any service sees it.
const REFUSED_OPNUM: u16 = 0xFFFF;
