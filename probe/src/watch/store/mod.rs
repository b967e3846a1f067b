//! The history: an SQLite file with every check, change, recovery and alert, and with what the next
//! check needs to go on from. One [`Step`] is one transaction, so that after a power cut or kill -9
//! the file holds a check together with all that followed from it, or neither.

mod open;
mod outbox;
mod schema;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

pub use self::outbox::{Delivery, WAITING_MAX};
use super::alert::{Alert, Attempt, Finding};
use super::moment::Moment;
use super::state::{Condition, Level, Memory};

/// An open history. The file is locked against another `watch` as long as this lives.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    instance: String,
    // Before the lock: closing a second descriptor of the file drops SQLite's own locks.
    connection: Connection,
    _lock: File,
}

/// A watchpoint as the history knows it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its number in the file.
    pub id: i64,
    /// What lasts from check to check.
    pub memory: Memory,
}

/// One check or one turn of a recovery, with all that followed from it.
#[derive(Debug)]
pub struct Step<'a> {
    /// Which watchpoint.
    pub watchpoint: i64,
    /// When.
    pub at: Moment,
    /// What the next check needs.
    pub memory: &'a Memory,
    /// What the check found.
    pub finding: Option<&'a Finding>,
    /// Whether that check was made to see whether a recovery helped.
    pub is_verification: bool,
    /// Changes of the confirmed state.
    pub changes: Vec<Change>,
    /// Whom to tell what; the number of the alert goes into its id.
    pub alerts: Vec<Alert>,
    /// Channels of the alerts.
    pub channels: &'a [String],
    /// What happened to the recovery, in this order.
    pub recovery: Vec<RecoveryEvent>,
}

/// A change of the confirmed state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Moment,
    /// Before.
    pub from: Option<(Level, String)>,
    /// From then on.
    pub to: (Level, String),
    /// Whether nobody was told.
    pub is_held: bool,
    /// What the check said.
    pub cause: String,
}

/// What happened to a recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoveryEvent {
    /// It begins: written before the command runs.
    Started {
        /// Which attempt of the outage.
        attempt: u32,
        /// Its name.
        recovery: String,
    },
    /// The command has ended.
    Ended {
        /// How.
        outcome: String,
        /// The end of its output.
        output: String,
    },
    /// The check afterwards was made.
    Verified {
        /// Its verdict.
        verdict: String,
        /// Whether it was good enough.
        helped: bool,
    },
}

/// One check, as the view draws it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// When it began.
    pub at: Moment,
    /// How long it took, in microseconds.
    pub elapsed_us: u64,
    /// How well the target was.
    pub level: Level,
    /// The worst verdict.
    pub verdict: String,
    /// What is the matter.
    pub cause: String,
}

