//! The rules that a host starts with: those of the flags, and a file that can be read again.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use kms_protocol::filetime::FileTime;
use tracing::{error, info};

use super::super::faults::load;
use crate::fault::{FaultSet, Rule, RuleError, RuleId, Source, looks_like_a_rule, parse_compact};

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
    /// The rules of `arguments`, set at `now` by the host's clock.
    ///
    /// # Errors
    /// More than one file, a file with a mistake, or a name that two rules have.
    pub(super) fn new(
        arguments: &[FaultArgument],
        seed: u64,
        now: FileTime,
    ) -> anyhow::Result<Self> {
        let set = Arc::new(FaultSet::new(seed));
        let mut file = None;
        for argument in arguments {
            match argument {
                FaultArgument::Rule(text) => {
                    let rule = parse_compact(text, &set.next_id(Source::Flag))?;
                    set.add(rule, Source::Flag, now).map_err(|error| anyhow!("fault: {error}"))?;
                }
                FaultArgument::File(path) if file.is_none() => {
                    let rules = load(path)?;
                    replace(&set, rules, now)?;
                    file = Some(path.clone());
                }
                FaultArgument::File(path) => {
                    let path = path.display().to_string();
                    bail!("fault: `{}` is a second file of rules", path.escape_debug());
                }
            }
        }
        Ok(Self { set, file })
    }

    /// Reads the file again: all of it, or nothing changes and the log says why.
    pub(super) fn reload(&self, now: FileTime) {
        let Some(path) = &self.file else {
            return info!("SIGHUP ignored: there is no file of fault rules");
        };
        match load(path).and_then(|rules| replace(&self.set, rules, now)) {
            Ok(()) => {}
            // With its causes: a file that cannot be read says why.
            Err(error) => {
                let error = format!("{error:#}");
                error!(%error, "fault rules not read again: the old ones stay");
            }
        }
    }
}

fn replace(set: &FaultSet, rules: Vec<Rule>, now: FileTime) -> anyhow::Result<()> {
    let done = set.replace(Source::File, rules, now).map_err(|error| anyhow!("fault: {error}"))?;
    info!(kept = done.kept, set = done.set, removed = done.removed, "fault rules read");
    Ok(())
}
