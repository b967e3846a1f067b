//! Whom a run loads, by name or address, and which process of this machine that is.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use kms_page::text::escape;

use super::arguments::Arguments;
use crate::load::cpu;
use crate::load::owner::{self, Owner};

/// The address that is loaded, and what to say of it.
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) notes: Vec<String>,
}

/// Looks a name up, once: the system's first address of the family of `--source` is loaded.
///
/// # Errors
/// A name that has no address, or an address beyond loopback without leave.
pub(super) fn resolve(arguments: &Arguments) -> anyhow::Result<Target> {
    let host = &arguments.target;
    let found = match host.address() {
        Some(address) => Target { address: (address, host.port).into(), notes: Vec::new() },
        None => look_up(arguments)?,
    };
    let address = found.address.ip();
    if !address.to_canonical().is_loopback() && !arguments.i_own_this_target {
        let named = match host.address() {
            Some(_) => address.to_string(),
            None => format!("`{}` is {address}, which", escape(&host.name)),
        };
        bail!("TARGET: {named} is not on loopback; --i-own-this-target allows it")
    }
    Ok(found)
}

fn look_up(arguments: &Arguments) -> anyhow::Result<Target> {
    let host = &arguments.target;
    let name = escape(&host.name);
    let found = ask_system(host.name.clone(), host.port);
    let found = found.with_context(|| format!("TARGET: cannot look up `{name}`"))?;
    let mut all: Vec<SocketAddr> = Vec::new();
    // Systems name an address once for each way in which a name was found.
    found.into_iter().for_each(|address| {
        if !all.contains(&address) {
            all.push(address);
        }
    });
    let sources = arguments.source.as_ref().and_then(|sources| sources.0.first());
    let fits = |address: &&SocketAddr| sources.is_none_or(|s| s.is_ipv4() == address.is_ipv4());
    let Some(first) = all.iter().find(fits).copied() else {
        bail!("TARGET: `{name}` has no address of the family of --source")
    };
    let others: Vec<String> =
        all.iter().filter(|one| **one != first).map(|one| one.ip().to_string()).collect();
    let note = match others.as_slice() {
        [] => format!("`{name}` is {}", first.ip()),
        others => format!(
            "`{name}` has {} addresses; {} is loaded and not {}",
            all.len(),
            first.ip(),
            others.join(", ")
        ),
    };
    Ok(Target { address: first, notes: vec![note] })
}

/// The system's resolver has no deadline of its own: it is asked in a thread that may be left behind.
#[allow(clippy::disallowed_methods, reason = "hosts files count, as for every other program")]
fn ask_system(name: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    let (answer, answered) = mpsc::sync_channel(1);
    std::thread::Builder::new().name("resolver".to_owned()).spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs();
        // Nobody waits any more when this fails.
        answer.send(found.map(Iterator::collect)).unwrap_or_default();
    })?;
    answered.recv_timeout(LOOK_UP_TIMEOUT).unwrap_or_else(|_| {
        Err(io::Error::new(ErrorKind::TimedOut, format!("no answer within {LOOK_UP_TIMEOUT:?}")))
    })
}

/// The processes whose processor time is the target's.
#[derive(Default)]
pub(super) struct Processes {
    pids: Vec<i32>,
    pub(super) notes: Vec<String>,
}

impl Processes {
    /// Those of `--target-pid`, or those that listen at a target on loopback.
    ///
    /// # Errors
    /// There is no process with that id.
    pub(super) fn find(arguments: &Arguments, target: SocketAddr) -> anyhow::Result<Self> {
        // A port of this machine says nothing of another one's.
        let owners = match target.ip().to_canonical().is_loopback() {
            true => owner::of_listener(target),
            false => Vec::new(),
        };
        let Some(pid) = arguments.target_pid else {
            let note = format!("the target is {}, which listens at {target}", list(&owners));
            let notes = if owners.is_empty() { Vec::new() } else { vec![note] };
            return Ok(Self { pids: owners.iter().map(|owner| owner.pid).collect(), notes });
        };
        let Some(name) = owner::name_of(pid) else {
            bail!("--target-pid: there is no process {pid}")
        };
        let listens = owners.iter().any(|owner| owner.pid == pid);
        let notes = match owners.is_empty() || listens {
            true => Vec::new(),
            false => vec![format!(
                "--target-pid: process {pid} (`{name}`) does not listen at {target}, {} does; the \
                 target's processor time is that of {pid}, as was asked",
                list(&owners)
            )],
        };
        Ok(Self { pids: vec![pid], notes })
    }

    /// Their processor time so far; `None` where one of them cannot be measured.
    pub(super) fn cpu_time(&self) -> Option<Duration> {
        let times: Option<Vec<_>> = self.pids.iter().map(|pid| cpu::of_process(*pid)).collect();
        times.filter(|times| !times.is_empty()).map(|times| times.iter().sum())
    }

    /// Processors that they can keep busy.
    pub(super) fn processors(&self) -> f64 {
        let most = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.pids.iter().map(|pid| cpu::processors_of(*pid)).sum::<f64>().clamp(1.0, most as f64)
    }
}

/// Three questions to each of two silent servers, at their usual five seconds, take as long.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(30);

fn list(owners: &[Owner]) -> String {
    let one = |owner: &Owner| format!("process {} (`{}`)", owner.pid, owner.name);
    owners.iter().map(one).collect::<Vec<_>>().join(" and ")
}
