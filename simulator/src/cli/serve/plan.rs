//! What is going to be started: everything checked, nothing touched.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use nix::ifaddrs::getifaddrs;
use tracing::level_filters::LevelFilter;

use super::super::token_file;
use super::super::value::{DomainName, Time};
use super::arguments::{DOMAIN, Settings};
use super::faults::{FaultArgument, Faults};
use super::hosts::{HostPlan, HostSettings};
use crate::admin;
use crate::dns::{DEFAULT_TTL_S, HostRecord, Zone};
use crate::journal::{JournalConfig, Retention};
use crate::log;
use crate::model::HostPolicy;
use crate::serve::config::{self, RESERVED_DESCRIPTORS};
use crate::serve::{Clock, Limits, Rate, ServeConfig, machine_time};

/// A checked command line.
pub(super) struct Plan {
    pub(super) config: ServeConfig,
    pub(super) dns: Option<DnsPlan>,
    pub(super) admin: Option<admin::Options>,
    pub(super) log_format: log::Format,
    pub(super) log_level: LevelFilter,
    /// The rules for every host, and the file that they can be read from again.
    pub(super) faults: Faults,
    /// Where several hosts were asked for: all of them.
    pub(super) hosts: Vec<HostPlan>,
    /// What is legal and probably not meant.
    pub(super) warnings: Vec<String>,
}

/// The DNS server that leads clients to the hosts.
#[derive(Debug)]
pub(super) struct DnsPlan {
    pub(super) address: SocketAddr,
    domain: String,
    ttl_s: u32,
    hosts: Vec<DnsHost>,
}

/// How one host is published.
#[derive(Debug)]
struct DnsHost {
    name: String,
    priority: u16,
    weight: u16,
}

impl Plan {
    /// `sockets` listen already: they take the place of the default address.
    ///
    /// # Errors
    /// Settings that contradict each other.
    pub(super) fn new(settings: Settings, sockets: Vec<Arc<TcpListener>>) -> anyhow::Result<Self> {
        let mut warnings = Vec::new();
        if !settings.host.is_empty() {
            check_hosts(&settings, &sockets)?;
        }
        if settings.dns.is_none() && (settings.domain.is_some() || settings.dns_host.is_some()) {
            warnings.push("--domain and --dns-host have no effect without --dns".to_owned());
        }
        if settings.journal.is_none() && settings.says_how_to_journal() {
            warnings
                .push("the settings of the journal have no effect without --journal".to_owned());
        }
        let admin = admin_options(&settings)?;
        if admin.is_none()
            && (settings.admin_token_file.is_some() || !settings.admin_name.is_empty())
        {
            warnings
                .push("the settings of the admin API have no effect without --admin".to_owned());
        }
        let is_sinkhole = settings.sinkhole || settings.host.iter().any(HostSettings::is_sinkhole);
        if is_sinkhole && settings.journal.is_none() {
            warnings.push("without --journal only the log says who asks the sinkhole".to_owned());
        }
        let log_format = settings.log_format.unwrap_or_default();
        let log_level = settings.log_level.unwrap_or_default().into();
        if settings.dns.is_none() && settings.fault.iter().any(FaultArgument::is_dns) {
            warnings.push("faults of DNS have no effect without --dns".to_owned());
        }
        let mut config = serve_config(&settings)?;
        if settings.listen.is_empty() && !sockets.is_empty() {
            config.listen.clear();
        }
        config.sockets = sockets;
        let (seed, now) = (config.seed, config.clock.now());
        let faults = Faults::new(&settings.fault, seed, now)?;
        config.faults = Arc::clone(&faults.set);
        let hosts = (settings.host.iter().zip(1..))
            .map(|(host, number)| HostPlan::new(host, number, &settings, seed, now))
            .collect::<anyhow::Result<Vec<HostPlan>>>()?;
        config.set_hosts(hosts.iter().map(|host| host.config.clone()));
        config.check()?;
        let dns = DnsPlan::new(&settings, &config, &hosts)?;
        warnings.extend(descriptor_warning(config.limits.connections));
        Ok(Self { config, dns, admin, faults, hosts, log_format, log_level, warnings })
    }

