//! One connection on a real socket: drives the protocol's state machine, holds no buffer of its own.
//!
//! Bytes are read into the buffer that all connections of a worker share, so that a connection
//! that waits costs its state and nothing else. One timer per connection is set when it starts; a
//! request only moves the deadline, and the timer is set anew when it fires too early.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant as StdInstant};

use kms_protocol::kms::Hresult;
use kms_protocol::limits::TRANSMIT_BACKLOG_MAX;
use kms_protocol::rpc::{BindNakReason, Status, SyntaxId};
use kms_protocol::server::{Call, CloseReason, Config, Connection, Event, Refusal, TimeoutReason};
use kms_protocol::time::Instant;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::admission::Place;
use super::disturbance::{Disturbance, strike_outside};
use super::exchange::{Answer, handle, refuse};
use super::outbox::{Due, Outbox};
use super::worker::{Scratch, Worker, break_off};
use super::{record, report};
use crate::fault::{Action, Hit, Stage};
use crate::journal::Leave;

/// One connection, from its acceptance to its end.
pub(super) struct Session {
    worker: Arc<Worker>,
    stream: TcpStream,
    peer: SocketAddr,
    connection: Connection,
    /// Share of the server's byte budget.
    held_bytes: usize,
    /// Since when the peer has taken nothing of what is due to it.
    stuck_since: Option<Instant>,
    /// The row that the answers wait for.
    unsettled: Option<u64>,
    /// Where a fault has touched the connection: what it still has to send.
    outbox: Option<Box<Outbox>>,
    /// Everything is sent and this side is shut; waiting for the peer to read it.
    lingering: bool,
    _place: Place,
}

/// How a connection ended, where the state machine does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// See the state machine's close reason.
    Closed,
    /// The peer or the network broke the connection.
    Broken(io::ErrorKind),
    /// The peer took nothing of its answer for too long.
    WriteTimeout,
    /// The journal cannot be written, and nothing may be answered without it.
    NotRecorded,
    /// A fault broke the connection.
    Fault,
}

/// How far writing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// As far as it can for now.
    Enough,
    /// A fault closes this side.
    Close,
    /// A fault breaks the connection.
    Reset,
}

/// Whether a connection may read on before others have had their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It may.
    Begun,
    /// It has filled the buffer: more may have come than others can wait for.
    Taken,
}

impl Turn {
    fn after(read: &ReadBuf<'_>) -> Self {
        if read.remaining() == 0 { Self::Taken } else { Self::Begun }
    }
}

impl Session {
    pub(super) fn new(
        worker: Arc<Worker>,
        stream: TcpStream,
        peer: SocketAddr,
        config: Config,
        place: Place,
        outbox: Option<Box<Outbox>>,
    ) -> Self {
        worker.session_began();
        let connection = Connection::new(config, worker.now());
        Self {
            worker,
            stream,
            peer,
            connection,
            held_bytes: 0,
            stuck_since: None,
            unsettled: None,
            outbox,
            lingering: false,
            _place: place,
        }
    }

    /// Serves the connection until it ends.
    pub(super) async fn run(&mut self) {
        let worker = Arc::clone(&self.worker);
        let mut drain = pin!(worker.drain_begins());
        let mut timer = pin!(tokio::time::sleep_until(self.deadline(&worker)));
        let mut will_be_woken = false;
        let end = poll_fn(|cx| {
            // Only to be woken, once, by a waker that stays this task's: whether the server drains
            // is asked from the worker.
            if !will_be_woken {
                will_be_woken = drain.as_mut().poll(cx).is_pending();
            }
            self.poll(cx, timer.as_mut())
        })
        .await;
        self.report_end(end);
    }

