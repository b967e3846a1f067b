//! Which files are read.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Command;

use super::file::{self, File};

/// One file that may set something, and who asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where.
    pub path: PathBuf,
    /// Why it is looked for.
    pub reason: Reason,
}

/// Why a file is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// `--config`: it must exist.
    Flag,
    /// `KMS_PROBE_CONFIG`: it must exist.
    Variable,
    /// The user's own, if it exists.
    User,
    /// The machine's, if it exists.
    System,
}

impl Reason {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Flag => "--config",
            Self::Variable => VARIABLE,
            Self::User => "user",
            Self::System => "system",
        }
    }

    const fn is_wanted(self) -> bool {
        matches!(self, Self::Flag | Self::Variable)
    }
}

/// The files to look at, each over those after it. One that is named stands alone; an empty
/// variable means none at all.
pub fn candidates(
    flag: Option<&Path>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Vec<Candidate> {
    let one = |path: PathBuf, reason| vec![Candidate { path, reason }];
    if let Some(path) = flag {
        return one(path.to_owned(), Reason::Flag);
    }
    match variable(VARIABLE) {
        Some(path) if path.is_empty() => return Vec::new(),
        Some(path) => return one(path.into(), Reason::Variable),
        None => {}
    }
    let mut all = Vec::new();
    // The XDG specification has relative paths ignored.
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder =
        absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    if let Some(folder) = folder {
        all.push(Candidate { path: folder.join(USER), reason: Reason::User });
    }
    all.push(Candidate { path: SYSTEM.into(), reason: Reason::System });
    all
}

/// Reads those of the files that exist. One that nobody named and that this user may not read counts
/// as absent, for `HOME` may be another user's; `forbidden` hears of it.
///
/// # Errors
/// One that was named is missing or cannot be read, or something in a file is wrong.
pub fn load(
    candidates: &[Candidate],
    program: &Command,
    forbidden: &mut dyn FnMut(&str),
) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    for candidate in candidates {
        let name = candidate.path.display().to_string();
        let text = match read(&candidate.path) {
            Ok(text) => text,
            Err(error) if is_absent(&error) && !candidate.reason.is_wanted() => continue,
            Err(error) if is_forbidden(&error) && !candidate.reason.is_wanted() => {
                forbidden(&name);
                continue;
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    let by = candidate.reason.words();
                    format!("cannot read the configuration file `{name}` ({by})")
                });
            }
        };
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > file::BYTES_MAX {
            bail!("configuration file `{name}`: longer than {} bytes", file::BYTES_MAX);
        }
        files.push(file::parse(&name, &text, program)?);
    }
    Ok(files)
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(file::BYTES_MAX + 1).read_to_string(&mut text)?;
    Ok(text)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn is_forbidden(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

impl Candidate {
    /// What becomes of it, in one word.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match fs::File::open(&self.path) {
            Err(error) if is_absent(&error) => "absent",
            Err(error) if is_forbidden(&error) => "denied",
            _ => "read",
        }
    }
}

/// The variable that names a file.
pub const VARIABLE: &str = "KMS_PROBE_CONFIG";
const USER: &str = "kms-probe/config.toml";
const SYSTEM: &str = "/etc/kms-probe.toml";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn paths(flag: Option<&str>, variables: &[(&str, &str)]) -> Vec<String> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        };
        candidates(flag.map(Path::new), &variable)
            .iter()
            .map(|candidate| candidate.path.display().to_string())
            .collect()
    }

    #[test]
    fn a_file_that_is_named_stands_alone_and_an_empty_variable_means_none() {
        let user = [("HOME", "/home/u"), ("KMS_PROBE_CONFIG", "/b.toml")];
        assert_eq!(paths(Some("a.toml"), &user), ["a.toml"]);
        assert_eq!(paths(None, &user), ["/b.toml"]);
        assert!(paths(None, &[("KMS_PROBE_CONFIG", ""), ("HOME", "/home/u")]).is_empty());
    }

    #[test]
    fn the_users_file_comes_before_the_machines() {
        let system = "/etc/kms-probe.toml";
        let xdg = [("HOME", "/home/u"), ("XDG_CONFIG_HOME", "/x")];
        assert_eq!(paths(None, &xdg), ["/x/kms-probe/config.toml", system]);
        let relative = [("HOME", "/home/u"), ("XDG_CONFIG_HOME", "x")];
        let in_home = "/home/u/.config/kms-probe/config.toml";
        assert_eq!(paths(None, &relative), [in_home, system]);
        assert_eq!(paths(None, &[]), [system]);
    }

    #[test]
    fn only_a_file_that_was_named_must_exist_and_none_may_be_endless() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("none.toml");
        let program = Command::new("p");
        let ask = |path: &Path, reason| {
            load(&[Candidate { path: path.to_owned(), reason }], &program, &mut |_| {})
        };
        assert_eq!(ask(&absent, Reason::User).unwrap(), []);
        let error = format!("{:#}", ask(&absent, Reason::Flag).unwrap_err());
        assert!(error.contains("none.toml` (--config): No such file"), "{error}");
        let error = format!("{:#}", ask(folder.path(), Reason::User).unwrap_err());
        assert!(error.contains("directory"), "{error}");
        let long = folder.path().join("long.toml");
        let length = usize::try_from(file::BYTES_MAX).unwrap();
        fs::write(&long, "#".repeat(length)).unwrap();
        assert_eq!(ask(&long, Reason::Flag).unwrap().len(), 1);
        fs::write(&long, "#".repeat(length + 1)).unwrap();
        let error = format!("{:#}", ask(&long, Reason::Flag).unwrap_err());
        assert!(error.contains("longer than 1048576 bytes"), "{error}");
    }
}