impl Store {
    /// Tells this history from any other; part of the ids of its alerts.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The watchpoint of this name and address, which is made where it is missing.
    ///
    /// # Errors
    /// As SQLite says, or a memory that this program cannot read.
    pub fn watchpoint(
        &mut self,
        name: &str,
        source: Option<IpAddr>,
        target: &str,
    ) -> anyhow::Result<Known> {
        let source = source.map_or_else(String::new, |source| source.to_string());
        let context = self.context();
        let transaction = self.begin()?;
        let mut known: Option<(i64, String, String)> = transaction
            .query_row(
                "SELECT id, target, memory FROM watchpoint WHERE name = ?1 AND source = ?2",
                params![name, source],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()
            .with_context(context.clone())?;
        // Another target of the same name begins anew: what is known is not known of it.
        if let Some((id, known_target, memory)) = &mut known
            && known_target.as_str() != target
        {
            *memory = serde_json::to_string(&Memory::default())?;
            transaction
                .execute(
                    "UPDATE watchpoint SET target = ?1, memory = ?2 WHERE id = ?3",
                    params![target, *memory, *id],
                )
                .with_context(context.clone())?;
        }
        let known = match known {
            Some((id, _, memory)) => {
                let memory = serde_json::from_str(&memory)
                    .with_context(|| format!("the memory of `{name}` makes no sense"))
                    .with_context(context.clone())?;
                Known { id, memory }
            }
            None => {
                let memory = Memory::default();
                transaction
                    .execute(
                        "INSERT INTO watchpoint (name, source, target, memory) VALUES (?1, ?2, ?3, ?4)",
                        params![name, source, target, serde_json::to_string(&memory)?],
                    )
                    .with_context(context.clone())?;
                Known { id: transaction.last_insert_rowid(), memory }
            }
        };
        transaction.commit().with_context(context)?;
        Ok(known)
    }

    /// Writes a step, all of it or nothing. The alerts get their ids.
    ///
    /// # Errors
    /// As SQLite says; the file is then as it was.
    pub fn commit(&mut self, step: &mut Step<'_>) -> anyhow::Result<()> {
        let context = self.context();
        let instance = self.instance.clone();
        let transaction = self.begin()?;
        write(&transaction, step, &instance).with_context(context.clone())?;
        transaction.commit().with_context(context)
    }

    /// The last checks of a watchpoint, oldest first.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn past(&self, watchpoint: i64, count: usize) -> anyhow::Result<Vec<Past>> {
        let read = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT at, elapsed_us, level, verdict, cause FROM observation
                 WHERE watchpoint = ?1 ORDER BY id DESC LIMIT ?2",
            )?;
            let rows = statement.query_map(params![watchpoint, row_count(count)], |row| {
                Ok(Past {
                    at: Moment(row.get(0)?),
                    elapsed_us: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
                    level: level(&row.get::<_, String>(2)?),
                    verdict: row.get(3)?,
                    cause: row.get(4)?,
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let mut past = read().with_context(self.context())?;
        past.reverse();
        Ok(past)
    }

    /// The last changes of a watchpoint, latest first.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn changes(&self, watchpoint: i64, count: usize) -> anyhow::Result<Vec<Change>> {
        let read = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT at, from_level, from_verdict, to_level, to_verdict, is_held, cause
                 FROM change WHERE watchpoint = ?1 ORDER BY id DESC LIMIT ?2",
            )?;
            let rows = statement.query_map(params![watchpoint, row_count(count)], |row| {
                let from: (Option<String>, Option<String>) = (row.get(1)?, row.get(2)?);
                Ok(Change {
                    at: Moment(row.get(0)?),
                    from: from.0.zip(from.1).map(|(it, verdict)| (level(&it), verdict)),
                    to: (level(&row.get::<_, String>(3)?), row.get(4)?),
                    is_held: row.get(5)?,
                    cause: row.get(6)?,
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().with_context(self.context())
    }

    /// What was tried in the latest outage of a watchpoint, latest last; at most [`ATTEMPTS_MAX`].
    ///
    /// # Errors
    /// As SQLite says.
    pub fn attempts(&self, watchpoint: i64) -> anyhow::Result<Vec<Attempt>> {
        let read = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT attempt, recovery, started, ended, outcome, output, verified_verdict, helped
                 FROM attempt WHERE watchpoint = ?1 ORDER BY id DESC LIMIT ?2",
            )?;
            let rows =
                statement.query_map(params![watchpoint, row_count(ATTEMPTS_MAX)], |row| {
                    Ok(Attempt {
                        attempt: row.get(0)?,
                        recovery: row.get(1)?,
                        started: Moment(row.get(2)?).text(),
                        ended: row.get::<_, Option<i64>>(3)?.map(|at| Moment(at).text()),
                        outcome: row.get(4)?,
                        output: row.get(5)?,
                        verified_verdict: row.get(6)?,
                        helped: row.get(7)?,
                    })
                })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let mut attempts = read().with_context(self.context())?;
        if let Some(first) = attempts.iter().position(|attempt| attempt.attempt == 1) {
            attempts.truncate(first + 1);
        }
        attempts.reverse();
        Ok(attempts)
    }

    /// Deletes what is older than `age`, and checks beyond `rows`. What waits to be delivered stays.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn retain(&mut self, now: Moment, age: Duration, rows: u64) -> anyhow::Result<usize> {
        let context = self.context();
        let oldest = now.before(age).0;
        let transaction = self.begin()?;
        let delete = |sql: &str, value: i64| transaction.execute(sql, params![value]);
        let deleted = (|| {
            let rows = i64::try_from(rows).unwrap_or(i64::MAX);
            let aged = delete("DELETE FROM observation WHERE at < ?1", oldest)?;
            let beyond = delete(
                "DELETE FROM observation WHERE id <= (SELECT max(id) FROM observation) - ?1",
                rows,
            )?;
            delete("DELETE FROM change WHERE at < ?1", oldest)?;
            delete("DELETE FROM attempt WHERE started < ?1", oldest)?;
            delete("DELETE FROM delivery WHERE state <> 'waiting' AND ended_at < ?1", oldest)?;
            delete(
                "DELETE FROM alert WHERE at < ?1
                 AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.alert = alert.number)",
                oldest,
            )?;
            Ok::<_, rusqlite::Error>(aged + beyond)
        })()
        .with_context(context.clone())?;
        transaction.commit().with_context(context)?;
        Ok(deleted)
    }

    fn begin(&mut self) -> anyhow::Result<Transaction<'_>> {
        let context = self.context();
        self.connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .with_context(context)
    }

    fn context(&self) -> impl FnOnce() -> String + Clone + use<> {
        let path = self.path.display().to_string();
        move || format!("history `{path}`")
    }
}

fn write(transaction: &Transaction<'_>, step: &mut Step<'_>, instance: &str) -> anyhow::Result<()> {
    let memory = serde_json::to_string(step.memory)?;
    transaction.execute(
        "UPDATE watchpoint SET memory = ?1 WHERE id = ?2",
        params![memory, step.watchpoint],
    )?;
    if let Some(finding) = step.finding {
        transaction.execute(
            "INSERT INTO observation (watchpoint, at, elapsed_us, level, severity, verdict, cause,
             is_verification) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                step.watchpoint,
                step.at.0,
                i64::try_from(finding.elapsed_us).unwrap_or(i64::MAX),
                finding.level.name(),
                finding.severity.name(),
                finding.verdict,
                finding.cause,
                step.is_verification,
            ],
        )?;
    }
    for change in &step.changes {
        write_change(transaction, step.watchpoint, change)?;
    }
    for event in &step.recovery {
        write_recovery(transaction, step.watchpoint, step.at, event)?;
    }
    outbox::add(transaction, step, instance)
}

