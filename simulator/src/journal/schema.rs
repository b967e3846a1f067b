//! The tables of a journal, version by version.
//!
//! `user_version` counts the migrations that a file has been through; `application_id` tells a
//! journal from any other SQLite file. Times of the host and of clients are FILETIME ticks (100 ns
//! since 1601), GUIDs are 16 bytes in the order of their text.

use rusqlite::{Connection, TransactionBehavior};

/// Marks an SQLite file as a journal: "KMSJ".
pub const APPLICATION_ID: i64 = 0x4B4D_534A;

/// The version that this program writes.
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// What leads from each version to the next, beginning with an empty file.
pub const MIGRATIONS: &[&str] = &[
    // 1: requests and answers, events, and the table of clients as of one row.
    "CREATE TABLE request (
        number INTEGER PRIMARY KEY,
        real_time_us INTEGER NOT NULL,
        host_time INTEGER NOT NULL,
        peer TEXT NOT NULL,
        ndr TEXT NOT NULL,
        outcome TEXT NOT NULL,
        reason TEXT,
        hresult INTEGER,
        count INTEGER,
        activation_interval_minutes INTEGER,
        renewal_interval_minutes INTEGER,
        counted INTEGER NOT NULL,
        version INTEGER,
        vm_info INTEGER,
        license_status INTEGER,
        expiration_minutes INTEGER,
        app_id BLOB,
        sku_id BLOB,
        kms_id BLOB,
        cmid BLOB,
        cmid_previous BLOB,
        n_policy INTEGER,
        client_time INTEGER,
        machine_name TEXT
    ) STRICT;
    CREATE TABLE event (
        number INTEGER PRIMARY KEY,
        real_time_us INTEGER NOT NULL,
        host_time INTEGER NOT NULL,
        kind TEXT NOT NULL,
        peer TEXT,
        detail TEXT NOT NULL
    ) STRICT;
    CREATE TABLE snapshot (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        number INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE snapshot_cache (
        position INTEGER PRIMARY KEY,
        app_id BLOB NOT NULL,
        capacity INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE snapshot_client (
        cache INTEGER NOT NULL,
        position INTEGER NOT NULL,
        cmid BLOB NOT NULL,
        seen INTEGER NOT NULL,
        PRIMARY KEY (cache, position)
    ) STRICT, WITHOUT ROWID;",
    // 2: the fault rule that changed an answer or caused an event.
    "ALTER TABLE request ADD COLUMN fault_rule TEXT;
    ALTER TABLE request ADD COLUMN fault_kind TEXT;
    ALTER TABLE event ADD COLUMN fault_rule TEXT;
    ALTER TABLE event ADD COLUMN fault_kind TEXT;",
    // 3: which host; what there was belongs to the first one, whose name the host that opens the
    // file writes down.
    "CREATE TABLE host (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL
    ) STRICT;
    ALTER TABLE request ADD COLUMN host INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE event ADD COLUMN host INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE snapshot_cache ADD COLUMN host INTEGER NOT NULL DEFAULT 1;",
];

/// Adds one request. The columns are those of the table, in its order.
pub const INSERT_REQUEST: &str = "INSERT INTO request VALUES \
    (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, \
     ?23, ?24, ?25, ?26, ?27)";

/// Adds one event.
pub(super) const INSERT_EVENT: &str =
    "INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

/// Brings a file from version `from` to `to`, all of it or nothing.
///
/// # Errors
/// As SQLite says.
pub fn migrate(connection: &mut Connection, from: i64, to: i64) -> rusqlite::Result<()> {
    let steps = usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in MIGRATIONS.get(steps).unwrap_or_default() {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", to)?;
    transaction.commit()
}

/// What a connection that writes is set to: every commit is on the disk when it returns, and readers
/// do not wait for the writer.
///
/// # Errors
/// As SQLite says.
pub fn prepare_to_write(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // What a burst left of the log is given back at the next checkpoint.
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_BYTES_KEPT, |_| Ok(()))?;
    connection.busy_timeout(super::store::BUSY_TIMEOUT)
}

/// Bytes of the write-ahead log that are kept after a checkpoint.
const WAL_BYTES_KEPT: i64 = 64 << 20;
