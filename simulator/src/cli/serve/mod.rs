//! `kms-sim serve`: from flags and file to a running host, and to its end.

mod arguments;
mod faults;
mod hosts;
mod plan;
#[cfg(test)]
mod sample;
mod service_manager;

use std::io;
use std::net::SocketAddr;

use anyhow::{Context, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::{file, output};
use crate::admin::{self, AdminServer};
use crate::dns::DnsServer;
use crate::log;
use crate::serve::config::raise_descriptor_limit;
use crate::serve::{Handle, Server};
pub(super) use arguments::Arguments;
use arguments::Settings;
use plan::Plan;
use service_manager::ServiceManager;

/// Serves until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// Bad flags or files, or anything that keeps the host from starting; nothing is then started.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let sockets = service_manager::passed_sockets()?;
    let manager = ServiceManager::from_environment()?;
    raise_descriptor_limit();
    let from_file = match &arguments.config {
        Some(path) => file::load(path)?,
        None => Settings::default(),
    };
    let plan = Plan::new(arguments.settings.over(from_file), sockets)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _context = runtime.enter();
        Signals::new().context("cannot listen for signals")?
    };
    let log = log::start(plan.log_level, plan.log_format, io::stderr())?;
    for warning in &plan.warnings {
        warn!("{warning}");
    }
    let (seed, workers) = (plan.config.seed, plan.config.workers);
    let rules = plan.all_faults();
    let settings = plan::shown(&plan);
    let server = Server::start(plan.config.clone())?;
    let several = server.hosts().len() > 1;
    let (mut dns, mut dns_view) = (None, None);
    if let Some(plan) = &plan.dns {
        let zone = plan.zone(server.hosts().iter().map(Handle::addresses))?;
        let started = DnsServer::start(plan.address, zone.clone())?;
        started.set_choice(Some(server.dns_faults()));
        dns_view = Some(admin::DnsView { address: started.address(), zone });
        dns = Some(started);
    }
    let admin = plan.admin.as_ref();
    let admin = admin.map(|options| admin::start(options, server.hosts(), dns_view, settings));
    let admin = admin.transpose()?;
    info!(seed, workers, "started");
    for host in server.hosts().iter().filter(|host| host.is_sinkhole()) {
        let host = several.then(|| host.name().as_str());
        info!(host, "sinkhole: every request is refused with 0xC004F041, and nobody is counted");
    }
    output::print(ready_lines(server.hosts(), dns.as_ref(), admin.as_ref()).as_bytes())?;
    manager.ready();
    let reload = || {
        manager.reloading();
        faults::reload(&rules, server.clock().now());
        manager.ready();
    };
    let failure = runtime.block_on(async {
        tokio::select! {
            name = signals.end(reload) => {
                info!(signal = name, "stopping");
                None
            }
            failure = server.failed() => Some(failure),
        }
    });
    manager.stopping();
    drop((dns, admin));
    let totals = server.shutdown();
    info!(
        connections = totals.connections,
        connections_refused = totals.connections_refused,
        requests = totals.requests,
        requests_accepted = totals.requests_accepted,
        foreign_keys = totals.foreign_keys,
        faults = totals.faults,
        peers_refused = totals.peers_refused,
        "stopped"
    );
    drop(log);
    match failure {
        Some(failure) => bail!("{failure}; stopped, as --journal-failure stop says"),
        None => Ok(()),
    }
}

/// One line per listener, for scripts that wait for it. Where there are several hosts, each line
/// says whose listener it is.
fn ready_lines(hosts: &[Handle], dns: Option<&DnsServer>, admin: Option<&AdminServer>) -> String {
    let line = |host: &Handle, address: &SocketAddr| match hosts {
        [_] => format!("listening on {address}\n"),
        _ => format!("host {} listening on {address}\n", host.name()),
    };
    let hosts = hosts
        .iter()
        .flat_map(|host| host.addresses().iter().map(move |address| line(host, address)));
    let dns = dns.map(|dns| format!("dns listening on {}\n", dns.address()));
    let admin = admin.map(|admin| format!("admin listening on http://{}/\n", admin.address()));
    hosts.chain(dns).chain(admin).collect()
}

/// The signals that end a host, and the one that lets it read its fault rules again.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The name of the signal that asks for the end.
    async fn end(&mut self, reload: impl Fn()) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hang_up.recv() => reload(),
            }
        }
    }
}
