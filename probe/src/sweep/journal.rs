//! Where finished rows are kept: a file with a line for each, in the order in which they ended. With
//! `--resume` it is the caller's and outlives this process, however that ends; otherwise it is a
//! temporary file without a name.
//!
//! A row is finished when its line is complete. A line that was cut off is dropped when the file is
//! opened again, and its row is done anew.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::binding::Binding;
use super::record::Record;
use crate::verdict::Severity;

/// Finished rows.
#[derive(Debug)]
pub struct Journal {
    file: File,
    /// Where the line of each row stands; `None` while it is not finished.
    places: Vec<Option<Extent>>,
    /// Finished rows, from ok to critical.
    by_severity: [usize; 4],
    end: u64,
    /// What the file is called in errors.
    name: String,
}

/// A piece of the file.
#[derive(Clone, Copy, Debug)]
struct Extent {
    start: u64,
    length: u64,
}

/// The first line of a journal.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    kms_probe_sweep: u32,
    started: String,
    #[serde(flatten)]
    binding: Binding,
}

/// Enough of a row's line to know whose it is.
#[derive(Deserialize)]
struct Known {
    row: usize,
    severity: Severity,
}

impl Journal {
    /// Opens the file at `path`, or begins it, for the sweep that `binding` describes. Returns when
    /// the sweep began as well. The file is locked until the journal is dropped.
    ///
    /// # Errors
    /// When the file cannot be used, is in use, or belongs to another sweep.
    pub fn open(path: &Path, binding: &Binding, now: &str) -> anyhow::Result<(Self, String)> {
        let name = path.display().to_string();
        let context = || format!("journal `{name}`");
        let options = OpenOptions::new().read(true).append(true).create(true).clone();
        let file = options.open(path).with_context(context)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("journal `{name}` is in use by another sweep"),
            Err(TryLockError::Error(error)) => return Err(error).with_context(context),
        }
        let mut journal = Self::of(file, binding.rows, name.clone());
        let started = journal.load(binding).with_context(context)?;
        match started {
            Some(started) => Ok((journal, started)),
            None => {
                journal.begin(binding, now).with_context(context)?;
                Ok((journal, now.to_owned()))
            }
        }
    }

    /// A journal in a file without a name.
    ///
    /// # Errors
    /// When the folder for temporary files cannot be used.
    pub fn temporary(rows: usize) -> anyhow::Result<Self> {
        let file = tempfile::tempfile()
            .with_context(|| format!("temporary file in `{}`", std::env::temp_dir().display()))?;
        Ok(Self::of(file, rows, "the temporary file".to_owned()))
    }

    fn of(file: File, rows: usize, name: String) -> Self {
        Self { file, places: vec![None; rows], by_severity: [0; 4], end: 0, name }
    }

    /// Reads what is there and drops a last line that was cut off. `None` where nothing is there.
    fn load(&mut self, binding: &Binding) -> anyhow::Result<Option<String>> {
        let length = self.file.seek(SeekFrom::End(0))?;
        self.file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(self.file.try_clone()?);
        let mut line = Vec::new();
        let mut started = None;
        let mut number = 0;
        while read_line(&mut reader, &mut line)? {
            number += 1;
            let length = u64::try_from(line.len())?;
            if line.pop() != Some(b'\n') {
                if number == 1
                    && !HEADER_START
                        .starts_with(line.get(..HEADER_START.len().min(line.len())).unwrap_or(&[]))
                {
                    bail!("this is not the journal of a sweep, and is left as it is");
                }
                break;
            }
            if number == 1 {
                started = Some(check_header(&line, binding)?);
            } else {
                let found = serde_json::from_slice(&line).ok().and_then(|found: Known| {
                    let place = Extent { start: self.end, length };
                    self.take(found.row.checked_sub(1)?, found.severity, place)
                });
                found.ok_or_else(|| {
                    anyhow!(
                        "line {number} is damaged: it is not a row of this sweep, or repeats one"
                    )
                })?;
            }
            self.end += length;
        }
        if self.end < length {
            self.file.set_len(self.end)?;
        }
        Ok(started)
    }

    fn begin(&mut self, binding: &Binding, now: &str) -> anyhow::Result<()> {
        let header =
            Header { kms_probe_sweep: VERSION, started: now.to_owned(), binding: binding.clone() };
        let line = serde_json::to_vec(&header)?;
        self.write(&line)?;
        Ok(())
    }

    /// Keeps the line of row `number`, counted from 0. Returns whether it was new.
    ///
    /// # Errors
    /// When it cannot be written: the row is not finished then.
    pub(super) fn append(
        &mut self,
        number: usize,
        severity: Severity,
        line: &[u8],
    ) -> anyhow::Result<bool> {
        if self.places.get(number).is_none_or(Option::is_some) {
            return Ok(false);
        }
        let start = self.end;
        self.write(line).with_context(|| format!("cannot write to `{}`", self.name))?;
        let place = Extent { start, length: self.end - start };
        Ok(self.take(number, severity, place).is_some())
    }

    /// One call, so that only the end of this process can cut a line off.
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let mut whole = Vec::with_capacity(line.len() + 1);
        whole.extend_from_slice(line);
        whole.push(b'\n');
        self.file.write_all(&whole)?;
        self.end += u64::try_from(whole.len()).map_err(io::Error::other)?;
        Ok(())
    }

    /// Notes where a row's line is; `None` where there is no such row or it has a line already.
    fn take(&mut self, number: usize, severity: Severity, place: Extent) -> Option<()> {
        let known = self.places.get_mut(number)?;
        if known.is_some() {
            return None;
        }
        *known = Some(place);
        *self.by_severity.get_mut(severity as usize)? += 1;
        Some(())
    }

    /// How many rows are finished.
    #[must_use]
    pub fn finished(&self) -> usize {
        self.by_severity.iter().sum()
    }

    /// Finished rows by severity, from ok to critical.
    #[must_use]
    pub const fn by_severity(&self) -> [usize; 4] {
        self.by_severity
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.places.len()
    }

    /// Whether a row, counted from 0, is finished.
    #[must_use]
    pub fn has(&self, number: usize) -> bool {
        self.places.get(number).is_some_and(Option::is_some)
    }

    /// The line of a finished row, counted from 0, without its end; `None` where it is not finished.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn line(&self, number: usize) -> anyhow::Result<Option<String>> {
        let Some(place) = self.places.get(number).copied().flatten() else { return Ok(None) };
        let mut file = &self.file;
        file.seek(SeekFrom::Start(place.start))?;
        let mut line = String::new();
        file.take(place.length)
            .read_to_string(&mut line)
            .with_context(|| format!("cannot read `{}`", self.name))?;
        line.truncate(line.trim_end().len());
        Ok(Some(line))
    }

    /// What reports need of a finished row, counted from 0.
    ///
    /// # Errors
    /// When the file cannot be read, or holds something else than it did.
    pub fn record(&self, number: usize) -> anyhow::Result<Option<Record>> {
        let Some(line) = self.line(number)? else { return Ok(None) };
        let record = serde_json::from_str(&line)
            .with_context(|| format!("row {} in `{}` is damaged", number + 1, self.name))?;
        Ok(Some(record))
    }
}

