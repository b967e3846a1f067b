//! The SQLite file from the side that writes: opened, migrated, restored from, written in batches.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::ndr::Ndr;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};

use super::config::Retention;
use super::error::{JournalError, Problem, damaged};
use super::row::{Event, Exchange, Row, Subject};
use super::schema::{self, INSERT_EVENT, INSERT_REQUEST};
use crate::model::{ClientCache, ClientTable, HostName};

/// An open journal. The file is locked against another host as long as this lives.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    // Before the lock: closing a second descriptor of the file drops SQLite's own locks.
    connection: Connection,
    _lock: File,
}

/// What the file says about the hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Restored {
    /// All hosts of the file, also those that are not served now; smallest id first.
    pub(super) hosts: Vec<HostTable>,
    pub(super) next_number: u64,
}

/// One host in the file, and its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostTable {
    pub(super) id: i64,
    pub(super) name: HostName,
    pub(super) clients: ClientTable,
}

impl Store {
    /// Opens the journal in `path`, made or migrated as needed.
    ///
    /// # Errors
    /// Anything but a journal that this program can write; the file is then as it was.
    pub(super) fn open(path: &Path) -> Result<Self, JournalError> {
        let lock = lock(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            Ok(connection)
        });
        let connection = opened.map_err(|error| JournalError::of(path, &error))?;
        let mut store = Self { path: path.to_owned(), connection, _lock: lock };
        let version = match identify(&store.connection).map_err(|error| store.error(&error))? {
            Identity::Empty => 0,
            Identity::Journal { version } if version > schema::VERSION => {
                let problem = Problem::Newer { found: version, known: schema::VERSION };
                return Err(JournalError::new(path, problem));
            }
            Identity::Journal { version } => version,
            Identity::Foreign => return Err(JournalError::new(path, Problem::Foreign)),
        };
        schema::prepare_to_write(&store.connection)
            .and_then(|()| match version {
                schema::VERSION => Ok(()),
                older => schema::migrate(&mut store.connection, older, schema::VERSION),
            })
            .map_err(|error| store.error(&error))?;
        Ok(store)
    }

    /// Each host's table of clients as of the last row, and the number of the next row: the last
    /// snapshot, and the requests since then applied to it. `served` are the hosts of now.
    ///
    /// # Errors
    /// A file that cannot be read or makes no sense, or that would have too many hosts.
    pub(super) fn restore(&self, served: &[HostName]) -> Result<Restored, JournalError> {
        let known = self.known_hosts()?;
        let mut hosts = named(known, served);
        if hosts.len() > FILE_HOSTS_MAX {
            return Err(JournalError::new(&self.path, Problem::TooManyHosts));
        }
        let snapshot: i64 = self.sql(|connection| {
            connection
                .query_row("SELECT coalesce(max(number), 0) FROM snapshot", [], |row| row.get(0))
        })?;
        for (id, clients) in self.snapshot_clients()? {
            self.table_of(&mut hosts, id)?.clients = clients;
        }
        let recorded: Vec<Recorded> = self.sql(|connection| {
            connection
                .prepare(
                    "SELECT number, app_id, cmid, n_policy, host_time, host FROM request
                     WHERE number > ?1 AND counted = 1 ORDER BY number",
                )?
                .query_map([snapshot], Recorded::read)?
                .collect()
        })?;
        for Recorded { number, app_id, cmid, n_policy, host_time, host } in recorded {
            let app_id = self.guid(number, "app_id", &app_id)?;
            let cmid = self.guid(number, "cmid", &cmid)?;
            self.table_of(&mut hosts, host)?.clients.record(app_id, cmid, n_policy, host_time);
        }
        let last: i64 = self.sql(|connection| {
            connection.query_row(
                "SELECT max(?1, coalesce((SELECT max(number) FROM request), 0),
                            coalesce((SELECT max(number) FROM event), 0))",
                [snapshot],
                |row| row.get(0),
            )
        })?;
        let last = u64::try_from(last).map_err(|_| damaged(&self.path, last, "bad number"))?;
        Ok(Restored { hosts, next_number: last + 1 })
    }

    fn known_hosts(&self) -> Result<Vec<(i64, HostName)>, JournalError> {
        let rows: Vec<(i64, String)> = self.sql(|connection| {
            connection
                .prepare("SELECT id, name FROM host ORDER BY id")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
        let parsed = rows.into_iter().map(|(id, name)| match name.parse() {
            Ok(name) => Ok((id, name)),
            Err(_) => Err(damaged(&self.path, id, "a host's name makes no sense")),
        });
        parsed.collect()
    }

    fn table_of<'a>(
        &self,
        hosts: &'a mut [HostTable],
        id: i64,
    ) -> Result<&'a mut HostTable, JournalError> {
        let table = hosts.iter_mut().find(|table| table.id == id);
        table.ok_or_else(|| damaged(&self.path, id, "a host without a name"))
    }

    fn snapshot_clients(&self) -> Result<Vec<(i64, ClientTable)>, JournalError> {
        let caches: Vec<(i64, Vec<u8>, i64, i64)> = self.sql(|connection| {
            connection
                .prepare(
                    "SELECT position, app_id, capacity, host FROM snapshot_cache
                     ORDER BY host, position",
                )?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
                .collect()
        })?;
        let mut of_hosts: Vec<(i64, Vec<(Guid, ClientCache)>)> = Vec::new();
        for (cache, app_id, capacity, host) in caches {
            let app_id = self.guid(cache, "snapshot's app_id", &app_id)?;
            let entries: Vec<(Vec<u8>, i64)> = self.sql(|connection| {
                connection
                    .prepare(
                        "SELECT cmid, seen FROM snapshot_client WHERE cache = ?1 ORDER BY position",
                    )?
                    .query_map([cache], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect()
            })?;
            let mut clients = Vec::with_capacity(entries.len());
            for (cmid, seen) in entries {
                clients.push((self.guid(cache, "snapshot's cmid", &cmid)?, ticks(seen)));
            }
            let capacity = usize::try_from(capacity).unwrap_or(0);
            let cache = (app_id, ClientCache::restored(capacity, clients));
            match of_hosts.last_mut() {
                Some((id, caches)) if *id == host => caches.push(cache),
                _ => of_hosts.push((host, vec![cache])),
            }
        }
        let table = |(id, caches)| (id, ClientTable::from_caches(caches));
        Ok(of_hosts.into_iter().map(table).collect())
    }

    /// Writes `rows`, and the tables of `hosts` as of the row `snapshot` where one is given, in one
    /// transaction that is on the disk when this returns.
    ///
    /// # Errors
    /// As SQLite says; nothing of it is then written.
    pub(super) fn write(
        &mut self,
        rows: &[Row],
        hosts: &[HostTable],
        snapshot: Option<u64>,
    ) -> Result<(), JournalError> {
        let path = &self.path;
        write_all(&mut self.connection, rows, hosts, snapshot)
            .map_err(|error| JournalError::of(path, &error))
    }

    /// Deletes rows beyond `retention`, at most [`DELETED_AT_ONCE`], and none that a restart needs.
    /// Returns how many are gone.
    ///
    /// # Errors
    /// As SQLite says.
    pub(super) fn retain(
        &mut self,
        retention: Retention,
        now_us: i64,
    ) -> Result<u64, JournalError> {
        let path = &self.path;
        delete_old(&mut self.connection, retention, now_us)
            .map_err(|error| JournalError::of(path, &error))
    }

    fn sql<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        read(&self.connection).map_err(|error| self.error(&error))
    }

    fn guid(&self, number: i64, what: &str, bytes: &[u8]) -> Result<Guid, JournalError> {
        let bytes = bytes.try_into().map_err(|_| {
            damaged(&self.path, number, &format!("{what} has {} bytes, not 16", bytes.len()))
        })?;
        Ok(Guid::from_bytes(bytes))
    }

    fn error(&self, error: &rusqlite::Error) -> JournalError {
        JournalError::of(&self.path, error)
    }
}

