//! `--host` and `[[host]]`: the hosts of a process that runs several.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use kms_protocol::filetime::FileTime;
use serde::Deserialize;

use super::super::file::{text, texts};
use super::super::value::{Endpoint, InitialCount};
use super::arguments::Settings;
use super::faults::{FaultArgument, Faults};
use super::plan::check_distinct;
use crate::model::{HostName, HostPolicy, IntervalMinutes};
use crate::serve::{HostConfig, host_seed};

/// What is said of one host; what is not said is as for all hosts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in super::super) struct HostSettings {
    #[serde(deserialize_with = "text")]
    name: Option<HostName>,
    #[serde(deserialize_with = "texts")]
    listen: Vec<Endpoint>,
    #[serde(deserialize_with = "text")]
    priority: Option<u16>,
    #[serde(deserialize_with = "text")]
    weight: Option<u16>,
    #[serde(deserialize_with = "text")]
    activation_interval: Option<IntervalMinutes>,
    #[serde(deserialize_with = "text")]
    renewal_interval: Option<IntervalMinutes>,
    #[serde(deserialize_with = "texts")]
    initial_count: Vec<InitialCount>,
    activated: Option<bool>,
    sinkhole: Option<bool>,
    #[serde(deserialize_with = "texts")]
    fault: Vec<FaultArgument>,
}

/// Why the text of a flag does not describe a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct BadHost(String);

/// A host that is going to be started.
#[derive(Debug)]
pub(super) struct HostPlan {
    pub(super) config: HostConfig,
    pub(super) priority: u16,
    pub(super) weight: u16,
    /// The rules of `config`, and the file that they can be read from again.
    pub(super) faults: Faults,
}

impl FromStr for HostSettings {
    type Err = BadHost;

    /// `name=kms2,listen=127.0.0.1:1689,weight=75`: the keys of a table `[[host]]`; a list is its
    /// key again and again. A comma that no `KEY=` follows belongs to the value before it.
    fn from_str(text: &str) -> Result<Self, BadHost> {
        let mut host = Self::default();
        for part in parts(text) {
            let Some((key, value)) = part.split_once('=') else {
                return Err(BadHost(format!("`{}` is not KEY=VALUE", part.escape_debug())));
            };
            match key {
                "name" => host.name = once(host.name, key, value)?,
                "listen" => host.listen.push(read(key, value)?),
                "priority" => host.priority = once(host.priority, key, value)?,
                "weight" => host.weight = once(host.weight, key, value)?,
                "activation_interval" => {
                    host.activation_interval = once(host.activation_interval, key, value)?;
                }
                "renewal_interval" => {
                    host.renewal_interval = once(host.renewal_interval, key, value)?;
                }
                "initial_count" => host.initial_count.push(read(key, value)?),
                "activated" => host.activated = once(host.activated, key, value)?,
                "sinkhole" => host.sinkhole = once(host.sinkhole, key, value)?,
                "fault" => host.fault.push(read(key, value)?),
                _ => {
                    let key = key.escape_debug();
                    return Err(BadHost(format!("unknown key `{key}`, expected one of {KEYS}")));
                }
            }
        }
        Ok(host)
    }
}

impl HostSettings {
    pub(super) fn is_sinkhole(&self) -> bool {
        self.sinkhole == Some(true)
    }
}

impl HostPlan {
    /// The host number `number`, from 1, as `settings` describe it; `common` has what is said of all
    /// hosts, `seed` is that of the process.
    ///
    /// # Errors
    /// A name or address that is missing, or rules that cannot be used.
    pub(super) fn new(
        host: &HostSettings,
        number: usize,
        common: &Settings,
        seed: u64,
        now: FileTime,
    ) -> anyhow::Result<Self> {
        let Some(name) = host.name.clone() else {
            bail!("host: number {number} has no `name`");
        };
        let listen: Vec<SocketAddr> = host.listen.iter().map(|endpoint| endpoint.0).collect();
        if listen.is_empty() {
            bail!("host `{name}`: `listen` is missing");
        }
        check_distinct(&listen).with_context(|| format!("host `{name}`"))?;
        if host.fault.iter().any(FaultArgument::is_dns) {
            bail!("host `{name}`: fault: {DNS_IS_FOR_ALL}");
        }
        let faults = Faults::of_host(&name, &host.fault, host_seed(seed, &name), now)
            .with_context(|| format!("host `{name}`"))?;
        let default = HostPolicy::default();
        let interval = |own: Option<IntervalMinutes>, of_all: Option<_>, default| {
            own.or(of_all).unwrap_or(default)
        };
        let policy = HostPolicy {
            activated: host.activated.unwrap_or(!common.not_activated),
            activation_interval: interval(
                host.activation_interval,
                common.activation_interval,
                default.activation_interval,
            ),
            renewal_interval: interval(
                host.renewal_interval,
                common.renewal_interval,
                default.renewal_interval,
            ),
        };
        let initial_counts = match host.initial_count.is_empty() {
            true => &common.initial_count,
            false => &host.initial_count,
        };
        let config = HostConfig {
            listen,
            policy,
            initial_counts: (initial_counts.iter())
                .map(|count| (count.app_id, count.clients))
                .collect(),
            sinkhole: host.sinkhole.unwrap_or(common.sinkhole),
            faults: Arc::clone(&faults.set),
            ..HostConfig::new(name)
        };
        let priority = host.priority.or(common.dns_priority).unwrap_or(0);
        let weight = host.weight.or(common.dns_weight).unwrap_or(0);
        Ok(Self { config, priority, weight, faults })
    }

