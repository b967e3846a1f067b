//! Where the result of a run goes: standard output in one form, and files in others.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use crate::cli::output;
use crate::fleet::outcome::Outcome;
use crate::fleet::report::Report;
use crate::fleet::scenario::Scenario;

/// Options that `run` and `merge` share.
#[derive(Debug, Args)]
pub(in crate::cli) struct Formats {
    /// What is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write it to a file instead of printing it.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also write the expectations as JUnit XML, a case each.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also write a page with plots.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Also write events 12288 and 12289 of the clients that were traced.
    #[arg(long, value_name = "FILE")]
    client_events: Option<PathBuf>,
    /// Also write event 12290 of the hosts, of the clients that were traced.
    #[arg(long, value_name = "FILE")]
    host_events: Option<PathBuf>,
    /// Also write when the clients that were traced asked, in seconds from the start: for
    /// `kms-sim load --replay`.
    #[arg(long, value_name = "FILE")]
    request_times: Option<PathBuf>,
    /// Also write the clients that were asked for as `slmgr /dlv` shows them.
    #[arg(long, value_name = "FILE")]
    dlv: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// A summary for people.
    #[default]
    Text,
    /// Everything, for scripts, `fleet merge` and `fleet compare`.
    Json,
    /// A table over time: states, and requests and counts at each host.
    Csv,
}

impl Formats {
    /// Writes the files, then prints. The exit code is 1 where an expectation is broken.
    ///
    /// # Errors
    /// A file or standard output cannot be written to.
    pub(super) fn write(&self, scenario: &Scenario, outcome: &Outcome) -> anyhow::Result<ExitCode> {
        let report = Report::of(scenario, outcome);
        if let Some(path) = &self.junit {
            write(path, report.junit()?.as_bytes())?;
        }
        if let Some(path) = &self.html {
            write(path, report.html().as_bytes())?;
        }
        if let Some(path) = &self.client_events {
            write(path, report.client_events().as_bytes())?;
        }
        if let Some(path) = &self.host_events {
            write(path, report.host_events().as_bytes())?;
        }
        if let Some(path) = &self.request_times {
            write(path, report.request_times().as_bytes())?;
        }
        if let Some(path) = &self.dlv {
            write(path, report.snapshots().as_bytes())?;
        }
        let content = match self.format {
            Format::Text => report.text()?.into_bytes(),
            Format::Json => report.json()?.into_bytes(),
            Format::Csv => report.csv()?,
        };
        match &self.output {
            Some(path) => write(path, &content)?,
            None => output::print(&content)?,
        }
        Ok(if report.run().passed { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) })
    }
}

/// Writes a file as a whole: whoever reads it meanwhile sees the old one or the new one.
pub(super) fn write(path: &std::path::Path, content: &[u8]) -> anyhow::Result<()> {
    let name = path.display().to_string();
    let context = || format!("cannot write `{}`", name.escape_debug());
    // Only a plain file is replaced: `/dev/stdout` is a link, and may lead to a file.
    if path.symlink_metadata().is_ok_and(|meta| !meta.is_file()) {
        return std::fs::write(path, content).with_context(context);
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = std::fs::write(&beside, content).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        std::fs::remove_file(&beside).ok();
    }
    written.with_context(context)
}

/// Exit code of a run that breaks an expectation.
const BROKEN: u8 = 1;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::write;
    use std::fs;

    #[test]
    fn a_link_stays_a_link_and_a_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, b"through the link").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "through the link");
        write(&file, b"new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside them");
    }
}
