//! What to watch, how often, whom to tell and what to try: the configuration file, understood.

mod read;
mod shape;
#[cfg(test)]
mod tests;
mod values;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kms_page::text::escape;
use serde_json::Value;

pub use self::read::parse;
pub use self::shape::MailTls;
pub use self::values::Secret;
use super::state::Rules;
use super::template::Template;
use crate::check;
use crate::target::Asked;

/// A configuration file.
#[derive(Clone)]
pub struct Config {
    /// The SQLite file.
    pub history: PathBuf,
    /// Seed of the jitter, where the file names one.
    pub seed: Option<u32>,
    /// Checks at the same time.
    pub concurrency: usize,
    /// How long history is kept.
    pub retention: Duration,
    /// How many checks are kept at most.
    pub retained_rows: u64,
    /// What to watch: each target from each address.
    pub watchpoints: Vec<Watchpoint>,
    /// Whom to tell.
    pub channels: Vec<Arc<Channel>>,
}

/// One target, watched from one address.
#[derive(Clone)]
pub struct Watchpoint {
    /// The name of the target in reports.
    pub name: String,
    /// The target.
    pub asked: Asked,
    /// The address that checks leave from; `None` leaves it to the kernel.
    pub source: Option<IpAddr>,
    /// How to check.
    pub check: check::Options,
    /// How often, and how evenly.
    pub pace: Pace,
    /// What follows from a check.
    pub rules: Rules,
    /// Names of the channels that are told.
    pub channels: Vec<String>,
    /// What to try.
    pub recovery: Option<Arc<RecoveryCommand>>,
}

/// How often a target is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From check to check.
    pub interval: Duration,
    /// The same while a change is not confirmed yet.
    pub confirm_interval: Duration,
    /// Share of the interval by which a check may come later, in per cent.
    pub jitter_percent: u8,
}

/// Somebody who is told of changes.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// How.
    pub means: Means,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How persistently.
    pub retry: Retry,
}

/// How somebody is told.
#[derive(Clone, Debug)]
pub enum Means {
    /// By an HTTP POST.
    Webhook(Webhook),
    /// By a message through an SMTP relay.
    Mail(Box<Mail>),
    /// By a program of this machine.
    Command(Vec<String>),
}

/// An HTTP receiver.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// `http` or `https`.
    pub url: String,
    /// Key of the signature.
    pub secret: Option<Secret>,
    /// Headers beside those that are always there; values may be secrets too.
    pub headers: Vec<(String, Secret)>,
    /// The body; the whole alert where there is none.
    pub template: Option<Template>,
    /// Certificates to trust in place of the usual ones, PEM.
    pub ca: Option<Vec<u8>>,
}

/// An SMTP relay, and who writes to whom.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Its name or address.
    pub relay: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub tls: MailTls,
    /// A certificate to trust beside the usual ones, PEM.
    pub ca: Option<Vec<u8>>,
    /// The sender.
    pub from: lettre::message::Mailbox,
    /// The recipients.
    pub to: Vec<lettre::message::Mailbox>,
    /// User and password.
    pub login: Option<(String, Secret)>,
}

/// When an alert that could not be delivered is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// After the first attempt; each further wait is twice as long.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
    /// After so long it is given up.
    pub give_up: Duration,
}

/// A command that may mend a target.
#[derive(Clone, Debug)]
pub struct RecoveryCommand {
    /// Its name.
    pub name: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
}

// Options of a check hold keys.
impl fmt::Debug for Watchpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchpoint").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Retry {
    /// The wait after so many failed attempts.
    #[must_use]
    pub fn wait(&self, attempts: u32) -> Duration {
        self.first.saturating_mul(1 << attempts.saturating_sub(1).min(31)).min(self.max)
    }
}

impl Config {
    /// The file's contents as `--check-config` shows them, without secrets.
    #[must_use]
    pub fn summary(&self) -> Value {
        serde_json::json!({
            "history": self.history,
            "watchpoints": self.watchpoints.iter().map(|it| serde_json::json!({
                "name": it.name,
                "target": it.asked.text,
                "source": it.source,
                "depth": it.check.depth.name(),
                "interval_s": it.pace.interval.as_secs_f64(),
                "alerts": it.channels,
                "recovery": it.recovery.as_ref().map(|recovery| &recovery.name),
            })).collect::<Vec<_>>(),
            "alerts": self.channels.iter().map(|it| serde_json::json!({
                "name": it.name,
                "by": it.means.name(),
            })).collect::<Vec<_>>(),
        })
    }
}

impl Config {
    /// The same for people, harmless for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("history {}\n", escape(&self.history.display().to_string()));
        for point in &self.watchpoints {
            let from = point.source.map_or_else(String::new, |source| format!(" from {source}"));
            let (every, depth) = (point.pace.interval, point.check.depth.name());
            let confirm = point.rules.confirm;
            let alerts = match point.channels.is_empty() {
                true => "tells nobody".to_owned(),
                false => format!("tells {}", point.channels.join(", ")),
            };
            let tries = point
                .recovery
                .as_ref()
                .map_or_else(String::new, |recovery| format!(", tries {}", recovery.name));
            let line = format!(
                "target {}{from}: {} every {every:?} to depth {depth}, {} of {} confirm, {alerts}{tries}",
                point.name, point.asked.text, confirm.checks, confirm.out_of
            );
            text.push_str(&escape(&line));
            text.push('\n');
        }
        for channel in &self.channels {
            let line = format!("alerts {} by {}", channel.name, channel.means.name());
            text.push_str(&escape(&line));
            text.push('\n');
        }
        text
    }
}

impl Means {
    /// As the file names it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Mail(_) => "mail",
            Self::Command(_) => "command",
        }
    }
}

/// Upper bound of the file.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Targets in one file.
pub const TARGETS_MAX: usize = 1000;
/// Addresses that one target is watched from.
pub const SOURCES_MAX: usize = 8;
/// Channels in one file.
pub const CHANNELS_MAX: usize = 32;
/// Checks at the same time.
pub const CONCURRENCY_MAX: usize = 64;
/// Words of a command.
pub const ARGUMENTS_MAX: usize = 256;
