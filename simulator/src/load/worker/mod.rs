//! One thread of a run: its sockets, its share of the schedule, its own counts.

mod feed;
mod poller;
mod slot;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, Instant};

use nix::time::ClockId;

use self::feed::{Feed, GLANCE, share};
use self::poller::{Poller, Ready};
use self::slot::{Exchange, Heard, Slot, State};
use super::mix::Ring;
use super::plan::{Depth, Plan, nanos};
use super::run::{Control, Delta, Last};
use super::tally::{Counts, LATE_US, Tally, record};
use super::verdict::{Broken, Phase, Verdict};

/// Times are nanoseconds since `epoch`.
pub(super) struct Worker {
    index: u32,
    plan: Arc<Plan>,
    control: Arc<Control>,
    epoch: Instant,
    out: SyncSender<Delta>,
    poller: Poller,
    feed: Feed,
    ring: Ring,
    slots: Vec<Slot>,
    /// Slots with room, longest idle first.
    idle: VecDeque<u32>,
    /// When a slot came back after all had been busy.
    freed: u64,
    /// Share of the exchanges that are to have a new connection and had none; one is owed from 1 on.
    owed: f64,
    /// Requests and connections begun, which take the ring's entries and the sources in turn.
    requests: u32,
    connects: u32,
    in_flight: u32,
    tally: Box<Tally>,
    totals: Counts,
    last_end: u64,
    buffer: Vec<u8>,
    told_users: u32,
    told_rate: u64,
    cpu_seen: Duration,
}

impl Worker {
    pub(super) fn new(
        index: u32,
        plan: Arc<Plan>,
        control: Arc<Control>,
        epoch: Instant,
        ring: Ring,
        out: SyncSender<Delta>,
    ) -> io::Result<Self> {
        let connections = share(plan.transport.connections.into(), index, plan.workers).max(1);
        let slots: Vec<Slot> = (0..connections).map(|_| Slot::new()).collect();
        Ok(Self {
            index,
            control,
            epoch,
            out,
            poller: Poller::new()?,
            feed: Feed::new(&plan, index),
            ring,
            idle: VecDeque::with_capacity(slots.len()),
            slots,
            freed: 0,
            owed: 0.0,
            requests: 0,
            connects: 0,
            in_flight: 0,
            tally: Box::default(),
            totals: Counts::default(),
            last_end: 0,
            buffer: vec![0; READ_BYTES],
            told_users: 0,
            told_rate: 0,
            cpu_seen: Duration::ZERO,
            plan,
        })
    }

    /// Works until the plan is done or it is told to stop, and hands over what is left.
    pub(super) fn run(mut self) -> io::Result<()> {
        let keeps = self.plan.calls_per_connection().is_none();
        for index in 0..self.slots.len() as u32 {
            // Kept connections are opened before anything is due, as long as that is soon.
            match keeps {
                true => self.open(index, self.now()),
                false => self.list(index),
            }
        }
        let mut ready = Vec::new();
        let mut unsent = None;
        let warm_up = nanos(self.plan.warm_up);
        let scan = nanos(self.plan.timeout / 16).max(1_000_000);
        let (mut next_scan, mut second) = (scan, 1);
        loop {
            let now = self.now();
            self.listen_to_control(now);
            self.begin_what_is_due(now);
            let cut = self.control.is_cut();
            if unsent.is_none() && (cut || self.control.is_stopped() || self.feed.is_over(now)) {
                unsent = Some(self.feed.close(warm_up, now));
            }
            if cut || (unsent.is_some() && self.in_flight == 0) {
                break;
            }
            if now >= next_scan {
                self.time_out(now);
                next_scan = now + scan;
            }
            if now >= second * SECOND {
                self.hand_over(second - 1);
                second = now / SECOND + 1;
            }
            let next = self.feed.peek().filter(|_| !self.idle.is_empty());
            let until = next.unwrap_or(u64::MAX).min(next_scan).min(second * SECOND);
            let wait = Duration::from_nanos(until.saturating_sub(self.now())).min(GLANCE);
            self.poller.wait(wait, &mut ready)?;
            for event in &ready {
                self.on_ready(*event);
            }
        }
        self.finish(unsent.unwrap_or(0), second - 1);
        Ok(())
    }

