//! A journal from the side that reads, while a host may be writing it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use kms_protocol::guid::Guid;
use kms_protocol::kms::{LicenseStatus, MachineName, Request, Version};
use kms_protocol::ndr::Ndr;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::error::{JournalError, Problem, damaged};
use super::filter::{Condition, Filter};
use super::row::{AnswerRow, Event, EventKind, Exchange, FaultApplied, OutcomeKind, Row, Subject};
use super::schema;
use super::store::{BUSY_TIMEOUT, Identity, check_kind, identify, ticks};

/// An open journal that is only read. Nothing is held between two calls: the host that writes is
/// never kept waiting, and its log can be folded in.
#[derive(Debug)]
pub struct Reader {
    pub(super) path: PathBuf,
    pub(super) connection: Connection,
}

/// From where a page goes on, and in which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// Rows with larger numbers, smallest first.
    After(u64),
    /// Rows with smaller numbers, largest first.
    Before(u64),
}

impl Reader {
    /// Opens the journal in `path`.
    ///
    /// # Errors
    /// Anything but a journal whose schema this program knows.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let problem = |problem| Err(JournalError::new(path, problem));
        match fs::metadata(path) {
            Ok(about) => {
                check_kind(&about).map_err(|problem| JournalError::new(path, problem))?;
                if about.len() == 0 {
                    return problem(Problem::Empty);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return problem(Problem::Missing);
            }
            Err(error) => return problem(Problem::CannotOpen(error.to_string())),
        }
        let opened = open_read_only(path).and_then(|connection| {
            let identity = identify(&connection)?;
            Ok((connection, identity))
        });
        let (connection, identity) = opened.map_err(|error| JournalError::of(path, &error))?;
        match identity {
            Identity::Journal { version: schema::VERSION } => {}
            Identity::Journal { version: found } if found > schema::VERSION => {
                return problem(Problem::Newer { found, known: schema::VERSION });
            }
            Identity::Journal { version: found } => {
                return problem(Problem::Older { found, known: schema::VERSION });
            }
            Identity::Empty | Identity::Foreign => return problem(Problem::Foreign),
        }
        Ok(Self { path: path.to_owned(), connection })
    }

    /// At most `limit` rows that `filter` wants, and never more than [`PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// A file that is damaged or cannot be read.
    pub fn page(
        &self,
        filter: &Filter,
        cursor: Cursor,
        limit: usize,
    ) -> Result<Vec<Row>, JournalError> {
        let limit = limit.min(PAGE_ROWS_MAX);
        let mut rows = self.rows(REQUEST_COLUMNS, filter.of_requests(), cursor, limit, request)?;
        if let Some(condition) = filter.of_events() {
            rows.extend(self.rows(EVENT_COLUMNS, condition, cursor, limit, event)?);
        }
        match cursor {
            Cursor::After(_) => rows.sort_by_key(|row| row.number),
            Cursor::Before(_) => rows.sort_by_key(|row| std::cmp::Reverse(row.number)),
        }
        rows.truncate(limit);
        Ok(rows)
    }

