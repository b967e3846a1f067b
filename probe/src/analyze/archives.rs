//! Files in archives: a bundle of ours, or whatever somebody has packed together.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use super::{FILES_MAX, readers};
use crate::bundle::archive::{Limits, Opened};
use crate::bundle::manifest::MANIFEST;
use crate::report::escape;

/// Files to read, some of them unpacked for as long as this lives.
pub(super) struct Files {
    pub files: Vec<Named>,
    _unpacked: Vec<TempDir>,
}

/// A file, and what it is called in reports.
pub(super) struct Named {
    pub name: String,
    pub path: PathBuf,
}

/// Takes archives apart.
///
/// # Errors
/// A file that cannot be opened, an archive that cannot be read or breaks a limit.
pub(super) fn open(files: &[PathBuf]) -> anyhow::Result<Files> {
    let mut opened = Files { files: Vec::new(), _unpacked: Vec::new() };
    for path in files {
        let name = path.display().to_string();
        if !is_archive(path)? {
            opened.files.push(Named { name, path: path.clone() });
            continue;
        }
        let shown = escape(&name).into_owned();
        let folder = tempfile::tempdir().context("cannot make a folder to unpack into")?;
        let inside = unpack(path, folder.path()).with_context(|| format!("`{shown}`"))?;
        opened.files.extend(
            inside
                .into_iter()
                .map(|(inside, path)| Named { name: format!("{name}/{inside}"), path }),
        );
        opened._unpacked.push(folder);
    }
    if opened.files.len() > FILES_MAX {
        bail!("at most {FILES_MAX} files can be read together, those in archives counted");
    }
    Ok(opened)
}

fn unpack(path: &Path, folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut archive = Opened::open(path, Limits::default())?;
    let is_bundle = archive.names().iter().any(|name| name == MANIFEST);
    // The other parts of a bundle are reports on these.
    let wanted = |name: &str| !is_bundle || name == "check.json" || name.starts_with("logs/");
    archive.unpack(folder, wanted)
}

fn is_archive(path: &Path) -> anyhow::Result<bool> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4).read_to_end(&mut start));
    match read {
        Ok(_) => Ok(readers::is_archive(&start)),
        // The reader proper says what is wrong with it.
        Err(_) => Ok(false),
    }
}