/// What a row did to the table of clients.
struct Recorded {
    number: i64,
    app_id: Vec<u8>,
    cmid: Vec<u8>,
    n_policy: u32,
    host_time: FileTime,
    host: i64,
}

impl Recorded {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            app_id: row.get(1)?,
            cmid: row.get(2)?,
            n_policy: row.get(3)?,
            host_time: ticks(row.get(4)?),
            host: row.get(5)?,
        })
    }
}

/// What an SQLite file is.
pub(super) enum Identity {
    /// Nothing was ever written to it.
    Empty,
    /// A journal whose schema has this version.
    Journal { version: i64 },
    /// Something else.
    Foreign,
}

/// # Errors
/// Not an SQLite file, or not readable.
pub(super) fn identify(connection: &Connection) -> rusqlite::Result<Identity> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application_id, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (application_id, version, tables) {
        (0, 0, 0) => Identity::Empty,
        (schema::APPLICATION_ID, 1.., 1..) => Identity::Journal { version },
        _ => Identity::Foreign,
    })
}

/// Makes the file where there is none, and keeps other hosts out of it.
fn lock(path: &Path) -> Result<File, JournalError> {
    let problem = |problem| JournalError::new(path, problem);
    if let Ok(about) = path.metadata() {
        check_kind(&about).map_err(problem)?;
    }
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(path);
    let file = opened.map_err(|error| {
        let text = error.to_string();
        problem(match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Problem::ReadOnly(text)
            }
            io::ErrorKind::StorageFull => Problem::Full(text),
            _ => Problem::CannotOpen(text),
        })
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(problem(Problem::InUse)),
        Err(TryLockError::Error(error)) => Err(problem(Problem::CannotOpen(error.to_string()))),
    }
}

