//! A report as its JSON says it, read back.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::check::Report;
use crate::report::json::{CheckJson, SCHEMA_VERSION};
use crate::verdict::Severity;

/// What is compared of a report. Members that it does not know are left alone.
#[derive(Clone, Debug, Deserialize)]
pub struct Snapshot {
    schema_version: u32,
    tool: ToolName,
    /// When the check began, RFC 3339.
    pub started: String,
    pub(super) targets: Vec<PastEntry>,
}

#[derive(Clone, Debug, Deserialize)]
struct ToolName {
    name: String,
}

/// One entry.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PastEntry {
    pub(super) target: String,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) address: Option<String>,
    pub(super) verdict: String,
    pub(super) severity: Severity,
    pub(super) stages: Vec<PastStage>,
    pub(super) findings: Vec<PastFinding>,
}

/// One stage of an entry.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PastStage {
    pub(super) stage: String,
    pub(super) verdict: String,
    pub(super) elapsed_us: u64,
    pub(super) facts: Value,
}

/// One finding of an entry.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PastFinding {
    pub(super) code: String,
    pub(super) severity: Severity,
    pub(super) facts: Value,
}

impl Snapshot {
    /// Reads a file that `check --format json` wrote.
    ///
    /// # Errors
    /// What is wrong with it, and where: too large, no JSON, a member that is missing or of
    /// another kind (with line and column), another program's file, another version.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(BASELINE_BYTES_MAX + 1).read_to_end(&mut bytes))
            .with_context(|| format!("--baseline: cannot read `{shown}`"))?;
        if bytes.len() as u64 > BASELINE_BYTES_MAX {
            bail!("--baseline: `{shown}` is larger than {} MiB", BASELINE_BYTES_MAX >> 20);
        }
        Self::parse(&bytes).map_err(|error| anyhow!("--baseline: `{shown}` {error:#}"))
    }

    /// Understands the bytes of such a file.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            bail!("{NO_REPORT}: no JSON object");
        }
        let snapshot: Self = serde_json::from_slice(bytes).context(NO_REPORT)?;
        let Self { schema_version, tool, targets, .. } = &snapshot;
        if tool.name != env!("CARGO_PKG_NAME") {
            bail!("was written by `{}`, not by kms-probe", tool.name);
        }
        if *schema_version != SCHEMA_VERSION {
            bail!("has schema_version {schema_version}; this program reads {SCHEMA_VERSION}");
        }
        if targets.is_empty() {
            bail!("has no target to compare with");
        }
        Ok(snapshot)
    }

    /// The same of a report at hand.
    ///
    /// # Errors
    /// None in practice: the report's own JSON is read back.
    pub fn of(report: &Report) -> anyhow::Result<Self> {
        Self::parse(&serde_json::to_vec(&CheckJson(report))?)
    }
}

impl PastEntry {
    pub(super) fn stage(&self, name: &str) -> Option<&PastStage> {
        self.stages.iter().find(|stage| stage.stage == name)
    }
}

const NO_REPORT: &str = "is not a report that `kms-probe check --format json` wrote";

/// Larger files are refused: the report of ten thousand entries is smaller.
pub const BASELINE_BYTES_MAX: u64 = 64 << 20;
