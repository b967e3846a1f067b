//! Whether a bundle is what its manifest says.

use std::io;
use std::path::Path;

use super::archive::{Limits, Opened};
use super::manifest::{MANIFEST, Manifest};

/// What was compared.
#[derive(Debug)]
pub struct Verified {
    /// The manifest.
    pub manifest: Manifest,
    /// What differs, in words; empty where nothing does.
    pub problems: Vec<String>,
}

/// Compares every part with the manifest.
///
/// # Errors
/// A file that is no bundle, or breaks a limit.
pub fn verify(path: &Path) -> anyhow::Result<Verified> {
    let mut archive = Opened::open(path, Limits::default())?;
    let manifest = archive.manifest()?;
    let names = archive.names();
    let mut problems = Vec::new();
    for part in &manifest.parts {
        let count = names.iter().filter(|name| **name == part.name).count();
        if count != 1 {
            problems.push(format!("`{}` is there {count} times, not once", part.name));
            continue;
        }
        match archive.copy(&part.name, &mut io::sink()) {
            Err(error) => problems.push(format!("{error:#}")),
            Ok((bytes, _)) if bytes != part.bytes => {
                problems.push(format!("`{}` has {bytes} bytes, not {}", part.name, part.bytes));
            }
            Ok((_, sha256)) if sha256 != part.sha256 => {
                problems.push(format!("`{}` has another content: SHA-256 {sha256}", part.name));
            }
            Ok(_) => {}
        }
    }
    for name in names.iter().filter(|name| *name != MANIFEST) {
        if !manifest.parts.iter().any(|part| part.name == *name) {
            problems.push(format!("`{name}` is not in the manifest"));
        }
    }
    Ok(Verified { manifest, problems })
}
