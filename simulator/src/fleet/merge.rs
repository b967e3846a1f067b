//! Shards put together: exactly what the unsharded run would have left.

use std::collections::BTreeMap;

use thiserror::Error;

use super::outcome::{Outcome, SiteOutcome};
use super::scenario::Scenario;

/// The shards of one run as the whole. Each comes with the name of its file, for messages. What is
/// whole already stays as it is.
///
/// # Errors
/// [`MergeError`], naming the file and what is wrong with it.
pub fn merge(shards: Vec<(String, Scenario, Outcome)>) -> Result<(Scenario, Outcome), MergeError> {
    let mut shards = shards.into_iter();
    let (first_file, scenario, first) = shards.next().ok_or(MergeError::Nothing)?;
    let rest: Vec<(String, Outcome)> = shards.map(|(file, _, outcome)| (file, outcome)).collect();
    let Some((_, of)) = first.shard else {
        return match rest.first() {
            None => Ok((scenario, first)),
            Some(_) => Err(MergeError::Whole { file: first_file }),
        };
    };
    let mut whole = Whole {
        first_file: first_file.clone(),
        scenario: first.scenario.clone(),
        seed: first.seed,
        of,
        shards: BTreeMap::new(),
        sites: BTreeMap::new(),
    };
    whole.add(first_file, first)?;
    for (file, outcome) in rest {
        whole.add(file, outcome)?;
    }
    let outcome = whole.finish(scenario.sites.len())?;
    Ok((scenario, outcome))
}

/// Why files do not add up to a run.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MergeError {
    /// There is none.
    #[error("no file to merge")]
    Nothing,
    /// A file holds a whole run.
    #[error("`{file}` is a whole run and no shard: nothing can be added to it")]
    Whole {
        /// Which.
        file: String,
    },
    /// Two scenarios.
    #[error("`{file}` is of another scenario than `{first}`: {difference}")]
    Scenario {
        /// Which.
        file: String,
        /// The first file.
        first: String,
        /// The first line of the scenarios that differs.
        difference: String,
    },
    /// Two seeds.
    #[error("`{file}` has seed {seed}, and `{first}` has {expected}")]
    Seed {
        /// Which.
        file: String,
        /// Its seed.
        seed: u64,
        /// The first file.
        first: String,
        /// Its seed.
        expected: u64,
    },
    /// Another number of shards.
    #[error("`{file}` is one of {of} shards, and `{first}` is one of {expected}")]
    Of {
        /// Which.
        file: String,
        /// Its number of shards.
        of: u32,
        /// The first file.
        first: String,
        /// Its number of shards.
        expected: u32,
    },
    /// One shard twice.
    #[error("`{file}` and `{other}` are both shard {index}/{of}")]
    Double {
        /// Which.
        file: String,
        /// The earlier file.
        other: String,
        /// The shard.
        index: u32,
        /// Of how many.
        of: u32,
    },
    /// One site in two shards.
    #[error("`{file}` and another shard both have site number {site}")]
    DoubleSite {
        /// Which.
        file: String,
        /// Index into the scenario's sites.
        site: usize,
    },
    /// Shards that are missing.
    #[error("missing: shard {}", .missing.join(", "))]
    Missing {
        /// `I/N`, at most [`MISSING_NAMED_MAX`] and a word on the rest.
        missing: Vec<String>,
    },
    /// All shards are there, and a site is in none.
    #[error("no shard has site number {site}: the shards were made by different versions")]
    MissingSite {
        /// Index into the scenario's sites.
        site: usize,
    },
}

/// What has been put together so far.
struct Whole {
    first_file: String,
    scenario: String,
    seed: u64,
    of: u32,
    /// The file of each shard.
    shards: BTreeMap<u32, String>,
    sites: BTreeMap<usize, SiteOutcome>,
}

impl Whole {
    fn add(&mut self, file: String, outcome: Outcome) -> Result<(), MergeError> {
        let first = self.first_file.clone();
        if outcome.scenario != self.scenario {
            let difference = difference(&outcome.scenario, &self.scenario);
            return Err(MergeError::Scenario { file, first, difference });
        }
        if outcome.seed != self.seed {
            let (seed, expected) = (outcome.seed, self.seed);
            return Err(MergeError::Seed { file, seed, first, expected });
        }
        let Some((index, of)) = outcome.shard else {
            return Err(MergeError::Whole { file });
        };
        if of != self.of {
            return Err(MergeError::Of { file, of, first, expected: self.of });
        }
        if let Some(other) = self.shards.insert(index, file.clone()) {
            return Err(MergeError::Double { file, other, index, of });
        }
        for site in outcome.sites {
            let number = site.site;
            if self.sites.insert(number, site).is_some() {
                return Err(MergeError::DoubleSite { file, site: number });
            }
        }
        Ok(())
    }