    fn poll(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<End> {
        let mut turn = Turn::Begun;
        loop {
            if self.lingering {
                return self.poll_linger(cx, timer);
            }
            match self.may_leave() {
                Leave::Now => self.unsettled = None,
                Leave::Later => {
                    self.worker.wait_for_journal(cx);
                    return Poll::Pending;
                }
                Leave::Never => return Poll::Ready(End::NotRecorded),
            }
            match self.write(cx) {
                Ok(Written::Enough) => {}
                Ok(Written::Close) => {
                    self.begin_linger(cx, timer.as_mut());
                    continue;
                }
                Ok(Written::Reset) => {
                    break_off(&self.stream);
                    return Poll::Ready(End::Fault);
                }
                Err(error) => return Poll::Ready(End::Broken(error.kind())),
            }
            if !self.account() {
                self.connection.refuse_overload();
                continue;
            }
            if self.connection.is_closed() && self.outbox_is_empty() {
                if !leaves_input_unread(self.connection.close_reason()) {
                    return Poll::Ready(End::Closed);
                }
                self.begin_linger(cx, timer.as_mut());
                continue;
            }
            if self.connection.wants_input() && self.may_read() {
                if !self.worker.shared.common.recorder.has_room() {
                    self.worker.wait_for_journal(cx);
                    return Poll::Pending;
                }
                if turn == Turn::Taken {
                    return pass_turn(cx);
                }
                match self.poll_read(cx) {
                    Poll::Ready(Ok(after)) => {
                        turn = after;
                        continue;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(End::Broken(error.kind())),
                    Poll::Pending => {}
                }
            }
            if self.worker.is_draining() && self.is_quiet() {
                self.connection.close_local();
                continue;
            }
            ready!(self.poll_timer(cx, timer.as_mut()));
            if self.stuck_since.is_some_and(|since| self.write_deadline(since) <= self.worker.now())
            {
                return Poll::Ready(End::WriteTimeout);
            }
            self.connection.handle_timeout(self.worker.now());
        }
    }

    /// Writes as much of the answers as the socket takes.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<Written> {
        if self.outbox.is_some() {
            return self.write_outbox(cx);
        }
        while !self.connection.poll_transmit().is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, self.connection.poll_transmit()) {
                Poll::Ready(Ok(count)) => {
                    self.connection.transmitted(count);
                    self.stuck_since = None;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    self.stuck_since.get_or_insert_with(|| self.worker.now());
                    return Ok(Written::Enough);
                }
            }
        }
        Ok(Written::Enough)
    }

    /// The same for a connection that a fault has touched.
    fn write_outbox(&mut self, cx: &mut Context<'_>) -> io::Result<Written> {
        let Self { worker, stream, connection, outbox: Some(outbox), stuck_since, .. } = self
        else {
            return Ok(Written::Enough);
        };
        outbox.collect(connection);
        loop {
            match outbox.due(worker.now()) {
                Due::Nothing | Due::Later(_) => return Ok(Written::Enough),
                Due::Close => return Ok(Written::Close),
                Due::Reset => return Ok(Written::Reset),
                Due::Bytes(bytes) => match Pin::new(&mut *stream).poll_write(cx, bytes)? {
                    Poll::Ready(count) => {
                        outbox.sent(count);
                        *stuck_since = None;
                    }
                    Poll::Pending => {
                        stuck_since.get_or_insert_with(|| worker.now());
                        return Ok(Written::Enough);
                    }
                },
            }
        }
    }

    fn outbox_is_empty(&self) -> bool {
        self.outbox.as_ref().is_none_or(|outbox| outbox.is_empty())
    }

    /// Whether a fault lets the connection read on.
    fn may_read(&mut self) -> bool {
        let now = self.worker.now();
        self.outbox
            .as_mut()
            .is_none_or(|outbox| outbox.may_read(now) && outbox.held() < TRANSMIT_BACKLOG_MAX)
    }

    /// Reads once and answers what has come.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Turn>> {
        let Self { worker, stream, connection, peer, outbox, .. } = self;
        let mut scratch = worker.scratch();
        let mut buffer = ReadBuf::new(&mut scratch.input);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        let started = StdInstant::now();
        let now = worker.at(started);
        if buffer.filled().is_empty() {
            connection.handle_eof(now);
        } else {
            connection.handle_input(now, buffer.filled());
        }
        let turn = Turn::after(&buffer);
        let last_row = answer_events(worker, connection, outbox, *peer, &mut scratch, started);
        self.unsettled = last_row.or(self.unsettled);
        Poll::Ready(Ok(turn))
    }

    /// Whether what is due to the peer may be sent.
    fn may_leave(&self) -> Leave {
        let recorder = &self.worker.shared.common.recorder;
        match self.unsettled {
            Some(number) => recorder.may_leave(number),
            None if recorder.is_stopped() => Leave::Never,
            None => Leave::Now,
        }
    }

    /// Charges what the connection holds to the server's byte budget; false when it is exhausted.
    fn account(&mut self) -> bool {
        let wanted = self.connection.buffered_bytes()
            + self.outbox.as_ref().map_or(0, |outbox| outbox.held());
        if wanted == self.held_bytes || self.connection.is_closing() {
            return true;
        }
        let granted = self.worker.shared.common.budget.resize(self.held_bytes, wanted);
        if granted {
            self.held_bytes = wanted;
        }
        granted
    }

    /// Whether nothing is under way: no call arriving, none open, no answer unsent, no byte unread.
    fn is_quiet(&self) -> bool {
        let unread = || {
            let mut byte = [std::mem::MaybeUninit::uninit()];
            SockRef::from(&self.stream).peek(&mut byte).is_ok_and(|count| count > 0)
        };
        matches!(self.connection.poll_timeout(), Some((_, TimeoutReason::Idle)))
            && self.connection.poll_transmit().is_empty()
            && self.outbox_is_empty()
            && !unread()
    }

    /// Ready when the deadline has passed; keeps the timer at or before the deadline otherwise.
    fn poll_timer(&self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<()> {
        let deadline = self.deadline(&self.worker);
        if deadline < timer.deadline() {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if deadline <= tokio::time::Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// The next moment at which something has to be done without input.
    fn deadline(&self, worker: &Worker) -> tokio::time::Instant {
        let of_machine = self.connection.poll_timeout().map(|(deadline, _)| deadline);
        let of_writing = self.stuck_since.map(|since| self.write_deadline(since));
        let of_fault = self.outbox.as_ref().and_then(|outbox| outbox.deadline());
        match [of_machine, of_writing, of_fault].into_iter().flatten().min() {
            Some(deadline) => worker.runtime_instant(deadline),
            None => tokio::time::Instant::now() + FAR_FUTURE,
        }
    }

    fn write_deadline(&self, since: Instant) -> Instant {
        since.saturating_add(self.worker.shared.common.limits.write_timeout)
    }

    /// Shuts this side and gives the peer time to read the last PDU: closing a socket that has
    /// unread input would reset the connection and could destroy that PDU on its way.
    fn begin_linger(&mut self, cx: &mut Context<'_>, timer: Pin<&mut Sleep>) {
        self.lingering = true;
        // Fails when the peer is gone already, which the next read tells.
        let _shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        timer.reset(tokio::time::Instant::now() + LINGER_TIME);
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>, timer: Pin<&mut Sleep>) -> Poll<End> {
        if timer.poll(cx).is_ready() {
            return Poll::Ready(End::Closed);
        }
        let worker = Arc::clone(&self.worker);
        let mut scratch = worker.scratch();
        loop {
            let mut buffer = ReadBuf::new(&mut scratch.input);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if Turn::after(&buffer) == Turn::Taken => return pass_turn(cx),
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(End::Closed),
            }
        }
    }

    fn report_end(&self, end: End) {
        match end {
            End::Closed => {
                let reason = self.connection.close_reason();
                report::close(&self.worker, reason, self.peer);
                if let Some(subject) = record::close(reason, self.peer) {
                    self.worker.shared.record_now(|| subject);
                }
            }
            End::NotRecorded => report::not_recorded(self.peer),
            End::Broken(error) => report::broken(error, self.peer),
            End::WriteTimeout => report::stuck(&self.worker, self.peer),
            End::Fault => {} // logged when it struck
        }
    }
}

/// Lets other connections go first, and those on which something has come in the meantime: a waker that
/// is called at once would be served before the sockets are looked at again.
fn pass_turn<T>(cx: &mut Context<'_>) -> Poll<T> {
    let asks_to_be_woken = pin!(tokio::task::yield_now()).poll(cx);
    debug_assert!(asks_to_be_woken.is_pending());
    Poll::Pending
}

/// Whether the connection was closed in the middle of what the peer sends.
const fn leaves_input_unread(reason: Option<CloseReason>) -> bool {
    !matches!(
        reason,
        None | Some(
            CloseReason::PeerFinished
                | CloseReason::PeerLeftMidway
                | CloseReason::Idle
                | CloseReason::RequestTimeout
                | CloseReason::Local
        )
    )
}

/// Decides and answers everything that the connection asks for. Returns the number of the last row
/// that tells of it.
fn answer_events(
    worker: &Worker,
    connection: &mut Connection,
    outbox: &mut Option<Box<Outbox>>,
    peer: SocketAddr,
    scratch: &mut Scratch,
    started: StdInstant,
) -> Option<u64> {
    let mut last_row = None;
    while let Some(event) = connection.poll_event() {
        match event {
            Event::Bind { assoc_group_id } => {
                let hit = strike_outside(worker, Stage::Bind, peer);
                answer_bind(worker, connection, outbox, assoc_group_id, hit);
            }
            Event::Call(call) => {
                let call_id = call.call_id;
                let mut disturbance = Disturbance::new(worker, peer, call.opnum);
                let answer = match call.opnum {
                    0 => {
                        let (answer, row) =
                            answer_kms(worker, &call, &mut disturbance, scratch, peer, started);
                        last_row = row;
                        Some(answer)
                    }
                    _ => answer_unknown(worker, &call, &mut disturbance, scratch, peer),
                };
                send_answer(connection, outbox, call_id, answer, disturbance.hit, scratch);
            }
            Event::Cancelled { .. } | Event::Orphaned { .. } => {}
            Event::Refused(refusal) => refused(worker, refusal, peer),
        }
    }
    last_row
}

/// The host's answer to a KMS request, and the number of the row that it waits for.
fn answer_kms(
    worker: &Worker,
    call: &Call<'_>,
    disturbance: &mut Disturbance<'_>,
    scratch: &mut Scratch,
    peer: SocketAddr,
    started: StdInstant,
) -> (Answer, Option<u64>) {
    let shared = &worker.shared;
    let mut decided = None;
    let decide = |query: &_| {
        let taken = shared.decide(query);
        decided = taken.place.map(|place| (place, taken.host_time));
        taken.decision
    };
    let Scratch { rng, output, .. } = scratch;
    let (answer, mut record) = handle(&shared.keys, call, decide, disturbance, rng, output);
    record.faults = std::mem::take(&mut disturbance.struck);
    report::exchange(worker, &record, peer, started);
    let recorder = &shared.common.recorder;
    if recorder.is_wanted() {
        worker.counters.service_times.add(started.elapsed());
    }
    let undecided = || recorder.place().map(|place| (place, shared.common.clock.now()));
    let row = decided.or_else(undecided).map(|(place, host_time)| {
        recorder.record(place, &shared.name, host_time, record::exchange(&record, peer))
    });
    (answer, row)
}

/// What to say to a call of an operation that does not exist: `None`, unless a fault says
/// something else, is the refusal that an RPC runtime gives.
fn answer_unknown(
    worker: &Worker,
    call: &Call<'_>,
    disturbance: &mut Disturbance<'_>,
    scratch: &mut Scratch,
    peer: SocketAddr,
) -> Option<Answer> {
    let answer = match disturbance.ask(Stage::Request, None, false) {
        Some(Action::RpcFault { status }) => return Some(Answer::Fault(status)),
        Some(Action::Execute) => {
            Some(refuse(Hresult::INVALID_DATA, call.transfer_syntax, &mut scratch.output))
        }
        Some(_) => return None, // not sent
        None => None,
    };
    let answer = match disturbance.ask(Stage::Response, None, false) {
        Some(Action::RpcFault { status }) => Some(Answer::Fault(status)),
        _ => answer,
    };
    if disturbance.hit.is_none() {
        let refusal = Refusal::Call { call_id: call.call_id, status: Status::OP_RANGE_ERROR };
        refused(worker, refusal, peer);
    }
    answer
}

/// Counts, logs and records what was refused on behalf of the protocol.
fn refused(worker: &Worker, refusal: Refusal, peer: SocketAddr) {
    report::refusal(worker, refusal, peer);
    worker.shared.record_now(|| record::refusal(refusal, peer));
}

/// Queues the answer, as `hit` spoils it.
fn send_answer(
    connection: &mut Connection,
    outbox: &mut Option<Box<Outbox>>,
    call_id: u32,
    answer: Option<Answer>,
    hit: Option<Hit>,
    scratch: &Scratch,
) {
    if hit.is_some() {
        outbox.get_or_insert_default().collect(connection);
    }
    match answer {
        Some(Answer::Response(len)) => {
            let stub = scratch.output.get(..len).unwrap_or_default();
            let stub_bytes = match &hit {
                Some(Hit { action: Action::Split { bytes }, .. }) => usize::from(*bytes),
                _ => usize::MAX,
            };
            // Never larger than a client takes: see ANSWER_LEN_MAX.
            connection.respond_in_fragments(call_id, stub, stub_bytes).ok();
        }
        Some(Answer::Fault(status)) => connection.fault(call_id, status),
        None => connection.refuse_operation(call_id),
    }
    if let (Some(hit), Some(outbox)) = (hit, outbox) {
        outbox.collect_struck(connection, hit);
    }
}

fn answer_bind(
    worker: &Worker,
    connection: &mut Connection,
    outbox: &mut Option<Box<Outbox>>,
    wanted: u32,
    hit: Option<Hit>,
) {
    match hit.as_ref().map(|hit| &hit.action) {
        None => {}
        Some(Action::BindNak { reason }) => return connection.refuse_bind(*reason),
        Some(Action::RejectInterface) => connection.offer(SyntaxId::ZERO, true, true),
        Some(Action::RejectSyntax { ndr32, ndr64 }) => {
            connection.offer(SyntaxId::KMS, !ndr32, !ndr64);
        }
        Some(_) => {
            let outbox = outbox.get_or_insert_default();
            outbox.collect(connection);
            hit.into_iter().for_each(|hit| outbox.strike_bind(hit));
        }
    }
    let groups = &worker.shared.groups;
    match wanted {
        0 => match groups.open() {
            Ok(id) => connection.accept_bind(id.get()),
            Err(_) => connection.refuse_bind(BindNakReason::LOCAL_LIMIT_EXCEEDED),
        },
        id if groups.join(id) => connection.accept_bind(id),
        _ => connection.refuse_bind(BindNakReason::NOT_SPECIFIED),
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let shared = &self.worker.shared;
        shared.common.budget.resize(self.held_bytes, 0);
        if self.connection.assoc_group_id() != 0 {
            shared.groups.leave(self.connection.assoc_group_id());
        }
        self.worker.session_ended();
    }
}

/// How long a peer has to read the last PDU before its connection is dropped.
const LINGER_TIME: Duration = Duration::from_secs(1);

/// Later than any deadline; the timer needs some time.
const FAR_FUTURE: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_waits_holds_less_than_a_kibibyte_of_state() {
        assert!(size_of::<Session>() < 1024, "{} bytes", size_of::<Session>());
    }
}