/// SQLite reads and writes regular files only, and says of others that the disk has an error.
pub(super) fn check_kind(about: &Metadata) -> Result<(), Problem> {
    match about.file_type() {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => Err(Problem::Directory),
        _ => Err(Problem::NotRegular),
    }
}

/// The hosts of a file and those that are served now, which get the next ids. Where either side
/// has one host it is the same host, whatever it is called by now.
fn named(mut known: Vec<(i64, HostName)>, served: &[HostName]) -> Vec<HostTable> {
    if let ([(_, name)], [served]) = (known.as_mut_slice(), served) {
        *name = served.clone();
    }
    for name in served {
        if !known.iter().any(|(_, known)| known == name) {
            let next = known.last().map_or(FIRST_HOST, |(id, _)| id + 1);
            known.push((next, name.clone()));
        }
    }
    let table = |(id, name)| HostTable { id, name, clients: ClientTable::default() };
    known.into_iter().map(table).collect()
}

fn write_all(
    connection: &mut Connection,
    rows: &[Row],
    hosts: &[HostTable],
    snapshot: Option<u64>,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut request = transaction.prepare_cached(INSERT_REQUEST)?;
        let mut event = transaction.prepare_cached(INSERT_EVENT)?;
        for row in rows {
            let host = hosts.iter().find(|host| host.name == row.host);
            let host = host.map_or(FIRST_HOST, |host| host.id);
            match &row.subject {
                Subject::Request(exchange) => insert_request(&mut request, row, host, exchange)?,
                Subject::Event(happened) => insert_event(&mut event, row, host, happened)?,
            }
        }
    }
    if let Some(number) = snapshot {
        write_snapshot(&transaction, hosts, number)?;
    }
    transaction.commit()
}

fn insert_request(
    statement: &mut rusqlite::CachedStatement<'_>,
    row: &Row,
    host: i64,
    exchange: &Exchange,
) -> rusqlite::Result<()> {
    let request = exchange.request.as_ref();
    let answer = exchange.answer;
    let fault = exchange.fault.as_ref();
    statement.execute(params![
        number(row.number),
        row.real_time_us,
        number(row.host_time.ticks()),
        exchange.peer.to_string(),
        ndr_text(exchange.ndr),
        exchange.outcome.as_str(),
        exchange.reason,
        exchange.hresult,
        answer.map(|answer| answer.count),
        answer.map(|answer| answer.activation_interval_minutes),
        answer.map(|answer| answer.renewal_interval_minutes),
        exchange.counted,
        request.map(|request| request.version.to_wire()),
        request.map(|request| request.vm_info),
        request.map(|request| request.license_status.0),
        request.map(|request| request.binding_expiration_minutes),
        request.map(|request| *request.app_id.as_bytes()),
        request.map(|request| *request.sku_id.as_bytes()),
        request.map(|request| *request.kms_id.as_bytes()),
        request.map(|request| *request.cmid.as_bytes()),
        request.map(|request| *request.cmid_previous.as_bytes()),
        request.map(|request| request.n_policy),
        request.map(|request| number(request.client_time.ticks())),
        exchange.client(),
        fault.map(|fault| &fault.rule),
        fault.map(|fault| &fault.kind),
        host,
    ])?;
    Ok(())
}

