//! The flags of `kms-sim serve`, which are also the keys of its configuration file.

use std::path::PathBuf;

use clap::builder::StyledStr;
use clap::{Args, ValueEnum};
use kms_protocol::kms::crypto::LabKey;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;

use super::super::file::{text, texts};
use super::super::value::{
    Age, Bytes, ClockOffset, Count, DomainName, Endpoint, InitialCount, RetainedRows, Threads, Time,
};
use super::faults::FaultArgument;
use super::hosts::HostSettings;
use crate::dns::DEFAULT_TTL_S;
use crate::journal::{self, Durability, FailurePolicy};
use crate::log;
use crate::model::IntervalMinutes;
use crate::serve::{Rate, config};

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true, after_help = EXAMPLES)]
pub(in super::super) struct Arguments {
    /// Read settings from this TOML file; its keys are these flags, with `_` for `-`. Flags win.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) settings: Settings,
}

/// What flags and file can say. `None`, an empty list and `false` stand for "not said".
#[derive(Debug, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    #[arg(long, value_name = "ADDR:PORT", help = listed("Where to listen; repeat for more; port 0 takes a free one", "127.0.0.1:1688"))]
    #[serde(deserialize_with = "texts")]
    pub(super) listen: Vec<Endpoint>,

    /// Run a host of this name and address; repeat for more, each with its own table of clients. Other
    /// keys: priority, weight, activation_interval, renewal_interval, initial_count, activated, sinkhole,
    /// fault. What a host does not say is as said for all.
    #[arg(long, value_name = "name=NAME,listen=ADDR:PORT,...", conflicts_with_all = ["listen", "dns_host"])]
    pub(super) host: Vec<HostSettings>,

    /// Answer DNS queries for the domain here, over UDP and TCP, so that clients find this host.
    #[arg(long, value_name = "ADDR:PORT")]
    #[serde(deserialize_with = "text")]
    pub(super) dns: Option<Endpoint>,

    #[arg(long, value_name = "NAME", help = listed("Domain that the DNS server is authoritative for", DOMAIN))]
    #[serde(deserialize_with = "text")]
    pub(super) domain: Option<DomainName>,

    #[arg(long, value_name = "NAME", help = listed("Name of this host within the domain", DNS_HOST))]
    #[serde(deserialize_with = "text")]
    pub(super) dns_host: Option<DomainName>,

    #[arg(long, value_name = "N", allow_hyphen_values = true, help = listed("Priority of this host's SRV records", 0))]
    #[serde(deserialize_with = "text")]
    pub(super) dns_priority: Option<u16>,

    #[arg(long, value_name = "N", allow_hyphen_values = true, help = listed("Weight of this host's SRV records", 0))]
    #[serde(deserialize_with = "text")]
    pub(super) dns_weight: Option<u16>,

    #[arg(long, value_name = "SECONDS", help = listed("Time to live of the DNS records", DEFAULT_TTL_S))]
    #[serde(deserialize_with = "text")]
    pub(super) dns_ttl: Option<u32>,

    #[arg(long, value_name = "MINUTES", allow_hyphen_values = true, help = listed("How often clients that are not activated try again, 15 to 43200", IntervalMinutes::ACTIVATION), help_heading = "Host policy")]
    #[serde(deserialize_with = "text")]
    pub(super) activation_interval: Option<IntervalMinutes>,

    #[arg(long, value_name = "MINUTES", allow_hyphen_values = true, help = listed("How often activated clients renew, 15 to 43200", IntervalMinutes::RENEWAL), help_heading = "Host policy")]
    #[serde(deserialize_with = "text")]
    pub(super) renewal_interval: Option<IntervalMinutes>,

    /// Start with N made-up clients of an application: `windows`, `office` or an application id.
    #[arg(long, value_name = "APP=N", allow_hyphen_values = true, help_heading = "Host policy")]
    #[serde(deserialize_with = "texts")]
    pub(super) initial_count: Vec<InitialCount>,

    /// Serve the admin API, metrics and a dashboard here. Beyond loopback it needs a token.
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Admin")]
    #[serde(deserialize_with = "text")]
    pub(super) admin: Option<Endpoint>,

    /// File with the token that every admin request has to show as `Authorization: Bearer`.
    #[arg(long, value_name = "FILE", help_heading = "Admin")]
    pub(super) admin_token_file: Option<PathBuf>,

    /// Name that the admin server is known by, beside its address and `localhost`; may be repeated.
    #[arg(long, value_name = "NAME", help_heading = "Admin")]
    #[serde(deserialize_with = "texts")]
    pub(super) admin_name: Vec<DomainName>,

    /// Refuse every request, as a host that is not activated itself does.
    #[arg(long, help_heading = "Host policy")]
    pub(super) not_activated: bool,

    /// Refuse every request, real clients' included, with 0xC004F041 and record who still asks.
    #[arg(long, help_heading = "Host policy")]
    pub(super) sinkhole: bool,

    /// Move the host's clock, for example by `5h` or `-90m`.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = "Host policy")]
    #[serde(deserialize_with = "text")]
    pub(super) clock_offset: Option<ClockOffset>,

    #[arg(long, value_name = "X", allow_hyphen_values = true, conflicts_with = "clock_frozen", help = listed("How many times faster than the machine's the host's clock goes, up to 1000000", 1), help_heading = "Host policy")]
    #[serde(deserialize_with = "text")]
    pub(super) time_scale: Option<Rate>,

    /// Let the host's clock stand still.
    #[arg(long, help_heading = "Host policy")]
    pub(super) clock_frozen: bool,

    /// Misbehave by this rule, such as `delay time=200ms probability=0.1`, or by the rules in this
    /// TOML file, which SIGHUP reads again. Repeat for more rules. `kms-sim faults list` prints
    /// what there is.
    #[arg(long, visible_alias = "faults", value_name = "RULE|FILE", help_heading = "Faults")]
    #[serde(deserialize_with = "texts")]
    pub(super) fault: Vec<FaultArgument>,

    /// Answer only clients with this key, 32 hexadecimal digits: sets one lab apart from another.
    #[arg(long, value_name = "HEX32", allow_hyphen_values = true, help_heading = "Host policy")]
    #[serde(deserialize_with = "text")]
    pub(super) lab_key: Option<LabKey>,

    /// Seed of the random parts of answers; drawn from the system and logged unless given.
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = "Host policy")]
    #[serde(deserialize_with = "text")]
    pub(super) seed: Option<u64>,

    /// Record requests and answers in this SQLite file, and restore the table of clients from it.
    #[arg(long, value_name = "FILE", help_heading = "Journal")]
    pub(super) journal: Option<PathBuf>,

    #[arg(long, value_enum, help = listed("Whether an answer waits until its row is on the disk", "async"), help_heading = "Journal")]
    pub(super) durability: Option<Durability>,

    #[arg(long, value_enum, help = listed("What to do when rows cannot be written", "stop with --durability full, else continue"), help_heading = "Journal")]
    pub(super) journal_failure: Option<FailurePolicy>,

    #[arg(long, value_name = "AGE", allow_hyphen_values = true, help = listed("How long rows are kept, in hours or days", Age(journal::RETAINED_AGE)), help_heading = "Journal")]
    #[serde(deserialize_with = "text")]
    pub(super) journal_retention: Option<Age>,

    #[arg(long, value_name = "N", allow_hyphen_values = true, help = listed("Rows kept at most, from 10000 up", journal::RETAINED_ROWS), help_heading = "Journal")]
    #[serde(deserialize_with = "text")]
    pub(super) journal_max_rows: Option<RetainedRows>,

    #[arg(long, value_name = "N", allow_hyphen_values = true, help = listed("Connections at once; the next one is closed", "what the descriptor limit allows, up to 65536"), help_heading = "Bounds")]
    #[serde(deserialize_with = "text")]
    pub(super) max_connections: Option<Count>,

    #[arg(long, value_name = "N", allow_hyphen_values = true, help = listed("Connections at once from one address", "the limit of all"), help_heading = "Bounds")]
    #[serde(deserialize_with = "text")]
    pub(super) max_connections_per_address: Option<Count>,

    #[arg(long, value_name = "N", allow_hyphen_values = true, help = listed("Calls of one connection that wait for their answer", config::OPEN_CALLS), help_heading = "Bounds")]
    #[serde(deserialize_with = "text")]
    pub(super) max_open_calls: Option<Count>,

    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, help = listed("Bytes that one connection may hold", Bytes(config::BUFFERED_BYTES_PER_CONNECTION)), help_heading = "Bounds")]
    #[serde(deserialize_with = "text")]
    pub(super) max_buffered_per_connection: Option<Bytes>,

    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, help = listed("Bytes that all connections may hold", Bytes(config::BUFFERED_BYTES)), help_heading = "Bounds")]
    #[serde(deserialize_with = "text")]
    pub(super) max_buffered: Option<Bytes>,

    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help = listed("How long a connection may be silent between calls", Time(config::IDLE_TIMEOUT)), help_heading = "Bounds")]
    #[serde(deserialize_with = "text")]
    pub(super) idle_timeout: Option<Time>,

    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help = listed("How long a call may take to arrive", Time(config::REQUEST_TIMEOUT)), help_heading = "Bounds")]
    #[serde(deserialize_with = "text")]
    pub(super) request_timeout: Option<Time>,

    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help = listed("How long a client may take nothing of its answer", Time(config::WRITE_TIMEOUT)), help_heading = "Bounds")]
    #[serde(deserialize_with = "text")]
    pub(super) write_timeout: Option<Time>,

    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help = listed("How long the end waits for calls in flight", Time(config::DRAIN_TIMEOUT)), help_heading = "Bounds")]
    #[serde(deserialize_with = "text")]
    pub(super) drain_timeout: Option<Time>,

    #[arg(long, value_name = "N", allow_hyphen_values = true, help = listed("Threads that serve, at most 256", "one for each processor"), help_heading = "Bounds")]
    #[serde(deserialize_with = "text")]
    pub(super) workers: Option<Threads>,

    #[arg(long, value_enum, help = listed("How log lines are written, to standard error", "text"), help_heading = "Log")]
    pub(super) log_format: Option<log::Format>,

    #[arg(long, value_enum, help = listed("What is logged; requests are at info", "info"), help_heading = "Log")]
    pub(super) log_level: Option<LogLevel>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

