//! The file as it is written, before defaults are filled in and names are looked up.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::values::{MOfN, Percent, Time};
use crate::watch::state::Level;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shape {
    pub(super) history: Option<PathBuf>,
    pub(super) seed: Option<u32>,
    pub(super) concurrency: Option<Spanned<usize>>,
    pub(super) retention: Option<Spanned<Time>>,
    pub(super) retained_rows: Option<Spanned<u64>>,
    pub(super) defaults: Option<Spanned<TargetShape>>,
    #[serde(default)]
    pub(super) target: Vec<Spanned<TargetShape>>,
    #[serde(default)]
    pub(super) webhook: BTreeMap<String, Spanned<WebhookShape>>,
    #[serde(default)]
    pub(super) mail: BTreeMap<String, Spanned<MailShape>>,
    #[serde(default)]
    pub(super) command: BTreeMap<String, Spanned<CommandShape>>,
    #[serde(default)]
    pub(super) recovery: BTreeMap<String, Spanned<RecoveryShape>>,
}

/// A `[[target]]`, or `[defaults]`, which has neither `name`, `target` nor `host`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetShape {
    pub(super) name: Option<Spanned<String>>,
    pub(super) target: Option<Spanned<String>>,
    pub(super) host: Option<Spanned<bool>>,
    pub(super) depth: Option<Depth>,
    pub(super) timeout: Option<Spanned<Time>>,
    pub(super) resolvers: Option<Spanned<Vec<Resolver>>>,
    pub(super) sources: Option<Spanned<Vec<IpAddr>>>,
    pub(super) lab_key: Option<Spanned<String>>,
    pub(super) expect_lab: Option<bool>,
    pub(super) interval: Option<Spanned<Time>>,
    pub(super) confirm_interval: Option<Spanned<Time>>,
    pub(super) jitter: Option<Percent>,
    pub(super) confirm: Option<MOfN>,
    pub(super) flapping: Option<bool>,
    pub(super) flap_changes: Option<Spanned<usize>>,
    pub(super) flap_within: Option<Spanned<Time>>,
    pub(super) alerts: Option<Spanned<Vec<String>>>,
    pub(super) recovery: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookShape {
    pub(super) url: Spanned<String>,
    pub(super) secret_file: Option<PathBuf>,
    pub(super) secret_env: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Spanned<String>>,
    pub(super) template: Option<Spanned<String>>,
    pub(super) ca_file: Option<Spanned<PathBuf>>,
    pub(super) timeout: Option<Spanned<Time>>,
    pub(super) retry: Option<Spanned<Time>>,
    pub(super) retry_max: Option<Spanned<Time>>,
    pub(super) give_up: Option<Spanned<Time>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MailShape {
    pub(super) relay: Spanned<String>,
    pub(super) port: Option<u16>,
    pub(super) tls: Option<Spanned<MailTls>>,
    pub(super) ca_file: Option<Spanned<PathBuf>>,
    pub(super) from: Spanned<String>,
    pub(super) to: Spanned<Vec<String>>,
    pub(super) user: Option<Spanned<String>>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) password_env: Option<String>,
    pub(super) timeout: Option<Spanned<Time>>,
    pub(super) retry: Option<Spanned<Time>>,
    pub(super) retry_max: Option<Spanned<Time>>,
    pub(super) give_up: Option<Spanned<Time>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommandShape {
    pub(super) command: Spanned<Vec<String>>,
    pub(super) timeout: Option<Spanned<Time>>,
    pub(super) retry: Option<Spanned<Time>>,
    pub(super) retry_max: Option<Spanned<Time>>,
    pub(super) give_up: Option<Spanned<Time>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecoveryShape {
    pub(super) command: Spanned<Vec<String>>,
    pub(super) timeout: Option<Spanned<Time>>,
    pub(super) on: Option<Spanned<Level>>,
    pub(super) backoff: Option<Spanned<Time>>,
    pub(super) backoff_max: Option<Spanned<Time>>,
    pub(super) per_hour: Option<Spanned<usize>>,
    pub(super) attempts: Option<Spanned<u32>>,
    pub(super) verify_after: Option<Spanned<Time>>,
}

impl Shape {
    /// Makes the paths of files those in `folder`, where they are not absolute.
    pub(super) fn look_in(&mut self, folder: &Path) {
        let webhooks = self.webhook.values_mut().flat_map(|shape| {
            let shape = shape.get_mut();
            let ca = shape.ca_file.as_mut().map(Spanned::get_mut);
            shape.secret_file.iter_mut().chain(ca)
        });
        let mails = self.mail.values_mut().flat_map(|shape| {
            let shape = shape.get_mut();
            let ca = shape.ca_file.as_mut().map(Spanned::get_mut);
            shape.password_file.iter_mut().chain(ca)
        });
        for path in self.history.iter_mut().chain(webhooks).chain(mails) {
            *path = folder.join(&path);
        }
    }
}

/// The last stage of a check.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Depth {
    Dns,
    Tcp,
    Bind,
    Rpc,
    Kms,
}

/// How a mail relay is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// In the clear.
    None,
    /// In the clear at first, and then over TLS or not at all.
    Starttls,
    /// TLS from the first byte.
    Implicit,
}

/// A DNS server, as `--resolver` takes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolver(pub(super) SocketAddr);

impl<'de> Deserialize<'de> for Resolver {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = crate::dns::system::parse_resolver(&text);
        parsed.map(Self).map_err(|error| serde::de::Error::custom(error.to_string()))
    }
}