fn insert_event(
    statement: &mut rusqlite::CachedStatement<'_>,
    row: &Row,
    host: i64,
    event: &Event,
) -> rusqlite::Result<()> {
    let fault = event.fault.as_ref();
    statement.execute(params![
        number(row.number),
        row.real_time_us,
        number(row.host_time.ticks()),
        event.kind.as_str(),
        event.peer.map(|peer| peer.to_string()),
        event.detail,
        fault.map(|fault| &fault.rule),
        fault.map(|fault| &fault.kind),
        host,
    ])?;
    Ok(())
}

/// Replaces the snapshot: of each host at most fifty clients of each application of the catalogue.
fn write_snapshot(
    transaction: &Transaction<'_>,
    hosts: &[HostTable],
    up_to: u64,
) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM snapshot_client", [])?;
    transaction.execute("DELETE FROM snapshot_cache", [])?;
    transaction.execute("INSERT OR REPLACE INTO snapshot VALUES (1, ?1)", [number(up_to)])?;
    let mut host_row = transaction.prepare_cached("INSERT OR REPLACE INTO host VALUES (?1, ?2)")?;
    for host in hosts {
        host_row.execute(params![host.id, host.name.as_str()])?;
    }
    let mut cache_row =
        transaction.prepare_cached("INSERT INTO snapshot_cache VALUES (?1, ?2, ?3, ?4)")?;
    let mut client_row =
        transaction.prepare_cached("INSERT INTO snapshot_client VALUES (?1, ?2, ?3, ?4)")?;
    let caches = hosts.iter().flat_map(|host| {
        host.clients.applications().map(|(app_id, cache)| (host.id, app_id, cache))
    });
    for ((host, app_id, cache), cache_number) in caches.zip(0i64..) {
        let capacity = i64::try_from(cache.capacity()).unwrap_or(i64::MAX);
        cache_row.execute(params![cache_number, app_id.as_bytes(), capacity, host])?;
        for ((cmid, seen), position) in cache.entries().zip(0i64..) {
            client_row.execute(params![
                cache_number,
                position,
                cmid.as_bytes(),
                number(seen.ticks())
            ])?;
        }
    }
    Ok(())
}

fn delete_old(
    connection: &mut Connection,
    retention: Retention,
    now_us: i64,
) -> rusqlite::Result<u64> {
    let (first, last, snapshot): (Option<i64>, Option<i64>, Option<i64>) = connection.query_row(
        "SELECT (SELECT min(number) FROM request), (SELECT max(number) FROM request),
                (SELECT number FROM snapshot)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let (Some(first), Some(last)) = (first, last) else { return Ok(0) };
    let kept = i64::try_from(retention.rows.get()).unwrap_or(i64::MAX);
    let age_us = i64::try_from(retention.age.as_micros()).unwrap_or(i64::MAX);
    let too_many = last.saturating_sub(kept);
    let too_old: Option<i64> = connection.query_row(
        "SELECT max(number) FROM
            (SELECT number, real_time_us FROM request ORDER BY number LIMIT ?1)
         WHERE real_time_us < ?2",
        params![DELETED_AT_ONCE, now_us.saturating_sub(age_us)],
        |row| row.get(0),
    )?;
    let up_to = too_many
        .max(too_old.unwrap_or(0))
        .min(first.saturating_add(DELETED_AT_ONCE - 1))
        .min(snapshot.unwrap_or(0));
    if up_to < first {
        return Ok(0);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut deleted = transaction.execute("DELETE FROM request WHERE number <= ?1", [up_to])?;
    deleted += transaction.execute("DELETE FROM event WHERE number <= ?1", [up_to])?;
    transaction.commit()?;
    Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
}

/// An unsigned number in SQLite's signed one, bit by bit: what a client says about its time may be
/// anything.
const fn number(value: u64) -> i64 {
    value.cast_signed()
}

/// The inverse of [`number`], for times.
pub(super) const fn ticks(value: i64) -> FileTime {
    FileTime::from_ticks(value.cast_unsigned())
}

/// The word for a transfer syntax.
pub(super) const fn ndr_text(ndr: Ndr) -> &'static str {
    match ndr {
        Ndr::Ndr32 => "ndr32",
        Ndr::Ndr64 => "ndr64",
    }
}

/// The id of a file's first host, to which every row belongs that was written before there were more.
const FIRST_HOST: i64 = 1;

/// Hosts of one file, at most, those included that are not served any more.
pub(super) const FILE_HOSTS_MAX: usize = 256;

/// How long another program may hold the file's lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Rows that one pass of retention deletes, so that answers do not wait long for it.
pub(super) const DELETED_AT_ONCE: i64 = 8192;