fn write_change(
    transaction: &Transaction<'_>,
    watchpoint: i64,
    change: &Change,
) -> rusqlite::Result<()> {
    let from = change.from.as_ref();
    transaction.execute(
        "INSERT INTO change (watchpoint, at, from_level, from_verdict, to_level, to_verdict,
         is_held, cause) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            watchpoint,
            change.at.0,
            from.map(|(level, _)| level.name()),
            from.map(|(_, verdict)| verdict),
            change.to.0.name(),
            change.to.1,
            change.is_held,
            change.cause,
        ],
    )?;
    Ok(())
}

fn write_recovery(
    transaction: &Transaction<'_>,
    watchpoint: i64,
    at: Moment,
    event: &RecoveryEvent,
) -> rusqlite::Result<()> {
    const LATEST: &str = "(SELECT max(id) FROM attempt WHERE watchpoint = ?1)";
    match event {
        RecoveryEvent::Started { attempt, recovery } => transaction.execute(
            "INSERT INTO attempt (watchpoint, attempt, recovery, started) VALUES (?1, ?2, ?3, ?4)",
            params![watchpoint, attempt, recovery, at.0],
        ),
        RecoveryEvent::Ended { outcome, output } => transaction.execute(
            &format!(
                "UPDATE attempt SET ended = ?2, outcome = ?3, output = ?4 WHERE id = {LATEST}"
            ),
            params![watchpoint, at.0, outcome, output],
        ),
        RecoveryEvent::Verified { verdict, helped } => transaction.execute(
            &format!("UPDATE attempt SET verified_verdict = ?2, helped = ?3 WHERE id = {LATEST}"),
            params![watchpoint, verdict, helped],
        ),
    }?;
    Ok(())
}

impl Change {
    /// A change to `to`.
    #[must_use]
    pub fn new(from: Option<&Condition>, to: &Condition, is_held: bool, cause: &str) -> Self {
        let pair = |it: &Condition| (it.seen.level, it.seen.verdict.clone());
        Self { at: to.since, from: from.map(pair), to: pair(to), is_held, cause: cause.to_owned() }
    }
}

/// A number of rows, as SQLite takes it.
fn row_count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A level by its name; what nobody wrote is the worst.
fn level(name: &str) -> Level {
    match name {
        "up" => Level::Up,
        "degraded" => Level::Degraded,
        _ => Level::Down,
    }
}

/// Attempts of one outage that an alert carries.
pub const ATTEMPTS_MAX: usize = 20;
