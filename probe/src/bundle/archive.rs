//! The archive itself: written with hashes, and read as something that anybody may have made.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::manifest::{MANIFEST, Manifest, Part};
use crate::report::escape;

/// Writes parts one after the other.
pub struct Writer<W: Write + Seek> {
    zip: ZipWriter<W>,
    parts: Vec<Part>,
}

impl<W: Write + Seek> Writer<W> {
    /// An empty archive.
    pub fn new(out: W) -> Self {
        Self { zip: ZipWriter::new(out), parts: Vec::new() }
    }

    /// Adds a part with what `write` writes.
    ///
    /// # Errors
    /// What `write` or the system says.
    pub fn add(
        &mut self,
        name: &str,
        what: &str,
        write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.zip.start_file(name, options())?;
        let mut hashing = Hashing { inner: &mut self.zip, hash: Sha256::new(), bytes: 0 };
        write(&mut hashing)?;
        let (bytes, sha256) = (hashing.bytes, hex(&hashing.hash.finalize()));
        self.parts.push(Part { name: name.to_owned(), what: what.to_owned(), bytes, sha256 });
        Ok(())
    }

    /// Adds the manifest that `make` makes of the parts, and ends the archive.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(mut self, make: impl FnOnce(Vec<Part>) -> Manifest) -> anyhow::Result<Manifest> {
        let manifest = make(std::mem::take(&mut self.parts));
        self.zip.start_file(MANIFEST, options())?;
        serde_json::to_writer_pretty(&mut self.zip, &manifest)?;
        self.zip.finish()?.flush()?;
        Ok(manifest)
    }
}

/// Limits of an archive from elsewhere. What its headers claim is not believed: bytes are counted as
/// they come.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Entries.
    pub entries: usize,
    /// Bytes of one entry.
    pub entry_bytes: u64,
    /// Bytes of all entries together.
    pub total_bytes: u64,
    /// How many times its compressed length an entry may have, above 16 MiB.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 2_000, entry_bytes: 1 << 30, total_bytes: 4 << 30, ratio: 200 }
    }
}

/// An archive from elsewhere.
pub struct Opened {
    zip: ZipArchive<File>,
    limits: Limits,
    read_bytes: u64,
}

impl Opened {
    /// Opens an archive, and looks at the names in it.
    ///
    /// # Errors
    /// No archive, or one whose list of entries breaks a limit.
    pub fn open(path: &Path, limits: Limits) -> anyhow::Result<Self> {
        let zip =
            ZipArchive::new(File::open(path)?).context("not a ZIP archive that can be read")?;
        ensure!(
            zip.len() <= limits.entries,
            "it has {} entries, and at most {} are read",
            zip.len(),
            limits.entries
        );
        if let Some(bad) = zip.file_names().find(|name| !is_plain(name)) {
            bail!("entry `{}` has a name that leads out of the archive", escape(bad));
        }
        Ok(Self { zip, limits, read_bytes: 0 })
    }

    /// The names of all entries that are no folders, in their order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let names = (0..self.zip.len()).filter_map(|index| self.zip.name_for_index(index));
        names.filter(|name| !name.ends_with('/')).map(str::to_owned).collect()
    }

    /// Copies an entry to `out`, and returns its length and SHA-256.
    ///
    /// # Errors
    /// No such entry, a broken one, or one that breaks a limit.
    pub fn copy(&mut self, name: &str, out: &mut dyn Write) -> anyhow::Result<(u64, String)> {
        let shown = escape(name).into_owned();
        let mut entry = self.zip.by_name(name).with_context(|| format!("entry `{shown}`"))?;
        let left = self.limits.total_bytes - self.read_bytes;
        let by_ratio = entry.compressed_size().saturating_mul(self.limits.ratio);
        let most = self.limits.entry_bytes.min(left).min(by_ratio.max(RATIO_FREE_BYTES));
        let mut hashing = Hashing { inner: out, hash: Sha256::new(), bytes: 0 };
        let copied = io::copy(&mut Read::by_ref(&mut entry).take(most), &mut hashing)
            .with_context(|| format!("entry `{shown}`"))?;
        self.read_bytes += copied;
        let is_longer = entry.read(&mut [0]).with_context(|| format!("entry `{shown}`"))? > 0;
        ensure!(
            !is_longer,
            "entry `{shown}` has more than {most} bytes unpacked: it was not read on"
        );
        Ok((hashing.bytes, hex(&hashing.hash.finalize())))
    }

    /// The manifest.
    ///
    /// # Errors
    /// There is none, or it is none of ours.
    pub fn manifest(&mut self) -> anyhow::Result<Manifest> {
        ensure!(
            self.names().iter().any(|name| name == MANIFEST),
            "no `{MANIFEST}` in it: this is not a bundle of kms-probe"
        );
        let mut text = Vec::new();
        self.copy(MANIFEST, &mut text)?;
        serde_json::from_slice(&text).with_context(|| format!("`{MANIFEST}`"))
    }

    /// Unpacks the entries that `wanted` names into `folder`, each under a number.
    ///
    /// # Errors
    /// As [`Opened::copy`].
    pub fn unpack(
        &mut self,
        folder: &Path,
        wanted: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Vec<(String, PathBuf)>> {
        let names = self.names().into_iter().filter(|name| wanted(name));
        let mut unpacked = Vec::new();
        for (index, name) in names.enumerate().collect::<Vec<_>>() {
            let path = folder.join(index.to_string());
            self.copy(&name, &mut File::create(&path)?)?;
            unpacked.push((name, path));
        }
        Ok(unpacked)
    }
}

/// Whether a name stays in the archive wherever it is unpacked.
fn is_plain(name: &str) -> bool {
    let parts = || name.split(['/', '\\']);
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with(['/', '\\'])
        && !name.contains(['\0', ':'])
        && parts().all(|part| part != "..")
}

struct Hashing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn options() -> SimpleFileOptions {
    // No time of its own: the manifest has it, and the same parts are then the same bytes.
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default())
        .large_file(true)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// A short text of zeros is no bomb.
const RATIO_FREE_BYTES: u64 = 16 << 20;
const NAME_BYTES_MAX: usize = 512;