    fn begin_what_is_due(&mut self, now: u64) {
        while self.feed.peek().is_some_and(|due| due <= now) {
            let Some(index) = self.idle.pop_front() else { return };
            let Some(intended) = self.feed.take() else { return };
            self.begin(index, intended);
        }
    }

    fn begin(&mut self, index: u32, intended: u64) {
        let started = self.now();
        let counted = intended >= nanos(self.plan.warm_up);
        let request = self.requests;
        self.requests = self.requests.wrapping_add(1);
        if counted {
            let lateness = started.saturating_sub(intended.max(self.freed));
            self.tally.counts.started += 1;
            self.tally.counts.late += u64::from(lateness > LATE_US * 1000);
            record(&mut self.tally.latencies.lateness, lateness);
        }
        let is_due_a_new_one = self.is_due_a_new_connection();
        let (ring, depth) = (&self.ring, self.plan.depth);
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        slot.listed = false;
        if is_due_a_new_one && slot.state == State::Ready {
            // With calls under way it is closed after the last of them.
            match slot.flight.is_empty() {
                true => slot.close(),
                false => slot.spent = true,
            }
        }
        slot.flight.push(Exchange { intended, started, request, called: None, counted });
        self.in_flight += 1;
        if slot.state == State::Ready {
            let called = slot.call(ring, depth, started);
            self.send(index, called.map_err(|_| Broken::Malformed));
        } else {
            self.open(index, started);
        }
        self.list(index);
    }

    /// Spreads the share evenly, so that of any number of exchanges it is that share, rounded down.
    fn is_due_a_new_connection(&mut self) -> bool {
        self.owed += self.plan.transport.reconnect_share;
        let is_due = self.owed >= 1.0 - ROUNDING;
        if is_due {
            self.owed -= 1.0;
        }
        is_due
    }

    /// Connects, whether or not an exchange waits for it.
    fn open(&mut self, index: u32, now: u64) {
        let transport = &self.plan.transport;
        let turn = (self.connects.wrapping_mul(self.plan.workers)).wrapping_add(self.index);
        let sources = transport.sources.len().max(1);
        let source = transport.sources.get(turn as usize % sources).copied();
        let ndr = self.ring.get(self.connects).map_or(kms_protocol::ndr::Ndr::Ndr32, |r| r.ndr);
        self.connects = self.connects.wrapping_add(1);
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        let opened = slot.connect(self.plan.target, source, transport.close, ndr, now);
        let watched = opened.and_then(|()| match &slot.stream {
            Some(stream) => {
                self.poller.add(stream, u64::from(slot.generation) << 32 | u64::from(index))
            }
            None => Ok(()),
        });
        match watched {
            Ok(()) if now >= nanos(self.plan.warm_up) => self.tally.counts.connections += 1,
            Ok(()) => {}
            Err(error) => self.fail(index, Verdict::of_connect(&error)),
        }
    }

    fn on_ready(&mut self, ready: Ready) {
        let index = ready.key as u32;
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        if u64::from(slot.generation) != ready.key >> 32 || slot.stream.is_none() {
            return;
        }
        if slot.state == State::Connecting {
            if let Some(error) = slot.connect_error() {
                return self.fail(index, Verdict::of_connect(&error));
            }
            if !ready.writable {
                return;
            }
            self.on_connected(index);
        } else if ready.writable {
            self.send(index, Ok(()));
        }
        if ready.readable || ready.ending {
            self.on_readable(index, ready.ending);
        }
    }

    fn on_connected(&mut self, index: u32) {
        let now = self.now();
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        note_phase(&mut self.tally, &self.plan, Phase::Connect, slot.since, now);
        if self.plan.depth == Depth::Tcp {
            return self.all_answered(index, now);
        }
        let bound = slot.bind(self.plan.transport.pipeline, now);
        self.send(index, bound.map_err(|_| Broken::Malformed));
    }