    fn finish(self, sites: usize) -> Result<Outcome, MergeError> {
        let absent = || (0..self.of).filter(|index| !self.shards.contains_key(index));
        let mut missing: Vec<String> =
            absent().take(MISSING_NAMED_MAX).map(|index| format!("{index}/{}", self.of)).collect();
        let more = absent().skip(MISSING_NAMED_MAX).count();
        if more > 0 {
            missing.push(format!("and {more} more"));
        }
        if !missing.is_empty() {
            return Err(MergeError::Missing { missing });
        }
        if let Some(site) = (0..sites).find(|site| !self.sites.contains_key(site)) {
            return Err(MergeError::MissingSite { site });
        }
        Ok(Outcome {
            scenario: self.scenario,
            seed: self.seed,
            shard: None,
            sites: self.sites.into_values().collect(),
        })
    }
}

/// The first line in which two scenarios differ.
fn difference(scenario: &str, other: &str) -> String {
    let line = |line: Option<&str>| {
        let text = line.unwrap_or("(end)");
        text.chars().take(LINE_CHARS_MAX).flat_map(char::escape_debug).collect::<String>()
    };
    let (mut lines, mut others) = (scenario.lines(), other.lines());
    loop {
        match (lines.next(), others.next()) {
            (None, None) => return "in its line breaks".to_owned(),
            (one, two) if one != two => return format!("`{}`, there `{}`", line(one), line(two)),
            _ => {}
        }
    }
}

/// Missing shards that are named.
pub const MISSING_NAMED_MAX: usize = 10;

const LINE_CHARS_MAX: usize = 80;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::fleet::report::example;

    fn shards() -> Vec<(String, Scenario, Outcome)> {
        let (scenario, whole) = example::two_sites();
        let shard = |index: u32| Outcome {
            shard: Some((index, 3)),
            sites: whole.sites.iter().filter(|site| site.site as u32 == index).cloned().collect(),
            ..whole.clone()
        };
        // The third shard has no site, which is legal.
        (0..3).map(|index| (format!("{index}.json"), scenario.clone(), shard(index))).collect()
    }

    #[test]
    fn shards_in_any_order_are_the_whole() {
        let (_, whole) = example::two_sites();
        let mut files = shards();
        files.reverse();
        let (_, merged) = merge(files).unwrap();
        assert_eq!(merged, whole);
        assert_eq!(
            merge(vec![("w".into(), example::two_sites().0, whole.clone())]).unwrap().1,
            whole
        );
    }

    fn refusal(change: impl FnOnce(&mut Vec<(String, Scenario, Outcome)>)) -> String {
        let mut files = shards();
        change(&mut files);
        merge(files).unwrap_err().to_string()
    }

    #[test]
    fn what_does_not_belong_together_is_named() {
        assert_eq!(refusal(Vec::clear), "no file to merge");
        assert_eq!(refusal(|files| files[1].2.seed = 9), "`1.json` has seed 9, and `0.json` has 7");
        assert_eq!(
            refusal(|files| files[1].2.shard = Some((1, 4))),
            "`1.json` is one of 4 shards, and `0.json` is one of 3"
        );
        assert_eq!(
            refusal(|files| files[2] = files[1].clone()),
            "`1.json` and `1.json` are both shard 1/3"
        );
        assert_eq!(refusal(|files| drop(files.remove(1))), "missing: shard 1/3");
        assert_eq!(refusal(|files| files.truncate(1)), "missing: shard 1/3, 2/3");
        assert_eq!(
            refusal(|files| files[1].2.shard = None),
            "`1.json` is a whole run and no shard: nothing can be added to it"
        );
        assert_eq!(
            refusal(|files| files[1].2.sites.clear()),
            "no shard has site number 1: the shards were made by different versions"
        );
        assert_eq!(
            refusal(|files| files[2].2.sites = files[1].2.sites.clone()),
            "`2.json` and another shard both have site number 1"
        );
        let other = refusal(|files| files[1].2.scenario = "name = \"other\"\n".to_owned());
        assert!(
            other.starts_with("`1.json` is of another scenario than `0.json`: `name = "),
            "{other}"
        );
    }

    #[test]
    fn of_many_missing_shards_the_first_are_named() {
        let (scenario, mut outcome) = example::two_sites();
        outcome.shard = Some((0, 100));
        let error = merge(vec![("a".into(), scenario, outcome)]).unwrap_err().to_string();
        assert!(error.ends_with("10/100, and 89 more"), "{error}");
    }
}
