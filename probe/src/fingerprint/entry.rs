//! A fingerprint from end to end: look-ups, then the conversations with every address.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::observation::Observation;
use super::score::{self, Fit};
use super::script::{self, Conversation};
use crate::check;
use crate::stage::deadline::Deadline;
use crate::stage::{Stage, connect};
use crate::target::{Asked, Target};
use crate::verdict::judge;

/// Everything that one run found.
#[derive(Clone, Debug)]
pub struct Report {
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// One entry per address, and one per target without one.
    pub entries: Vec<Entry>,
}

/// One address, or a target that leads to none.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The target as it was given.
    pub target: String,
    /// The host, once it is known.
    pub host: Option<String>,
    /// The port, once it is known.
    pub port: Option<u16>,
    /// The address, once it is known.
    pub address: Option<IpAddr>,
    /// Connections that were opened.
    pub connections: usize,
    /// What was seen.
    pub observations: Vec<Observation>,
    /// How well each candidate fits, the best first.
    pub fits: Vec<Fit>,
    /// Why nothing was seen.
    pub failure: Option<String>,
}

struct Planned {
    target: String,
    host: String,
    address: SocketAddr,
}

/// Takes the fingerprint of every address of `targets`. `dns` says how names are looked up;
/// `timeout` holds for each connection, whole.
///
/// # Errors
/// This program's own failures, and too many addresses.
pub fn run(targets: &[Asked], timeout: Duration, dns: &check::Options) -> anyhow::Result<Report> {
    let started = jiff::Timestamp::now().to_string();
    let (planned, mut entries) = plan(targets, dns)?;
    if planned.len() > ADDRESSES_MAX {
        bail!(
            "{} addresses to ask, and at most {ADDRESSES_MAX} at once: name fewer",
            planned.len()
        );
    }
    for planned in planned {
        entries.push(take(planned, timeout)?);
    }
    Ok(Report { started, entries })
}

impl Report {
    /// Whether every entry has something to tell.
    #[must_use]
    pub fn observed_all(&self) -> bool {
        self.entries.iter().all(|entry| !entry.observations.is_empty())
    }
}

impl Entry {
    /// The candidates that what was seen is consistent with, the best first.
    pub fn consistent_with(&self) -> impl Iterator<Item = &Fit> {
        self.fits.iter().filter(|fit| fit.consistent)
    }
}

fn plan(targets: &[Asked], dns: &check::Options) -> anyhow::Result<(Vec<Planned>, Vec<Entry>)> {
    let mut planned: Vec<Planned> = Vec::new();
    let mut entries = Vec::new();
    let mut names = Vec::new();
    for asked in targets {
        match asked.target {
            Target::Address(address) => planned.push(Planned {
                target: asked.text.clone(),
                host: address.ip().to_string(),
                address,
            }),
            _ => names.push(asked.clone()),
        }
    }
    if names.is_empty() {
        return Ok((planned, entries));
    }
    let looked_up = check::run(&names, &check::Options { depth: Stage::Dns, ..dns.clone() })?;
    for entry in looked_up.entries {
        match (entry.host, entry.port, entry.address) {
            (Some(host), Some(port), Some(address)) => {
                let address = SocketAddr::new(address, port);
                if !planned.iter().any(|known| known.address == address) {
                    planned.push(Planned { target: entry.target, host, address });
                }
            }
            (host, port, address) => entries.push(Entry {
                target: entry.target,
                host,
                port,
                address,
                connections: 0,
                observations: Vec::new(),
                fits: Vec::new(),
                failure: Some(entry.verdict.cause.clone()),
            }),
        }
    }
    Ok((planned, entries))
}

fn take(planned: Planned, timeout: Duration) -> anyhow::Result<Entry> {
    let Planned { target, host, address } = planned;
    let mut entry = Entry {
        target,
        host: Some(host.clone()),
        port: Some(address.port()),
        address: Some(address.ip()),
        connections: 0,
        observations: Vec::new(),
        fits: Vec::new(),
        failure: None,
    };
    let mut groups = Vec::new();
    for conversation in Conversation::ALL {
        let deadline = Deadline::after(timeout);
        let (facts, _, stream) = connect::connect(address, timeout)
            .with_context(|| format!("cannot open a socket for `{address}`"))?;
        let Some(stream) = stream else {
            // What was seen before still counts; a host that no longer answers is asked no more.
            if entry.connections == 0 {
                let source = facts.source.map(|source| source.ip());
                let endpoint = judge::Endpoint { host, address, source };
                entry.failure = Some(judge::tcp(&endpoint, &facts).cause);
            }
            break;
        };
        entry.connections += 1;
        let seen = script::hold(conversation, stream, deadline, address.port())
            .context("cannot encode a PDU")?;
        if entry.connections == 1 && !seen.spoke_rpc {
            entry.failure = Some(format!(
                "{address} does not answer an RPC bind, which a KMS host must: {}",
                seen.first_answer
            ));
            break;
        }
        groups.extend(seen.group);
        entry.observations.extend(seen.observations);
    }
    entry.observations.extend(script::groups(&groups));
    entry.fits = score::fits(&entry.observations);
    Ok(entry)
}

/// Addresses of one run.
const ADDRESSES_MAX: usize = 32;