    fn on_readable(&mut self, index: u32, to_the_end: bool) {
        loop {
            let Some(slot) = self.slots.get_mut(index as usize) else { return };
            let read = slot.read(&mut self.buffer, to_the_end);
            while let Some(heard) = self.hear(index) {
                if !self.on_heard(index, heard) {
                    return;
                }
            }
            match read {
                Ok(true) => {}
                Ok(false) => return,
                Err(broken) => return self.end(index, broken),
            }
        }
    }

    fn hear(&mut self, index: u32) -> Option<Heard> {
        let slot = self.slots.get_mut(index as usize)?;
        slot.stream.as_ref()?;
        slot.hear(&self.ring, &self.plan.identity.keys, self.plan.depth)
    }

    /// Whether the connection is still the same afterwards.
    fn on_heard(&mut self, index: u32, heard: Heard) -> bool {
        let now = self.now();
        let Some(slot) = self.slots.get_mut(index as usize) else { return false };
        match heard {
            Heard::Bound => {
                note_phase(&mut self.tally, &self.plan, Phase::Bind, slot.since, now);
                if self.plan.depth == Depth::Bind {
                    self.all_answered(index, now);
                    return false;
                }
                (slot.state, slot.since) = (State::Ready, now);
                let called = slot.call(&self.ring, self.plan.depth, now);
                self.send(index, called.map_err(|_| Broken::Malformed));
                self.list(index);
                true
            }
            Heard::Answer(call_id, judged) => {
                let called = |e: &Exchange| e.called.is_some_and(|(id, _)| id == call_id);
                let Some(place) = slot.flight.iter().position(called) else { return true };
                let exchange = slot.flight.swap_remove(place);
                let spent = self.plan.calls_per_connection().is_some_and(|most| slot.calls >= most);
                let closes = (spent || slot.spent) && slot.flight.is_empty();
                if closes {
                    slot.close();
                }
                if let (Ok(()), Some((_, since))) = (judged, exchange.called) {
                    note_phase(&mut self.tally, &self.plan, Phase::Call, since, now);
                }
                self.settle(exchange, judged, now);
                self.list(index);
                !closes
            }
            Heard::Over(Ok(verdict)) => {
                self.fail(index, verdict);
                false
            }
            Heard::Over(Err(broken)) => {
                self.end(index, broken);
                false
            }
        }
    }

    /// What the connection was opened for is done.
    fn all_answered(&mut self, index: u32, now: u64) {
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        slot.close();
        let mut flight = std::mem::take(&mut slot.flight);
        for exchange in flight.drain(..) {
            self.settle(exchange, Ok(()), now);
        }
        self.list(index);
    }

    /// Sends what is pending, unless something went wrong before.
    fn send(&mut self, index: u32, before: Result<(), Broken>) {
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        if let Err(broken) = before.and_then(|()| slot.flush()) {
            self.end(index, broken);
        }
    }

    /// The connection is over: so are its exchanges.
    fn end(&mut self, index: u32, broken: Broken) {
        let Some(slot) = self.slots.get(index as usize) else { return };
        let phase = match slot.state {
            State::Closed | State::Connecting => Phase::Connect,
            State::Binding => Phase::Bind,
            State::Ready => Phase::Call,
        };
        self.fail(index, Verdict::of_end(broken, phase, self.plan.depth == Depth::Kms));
    }

    fn fail(&mut self, index: u32, verdict: Verdict) {
        let now = self.now();
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        slot.close();
        let mut flight = std::mem::take(&mut slot.flight);
        for exchange in flight.drain(..) {
            self.settle(exchange, Err(verdict), now);
        }
        self.list(index);
    }