    /// The number of the last row; 0 without rows.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn last_number(&self) -> Result<u64, JournalError> {
        let sql = "SELECT max(coalesce((SELECT max(number) FROM request), 0),
                              coalesce((SELECT max(number) FROM event), 0))";
        let last: i64 = self.sql(|connection| connection.query_row(sql, [], |row| row.get(0)))?;
        Ok(last.cast_unsigned())
    }

    /// The hosts whose rows the file has, in the order in which they were first served.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn hosts(&self) -> Result<Vec<String>, JournalError> {
        self.sql(|connection| {
            let mut names = connection.prepare("SELECT name FROM host ORDER BY id")?;
            names.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// Changes whenever somebody else has written to the file.
    ///
    /// # Errors
    /// A file that cannot be read any more.
    pub fn data_version(&self) -> Result<i64, JournalError> {
        self.sql(|connection| connection.pragma_query_value(None, "data_version", |row| row.get(0)))
    }

    /// Copies the journal, as it is at this moment, to `to`, which must not exist. A host may go on
    /// writing; nothing stays in the place of `to` when it fails.
    ///
    /// # Errors
    /// Where the copy cannot be written, or the file cannot be read.
    pub fn backup(&self, to: &Path) -> Result<(), JournalError> {
        if fs::symlink_metadata(to).is_ok() {
            return Err(JournalError::new(to, Problem::Exists));
        }
        let mut partial = to.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let copied = self.copy(&partial).map_err(|error| JournalError::of(to, &error));
        let renamed = copied.and_then(|()| {
            fs::rename(&partial, to)
                .map_err(|error| JournalError::new(to, Problem::Other(error.to_string())))
        });
        if renamed.is_err() {
            fs::remove_file(&partial).ok();
        }
        renamed
    }

    /// All pages in one step: a copy in several would begin anew whenever the host writes.
    fn copy(&self, to: &Path) -> rusqlite::Result<()> {
        let mut target = Connection::open(to)?;
        target.pragma_update(None, "synchronous", "FULL")?;
        rusqlite::backup::Backup::new(&self.connection, &mut target)?.step(-1)?;
        // A copy is one file: its log would be left behind by whoever moves it.
        target.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
        target.close().map_err(|(_, error)| error)
    }

    fn rows(
        &self,
        columns: &str,
        condition: Condition,
        cursor: Cursor,
        limit: usize,
        read: fn(&rusqlite::Row<'_>) -> rusqlite::Result<Result<Row, Bad>>,
    ) -> Result<Vec<Row>, JournalError> {
        let (bound, order, number) = match cursor {
            Cursor::After(number) => (">", "ASC", number),
            Cursor::Before(number) => ("<", "DESC", number),
        };
        let Condition { sql, mut values } = condition;
        let sql = format!(
            "SELECT {columns} WHERE {sql} AND number {bound} ? ORDER BY number {order} LIMIT ?"
        );
        values.push(i64::try_from(number).unwrap_or(i64::MAX).into());
        values.push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
        let rows: Vec<Result<Row, Bad>> = self.sql(|connection| {
            connection.prepare_cached(&sql)?.query_map(params_from_iter(values), read)?.collect()
        })?;
        let rows: Result<Vec<Row>, Bad> = rows.into_iter().collect();
        rows.map_err(|Bad { number, column }| {
            damaged(&self.path, number, &format!("`{column}` makes no sense"))
        })
    }

    /// A peer that is no address.
    pub(super) fn damaged_peer(&self) -> JournalError {
        let what = "a `peer` is no address".to_owned();
        JournalError::new(&self.path, Problem::Damaged(what))
    }

    pub(super) fn sql<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        read(&self.connection).map_err(|error| JournalError::of(&self.path, &error))
    }
}

/// A value that SQLite can read and this program cannot.
struct Bad {
    number: i64,
    column: &'static str,
}

fn open_read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let readable = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    let error = match readable {
        Ok(()) => return Ok(connection),
        Err(error) => error,
    };
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    // Where nothing can be written no host is writing either, and a journal that was closed in good
    // order is complete without a log.
    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen)
        && !Path::new(&log).exists()
        && let Some(path) = path.to_str()
    {
        let name: String = path.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let flags = flags | OpenFlags::SQLITE_OPEN_URI;
        return Connection::open_with_flags(format!("file:{name}?immutable=1"), flags);
    }
    Err(error)
}

fn request(row: &rusqlite::Row<'_>) -> rusqlite::Result<Result<Row, Bad>> {
    let number: i64 = row.get(0)?;
    let bad = |column| Bad { number, column };
    let (peer, ndr, outcome): (String, String, String) = (row.get(3)?, row.get(4)?, row.get(5)?);
    let version: Option<u32> = row.get(12)?;
    let request = match version.map(Version::from_wire) {
        None => Ok(None),
        Some(None) => Err(bad("version")),
        Some(Some(version)) => read_request(row, version)?.map(Some).map_err(bad),
    };
    let answer = match row.get(8)? {
        Some(count) => Some(AnswerRow {
            count,
            activation_interval_minutes: row.get(9)?,
            renewal_interval_minutes: row.get(10)?,
        }),
        None => None,
    };
    let reason: Option<String> = row.get(6)?;
    let (hresult, counted) = (row.get(7)?, row.get(11)?);
    let fault = fault(row, 24)?;
    let Ok(host) = row.get::<_, String>(26)?.parse() else { return Ok(Err(bad("host"))) };
    let exchange = (|| {
        Ok(Exchange {
            peer: peer.parse::<SocketAddr>().map_err(|_| bad("peer"))?,
            ndr: match ndr.as_str() {
                "ndr32" => Ndr::Ndr32,
                "ndr64" => Ndr::Ndr64,
                _ => return Err(bad("ndr")),
            },
            outcome: OutcomeKind::from_text(&outcome).ok_or_else(|| bad("outcome"))?,
            reason: reason.map(Into::into),
            request: request?,
            hresult,
            answer,
            counted,
            fault,
        })
    })();
    let (real_time_us, host_time) = (row.get(1)?, ticks(row.get(2)?));
    Ok(exchange.map(|exchange| Row {
        number: number.cast_unsigned(),
        real_time_us,
        host_time,
        host,
        subject: Subject::Request(Box::new(exchange)),
    }))
}

