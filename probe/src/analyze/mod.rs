//! `kms-probe analyze`: what happened to each client, from what Windows and others wrote down.
//!
//! [`readers`] recognise files by their content and turn them into [`records`]; [`timeline`] puts
//! events in order and pairs requests with their answers; [`findings`] judges by a table; [`report`]
//! shows. Only the readers touch files.

pub mod anomaly;
mod archives;
pub mod findings;
pub mod moment;
pub mod names;
pub mod readers;
pub mod record;
pub mod records;
pub mod report;
pub mod timeline;

use std::path::PathBuf;

use self::findings::Finding;
use self::names::Names;
use self::records::Records;
use self::timeline::Timeline;
use crate::verdict::Severity;

/// What to analyze, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How to read.
    pub reading: readers::Options,
    /// Show names and addresses as pseudonyms.
    pub redact: bool,
}

/// What was found.
#[derive(Debug)]
pub struct Analysis {
    /// Everything that was read, events in order of time.
    pub records: Records,
    /// Clients, and which requests were answered.
    pub timeline: Timeline,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
}

impl Analysis {
    /// The worst severity of all findings.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
    }
}

/// Reads all files and judges what they say together.
///
/// # Errors
/// When a file cannot be opened, or none of them holds anything that is known.
pub fn run(files: &[PathBuf], options: &Options) -> anyhow::Result<Analysis> {
    let mut records = Records { names: Names::new(options.redact), ..Records::default() };
    let opened = archives::open(files)?;
    for (index, file) in opened.files.iter().enumerate() {
        let mut sink = records.begin(shown(&file.name, index, options.redact));
        if let Err(error) = readers::read(&file.path, &options.reading, &mut sink) {
            let name = crate::report::escape(&file.name).into_owned();
            return Err(anyhow::Error::new(error).context(format!("cannot read `{name}`")));
        }
    }
    if let ([only], true) = (records.files.as_slice(), records.is_empty())
        && let Some(problem) = &only.problem
    {
        let name = crate::report::escape(&only.name).into_owned();
        anyhow::bail!("`{name}`: {problem}");
    }
    if records.files.iter().all(|file| file.kind.is_none()) {
        anyhow::bail!("none of the files holds anything that is known here");
    }
    let timeline = Timeline::of(&mut records);
    let findings = findings::of(&records, &timeline);
    Ok(Analysis { records, timeline, findings })
}

/// A file's name may hold names of people and machines.
fn shown(name: &str, index: usize, redact: bool) -> String {
    if redact { format!("file-{}", index + 1) } else { name.to_owned() }
}

/// Files of one analysis.
pub const FILES_MAX: usize = 1_000;