    /// All rules: those for every host, then each host's own.
    pub(super) fn all_faults(&self) -> Vec<&Faults> {
        std::iter::once(&self.faults).chain(self.hosts.iter().map(|host| &host.faults)).collect()
    }
}

/// What is said of one host has no place beside several.
fn check_hosts(settings: &Settings, sockets: &[Arc<TcpListener>]) -> anyhow::Result<()> {
    if !settings.listen.is_empty() {
        bail!("listen: beside `host` each host says itself where it listens");
    }
    if settings.dns_host.is_some() {
        bail!("dns_host: beside `host` each host has its own `name`");
    }
    if !sockets.is_empty() {
        bail!(
            "host: the service manager has passed sockets, which cannot be told apart among several \
             hosts: use kms-sim.service without kms-sim.socket"
        );
    }
    Ok(())
}

/// The token is read, and an address that needs one is refused, before anything is started.
fn admin_options(settings: &Settings) -> anyhow::Result<Option<admin::Options>> {
    let Some(endpoint) = settings.admin else { return Ok(None) };
    let token = settings.admin_token_file.as_deref().map(token_file::read).transpose()?;
    let names: Vec<String> =
        (settings.admin_name.iter()).map(|name| name.0.trim_end_matches('.').to_owned()).collect();
    admin::Access::new(endpoint.0, names.clone(), token.clone()).context("admin")?;
    Ok(Some(admin::Options { address: endpoint.0, names, token }))
}

/// The settings in force by the keys of the configuration file. Keys and tokens are left out.
pub(super) fn shown(plan: &Plan) -> serde_json::Value {
    let (config, limits) = (&plan.config, &plan.config.limits);
    let time = |time| Time(time).to_string();
    let passed = config.sockets.iter().filter_map(|socket| socket.local_addr().ok());
    let listen: Vec<String> =
        passed.chain(config.listen.iter().copied()).map(|address| address.to_string()).collect();
    let admin = plan.admin.as_ref();
    serde_json::json!({
        "listen": listen,
        "host": (!plan.hosts.is_empty()).then(|| {
            plan.hosts.iter().map(HostPlan::shown).collect::<Vec<_>>()
        }),
        "workers": config.workers,
        "seed": config.seed.to_string(),
        "dns": plan.dns.as_ref().map(|dns| dns.address.to_string()),
        "domain": plan.dns.as_ref().map(|dns| dns.domain.strip_suffix('.').unwrap_or(&dns.domain)),
        "dns_host": plan.dns.as_ref().and_then(|dns| dns.hosts.first()).map(|host| host.name.as_str()),
        "dns_priority": plan.dns.as_ref().and_then(|dns| dns.hosts.first()).map(|host| host.priority),
        "dns_weight": plan.dns.as_ref().and_then(|dns| dns.hosts.first()).map(|host| host.weight),
        "dns_ttl": plan.dns.as_ref().map(|dns| dns.ttl_s),
        "not_activated": !config.policy.activated,
        "sinkhole": config.sinkhole,
        "activation_interval": config.policy.activation_interval.minutes(),
        "renewal_interval": config.policy.renewal_interval.minutes(),
        "journal": config.journal.as_ref().map(|journal| journal.path.display().to_string()),
        "durability": config.journal.as_ref().map(|journal| journal.durability.as_str()),
        "admin": admin.map(|admin| admin.address.to_string()),
        "max_connections": limits.connections,
        "max_connections_per_address": limits.connections_per_address,
        "max_open_calls": limits.open_calls,
        "max_buffered_per_connection": limits.buffered_bytes_per_connection,
        "max_buffered": limits.buffered_bytes,
        "idle_timeout": time(limits.idle_timeout),
        "request_timeout": time(limits.request_timeout),
        "write_timeout": time(limits.write_timeout),
        "drain_timeout": time(limits.drain_timeout),
    })
}