    /// What is in force, by the keys of a table `[[host]]`.
    pub(super) fn shown(&self) -> serde_json::Value {
        let HostConfig { name, listen, policy, sinkhole, .. } = &self.config;
        serde_json::json!({
            "name": name,
            "listen": listen.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "priority": self.priority,
            "weight": self.weight,
            "activated": policy.activated && !sinkhole,
            "sinkhole": sinkhole,
            "activation_interval": policy.activation_interval.minutes(),
            "renewal_interval": policy.renewal_interval.minutes(),
        })
    }
}

/// Pieces that begin with `KEY=`, without the commas between them.
fn parts(text: &str) -> Vec<&str> {
    let begins_part = |rest: &str| {
        let key = rest.split_once('=').map_or("", |(key, _)| key);
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, _) in text.match_indices(',') {
        let (part, rest) = (text.get(from..at), text.get(at + 1..).unwrap_or(""));
        if begins_part(rest) {
            parts.extend(part);
            from = at + 1;
        }
    }
    parts.extend(text.get(from..));
    parts
}

fn read<T: FromStr<Err: fmt::Display>>(key: &str, value: &str) -> Result<T, BadHost> {
    value.parse().map_err(|error| {
        BadHost(format!("{key}: invalid value `{}`: {error}", value.escape_debug()))
    })
}

fn once<T: FromStr<Err: fmt::Display>>(
    known: Option<T>,
    key: &str,
    value: &str,
) -> Result<Option<T>, BadHost> {
    match known {
        None => read(key, value).map(Some),
        Some(_) => Err(BadHost(format!("{key}: given twice"))),
    }
}

impl fmt::Display for BadHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadHost {}

const KEYS: &str = "`name`, `listen`, `priority`, `weight`, `activation_interval`, \
                    `renewal_interval`, `initial_count`, `activated`, `sinkhole`, `fault`";

/// Why no host has rules of DNS.
pub(super) const DNS_IS_FOR_ALL: &str =
    "the DNS server is one for all hosts: give its rules beside the hosts, not in one";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn of_file(text: &str) -> Result<Settings, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn a_flag_says_what_a_table_of_the_file_says() {
        let flag = "name=KMS2,listen=127.0.0.1:1689,listen=[::1]:1689,priority=10,weight=75,\
                    activation_interval=15,renewal_interval=30,initial_count=windows=24,\
                    activated=false,sinkhole=true,\
                    fault=delay time=1s client=10.0.0.0/8,::1,fault=faults.toml";
        let table = r#"[[host]]
            name = "kms2"
            listen = ["127.0.0.1:1689", "[::1]:1689"]
            priority = 10
            weight = 75
            activation_interval = 15
            renewal_interval = 30
            initial_count = ["windows=24"]
            activated = false
            sinkhole = true
            fault = ["delay time=1s client=10.0.0.0/8,::1", "faults.toml"]"#;
        let of_file = of_file(table).unwrap().host;
        assert_eq!(of_file, [flag.parse::<HostSettings>().unwrap()]);
        assert_eq!(of_file[0].fault.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_key() {
        for (text, named) in [
            ("name=a,colour=red", "unknown key `colour`"),
            ("name=a,name=b", "name: given twice"),
            ("name=a b", "name: invalid value `a b`"),
            ("kms2", "`kms2` is not KEY=VALUE"),
            ("listen=here", "listen: invalid value `here`"),
            ("weight=70000", "weight: invalid value `70000`"),
            ("activated=yes", "activated: invalid value `yes`"),
            ("activation_interval=1", "activation_interval: invalid value `1`"),
            ("fault=delay time=x", "fault: invalid value"),
            ("", "`` is not KEY=VALUE"),
        ] {
            let error = text.parse::<HostSettings>().unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
        let error = of_file("[[host]]\nname = \"a\"\ncolour = 1").unwrap_err().to_string();
        assert!(error.contains("colour") && error.contains("line 3"), "{error}");
        assert!(KEYS.split(", ").all(|key| {
            let key = key.trim_matches('`');
            !format!("{:?}", format!("{key}=").parse::<HostSettings>()).contains("unknown key")
        }));
    }
}
