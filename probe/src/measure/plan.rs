//! From targets to the paths that are measured: look-ups first, as `check` makes them.

use std::net::SocketAddr;

use anyhow::bail;

use super::PATHS_MAX;
use crate::check::{self, Entry};
use crate::dns::name::DomainName;
use crate::dns::system::SystemConfig;
use crate::stage::Stage;
use crate::stage::resolve::{self, AddressSource};
use crate::target::{Asked, Target};

/// One endpoint, and what is asked of DNS before each connection to it.
#[derive(Clone, Debug)]
pub(super) struct Path {
    /// The target as it was given.
    pub(super) target: String,
    /// Host name, or the address where there is no name.
    pub(super) host: String,
    /// Where the connections go.
    pub(super) address: SocketAddr,
    /// The look-up that belongs to each exchange; none for an address, or where only the operating
    /// system knows the name.
    pub(super) question: Option<Question>,
}

/// A look-up that is repeated.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// Domain or host name.
    pub(super) name: DomainName,
    /// The port of a host name; none for a domain.
    pub(super) port: Option<u16>,
    /// Asks only the resolver that decided at first, and not the operating system.
    pub(super) options: resolve::Options,
}

/// Paths to measure, and the entries of targets that lead to none.
///
/// # Errors
/// An unreadable resolver configuration, or too many paths.
pub(super) fn plan(
    targets: &[Asked],
    options: &check::Options,
) -> anyhow::Result<(Vec<Path>, Vec<Entry>)> {
    let mut paths: Vec<Path> = Vec::new();
    let mut unreachable = Vec::new();
    for asked in targets {
        if let Target::Address(address) = asked.target {
            let (target, host) = (asked.text.clone(), address.ip().to_string());
            add(&mut paths, Path { target, host, address, question: None }, options.depth);
            continue;
        }
        let look_up = check::Options { depth: Stage::Dns, ..options.clone() };
        for entry in check::run(std::slice::from_ref(asked), &look_up)?.entries {
            match path(&entry, options)? {
                Some(path) => add(&mut paths, path, options.depth),
                None => unreachable.push(entry),
            }
        }
    }
    if paths.len() > PATHS_MAX {
        bail!(
            "{} endpoints to measure, and at most {PATHS_MAX} in one run: name fewer",
            paths.len()
        );
    }
    Ok((paths, unreachable))
}

/// Each endpoint once. At depth dns the name is what is measured.
fn add(paths: &mut Vec<Path>, new: Path, depth: Stage) {
    let known = paths.iter().any(|path| match depth {
        Stage::Dns => path.target == new.target,
        _ => path.address == new.address,
    });
    if !known {
        paths.push(new);
    }
}

fn path(entry: &Entry, options: &check::Options) -> anyhow::Result<Option<Path>> {
    let (Some(host), Some(port), Some(address)) = (&entry.host, entry.port, entry.address) else {
        return Ok(None);
    };
    Ok(Some(Path {
        target: entry.target.clone(),
        host: host.clone(),
        address: SocketAddr::new(address, port),
        question: question(entry, options)?,
    }))
}

fn question(entry: &Entry, options: &check::Options) -> anyhow::Result<Option<Question>> {
    let Some(dns) = entry.dns() else { return Ok(None) };
    let by_system = |found: &resolve::Endpoint| found.source == AddressSource::OperatingSystem;
    let facts = &dns.resolved.facts;
    let Some(resolver) = facts.decided_by.filter(|_| !dns.endpoint.as_ref().is_some_and(by_system))
    else {
        return Ok(None);
    };
    // Named resolvers replace a configuration that cannot be read.
    let system = match SystemConfig::load() {
        Ok(system) => system,
        Err(_) if !options.resolvers.is_empty() => SystemConfig::default(),
        Err(error) => return Err(error.into()),
    };
    let options = resolve::Options {
        ask_system: false,
        origin: options.origin,
        ..resolve::Options::new(system, &[resolver], options.timeouts.dns)
    };
    Ok(Some(Question { name: facts.name.clone(), port: facts.port, options }))
}