fn serve_config(settings: &Settings) -> anyhow::Result<ServeConfig> {
    let default = ServeConfig::default();
    let mut listen: Vec<SocketAddr> = settings.listen.iter().map(|endpoint| endpoint.0).collect();
    if listen.is_empty() {
        listen = default.listen;
    }
    check_distinct(&listen)?;
    let policy = default.policy;
    let name = settings.dns_host.as_ref().map(|name| name.0.parse()).transpose();
    Ok(ServeConfig {
        name: name.context("dns_host")?.unwrap_or(default.name),
        further: default.further,
        own_faults: default.own_faults,
        limits: limits(settings),
        listen,
        sockets: default.sockets,
        workers: settings.workers.map_or(default.workers, |threads| threads.0),
        lab_key: settings.lab_key.unwrap_or(default.lab_key),
        policy: HostPolicy {
            activated: !settings.not_activated,
            activation_interval: settings.activation_interval.unwrap_or(policy.activation_interval),
            renewal_interval: settings.renewal_interval.unwrap_or(policy.renewal_interval),
        },
        initial_counts: (settings.initial_count.iter())
            .map(|count| (count.app_id, count.clients))
            .collect(),
        clock: clock(settings)?,
        journal: journal(settings),
        sinkhole: settings.sinkhole,
        seed: settings.seed.unwrap_or_else(drawn_seed),
        faults: default.faults,
    })
}

fn journal(settings: &Settings) -> Option<JournalConfig> {
    let durability = settings.durability.unwrap_or_default();
    let default = JournalConfig::new(settings.journal.as_ref()?, durability);
    let retention = default.retention;
    Some(JournalConfig {
        on_failure: settings.journal_failure.unwrap_or(default.on_failure),
        retention: Retention {
            rows: settings.journal_max_rows.map_or(retention.rows, |rows| rows.0),
            age: settings.journal_retention.map_or(retention.age, |age| age.0),
        },
        ..default
    })
}

fn clock(settings: &Settings) -> anyhow::Result<Clock> {
    let clock = settings.clock_offset.map_or(Clock::REAL, |offset| offset.0);
    let rate = match (settings.clock_frozen, settings.time_scale) {
        (true, Some(_)) => bail!("clock_frozen and time_scale exclude each other"),
        (true, None) => Rate::FROZEN,
        (false, None) => return Ok(clock),
        (false, Some(rate)) => rate,
    };
    Ok(clock.with_rate(machine_time(), rate))
}

#[allow(clippy::disallowed_methods, reason = "the one seed, which is logged at the start")]
fn drawn_seed() -> u64 {
    rand::random()
}

fn limits(settings: &Settings) -> Limits {
    let default = Limits::default();
    let connections = settings.max_connections.map_or(default.connections, |count| count.0);
    let time = |time: Option<Time>, default| time.map_or(default, |time| time.0);
    Limits {
        connections,
        connections_per_address: settings
            .max_connections_per_address
            .map_or(connections, |count| count.0),
        open_calls: settings.max_open_calls.map_or(default.open_calls, |count| count.0),
        buffered_bytes_per_connection: settings
            .max_buffered_per_connection
            .map_or(default.buffered_bytes_per_connection, |bytes| bytes.0),
        buffered_bytes: settings.max_buffered.map_or(default.buffered_bytes, |bytes| bytes.0),
        idle_timeout: time(settings.idle_timeout, default.idle_timeout),
        request_timeout: time(settings.request_timeout, default.request_timeout),
        write_timeout: time(settings.write_timeout, default.write_timeout),
        drain_timeout: time(settings.drain_timeout, default.drain_timeout),
    }
}

pub(super) fn check_distinct(listen: &[SocketAddr]) -> anyhow::Result<()> {
    for (index, address) in listen.iter().enumerate() {
        if address.port() != 0 && listen.iter().skip(index + 1).any(|other| other == address) {
            bail!("listen: `{address}` is given twice");
        }
    }
    Ok(())
}

fn descriptor_warning(connections: NonZeroUsize) -> Option<String> {
    let limit = config::descriptor_limit();
    let needed = connections.get().saturating_add(RESERVED_DESCRIPTORS);
    (needed > limit).then(|| {
        format!(
            "max_connections: `{connections}` needs {needed} descriptors, and the limit of this \
             process is {limit}; raise it with `ulimit -n`"
        )
    })
}

