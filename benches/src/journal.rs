//! A journal that answers wait for, beside bare SQLite with the same batches.
//!
//! Bare SQLite is one thread that inserts the same columns into the same table and commits as many
//! rows at once as the simulator's commits held on average in that round, with the same settings and on the
//! same file system. It answers nobody: what is left is what the disk and SQLite allow.

use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use kms_protocol::kms::product::DEFAULT;
use kms_simulator::journal::{Cursor, EventKind, Filter, Reader, Subject, schema};
use rusqlite::{Connection, TransactionBehavior, params};

use crate::child::Server;
use crate::drive::Target;
use crate::exchange;
use crate::machine::Machine;
use crate::script::{Script, Sizes};
use crate::suite::{KEEP_ALIVE, Plan, median, sample};

/// The figures of all rounds.
#[derive(Clone, Debug)]
pub struct JournalFigures {
    /// One by one.
    pub rounds: Vec<JournalRound>,
}

/// What one round gave.
#[derive(Clone, Copy, Debug)]
pub struct JournalRound {
    /// Answers per second, each after its row was on the disk.
    pub serve: f64,
    /// Rows per second of bare SQLite.
    pub bare: f64,
    /// Rows per commit, in both.
    pub batch: f64,
}

impl JournalFigures {
    /// The medians of bare SQLite and of the simulator, and that of the rounds' ratios.
    #[must_use]
    pub fn compare(&self) -> (f64, f64, f64) {
        (
            median(self.rounds.iter().map(|round| round.bare)),
            median(self.rounds.iter().map(|round| round.serve)),
            median(self.rounds.iter().map(|round| round.serve / round.bare)),
        )
    }

    /// The median of the rows per commit.
    #[must_use]
    pub fn batch(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.batch))
    }
}

/// The flags of a simulator that keeps a journal in `path`.
///
/// # Errors
/// A path that is not UTF-8.
pub fn flags<'a>(path: &'a Path, durability: &'a str) -> Result<[&'a str; 6]> {
    let path = path.to_str().context("the path of the programs is not UTF-8")?;
    Ok(["--log-level", "warn", "--durability", durability, "--journal", path])
}

/// Runs every round and nothing else of the plan.
///
/// # Errors
/// As [`measure`].
pub fn run(plan: &Plan, progress: impl FnMut(&str)) -> Result<(Machine, JournalFigures)> {
    let machine = Machine::prepare()?;
    let script = Arc::new(Script::new(SystemTime::now())?);
    let programs = plan.kms_sim.parent().unwrap_or(Path::new("."));
    let server = Server::kms_sim(&plan.kms_sim, &["--log-level", "warn"], None)?;
    let sizes = exchange::learn_sizes(server.address, &script).context("kms-sim serve")?;
    drop(server);
    let folder = tempfile::tempdir_in(programs)?;
    Ok((machine, measure(plan, folder.path(), &script, &sizes, progress)?))
}

/// Runs every round, with new files in `folder`.
///
/// # Errors
/// When a server fails, or SQLite does.
pub fn measure(
    plan: &Plan,
    folder: &Path,
    script: &Arc<Script>,
    sizes: &Sizes,
    mut progress: impl FnMut(&str),
) -> Result<JournalFigures> {
    let mut rounds = Vec::with_capacity(plan.rounds);
    for round in 0..plan.rounds {
        progress(&format!("round {} of {}: journal, durability full", round + 1, plan.rounds));
        let path = folder.join(format!("full-{round}"));
        let server = Server::kms_sim(&plan.kms_sim, &flags(&path, "full")?, None)?;
        let target = Target { server: server.address, script: Arc::clone(script), sizes: *sizes };
        let serve = sample(&server, &target, &KEEP_ALIVE, plan)?.rate;
        server.stop()?;
        let batch = rows_per_commit(&path)?;
        let bare = bare_sqlite(&folder.join(format!("bare-{round}")), batch, plan)?;
        rounds.push(JournalRound { serve, bare, batch });
    }
    Ok(JournalFigures { rounds })
}

/// From what the host recorded when it stopped.
fn rows_per_commit(path: &Path) -> Result<f64> {
    let rows = Reader::open(path)?.page(&Filter::default(), Cursor::Before(u64::MAX), 1)?;
    let stopped = rows.first().and_then(|row| match &row.subject {
        Subject::Event(event) if event.kind == EventKind::HostStopped => Some(&event.detail),
        _ => None,
    });
    let mut numbers = stopped
        .context("the journal does not end with the host's end")?
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse::<f64>().ok());
    let (rows, commits) = (numbers.next(), numbers.next());
    Ok(rows.zip(commits).map_or(f64::NAN, |(rows, commits)| rows / commits.max(1.0)))
}

/// Rows per second of one thread that does nothing else.
fn bare_sqlite(path: &Path, batch: f64, plan: &Plan) -> Result<f64> {
    let mut connection = Connection::open(path)?;
    schema::prepare_to_write(&connection)?;
    schema::migrate(&mut connection, 0, schema::VERSION)?;
    let (mut number, mut due) = (0i64, 0.0);
    let mut begin = Instant::now();
    let warm_up_end = begin + plan.warm_up;
    let mut counted_from = None;
    loop {
        let now = Instant::now();
        if counted_from.is_none() && now >= warm_up_end {
            (counted_from, begin) = (Some(number), now);
        }
        if let Some(from) = counted_from
            && now - begin >= plan.measure
        {
            return Ok((number - from) as f64 / (now - begin).as_secs_f64());
        }
        // A batch of 31.5 rows is 31 and 32 in turn.
        due += batch;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut statement = transaction.prepare_cached(schema::INSERT_REQUEST)?;
            while (number as f64) < due {
                number += 1;
                insert(&mut statement, number)?;
            }
        }
        transaction.commit()?;
    }
}

/// A row of the usual size.
fn insert(statement: &mut rusqlite::CachedStatement<'_>, number: i64) -> rusqlite::Result<()> {
    let no_text: Option<&str> = None;
    statement.execute(params![
        number,
        1_795_000_000_000_000i64 + number,
        134_000_000_000_000_000i64 + number,
        "127.0.0.1:50000",
        "ndr64",
        "accepted",
        no_text,
        0,
        50,
        120,
        10_080,
        true,
        393_216,
        0,
        2,
        43_200,
        DEFAULT.app_id.as_bytes(),
        DEFAULT.sku_id.as_bytes(),
        DEFAULT.kms_id.as_bytes(),
        [7u8; 16],
        [0u8; 16],
        25,
        134_000_000_000_000_000i64,
        "LAB-PC",
        no_text,
        no_text,
        1,
    ])?;
    Ok(())
}
