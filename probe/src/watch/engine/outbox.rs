//! Deliveries that run: one at a time for each channel, in the order of the alerts. A channel that
//! cannot be reached holds up nobody else.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::Event;
use crate::watch::config::Channel;
use crate::watch::deliver;
use crate::watch::moment::Moment;
use crate::watch::notice::{Notice, What};
use crate::watch::store::{Delivery, Store};

pub(super) struct Outbox {
    rows: Vec<Row>,
}

struct Row {
    channel: Arc<Channel>,
    state: State,
}

enum State {
    /// The history has to be asked.
    Unknown,
    /// Nothing waits.
    Empty,
    /// This is next.
    Waiting(Delivery),
    /// This is being tried.
    Busy(Delivery),
}

impl Outbox {
    pub(super) fn open(
        channels: &[Arc<Channel>],
        store: &mut Store,
        now: Moment,
    ) -> anyhow::Result<Self> {
        let names: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
        store.forget_other_channels(&names, now)?;
        let row =
            |channel: &Arc<Channel>| Row { channel: Arc::clone(channel), state: State::Unknown };
        Ok(Self { rows: channels.iter().map(row).collect() })
    }

    /// New alerts may wait.
    pub(super) fn look_again(&mut self) {
        for row in &mut self.rows {
            if matches!(row.state, State::Empty) {
                row.state = State::Unknown;
            }
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.state, State::Busy(_)))
    }

    pub(super) fn next_wake(&self) -> Option<Moment> {
        let times = self.rows.iter().filter_map(|row| match &row.state {
            State::Waiting(delivery) => Some(delivery.next),
            _ => None,
        });
        times.min()
    }

    /// Starts what is due.
    pub(super) fn start(
        &mut self,
        store: &Store,
        sender: &Sender<Event>,
        now: Moment,
    ) -> anyhow::Result<()> {
        for (index, row) in self.rows.iter_mut().enumerate() {
            if matches!(row.state, State::Unknown) {
                row.state = match store.first_waiting(&row.channel.name)? {
                    Some(delivery) => State::Waiting(delivery),
                    None => State::Empty,
                };
            }
            let State::Waiting(delivery) = &row.state else { continue };
            // A clock that was set back must not hold it up for longer than the longest wait.
            if (now.after(MOMENT)..=now.after(row.channel.retry.max)).contains(&delivery.next) {
                continue;
            }
            let (channel, body, sender) =
                (Arc::clone(&row.channel), delivery.body.clone(), sender.clone());
            row.state = State::Busy(delivery.clone());
            super::start("delivery", move || {
                let result = deliver::attempt(&channel, &body, Moment::now());
                sender.send(Event::Attempted { channel: index, result }).ok();
            })?;
        }
        Ok(())
    }

    /// Takes in how an attempt went.
    pub(super) fn attempted(
        &mut self,
        index: usize,
        result: Result<(), String>,
        store: &mut Store,
        now: Moment,
    ) -> anyhow::Result<Option<Notice>> {
        let Some(row) = self.rows.get_mut(index) else { return Ok(None) };
        let State::Busy(delivery) = std::mem::replace(&mut row.state, State::Unknown) else {
            return Ok(None);
        };
        let channel = row.channel.name.clone();
        let attempts = delivery.attempts.saturating_add(1);
        let what = match result {
            Ok(()) => {
                store.delivered(delivery.id, now)?;
                (attempts > 1).then_some(What::CaughtUp { channel, attempts })
            }
            Err(error) => {
                let retry = row.channel.retry;
                let next = now.after(retry.wait(attempts));
                let is_late = now > delivery.decided.after(retry.give_up);
                let next = match is_late {
                    true => store.give_up(delivery.id, now, &error).map(|()| None)?,
                    false => {
                        store.postpone(delivery.id, next, &error).map(|()| Some(next.text()))?
                    }
                };
                Some(What::Undelivered { channel, error, next })
            }
        };
        Ok(what.map(|what| Notice { at: now.text(), name: None, source: None, what }))
    }
}

/// The smallest step of the clock.
const MOMENT: Duration = Duration::from_millis(1);
