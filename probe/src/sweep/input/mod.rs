//! The list of targets: plain lines or a table, bounded, and understood as a whole before anything
//! is sent.

mod lines;
mod table;

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read};
use std::net::SocketAddr;

use crate::check::Family;
use crate::report::escape;
use crate::stage::Stage;
use crate::target::{Asked, Target};

/// One target with what its row says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it stands in the file; the first line is 1.
    pub line: usize,
    /// The place it belongs to; empty where none is named.
    pub site: String,
    /// What is asked.
    pub asked: Asked,
    /// DNS servers of its own.
    pub resolvers: Vec<SocketAddr>,
    /// The last stage to run.
    pub depth: Stage,
    /// The line of an earlier row that asks the same.
    pub repeats_line: Option<usize>,
}

/// What holds for rows that say nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Bare names are hosts, not domains.
    pub names_are_hosts: bool,
    /// The last stage to run.
    pub depth: Stage,
    /// The only address family to use.
    pub family: Option<Family>,
}

/// What is wrong with a list, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// Name of the column in a table, or its number from 1 in a line.
    pub column: Option<Column>,
    /// The rule that it breaks.
    pub problem: String,
}

/// A place in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// Of a table.
    Named(String),
    /// Characters from the start of the line, from 1.
    At(usize),
}

/// Reads a list from `source`, which is called `file` in errors.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read(source: impl Read, file: &str, defaults: &Defaults) -> Result<Vec<Row>, InputError> {
    let broken = |problem: String| InputError::whole(file, problem);
    let mut bytes = Vec::new();
    let limit = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX);
    source
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error: io::Error| broken(format!("cannot be read: {error}")))?;
    if bytes.len() > BYTES_MAX {
        return Err(broken(format!("longer than {} MiB", BYTES_MAX / (1024 * 1024))));
    }
    parse(&bytes, file, defaults)
}

/// Understands the bytes of a list.
///
/// # Errors
/// As [`read`].
pub fn parse(bytes: &[u8], file: &str, defaults: &Defaults) -> Result<Vec<Row>, InputError> {
    let text = text(bytes, file)?;
    bounded_lines(text, file)?;
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let first = first.ok_or_else(|| InputError::whole(file, "no target in it".to_owned()))?;
    let mut rows = match table::delimiter_of(first) {
        Some(delimiter) => table::rows(text, delimiter, file, defaults)?,
        None => lines::rows(text, file, defaults)?,
    };
    if rows.is_empty() {
        return Err(InputError::whole(file, "no target below the header".to_owned()));
    }
    note_repeats(&mut rows);
    Ok(rows)
}

/// UTF-8, with or without a byte order mark.
fn text<'a>(bytes: &'a [u8], file: &str) -> Result<&'a str, InputError> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(InputError::whole(file, "in UTF-16: save it as UTF-8".to_owned()));
    }
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or(bytes);
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let column = before.len() - start + 1;
        InputError::at(file, line, Column::At(column), "not UTF-8".to_owned())
    })
}

fn bounded_lines(text: &str, file: &str) -> Result<(), InputError> {
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if number > LINES_MAX {
            return Err(InputError::whole(file, format!("more than {LINES_MAX} lines")));
        }
        if line.len() > LINE_BYTES_MAX {
            let problem = format!("longer than {LINE_BYTES_MAX} bytes");
            return Err(InputError::at(file, number, Column::At(LINE_BYTES_MAX + 1), problem));
        }
    }
    Ok(())
}

/// Understands one target; the message of an error has no place yet.
fn target(text: &str, depth: Stage, defaults: &Defaults) -> Result<Asked, String> {
    let asked = Asked::parse(text, defaults.names_are_hosts)
        .map_err(|error| escape(&error.to_string()).into_owned())?;
    if let Target::Address(address) = asked.target {
        if let Some(family) = defaults.family.filter(|family| !family.has(&address)) {
            let name = family.name();
            return Err(format!(
                "`{address}` is not an {name} address, and no other was asked for"
            ));
        }
        if depth == Stage::Dns {
            return Err(format!(
                "an address needs no DNS, so depth dns has nothing to check: `{address}`"
            ));
        }
    }
    Ok(asked)
}

