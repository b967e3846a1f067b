//! A run as JSON, in the shape that `docs/schema/fleet-run.schema.json` describes, and back.

use std::io::Read;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::run::{Run, SCHEMA_VERSION};
use crate::fleet::outcome::{Outcome, SiteOutcome};
use crate::fleet::scenario::{Mistake, Scenario};

/// One line of JSON with a line break: the figures, then the scenario and the sites that they come
/// from, so that shards can be merged and runs compared.
///
/// # Errors
/// None in practice: writing to memory.
pub(super) fn report(run: &Run, outcome: &Outcome) -> anyhow::Result<String> {
    let document = Document { run, scenario_toml: &outcome.scenario, sites: &outcome.sites };
    let mut json = serde_json::to_string(&document)?;
    json.push('\n');
    Ok(json)
}

/// A run from its JSON. The figures are derived anew from the sites.
///
/// # Errors
/// [`ReadError`].
pub fn read(input: impl Read) -> Result<(Scenario, Outcome), ReadError> {
    read_at_most(input, RUN_BYTES_MAX)
}

pub(super) fn read_at_most(
    input: impl Read,
    bytes_max: u64,
) -> Result<(Scenario, Outcome), ReadError> {
    let mut json = Vec::new();
    input.take(bytes_max + 1).read_to_end(&mut json)?;
    if json.len() as u64 > bytes_max {
        return Err(ReadError::TooLarge(bytes_max));
    }
    let Version { schema_version } = serde_json::from_slice(&json)?;
    if schema_version != SCHEMA_VERSION {
        return Err(ReadError::Version(schema_version));
    }
    let read: Parts = serde_json::from_slice(&json)?;
    let shard = read.shard.as_deref().map(shard).transpose()?;
    let scenario = Scenario::from_toml(&read.scenario_toml).map_err(|mistakes| {
        ReadError::Scenario(mistakes.first().map_or_else(String::new, Mistake::to_string))
    })?;
    let outcome =
        Outcome { scenario: read.scenario_toml, seed: read.seed, shard, sites: read.sites };
    check(&scenario, &outcome)?;
    Ok((scenario, outcome))
}

/// Why a file is no run.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("cannot read it: {0}")]
    Io(#[from] std::io::Error),
    /// It is larger than [`RUN_BYTES_MAX`].
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// It is not the JSON of a run.
    #[error("it is not the JSON of a fleet run: {0}")]
    Json(#[from] serde_json::Error),
    /// Another version's.
    #[error("its `schema_version` is {0}, and this version reads {SCHEMA_VERSION}")]
    Version(u32),
    /// `shard` is not `I/N`.
    #[error("`shard` is `{0}`, not `I/N` with I below N")]
    Shard(String),
    /// The scenario in it cannot be read.
    #[error("the scenario in it cannot be read: {0}")]
    Scenario(String),
    /// Its sites are not those of its scenario.
    #[error("its sites do not belong to its scenario: {0}")]
    Sites(String),
}

/// A shard from `I/N`.
///
/// # Errors
/// [`ReadError::Shard`].
fn shard(text: &str) -> Result<(u32, u32), ReadError> {
    let numbers = text.split_once('/').and_then(|(index, of)| {
        let (index, of) = (index.parse::<u32>().ok()?, of.parse::<u32>().ok()?);
        (index < of).then_some((index, of))
    });
    numbers.ok_or_else(|| ReadError::Shard(text.escape_debug().to_string()))
}

/// Whether every group and host is where the scenario has it, with a sample for each instant.
fn check(scenario: &Scenario, outcome: &Outcome) -> Result<(), ReadError> {
    let samples = scenario.instants().len();
    let problem = |what: String| Err(ReadError::Sites(what));
    for site in &outcome.sites {
        let Some(name) = scenario.sites.get(site.site).map(|site| &site.name) else {
            return problem(format!("there is no site number {}", site.site));
        };
        for group in &site.groups {
            let of = scenario.groups.get(group.group).map(|group| &group.site);
            if of != Some(name) || group.samples.len() != samples {
                return problem(format!("group number {} of {}", group.group, name.escape_debug()));
            }
        }
        for host in &site.hosts {
            let of = scenario.hosts.get(host.host).map(|host| &host.site);
            if of != Some(name) || host.samples.len() != samples {
                return problem(format!("host number {} of {}", host.host, name.escape_debug()));
            }
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    run: &'a Run,
    scenario_toml: &'a str,
    sites: &'a [SiteOutcome],
}

#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

#[derive(Deserialize)]
struct Parts {
    seed: u64,
    shard: Option<String>,
    scenario_toml: String,
    sites: Vec<SiteOutcome>,
}

/// Bytes of a file that is read: a year of hourly samples of a thousand groups and hosts is about a
/// third of it.
pub const RUN_BYTES_MAX: u64 = 2 << 30;
