//! What a connection still has to send once a fault has touched it: bytes, pauses, and its end.

use std::collections::VecDeque;

use kms_protocol::server::Connection;
use kms_protocol::time::Instant;

use crate::fault::wire::{Step, steps};
use crate::fault::{Action, Hit};

/// Takes the place of the protocol machine's own queue on a connection that a fault has touched.
/// No clock: time is a parameter.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    steps: VecDeque<Step>,
    /// Bytes of the step at the front that have been sent.
    sent: usize,
    /// Bytes in all steps.
    held: usize,
    /// When the pause at the front ends.
    pause_ends: Option<Instant>,
    /// Nothing is ever sent.
    muted: bool,
    /// Nothing is read before.
    pub(super) reads_from: Option<Instant>,
    /// Strikes the answer to the bind that is being decided.
    bind: Option<Hit>,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due<'a> {
    /// Nothing.
    Nothing,
    /// Send these bytes.
    Bytes(&'a [u8]),
    /// Wait.
    Later(Instant),
    /// Close this side.
    Close,
    /// Break the connection.
    Reset,
}

impl Outbox {
    /// The outbox of a connection that a fault at accept keeps silent, waiting, or closes.
    pub(super) fn of_accepted(mut hit: Hit, now: Instant) -> Self {
        let reads_from = match &hit.action {
            Action::Delay(delay) => Some(now.saturating_add(delay.length(&mut hit.draw))),
            _ => None,
        };
        let mut outbox =
            Self { muted: hit.action == Action::NeverAnswer, reads_from, ..Self::default() };
        if let Action::Close { .. } = hit.action {
            outbox.push(Step::Close);
        }
        outbox
    }

    /// The next answer of the machine is the bind's, and `hit` strikes it.
    pub(super) fn strike_bind(&mut self, hit: Hit) {
        self.bind = Some(hit);
    }

    /// Takes over what the machine has queued.
    pub(super) fn collect(&mut self, connection: &mut Connection) {
        let hit = match connection.poll_transmit().is_empty() {
            true => None,
            false => self.bind.take(),
        };
        self.take(connection, hit);
    }

    /// Takes over the answer that the machine has just queued, as `hit` spoils it. What it had
    /// queued before must have been collected.
    pub(super) fn collect_struck(&mut self, connection: &mut Connection, hit: Hit) {
        self.take(connection, Some(hit));
    }

    fn take(&mut self, connection: &mut Connection, hit: Option<Hit>) {
        let answer = connection.poll_transmit().to_vec();
        connection.transmitted(answer.len());
        match hit {
            Some(mut hit) => {
                for step in steps(&hit.action, answer, &mut hit.draw) {
                    self.push(step);
                }
            }
            None if answer.is_empty() => {}
            None => self.push(Step::Send(answer)),
        }
    }

    fn push(&mut self, step: Step) {
        if self.muted || matches!(self.steps.back(), Some(Step::Close | Step::Reset)) {
            return;
        }
        if let Step::Send(bytes) = &step {
            self.held += bytes.len();
        }
        self.steps.push_back(step);
    }

    /// What is to be done at `now`.
    pub(super) fn due(&mut self, now: Instant) -> Due<'_> {
        while let Some(Step::Wait(time)) = self.steps.front() {
            let ends = *self.pause_ends.get_or_insert(now.saturating_add(*time));
            if now < ends {
                return Due::Later(ends);
            }
            self.pause_ends = None;
            self.steps.pop_front();
        }
        match self.steps.front() {
            Some(Step::Send(bytes)) => Due::Bytes(bytes.get(self.sent..).unwrap_or(&[])),
            Some(Step::Close) => Due::Close,
            Some(Step::Reset) => Due::Reset,
            Some(Step::Wait(_)) | None => Due::Nothing,
        }
    }

    /// Tells that `count` of the bytes that were due have been sent.
    pub(super) fn sent(&mut self, count: usize) {
        let Some(Step::Send(bytes)) = self.steps.front() else { return };
        let count = count.min(bytes.len().saturating_sub(self.sent));
        self.sent += count;
        self.held -= count;
        if self.sent >= bytes.len() {
            self.sent = 0;
            self.steps.pop_front();
        }
    }

    /// When something has to be done without input: a pause ends, or reading begins.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.pause_ends, self.reads_from].into_iter().flatten().min()
    }

    /// Whether reading may go on at `now`; forgets a pause that is over.
    pub(super) fn may_read(&mut self, now: Instant) -> bool {
        self.reads_from = self.reads_from.filter(|from| now < *from);
        self.reads_from.is_none()
    }

    /// Bytes that wait to be sent.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Whether nothing is left to do.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::time::Duration;

    fn outbox(steps: impl IntoIterator<Item = Step>) -> Outbox {
        let mut outbox = Outbox::default();
        steps.into_iter().for_each(|step| outbox.push(step));
        outbox
    }

    const fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn bytes_go_out_in_order_with_their_pauses() {
        let pause = Step::Wait(Duration::from_millis(10));
        let mut outbox = outbox([Step::Send(vec![1, 2]), pause, Step::Send(vec![3])]);
        assert_eq!((outbox.held(), outbox.due(at(0))), (3, Due::Bytes(&[1, 2])));
        outbox.sent(1);
        assert_eq!((outbox.held(), outbox.due(at(0))), (2, Due::Bytes(&[2])));
        outbox.sent(1);
        assert_eq!(outbox.due(at(5)), Due::Later(at(15)));
        assert_eq!(outbox.deadline(), Some(at(15)));
        assert_eq!(outbox.due(at(14)), Due::Later(at(15)));
        assert_eq!(outbox.due(at(15)), Due::Bytes(&[3]));
        outbox.sent(9);
        assert_eq!((outbox.held(), outbox.is_empty()), (0, true));
        assert_eq!(outbox.due(at(20)), Due::Nothing);
    }

    #[test]
    fn nothing_follows_an_end() {
        let mut outbox = outbox([Step::Reset, Step::Send(vec![1]), Step::Close]);
        assert_eq!((outbox.held(), outbox.due(at(0))), (0, Due::Reset));
    }
}
