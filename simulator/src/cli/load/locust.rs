//! The flags and the start of a Locust worker, and of the locustfile that its master needs.

use std::net::IpAddr;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{bail, ensure};
use clap::Args;

use super::KMS_LONGEST;
use super::arguments::Arguments;
use super::value::PerSecond;
use crate::cli::output;
use crate::cli::value::Time;
use crate::load::{CONNECTIONS_MAX, Demand, Depth, Plan};
use crate::locust::drive::{Settings, drive};
use crate::locust::socket::Address;
use crate::locust::stub;

#[derive(Debug, Args)]
#[command(next_help_heading = "Locust")]
pub(in crate::cli) struct Worker {
    /// Be a worker of the Locust master that listens there, and take users from it.
    #[arg(long, value_name = "HOST:PORT", groups = ["schedule", "loop"])]
    pub(super) locust_master: Option<Master>,
    /// The user class of the master's locustfile that this worker runs.
    #[arg(long, value_name = "NAME", default_value = CLASS, value_parser = class)]
    locust_class: String,
    /// Most users here, whatever the master asks; each has a connection of its own.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(CONNECTIONS_MAX)))]
    locust_users: u32,
    /// Exchanges a second of one user, whatever the target does, instead of a closed loop.
    #[arg(long, value_name = "R")]
    locust_user_rate: Option<PerSecond>,
    /// How long a master is waited for, at the start and whenever it is lost.
    #[arg(long, value_name = "TIME", default_value = "10s")]
    locust_wait: Time,
    /// Obey a master beyond loopback: Locust's protocol has neither password nor encryption.
    #[arg(long)]
    allow_remote_master: bool,
}

#[derive(Debug, Args)]
#[command(after_help = STUB_EXAMPLES)]
pub(in crate::cli) struct Stub {
    /// Name of the user class, as workers have it in --locust-class.
    #[arg(long, value_name = "NAME", default_value = CLASS, value_parser = class)]
    locust_class: String,
}

/// Where a master listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Master {
    host: String,
    port: u16,
}

impl FromStr for Master {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "not HOST:PORT, such as `127.0.0.1:5557`";
        let (host, port) = text.rsplit_once(':').ok_or(WRONG)?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(WRONG)?;
        let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
        if host.is_empty() || !host.chars().all(harmless) {
            return Err(WRONG);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl Master {
    fn is_loopback(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        address.map_or(self.host == "localhost", |address| address.to_canonical().is_loopback())
    }
}

impl Worker {
    /// Connections of a worker that is not told how many: one for each user.
    pub(super) fn connections(&self) -> Option<u32> {
        self.locust_master.is_some().then_some(self.locust_users)
    }
}

/// # Errors
/// A master that must not be obeyed, or that is not there.
pub(super) fn run(
    arguments: &Arguments,
    master: &Master,
    mut plan: Plan,
) -> anyhow::Result<ExitCode> {
    let worker = &arguments.locust;
    if !master.is_loopback() && !worker.allow_remote_master {
        bail!("--locust-master: {} is not on loopback; --allow-remote-master obeys it", master.host)
    }
    let mut users_max = worker.locust_users;
    if let Some(rate) = &worker.locust_user_rate {
        ensure!(
            rate.0 <= arguments.max_rate.0,
            "--locust-user-rate: one user is above --max-rate {}; raise that as well",
            arguments.max_rate.0
        );
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let most = (arguments.max_rate.0 / rate.0) as u32;
        users_max = users_max.min(most);
    }
    plan.warm_up = std::time::Duration::ZERO;
    plan.duration = arguments.max_duration.0;
    if plan.depth == Depth::Kms {
        plan.duration = plan.duration.min(KMS_LONGEST);
    }
    plan.demand = Demand::Closed { users: 1, think: arguments.think.0 };
    let settings = Settings {
        address: Address { host: master.host.clone(), port: master.port, node_id: node_id() },
        class: worker.locust_class.clone(),
        plan,
        rate: worker.locust_user_rate.as_ref().map(|rate| rate.0),
        users_max,
        wait: worker.locust_wait.0,
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(drive(settings))?;
    Ok(ExitCode::SUCCESS)
}

/// # Errors
/// Standard output is closed.
pub(in crate::cli) fn print_stub(arguments: &Stub) -> anyhow::Result<()> {
    output::print(stub::locustfile(&arguments.locust_class).as_bytes())
}

/// As Locust's own workers are called: the machine's name and something unique.
#[allow(clippy::disallowed_methods, reason = "a name, which nothing else depends on")]
fn node_id() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    format!("{name}_kms-sim_{:016x}", rand::random::<u64>())
}

fn class(text: &str) -> Result<String, &'static str> {
    match stub::is_class_name(text) {
        true => Ok(text.to_owned()),
        false => Err("not a name of a Python class: ASCII letters, digits and `_`, up to 64"),
    }
}

const CLASS: &str = "KmsUser";

const STUB_EXAMPLES: &str = "\
Examples:
  kms-sim locust-stub > locustfile.py
  locust --master --master-bind-host 127.0.0.1 -f locustfile.py
  kms-sim load 127.0.0.1:1688 --depth kms --locust-master 127.0.0.1:5557";
