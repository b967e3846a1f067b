//! The clock stage of a check: the host's clock by NTLM and SNTP, and time servers that say how
//! right this machine's own clock is. It runs beside the other stages and stops none of them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;

use super::Options;
use super::entry::{StageFacts, StageReport};
use super::plan::{self, Planned};
use crate::stage::clock::{ClockFacts, ClockSource, Unknown, ntlm, sntp};
use crate::stage::{self, Stage};
use crate::target::Asked;
use crate::verdict::judge::{self, ClockOf};
use crate::verdict::{Finding, Severity, Verdict};

/// Whom to ask for the time.
#[derive(Clone, Debug, Default)]
pub struct ClockOptions {
    /// The host, by the NTLM challenge on its KMS port.
    pub ntlm: bool,
    /// The host, by SNTP on UDP 123.
    pub sntp: bool,
    /// Time servers, each asked once per check.
    pub time_servers: Vec<Asked>,
}

/// A clock that was asked.
#[derive(Clone)]
pub(super) struct Asking {
    endpoint: judge::Endpoint,
    facts: ClockFacts,
    elapsed: Duration,
}

impl ClockOptions {
    /// Whether anybody is asked at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.ntlm && !self.sntp && self.time_servers.is_empty()
    }
}

/// Asks every time server of `options`, once for all targets.
pub(super) fn ask_time_servers(options: &Options) -> anyhow::Result<Vec<Asking>> {
    let servers = &options.clock.time_servers;
    servers.iter().map(|server| ask_time_server(server, options)).collect()
}

fn ask_time_server(server: &Asked, options: &Options) -> anyhow::Result<Asking> {
    let planned = plan::plan(std::slice::from_ref(server), options)?;
    let mut why = String::new();
    for planned in planned {
        match planned {
            Planned::Probe(probe) => return Ok(ask_by_sntp(&probe.host, probe.address, options)),
            Planned::Done(entry) if why.is_empty() => why = entry.verdict.row.code.to_owned(),
            Planned::Done(_) => {}
        }
    }
    let facts = ClockFacts::new(ClockSource::Sntp, None, options.timeouts.clock);
    let facts = facts.without_reading(Unknown::NotResolved { detail: why });
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let endpoint = judge::Endpoint { host: server.text.clone(), address: nowhere, source: None };
    Ok(Asking { endpoint, facts, elapsed: Duration::ZERO })
}

fn ask_by_sntp(host: &str, address: SocketAddr, options: &Options) -> Asking {
    let (facts, elapsed) =
        sntp::ask(address, options.origin.address_for(&address), options.timeouts.clock);
    let endpoint = judge::Endpoint { host: host.to_owned(), address, source: None };
    Asking { endpoint, facts, elapsed }
}

fn ask_by_ntlm(host: &str, address: SocketAddr, options: &Options) -> anyhow::Result<Asking> {
    let endpoint = judge::Endpoint { host: host.to_owned(), address, source: None };
    let (connect, elapsed, stream) =
        stage::connect::connect_from(options.origin, address, options.timeouts.tcp)
            .with_context(|| format!("cannot open a socket for `{address}`"))?;
    let timeout = options.timeouts.clock;
    let (facts, elapsed) = match stream {
        Some(stream) => ntlm::ask(stream, address, timeout).context("cannot encode the bind")?,
        None => {
            let detail = connect.error.map_or("a second connection timed out", |e| e.kind.words());
            let facts = ClockFacts::new(ClockSource::Ntlm, Some(address), timeout);
            (facts.without_reading(Unknown::NotReached { detail }), elapsed)
        }
    };
    Ok(Asking { endpoint, facts, elapsed })
}

/// Asks the clocks of one host, adds a stage for each, and returns what is worth saying of them.
/// NTLM needs the KMS port, and is left out where that does not open.
///
/// # Errors
/// Only this program's own failure, such as a lack of descriptors.
pub(super) fn run(
    host: &str,
    address: SocketAddr,
    options: &Options,
    time_servers: &[Asking],
    stages: &mut Vec<StageReport>,
) -> anyhow::Result<Vec<Finding>> {
    let is_open = stages.iter().any(|s| s.stage == Stage::Tcp && s.verdict == "tcp.ok");
    let mut asked = Vec::new();
    if options.clock.ntlm && is_open {
        asked.push(ask_by_ntlm(host, address, options)?);
    }
    if options.clock.sntp {
        asked.push(ask_by_sntp(host, SocketAddr::new(address.ip(), SNTP_PORT), options));
    }
    asked.extend(time_servers.iter().cloned());
    let is_own =
        |asking: &Asking| asking.facts.server.is_some_and(|server| server.ip() == address.ip());
    let reference = time_servers.iter().find(|asking| !is_own(asking));
    let reference = reference.and_then(|asking| asking.facts.reading.as_ref());
    let mut findings = Vec::new();
    for asking in asked {
        let of = if is_own(&asking) { ClockOf::Host } else { ClockOf::TimeServer };
        let verdict = judge::clock(&asking.endpoint, of, &asking.facts, reference);
        let code = verdict.row.code;
        if verdict.severity > Severity::Ok {
            findings.push(judge::clock_finding(verdict, &asking.facts));
        }
        let facts = StageFacts::Clock(Box::new(asking.facts));
        stages.push(StageReport {
            stage: Stage::Clock,
            verdict: code,
            elapsed: asking.elapsed,
            facts,
        });
    }
    Ok(findings)
}

/// A clock that keeps clients from activating is the verdict of a host that is otherwise healthy:
/// it is taken out of the findings.
pub(super) fn take_verdict(verdict: &Verdict, findings: &mut Vec<Finding>) -> Option<Verdict> {
    if verdict.severity != Severity::Ok {
        return None;
    }
    let worst = findings.iter().position(|finding| finding.verdict.severity == Severity::Critical);
    worst.map(|index| findings.remove(index).verdict)
}

/// The port of NTP and SNTP.
pub const SNTP_PORT: u16 = 123;