impl Settings {
    /// These settings, and those of `base` where these say nothing.
    pub(super) fn over(self, base: Self) -> Self {
        Self {
            listen: first_said(self.listen, base.listen),
            host: first_said(self.host, base.host),
            dns: self.dns.or(base.dns),
            domain: self.domain.or(base.domain),
            dns_host: self.dns_host.or(base.dns_host),
            dns_priority: self.dns_priority.or(base.dns_priority),
            dns_weight: self.dns_weight.or(base.dns_weight),
            dns_ttl: self.dns_ttl.or(base.dns_ttl),
            activation_interval: self.activation_interval.or(base.activation_interval),
            renewal_interval: self.renewal_interval.or(base.renewal_interval),
            initial_count: first_said(self.initial_count, base.initial_count),
            admin: self.admin.or(base.admin),
            admin_token_file: self.admin_token_file.or(base.admin_token_file),
            admin_name: first_said(self.admin_name, base.admin_name),
            not_activated: self.not_activated || base.not_activated,
            sinkhole: self.sinkhole || base.sinkhole,
            clock_offset: self.clock_offset.or(base.clock_offset),
            time_scale: self.time_scale.or(base.time_scale),
            clock_frozen: self.clock_frozen || base.clock_frozen,
            fault: first_said(self.fault, base.fault),
            lab_key: self.lab_key.or(base.lab_key),
            seed: self.seed.or(base.seed),
            journal: self.journal.or(base.journal),
            durability: self.durability.or(base.durability),
            journal_failure: self.journal_failure.or(base.journal_failure),
            journal_retention: self.journal_retention.or(base.journal_retention),
            journal_max_rows: self.journal_max_rows.or(base.journal_max_rows),
            max_connections: self.max_connections.or(base.max_connections),
            max_connections_per_address: self
                .max_connections_per_address
                .or(base.max_connections_per_address),
            max_open_calls: self.max_open_calls.or(base.max_open_calls),
            max_buffered_per_connection: self
                .max_buffered_per_connection
                .or(base.max_buffered_per_connection),
            max_buffered: self.max_buffered.or(base.max_buffered),
            idle_timeout: self.idle_timeout.or(base.idle_timeout),
            request_timeout: self.request_timeout.or(base.request_timeout),
            write_timeout: self.write_timeout.or(base.write_timeout),
            drain_timeout: self.drain_timeout.or(base.drain_timeout),
            workers: self.workers.or(base.workers),
            log_format: self.log_format.or(base.log_format),
            log_level: self.log_level.or(base.log_level),
        }
    }
}

