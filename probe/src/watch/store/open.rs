//! Opening a history: made where it is missing, migrated where it is old, refused where it is
//! somebody else's file or in use.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::Store;
use super::schema::{APPLICATION_ID, MIGRATIONS, VERSION};

impl Store {
    /// Opens the history in `path`.
    ///
    /// # Errors
    /// Another instance uses it, it is another kind of file or of a newer version, or it cannot be
    /// written; the file is then as it was.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let lock = lock(path)?;
        let context = || format!("history `{name}`");
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).with_context(context)?;
        connection.busy_timeout(BUSY_TIMEOUT).with_context(context)?;
        let version = version(&connection).with_context(context)?;
        prepare_to_write(&connection).with_context(context)?;
        migrate(&mut connection, version).with_context(context)?;
        let instance = connection
            .query_row("SELECT instance FROM history", [], |row| row.get(0))
            .with_context(context)?;
        Ok(Self { path: path.to_owned(), instance, connection, _lock: lock })
    }
}

/// Makes the file where there is none, and keeps other instances out of it.
fn lock(path: &Path) -> anyhow::Result<File> {
    let name = path.display();
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(path);
    let file = opened.with_context(|| format!("cannot open the history `{name}`"))?;
    if !file.metadata().is_ok_and(|about| about.is_file()) {
        bail!("the history `{name}` is not a regular file");
    }
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another `kms-probe watch` uses the history `{name}`: end that one first, or name \
             another file with --history"
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock the history `{name}`"))
        }
    }
}

/// The version of the tables that are there; 0 for an empty file.
fn version(connection: &Connection) -> anyhow::Result<i64> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application_id, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (application_id, version, tables) {
        (0, 0, 0) => Ok(0),
        (APPLICATION_ID, VERSION.., _) if version > VERSION => bail!(
            "it has version {version}, and this program knows versions up to {VERSION}: use a newer \
             program, or another file"
        ),
        (APPLICATION_ID, 1.., _) => Ok(version),
        _ => bail!("it is an SQLite file of another program: name another file"),
    }
}

/// Every commit is on the disk when it returns, and readers do not wait for the writer.
fn prepare_to_write(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_BYTES_KEPT, |_| Ok(()))
}

fn migrate(connection: &mut Connection, from: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in MIGRATIONS.get(usize::try_from(from).unwrap_or(0)..).unwrap_or_default() {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// How long a reader of the file may hold up a commit.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the write-ahead log that are kept after a checkpoint.
const WAL_BYTES_KEPT: i64 = 16 << 20;
