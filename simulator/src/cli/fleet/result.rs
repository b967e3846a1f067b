//! The JSON of a run, from a file.

use std::fs::File;
use std::io::BufReader;

use anyhow::{Context as _, anyhow};

use crate::fleet::outcome::Outcome;
use crate::fleet::report;
use crate::fleet::scenario::Scenario;

/// # Errors
/// The file cannot be read or holds no run; the file is named.
pub(super) fn load(file: &str) -> anyhow::Result<(Scenario, Outcome)> {
    let name = file.escape_debug();
    let opened = File::open(file).with_context(|| format!("cannot read `{name}`"))?;
    report::read(BufReader::new(opened)).map_err(|error| anyhow!("`{name}`: {error}"))
}
