//! Alerts that wait to be delivered. Each channel has its own row of them and takes them in order.

use anyhow::Context as _;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{Step, Store};
use crate::watch::moment::Moment;

/// An alert on its way to one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its number in the file.
    pub id: i64,
    /// The alert, as JSON.
    pub body: String,
    /// When the alert was decided.
    pub decided: Moment,
    /// Attempts so far.
    pub attempts: u32,
    /// When it may be tried.
    pub next: Moment,
}

pub(super) fn add(
    transaction: &Transaction<'_>,
    step: &mut Step<'_>,
    instance: &str,
) -> anyhow::Result<()> {
    for alert in &mut step.alerts {
        transaction.execute(
            "INSERT INTO alert (watchpoint, at, occasion, summary, body) VALUES (?1, ?2, ?3, ?4, '')",
            params![step.watchpoint, step.at.0, alert.occasion.name(), alert.summary],
        )?;
        let number = transaction.last_insert_rowid();
        alert.id = format!("{instance}-{number}");
        transaction.execute(
            "UPDATE alert SET body = ?1 WHERE number = ?2",
            params![serde_json::to_string(alert)?, number],
        )?;
        for channel in step.channels {
            transaction.execute(
                "INSERT INTO delivery (alert, channel, state, attempts, next_at)
                 VALUES (?1, ?2, 'waiting', 0, ?3)",
                params![number, channel, step.at.0],
            )?;
            drop_oldest(transaction, channel, step.at)?;
        }
    }
    Ok(())
}

/// Keeps the row of a channel within its bound.
fn drop_oldest(transaction: &Transaction<'_>, channel: &str, now: Moment) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE delivery SET state = 'given up', ended_at = ?2, error = 'too many alerts waited'
         WHERE id IN (SELECT id FROM delivery WHERE channel = ?1 AND state = 'waiting'
                      ORDER BY id DESC LIMIT -1 OFFSET ?3)",
        params![channel, now.0, super::row_count(WAITING_MAX)],
    )?;
    Ok(())
}

impl Store {
    /// The alert that a channel has to be given next.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn first_waiting(&self, channel: &str) -> anyhow::Result<Option<Delivery>> {
        let read = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT delivery.id, body, at, attempts, next_at FROM delivery
                 JOIN alert ON alert.number = delivery.alert
                 WHERE channel = ?1 AND state = 'waiting' ORDER BY delivery.id LIMIT 1",
            )?;
            let row = statement.query_row(params![channel], |row| {
                Ok(Delivery {
                    id: row.get(0)?,
                    body: row.get(1)?,
                    decided: Moment(row.get(2)?),
                    attempts: row.get(3)?,
                    next: Moment(row.get(4)?),
                })
            });
            row.optional()
        };
        read().with_context(self.context())
    }

    /// How many alerts wait, over all channels.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn waiting(&self) -> anyhow::Result<u64> {
        let sql = "SELECT count(*) FROM delivery WHERE state = 'waiting'";
        let count = self.connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        Ok(u64::try_from(count.with_context(self.context())?).unwrap_or(0))
    }

    /// It has been delivered, and is never sent again.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn delivered(&mut self, id: i64, now: Moment) -> anyhow::Result<()> {
        self.update(
            "UPDATE delivery SET state = 'delivered', attempts = attempts + 1, ended_at = ?2,
             error = NULL WHERE id = ?1",
            params![id, now.0],
        )
    }

    /// It could not be delivered, and is tried again at `next`.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn postpone(&mut self, id: i64, next: Moment, error: &str) -> anyhow::Result<()> {
        self.update(
            "UPDATE delivery SET attempts = attempts + 1, next_at = ?2, error = ?3 WHERE id = ?1",
            params![id, next.0, error],
        )
    }

    /// It could not be delivered, and is not tried again.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn give_up(&mut self, id: i64, now: Moment, error: &str) -> anyhow::Result<()> {
        self.update(
            "UPDATE delivery SET state = 'given up', attempts = attempts + 1, ended_at = ?2,
             error = ?3 WHERE id = ?1",
            params![id, now.0, error],
        )
    }

    /// Gives up what waits for a channel that is not among `channels`; says how much that was.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn forget_other_channels(
        &mut self,
        channels: &[&str],
        now: Moment,
    ) -> anyhow::Result<usize> {
        let known = serde_json::to_string(channels)?;
        let context = self.context();
        self.connection
            .execute(
                "UPDATE delivery SET state = 'given up', ended_at = ?1,
                 error = 'the configuration has no such channel any more'
                 WHERE state = 'waiting' AND channel NOT IN (SELECT value FROM json_each(?2))",
                params![now.0, known],
            )
            .with_context(context)
    }

    fn update(&mut self, sql: &str, values: impl rusqlite::Params) -> anyhow::Result<()> {
        let context = self.context();
        self.connection.execute(sql, values).with_context(context)?;
        Ok(())
    }
}

/// Alerts that wait for one channel at most; beyond it the oldest is given up.
pub const WAITING_MAX: usize = 10_000;