impl Settings {
    /// Whether anything is said about a journal but its file.
    pub(super) fn says_how_to_journal(&self) -> bool {
        self.durability.is_some()
            || self.journal_failure.is_some()
            || self.journal_retention.is_some()
            || self.journal_max_rows.is_some()
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
        }
    }
}

fn first_said<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
    if first.is_empty() { second } else { first }
}

/// Help with the default that holds when neither flag nor file says anything.
fn listed(help: &str, default: impl std::fmt::Display) -> StyledStr {
    format!("{help} [default: {default}]").into()
}

const EXAMPLES: &str = "Examples:
  kms-sim serve --dns 127.0.0.1:5354 --domain lab.test --initial-count windows=24
  kms-sim serve --fault 'delay time=200ms probability=0.1' --fault 'hresult code=0xC004F042 nth=3'
  kms-sim serve --fault faults.toml        # then: kill -HUP PID, to read it again
  kms-sim serve --sinkhole --journal asked.journal   # then: kms-sim journal sinkhole asked.journal
  kms-sim serve --host name=kms1,listen=127.0.0.1:1688 --host name=kms2,listen=127.0.0.2:1688,priority=10
  kms-sim serve --clock-offset 5h          # every request is refused: 0xC004F06C";

/// Domain of a lab that did not choose one.
pub(super) const DOMAIN: &str = "lab.test";

/// Name within the domain of a host that did not choose one.
pub(super) const DNS_HOST: &str = "kms1";
