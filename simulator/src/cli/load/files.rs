//! What is written beside the report: opened before anything is sent, begun with the first exchange,
//! so that a run that could not begin leaves nothing behind and every older file as it was.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use super::arguments::Arguments;
use crate::load::compare::Base;
use crate::load::report::csv::Rows;
use crate::load::report::hlog::Log;
use crate::load::{Second, Tally};

/// All of them.
pub(super) struct Files {
    csv: Option<Output>,
    hlog: Option<Output>,
    html: Option<Output>,
    pub(super) base: Option<Base>,
}

/// Those that grow while the run goes on.
#[derive(Default)]
pub(super) struct Growing {
    csv: Option<Rows<BufWriter<File>>>,
    hlog: Option<Log<BufWriter<File>>>,
}

/// A file that can be written and has not been yet.
struct Output {
    flag: &'static str,
    path: PathBuf,
    file: File,
    /// Made just now, to go again unless it is used.
    is_new: bool,
}

impl Files {
    /// # Errors
    /// One that cannot be written, or a report to compare with that is none.
    pub(super) fn open(arguments: &Arguments) -> anyhow::Result<Self> {
        let base = arguments.compare.as_deref().map(read_base).transpose()?;
        let open = |flag, path: &Option<PathBuf>| {
            path.as_deref().map(|path| Output::open(flag, path)).transpose()
        };
        Ok(Self {
            csv: open("--csv", &arguments.csv)?,
            hlog: open("--hlog", &arguments.hlog)?,
            html: open("--html", &arguments.html)?,
            base,
        })
    }

    /// The run has begun.
    ///
    /// # Errors
    /// The disk.
    pub(super) fn begin(&mut self) -> anyhow::Result<Growing> {
        let csv = self.csv.take().map(|output| {
            let flag = output.flag;
            output.begin().and_then(|file| Rows::new(BufWriter::new(file))).context(flag)
        });
        let hlog = self.hlog.take().map(|output| {
            let flag = output.flag;
            let now = SystemTime::now();
            output.begin().and_then(|file| Log::new(BufWriter::new(file), now)).context(flag)
        });
        Ok(Growing { csv: csv.transpose()?, hlog: hlog.transpose()? })
    }

    /// # Errors
    /// The disk.
    pub(super) fn write_page(&mut self, page: impl FnOnce() -> String) -> anyhow::Result<()> {
        let Some(output) = self.html.take() else { return Ok(()) };
        let written = output.begin().and_then(|mut file| file.write_all(page().as_bytes()));
        written.context("--html: cannot write")
    }
}

impl Growing {
    /// # Errors
    /// The disk.
    pub(super) fn second(&mut self, second: &Second, tally: &Tally) -> anyhow::Result<()> {
        let csv = self.csv.as_mut().map_or(Ok(()), |rows| rows.row(second));
        let hlog = self.hlog.as_mut().map_or(Ok(()), |log| log.line(second.second, tally));
        csv.context("--csv: cannot write").and(hlog.context("--hlog: cannot write"))
    }
}

impl Output {
    fn open(flag: &'static str, path: &Path) -> anyhow::Result<Self> {
        let made = File::options().write(true).create_new(true).open(path);
        let (opened, is_new) = match made {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                (File::options().write(true).open(path), false)
            }
            made => (made, true),
        };
        let shown =
            || format!("{flag}: cannot write `{}`", path.display().to_string().escape_debug());
        let file = opened.with_context(shown)?;
        Ok(Self { flag, path: path.to_owned(), file, is_new })
    }

    fn begin(mut self) -> io::Result<File> {
        self.is_new = false;
        // A pipe or a terminal has no length.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.file.try_clone()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.is_new {
            // It was empty, and another message has already said why.
            std::fs::remove_file(&self.path).ok();
        }
    }
}

fn read_base(path: &Path) -> anyhow::Result<Base> {
    let shown = || format!("--compare `{}`", path.display());
    let length = std::fs::metadata(path).with_context(shown)?.len();
    anyhow::ensure!(length <= BASE_BYTES_MAX, "{}: no report is so long", shown());
    let text = std::fs::read_to_string(path).with_context(shown)?;
    serde_json::from_str(&text)
        .with_context(|| format!("{}: not a report of `kms-sim load --format json`", shown()))
}

const BASE_BYTES_MAX: u64 = 16 << 20;