/// Marks rows that ask what an earlier row asks already. They are checked all the same: each row
/// has its own result.
fn note_repeats(rows: &mut [Row]) {
    let mut seen = HashMap::new();
    for row in rows {
        let key = (format!("{:?}", row.asked.target), row.resolvers.clone(), row.depth);
        let first = *seen.entry(key).or_insert(row.line);
        row.repeats_line = (first != row.line).then_some(first);
    }
}

impl InputError {
    fn whole(file: &str, problem: String) -> Self {
        Self { file: file.to_owned(), line: None, column: None, problem }
    }

    fn at(file: &str, line: usize, column: Column, problem: String) -> Self {
        Self { file: file.to_owned(), line: Some(line), column: Some(column), problem }
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.file)?;
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        match &self.column {
            Some(Column::Named(name)) => write!(f, ", column `{name}`")?,
            Some(Column::At(at)) => write!(f, ", column {at}")?,
            None => {}
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for InputError {}

/// Bytes of a whole list.
pub const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Lines of a list, so rows of a sweep too.
pub const LINES_MAX: usize = 100_000;
/// Bytes of one line, without its end.
pub const LINE_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    pub(super) const DEFAULTS: Defaults =
        Defaults { names_are_hosts: false, depth: Stage::Rpc, family: None };

    fn rows(text: &str) -> Vec<Row> {
        parse(text.as_bytes(), "list", &DEFAULTS).unwrap()
    }

    fn error(bytes: &[u8]) -> String {
        parse(bytes, "list", &DEFAULTS).unwrap_err().to_string()
    }

    #[test]
    fn a_byte_order_mark_and_windows_line_ends_are_tolerated_in_both_forms() {
        let lines = rows("\u{feff}192.0.2.1\r\n\r\n192.0.2.2\r\n");
        assert_eq!(lines.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 3]);
        let table = rows("\u{feff}host,site\r\n192.0.2.1,Oslo\r\n");
        assert_eq!((table[0].line, table[0].site.as_str()), (2, "Oslo"));
    }

    #[test]
    fn lists_without_a_target_say_so() {
        assert!(error(b"").contains("`list`: no target in it"));
        assert!(error(b"# only a comment\n\n").contains("no target in it"));
        assert!(error(b"site,host\n").contains("no target below the header"));
    }

    #[test]
    fn other_encodings_are_named_with_their_place() {
        assert!(error(b"\xFF\xFEh\0o\0").contains("in UTF-16: save it as UTF-8"));
        assert_eq!(error(b"kms1:1688\nk\xE6ms\n"), "`list` line 2, column 2: not UTF-8");
    }

    #[test]
    fn each_limit_holds_at_its_edge() {
        let comment = |length: usize| format!("192.0.2.1\n#{}\n", "x".repeat(length - 1));
        assert_eq!(rows(&comment(LINE_BYTES_MAX)).len(), 1);
        let long = error(comment(LINE_BYTES_MAX + 1).as_bytes());
        assert_eq!(long, "`list` line 2, column 4097: longer than 4096 bytes");
        let many = |count: usize| format!("192.0.2.1\n{}", "\n".repeat(count - 1));
        assert_eq!(rows(&many(LINES_MAX)).len(), 1);
        assert!(error(many(LINES_MAX + 1).as_bytes()).contains("more than 100000 lines"));
        let endless = read(io::repeat(b'\n'), "list", &DEFAULTS).unwrap_err();
        assert_eq!(endless.to_string(), "`list`: longer than 16 MiB");
    }

    #[test]
    fn a_row_that_asks_the_same_again_names_the_first() {
        let rows = rows("host,port,depth\nkms1.test,1688,\nkms1.test,1688,tcp\nKMS1.test:1688,,\n");
        let repeats: Vec<_> = rows.iter().map(|row| row.repeats_line).collect();
        assert_eq!(repeats, [None, None, Some(2)], "another depth is another question");
    }

    #[test]
    fn a_file_that_cannot_be_read_says_so() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let error = read(Broken, "list", &DEFAULTS).unwrap_err();
        assert_eq!(error.to_string(), "`list`: cannot be read: the disk is gone");
    }
}
