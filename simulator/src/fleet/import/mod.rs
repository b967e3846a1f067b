//! A scenario out of what is known of a real population: event 12290 of hosts, a journal, an inventory.
//!
//! ```text
//! bytes ── lines | events | table | journal ── Sighting ── Census (who is who) ── plan ── TOML
//! ```
//!
//! Readers stream and hold one line, event or record at a time; the census holds clients, not
//! requests. What had to be assumed stands at the head of the scenario.

mod census;
mod events;
mod journal;
mod lines;
mod moment;
mod names;
mod plan;
mod request;
mod sniff;
mod table;
mod text;
mod write;

#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::Path;

use kms_page::text::escape;
use kms_protocol::guid::Guid;
use kms_protocol::kms::product::Product;
use thiserror::Error;

use self::census::Census;
use self::names::Products;
use self::request::Sighting;
use self::sniff::Kind;

/// What the person who imports knows beside the files.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The scenario's name.
    pub name: String,
    /// Which product an activation id, or a product's name in an inventory, stands for.
    pub products: Vec<(String, &'static Product)>,
}

/// Files on their way to a scenario.
#[derive(Debug)]
pub struct Import {
    options: Options,
    products: Products,
    census: Census,
    files: Vec<ReadFile>,
}

/// What came of one file.
#[derive(Debug)]
struct ReadFile {
    name: String,
    kind: Kind,
    /// Requests, or rows of an inventory.
    rows: u64,
    /// Events of other ids, and rows that are no request.
    passed_over: u64,
    /// Headings that say nothing to us.
    unused: Vec<String>,
}

/// Why a file cannot be imported. Lines, events and rows are numbered from 1.
#[derive(Debug, Error)]
pub enum ImportError {
    /// It cannot be read.
    #[error("{file}: cannot read it: {source}")]
    Io {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// It holds something that is not what the rest is.
    #[error("{file}:{line}: {what}")]
    Wrong {
        /// The file.
        file: String,
        /// Where.
        line: u64,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// As a whole.
    #[error("{file}: {what}")]
    Whole {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// All of them together.
    #[error("{0}")]
    Together(String),
}

/// What is wrong, and at which line.
type Bad = (u64, String);

/// Takes what readers find.
trait Sink {
    /// A request, or a row of an inventory, from `line`.
    ///
    /// # Errors
    /// There is no room for it.
    fn take(&mut self, line: u64, seen: Sighting) -> Result<(), Bad>;
    /// Something else, which is no mistake.
    fn pass_over(&mut self);
    /// A heading of a table that is not used.
    fn unused(&mut self, heading: &str);
}

impl Import {
    /// Nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let products = Products::new(&options.products);
        Self { options, products, census: Census::new(CLIENTS_MAX), files: Vec::new() }
    }

    /// Takes a file in, whatever of the known kinds it is.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn file(&mut self, path: &Path) -> Result<(), ImportError> {
        let file = escape(&path.display().to_string()).into_owned();
        if self.files.len() >= FILES_MAX {
            let what = format!("at most {FILES_MAX} files are read together");
            return Err(ImportError::Together(what));
        }
        let cannot = |source| ImportError::Io { file: file.clone(), source };
        let mut opened = std::fs::File::open(path).map_err(cannot)?;
        let mut head = Vec::new();
        opened.by_ref().take(sniff::HEAD_BYTES).read_to_end(&mut head).map_err(cannot)?;
        if head.starts_with(journal::MAGIC) {
            return self.read(file, Kind::Journal, |sink| journal::read(path, sink));
        }
        self.stream(file, std::io::Cursor::new(head).chain(opened))
    }

    /// Takes in a text: events as XML, lines of event 12290 or a table.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn stream(&mut self, file: String, input: impl Read) -> Result<(), ImportError> {
        let file = escape(&file).into_owned();
        let bytes = input.take(FILE_BYTES_MAX);
        let (kind, mut text) = sniff::open(bytes).map_err(|what| match what {
            sniff::Unknown::Io(source) => ImportError::Io { file: file.clone(), source },
            sniff::Unknown::What(what) => ImportError::Whole { file: file.clone(), what },
        })?;
        self.read(file, kind, |sink| match kind {
            Kind::Events => events::read(&mut text, sink),
            Kind::Lines => lines::read(&mut text, sink),
            Kind::Table { delimiter } => table::read(&mut text, delimiter, sink),
            Kind::Journal => Err((0, "a journal is read as a file".to_owned())),
        })
    }

    fn read(
        &mut self,
        name: String,
        kind: Kind,
        read: impl FnOnce(&mut dyn Sink) -> Result<(), Bad>,
    ) -> Result<(), ImportError> {
        let file = ReadFile { name, kind, rows: 0, passed_over: 0, unused: Vec::new() };
        let mut taker = Taker { file, census: &mut self.census, products: &mut self.products };
        let read = read(&mut taker);
        let file = taker.file;
        match read {
            Ok(()) if file.rows == 0 => {
                let what = "holds no event 12290 and no client".to_owned();
                Err(ImportError::Whole { file: file.name, what })
            }
            Ok(()) => {
                self.files.push(file);
                Ok(())
            }
            Err((0, what)) => Err(ImportError::Whole { file: file.name, what }),
            Err((line, what)) => Err(ImportError::Wrong { file: file.name, line, what }),
        }
    }

    /// The scenario as TOML, with what was assumed at its head.
    ///
    /// # Errors
    /// There are more clients than a scenario can list, or none.
    pub fn scenario(&self) -> Result<String, ImportError> {
        let people = self.census.people();
        let planned = plan::plan(&self.options.name, &people, &self.products, self.census.end())
            .map_err(ImportError::Together)?;
        Ok(write::toml(&planned, &self.files))
    }
}

/// Lets a reader's findings into the census.
struct Taker<'a> {
    file: ReadFile,
    census: &'a mut Census,
    products: &'a mut Products,
}

impl Sink for Taker<'_> {
    fn take(&mut self, line: u64, mut seen: Sighting) -> Result<(), Bad> {
        self.file.rows += 1;
        let product = self.products.resolve(&seen);
        seen.name = seen.name.and_then(|name| names::client(&name));
        self.census.take(seen, product).map_err(|what| (line, what))
    }

    fn pass_over(&mut self) {
        self.file.passed_over += 1;
    }

    fn unused(&mut self, heading: &str) {
        if self.file.unused.len() < UNUSED_MAX {
            self.file.unused.push(escape(heading).into_owned());
        }
    }
}

/// An activation id as files have it.
fn guid(text: &str) -> Option<Guid> {
    text.trim().trim_start_matches('{').trim_end_matches('}').parse().ok()
}

/// Bytes of a file.
pub const FILE_BYTES_MAX: u64 = 8 << 30;
/// Files of one import.
pub const FILES_MAX: usize = 1000;
/// Pairs of CMID and name that are kept apart while reading: a scenario lists half as many clients,
/// and machines whose name or CMID changes have several.
pub const CLIENTS_MAX: usize = 2 * crate::fleet::scenario::shape::LISTED_MAX;
/// Unused headings that are named.
const UNUSED_MAX: usize = 20;
