//! The rules that a host starts with: those of the flags, and a file that can be read again.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use kms_protocol::filetime::FileTime;
use tracing::{error, info};

use super::super::faults::load;
use super::hosts::DNS_IS_FOR_ALL;
use crate::fault::{
    FaultSet, Rule, RuleError, RuleId, Source, Stage, looks_like_a_rule, parse_compact,
};
use crate::model::HostName;

/// One `--fault`: a rule, or the file that holds rules.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum FaultArgument {
    /// Text of a rule: its first word is a kind.
    Rule(String),
    /// Anything else.
    File(PathBuf),
}

/// The file of rules, if there is one, and the rules in force.
#[derive(Debug)]
pub(super) struct Faults {
    pub(super) set: Arc<FaultSet>,
    file: Option<PathBuf>,
    /// The host whose rules they are; `None` where they are for every host.
    host: Option<HostName>,
}

impl FromStr for FaultArgument {
    type Err = RuleError;

    /// A rule is read here once, so that a mistake in it is a mistake in the flag.
    fn from_str(text: &str) -> Result<Self, RuleError> {
        if looks_like_a_rule(text) {
            parse_compact(text, &RuleId::made_up("flag", 1))?;
            return Ok(Self::Rule(text.to_owned()));
        }
        if text.contains(char::is_whitespace) && text.contains('=') {
            // No file is called so; a kind that is written wrong is likelier.
            parse_compact(text, &RuleId::made_up("flag", 1))?;
        }
        Ok(Self::File(text.into()))
    }
}

impl FaultArgument {
    /// Whether it is a rule for the DNS server.
    pub(super) fn is_dns(&self) -> bool {
        matches!(self, Self::Rule(text) if text.trim_start().starts_with("dns-"))
    }
}

impl Faults {
    /// The rules of `arguments`, set at `now` by the hosts' clock.
    ///
    /// # Errors
    /// More than one file, a file with a mistake, or a name that two rules have.
    pub(super) fn new(
        arguments: &[FaultArgument],
        seed: u64,
        now: FileTime,
    ) -> anyhow::Result<Self> {
        Self::read(None, arguments, seed, now)
    }

    /// The same for one host of several, which has no rules of DNS.
    ///
    /// # Errors
    /// As for [`Faults::new`], or a rule of DNS.
    pub(super) fn of_host(
        host: &HostName,
        arguments: &[FaultArgument],
        seed: u64,
        now: FileTime,
    ) -> anyhow::Result<Self> {
        Self::read(Some(host.clone()), arguments, seed, now)
    }

    fn read(
        host: Option<HostName>,
        arguments: &[FaultArgument],
        seed: u64,
        now: FileTime,
    ) -> anyhow::Result<Self> {
        let mut faults = Self { set: Arc::new(FaultSet::new(seed)), file: None, host };
        for argument in arguments {
            match argument {
                FaultArgument::Rule(text) => {
                    let rule = parse_compact(text, &faults.set.next_id(Source::Flag))?;
                    let added = faults.set.add(rule, Source::Flag, now);
                    added.map_err(|error| anyhow!("fault: {error}"))?;
                }
                FaultArgument::File(path) if faults.file.is_none() => {
                    faults.file = Some(path.clone());
                    replace(&[&faults], now)?;
                }
                FaultArgument::File(path) => {
                    let path = path.display().to_string();
                    bail!("fault: `{}` is a second file of rules", path.escape_debug());
                }
            }
        }
        Ok(faults)
    }

    /// The rules of the file, where there is one.
    fn rules(&self) -> anyhow::Result<Option<Vec<Rule>>> {
        let Some(path) = &self.file else { return Ok(None) };
        let rules = load(path)?;
        if self.host.is_some()
            && let Some(rule) = rules.iter().find(|rule| rule.stage == Stage::Dns)
        {
            let path = path.display().to_string();
            bail!("fault: `{}`: rule `{}`: {DNS_IS_FOR_ALL}", path.escape_debug(), rule.id);
        }
        Ok(Some(rules))
    }
}

/// Reads the files of `all` again: all of them, or nothing changes and the log says why.
pub(super) fn reload(all: &[&Faults], now: FileTime) {
    if all.iter().all(|faults| faults.file.is_none()) {
        return info!("SIGHUP ignored: there is no file of fault rules");
    }
    if let Err(error) = replace(all, now) {
        // With its causes: a file that cannot be read says why.
        let error = format!("{error:#}");
        error!(%error, "fault rules not read again: the old ones stay");
    }
}

fn replace(all: &[&Faults], now: FileTime) -> anyhow::Result<()> {
    let mut changes: Vec<(&FaultSet, Vec<Rule>)> = Vec::new();
    for faults in all {
        changes.extend(faults.rules()?.map(|rules| (&*faults.set, rules)));
    }
    let done = FaultSet::replace_in_all(changes, Source::File, now)
        .map_err(|error| anyhow!("fault: {error}"))?;
    info!(kept = done.kept, set = done.set, removed = done.removed, "fault rules read");
    Ok(())
}