/// Reads a line with its end; false at the end of the file.
fn read_line(reader: &mut impl io::BufRead, line: &mut Vec<u8>) -> anyhow::Result<bool> {
    line.clear();
    let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', line)?;
    if u64::try_from(read)? == LINE_BYTES_MAX {
        bail!(
            "a line is longer than {} MiB: this is not the journal of a sweep",
            LINE_BYTES_MAX >> 20
        );
    }
    Ok(read > 0)
}

fn check_header(line: &[u8], binding: &Binding) -> anyhow::Result<String> {
    if !line.starts_with(HEADER_START) {
        bail!("this is not the journal of a sweep, and is left as it is");
    }
    let header: Header = serde_json::from_slice(line)
        .context("the first line is damaged, or was written by another version of this program")?;
    if header.kms_probe_sweep != VERSION {
        bail!(
            "version {} of the journal, where this program writes {VERSION}",
            header.kms_probe_sweep
        );
    }
    match header.binding.difference(binding) {
        None => Ok(header.started),
        Some(difference) => bail!(
            "it belongs to another sweep: {difference}; name another file, or repeat the sweep that it belongs to"
        ),
    }
}

const VERSION: u32 = 1;
const HEADER_START: &[u8] = b"{\"kms_probe_sweep\":";
/// No row comes near it: 64 addresses, each with its facts.
const LINE_BYTES_MAX: u64 = 16 << 20;