impl DnsPlan {
    fn new(
        settings: &Settings,
        config: &ServeConfig,
        hosts: &[HostPlan],
    ) -> anyhow::Result<Option<Self>> {
        let Some(endpoint) = settings.dns else {
            return Ok(None);
        };
        let name = |name: &Option<DomainName>, default: &str| {
            name.as_ref().map_or_else(|| default.to_owned(), |name| name.0.clone())
        };
        let plan = Self {
            address: endpoint.0,
            domain: name(&settings.domain, DOMAIN),
            ttl_s: settings.dns_ttl.unwrap_or(DEFAULT_TTL_S),
            hosts: match hosts {
                [] => vec![DnsHost {
                    name: config.name.to_string(),
                    priority: settings.dns_priority.unwrap_or(0),
                    weight: settings.dns_weight.unwrap_or(0),
                }],
                hosts => hosts.iter().map(DnsHost::of).collect(),
            },
        };
        // Everything about the names is known before anything is bound.
        let anywhere = [SocketAddr::from((Ipv4Addr::LOCALHOST, 1688))];
        plan.zone(plan.hosts.iter().map(|_| anywhere.as_slice()))?;
        Ok(Some(plan))
    }

    /// The zone that leads to the hosts, each listening on its part of `listeners`: one SRV record for
    /// each port.
    ///
    /// # Errors
    /// Names that do not fit together.
    pub(super) fn zone<'a>(
        &self,
        listeners: impl Iterator<Item = &'a [SocketAddr]>,
    ) -> anyhow::Result<Zone> {
        let zone = Zone::new(&self.domain)?.ttl_s(self.ttl_s)?;
        let mut hosts = self.hosts.iter().zip(listeners);
        hosts.try_fold(zone, |zone, (host, listeners)| self.with_host(zone, host, listeners))
    }

    fn with_host(
        &self,
        mut zone: Zone,
        host: &DnsHost,
        listeners: &[SocketAddr],
    ) -> anyhow::Result<Zone> {
        let mut ports: Vec<u16> = listeners.iter().map(SocketAddr::port).collect();
        ports.sort_unstable();
        ports.dedup();
        for (index, port) in ports.into_iter().enumerate() {
            let on_port = listeners.iter().filter(|listener| listener.port() == port);
            let mut addresses: Vec<IpAddr> =
                on_port.flat_map(|listener| reachable(listener.ip(), self.address.ip())).collect();
            addresses.sort_unstable();
            addresses.dedup();
            // A name stands for one set of addresses: another port gets a name of its own.
            let name = if index == 0 { host.name.clone() } else { format!("{}-{port}", host.name) };
            zone = zone.host(HostRecord {
                port,
                priority: host.priority,
                weight: host.weight,
                ..HostRecord::new(name, addresses)
            })?;
        }
        Ok(zone)
    }
}

impl DnsHost {
    fn of(host: &HostPlan) -> Self {
        let name = host.config.name.to_string();
        Self { name, priority: host.priority, weight: host.weight }
    }
}

/// The addresses that lead to a listener. A wildcard stands for every address of the machine, or
/// for loopback alone when the DNS server itself can be asked on loopback only.
fn reachable(listener: IpAddr, dns: IpAddr) -> Vec<IpAddr> {
    let listener = listener.to_canonical();
    if !listener.is_unspecified() {
        return vec![listener];
    }
    let families: &[IpAddr] = if listener.is_ipv6() {
        &[IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
    } else {
        &[IpAddr::V4(Ipv4Addr::LOCALHOST)]
    };
    let local = if dns.is_loopback() { Vec::new() } else { machine_addresses() };
    let found: Vec<IpAddr> = (local.into_iter())
        .filter(|address| families.iter().any(|family| family.is_ipv4() == address.is_ipv4()))
        .collect();
    if found.is_empty() { families.to_vec() } else { found }
}

/// The machine's own addresses, but for loopback and link-local ones.
fn machine_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else {
        return Vec::new();
    };
    let addresses = interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    });
    addresses.filter(|address| !address.is_loopback() && !is_link_local(*address)).collect()
}

const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
