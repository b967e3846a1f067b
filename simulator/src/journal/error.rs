//! What can be wrong with a journal's file, in words that say what to do.

use std::path::Path;

use rusqlite::ErrorCode;
use thiserror::Error;

use super::store::FILE_HOSTS_MAX;

/// Why a journal could not be opened, read or written.
#[derive(Debug, Error)]
#[error("journal `{path}`: {problem}")]
pub struct JournalError {
    /// The file, escaped for a terminal.
    path: String,
    problem: Problem,
}

/// What is wrong.
#[derive(Debug, Error)]
pub(super) enum Problem {
    #[error("no such file")]
    Missing,
    #[error("is empty: it has never been the journal of a host")]
    Empty,
    #[error("exists already, and is not overwritten")]
    Exists,
    #[error("an older schema, version {found}: `kms-sim serve --journal` brings it to {known}")]
    Older { found: i64, known: i64 },
    #[error("is a directory, not a file")]
    Directory,
    #[error("is a device, a pipe or a socket, not a file")]
    NotRegular,
    #[error("not an SQLite file, so it is no journal")]
    NotSqlite,
    #[error("an SQLite file of another program, not a journal of kms-sim; it was left as it is")]
    Foreign,
    #[error(
        "written by a newer kms-sim: its schema is version {found}, and this one knows versions up \
         to {known}; use that newer kms-sim, or another file"
    )]
    Newer { found: i64, known: i64 },
    #[error("in use by another kms-sim: two hosts cannot share a journal")]
    InUse,
    #[error(
        "has the rows of {FILE_HOSTS_MAX} hosts, and cannot take those of another: use a host's \
         earlier name, or another file"
    )]
    TooManyHosts,
    #[error("damaged ({0}): keep it, and restore a backup or start with another file")]
    Damaged(String),
    #[error("the disk is full ({0}): free space, or point --journal at another disk")]
    Full(String),
    #[error("no permission to write here, or the file system is read-only ({0})")]
    ReadOnly(String),
    #[error("cannot be opened ({0}): does its directory exist, and may this user write there?")]
    CannotOpen(String),
    #[error("locked by another program for more than 5 s ({0})")]
    Locked(String),
    #[error("{0}")]
    Other(String),
}

impl JournalError {
    pub(super) fn new(path: &Path, problem: Problem) -> Self {
        Self { path: path.display().to_string().escape_debug().to_string(), problem }
    }

    pub(super) fn of(path: &Path, error: &rusqlite::Error) -> Self {
        Self::new(path, Problem::of(error))
    }
}

impl Problem {
    fn of(error: &rusqlite::Error) -> Self {
        let text = error.to_string();
        let code = error.sqlite_error_code();
        let extended = error.sqlite_error().map_or(0, |error| error.extended_code);
        match code {
            Some(ErrorCode::NotADatabase) => Self::NotSqlite,
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged(text),
            Some(ErrorCode::DiskFull) => Self::Full(text),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly(text),
            Some(ErrorCode::CannotOpen) => Self::CannotOpen(text),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(text),
            _ if extended != 0 => Self::Other(format!("{text} (SQLite error {extended})")),
            _ => Self::Other(text),
        }
    }
}

/// What `bad` columns come to: a file that SQLite can read and this program cannot.
pub(super) fn damaged(path: &Path, number: i64, what: &str) -> JournalError {
    JournalError::new(path, Problem::Damaged(format!("row {number}: {what}")))
}
