//! A report's file that is there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// A file that is being written beside its place, and takes it when it is complete. It is made
/// before a long run begins, so that a folder that cannot be written to is known at once.
#[derive(Debug)]
pub struct PendingFile {
    file: File,
    beside: PathBuf,
    place: PathBuf,
    is_complete: bool,
}

impl PendingFile {
    /// Makes the file beside `place`.
    ///
    /// # Errors
    /// What the system says of the folder, or that `place` is one.
    pub fn create(place: &Path) -> io::Result<Self> {
        if place.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        let name = place.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}.part", std::process::id()));
        let beside = place.with_file_name(beside);
        let file = OpenOptions::new().write(true).create_new(true).open(&beside)?;
        Ok(Self { file, beside, place: place.to_owned(), is_complete: false })
    }

    /// Writes the content and puts the file into its place, over one that was there.
    ///
    /// # Errors
    /// What the system says; nothing has changed then.
    pub fn finish(self, content: &[u8]) -> io::Result<()> {
        self.finish_with(|file| file.write_all(content))
    }

    /// The same with content that `write` makes piece by piece.
    ///
    /// # Errors
    /// What `write` or the system says; nothing has changed then.
    pub fn finish_with<E: From<io::Error>>(
        self,
        write: impl FnOnce(&mut dyn io::Write) -> Result<(), E>,
    ) -> Result<(), E> {
        self.finish_in(|file| {
            let mut buffered = BufWriter::new(file);
            write(&mut buffered)?;
            Ok(buffered.flush()?)
        })
    }

    /// The same for a format that is written back and forth.
    ///
    /// # Errors
    /// What `write` or the system says; nothing has changed then.
    pub fn finish_in<T, E: From<io::Error>>(
        mut self,
        write: impl FnOnce(&mut File) -> Result<T, E>,
    ) -> Result<T, E> {
        let made = write(&mut self.file)?;
        self.file.sync_all()?;
        fs::rename(&self.beside, &self.place)?;
        self.is_complete = true;
        Ok(made)
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if !self.is_complete {
            let _already_gone = fs::remove_file(&self.beside);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_finished_file_replaces_the_one_before_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("report.json");
        fs::write(&place, "old and longer").unwrap();
        let pending = PendingFile::create(&place).unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "old and longer");
        pending.finish(b"new").unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "new");
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    fn an_unfinished_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(PendingFile::create(&folder.path().join("report.json")).unwrap());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_known_before_the_content() {
        let folder = tempfile::tempdir().unwrap();
        assert!(PendingFile::create(folder.path()).is_err());
        assert!(PendingFile::create(&folder.path().join("missing/report.json")).is_err());
    }
}