    fn settle(&mut self, exchange: Exchange, judged: Result<(), Verdict>, now: u64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.feed.ended(now);
        if !exchange.counted {
            return;
        }
        self.last_end = now;
        let Tally { counts, latencies } = &mut *self.tally;
        match judged {
            Ok(()) => {
                counts.answered += 1;
                record(&mut latencies.intended, now.saturating_sub(exchange.intended));
                record(&mut latencies.actual, now.saturating_sub(exchange.started));
            }
            Err(verdict) => {
                counts.fail(verdict);
                record(&mut latencies.failed, now.saturating_sub(exchange.started));
            }
        }
    }

    fn list(&mut self, index: u32) {
        let now = self.now();
        let transport = &self.plan.transport;
        let calls_max = self.plan.calls_per_connection();
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        if !slot.listed && slot.has_room(transport.pipeline, calls_max) {
            slot.listed = true;
            if self.idle.is_empty() {
                self.freed = now;
            }
            self.idle.push_back(index);
        }
    }

    fn time_out(&mut self, now: u64) {
        let timeout = nanos(self.plan.timeout);
        let over = |since: u64| now.saturating_sub(since) >= timeout;
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get(index) else { return };
            let expired = match slot.state {
                State::Closed => false,
                State::Connecting | State::Binding => over(slot.since),
                State::Ready => {
                    slot.flight.iter().any(|e| e.called.is_some_and(|(_, since)| over(since)))
                }
            };
            if expired {
                self.end(index as u32, Broken::Timeout);
            }
        }
    }

    fn listen_to_control(&mut self, now: u64) {
        let (users, rate) = self.control.told();
        if users != self.told_users {
            self.told_users = users;
            let mine = share(u64::from(users - 1), self.index, self.plan.workers) as u32;
            self.feed.set_users(mine, now);
        }
        if rate != self.told_rate {
            self.told_rate = rate;
            self.feed.set_rate(f64::from_bits(rate) / f64::from(self.plan.workers), now);
        }
    }

    /// Passes the counts on. Where nobody has taken the last ones yet they stay, and go with the
    /// next: nothing waits, nothing is lost.
    fn hand_over(&mut self, second: u64) {
        self.note_cpu();
        let tally = std::mem::take(&mut self.tally);
        let counts = tally.counts.clone();
        let delta =
            Delta { worker: self.index, second, in_flight: self.in_flight, tally, last: None };
        match self.out.try_send(delta) {
            Ok(()) => self.totals.add(&counts),
            Err(TrySendError::Full(delta) | TrySendError::Disconnected(delta)) => {
                self.tally = delta.tally;
            }
        }
    }

    fn finish(mut self, unsent: u64, second: u64) {
        self.note_cpu();
        for slot in &mut self.slots {
            let cut = slot.flight.iter().filter(|exchange| exchange.counted).count();
            self.tally.counts.cut += cut as u64;
        }
        self.totals.add(&self.tally.counts);
        let ended = self.now();
        let last = Last { totals: self.totals, unsent, ended, last_end: self.last_end };
        let delta =
            Delta { worker: self.index, second, in_flight: 0, tally: self.tally, last: Some(last) };
        // Whoever collects is gone when this fails, and with it the report.
        self.out.send(delta).unwrap_or_default();
    }

    fn note_cpu(&mut self) {
        let used: Duration =
            ClockId::CLOCK_THREAD_CPUTIME_ID.now().map_or(self.cpu_seen, Duration::from);
        self.tally.counts.cpu_ns += nanos(used.saturating_sub(self.cpu_seen));
        self.cpu_seen = used;
    }

    fn now(&self) -> u64 {
        nanos(self.epoch.elapsed())
    }
}

fn note_phase(tally: &mut Tally, plan: &Plan, phase: Phase, since: u64, now: u64) {
    if since >= nanos(plan.warm_up) {
        tally.latencies.record_phase(phase, now.saturating_sub(since));
    }
}

/// A tenth, added up ten times, is a little less than one.
const ROUNDING: f64 = 1e-6;
const SECOND: u64 = 1_000_000_000;
const READ_BYTES: usize = 16 * 1024;