fn read_request(
    row: &rusqlite::Row<'_>,
    version: Version,
) -> rusqlite::Result<Result<Request, &'static str>> {
    let (app_id, sku_id): (Vec<u8>, Vec<u8>) = (row.get(16)?, row.get(17)?);
    let (kms_id, cmid): (Vec<u8>, Vec<u8>) = (row.get(18)?, row.get(19)?);
    let (cmid_previous, name): (Vec<u8>, String) = (row.get(20)?, row.get(23)?);
    let (vm_info, license_status) = (row.get(13)?, LicenseStatus(row.get(14)?));
    let (binding_expiration_minutes, n_policy) = (row.get(15)?, row.get(21)?);
    let client_time = ticks(row.get(22)?);
    Ok((|| {
        Ok(Request {
            version,
            vm_info,
            license_status,
            binding_expiration_minutes,
            app_id: guid(&app_id).ok_or("app_id")?,
            sku_id: guid(&sku_id).ok_or("sku_id")?,
            kms_id: guid(&kms_id).ok_or("kms_id")?,
            cmid: guid(&cmid).ok_or("cmid")?,
            n_policy,
            client_time,
            cmid_previous: guid(&cmid_previous).ok_or("cmid_previous")?,
            machine_name: machine_name(&name).ok_or("machine_name")?,
        })
    })())
}

fn event(row: &rusqlite::Row<'_>) -> rusqlite::Result<Result<Row, Bad>> {
    let number: i64 = row.get(0)?;
    let (kind, peer): (String, Option<String>) = (row.get(3)?, row.get(4)?);
    let Some(kind) = EventKind::from_text(&kind) else {
        return Ok(Err(Bad { number, column: "kind" }));
    };
    let Ok(peer) = peer.map(|peer| peer.parse()).transpose() else {
        return Ok(Err(Bad { number, column: "peer" }));
    };
    let Ok(host) = row.get::<_, String>(8)?.parse() else {
        return Ok(Err(Bad { number, column: "host" }));
    };
    let event = Event { kind, peer, detail: row.get(5)?, fault: fault(row, 6)? };
    Ok(Ok(Row {
        number: number.cast_unsigned(),
        real_time_us: row.get(1)?,
        host_time: ticks(row.get(2)?),
        host,
        subject: Subject::Event(event),
    }))
}

fn fault(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Option<FaultApplied>> {
    let (rule, kind): (Option<String>, Option<String>) = (row.get(at)?, row.get(at + 1)?);
    Ok(rule.zip(kind).map(|(rule, kind)| FaultApplied { rule, kind }))
}

fn guid(bytes: &[u8]) -> Option<Guid> {
    bytes.try_into().ok().map(Guid::from_bytes)
}

/// A name of up to all 64 units, which a received one may have.
fn machine_name(text: &str) -> Option<MachineName> {
    let mut units = [0; 64];
    let mut slots = units.iter_mut();
    for unit in text.encode_utf16() {
        *slots.next()? = unit;
    }
    Some(MachineName::from_units(units))
}

const REQUEST_COLUMNS: &str = "number, real_time_us, host_time, peer, ndr, outcome, reason, hresult, \
    count, activation_interval_minutes, renewal_interval_minutes, counted, version, vm_info, \
    license_status, expiration_minutes, app_id, sku_id, kms_id, cmid, cmid_previous, n_policy, \
    client_time, machine_name, fault_rule, fault_kind, \
    coalesce((SELECT name FROM host WHERE id = request.host), 'kms1') FROM request";

const EVENT_COLUMNS: &str = "number, real_time_us, host_time, kind, peer, detail, fault_rule, \
    fault_kind, coalesce((SELECT name FROM host WHERE id = event.host), 'kms1') FROM event";

/// Rows of one page, at most.
pub const PAGE_ROWS_MAX: usize = 1000;
