//! Endpoints for online activation: each is an entry of its own, with the stages dns, tcp and tls,
//! for none of them is a KMS host.

use std::net::SocketAddr;
use std::time::SystemTime;

use anyhow::Context as _;
use rustls::pki_types::{CertificateDer, ServerName};

use super::entry::{Entry, StageFacts, StageReport, TcpFacts};
use super::plan::{self, Planned};
use super::{Beside, Options, at_once};
use crate::stage::tls::Trust;
use crate::stage::{self, Stage};
use crate::target::Asked;
use crate::verdict::{Finding, Severity, Verdict, judge};

/// Which endpoints to check, and whom to trust.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// Hosts with their ports.
    pub endpoints: Vec<Asked>,
    /// Roots to trust beside the platform's.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

/// What the look-ups of one endpoint leave to do.
enum Work {
    /// Nothing: it has no address.
    Done(Box<Entry>),
    /// The connection.
    Check(Box<Endpoint>),
}

/// One endpoint with every address it has.
struct Endpoint {
    target: String,
    host: String,
    addresses: Vec<SocketAddr>,
    stages: Vec<StageReport>,
    findings: Vec<Finding>,
}

/// Checks every endpoint of `options`, several at once.
///
/// # Errors
/// Only this program's own failure: no descriptors, a root that cannot be one.
pub(super) fn run(options: &Options) -> anyhow::Result<Vec<Entry>> {
    if options.tls.endpoints.is_empty() {
        return Ok(Vec::new());
    }
    let trust = Trust::new(&options.tls.extra_roots).context("cannot set up trusted roots")?;
    // Depth is about KMS hosts; an endpoint is always checked to its end.
    let deep = Options { depth: Stage::Tls, ..options.clone() };
    let mut work: Vec<Work> = Vec::new();
    for planned in plan::plan(&options.tls.endpoints, &deep)? {
        let probe = match planned {
            Planned::Done(entry) => {
                work.push(Work::Done(Box::new(without_address(*entry))));
                continue;
            }
            Planned::Probe(probe) => *probe,
        };
        match work.last_mut() {
            Some(Work::Check(last)) if last.target == probe.target => {
                last.addresses.push(probe.address);
            }
            _ => work.push(Work::Check(Box::new(Endpoint {
                target: probe.target,
                host: probe.host,
                addresses: vec![probe.address],
                stages: probe.stages,
                findings: probe.findings,
            }))),
        }
    }
    let checked = at_once(work, |work| match work {
        Work::Done(entry) => Ok(*entry),
        Work::Check(endpoint) => check(*endpoint, &trust, options),
    });
    checked.into_iter().collect()
}

fn without_address(entry: Entry) -> Entry {
    let (host, port) = (entry.host.clone().unwrap_or_default(), entry.port.unwrap_or_default());
    Entry { verdict: judge::towards_tls(entry.verdict, &host, port), ..entry }
}

/// Tries the addresses in order, as clients do; those that do not open before one that does are
/// findings.
fn check(endpoint: Endpoint, trust: &Trust, options: &Options) -> anyhow::Result<Entry> {
    let Endpoint { target, host, addresses, mut stages, mut findings } = endpoint;
    let mut failed: Option<(SocketAddr, StageReport, Verdict)> = None;
    for address in addresses {
        let (report, verdict, stream) = connect(&host, address, options)?;
        let Some(stream) = stream else {
            if let Some((address, _, verdict)) = failed.take() {
                findings.push(passed_over(address, verdict));
            }
            failed = Some((address, report, verdict));
            continue;
        };
        if let Some((address, _, verdict)) = failed.take() {
            findings.push(passed_over(address, verdict));
        }
        stages.push(report);
        let (report, verdict, beside) = shake_hands(&host, address, stream, trust, options)?;
        stages.push(report);
        findings.extend(beside);
        return Ok(entry(target, host, address, stages, verdict, findings));
    }
    let (address, report, verdict) = failed.context("an endpoint was planned without address")?;
    stages.push(report);
    Ok(entry(target, host, address, stages, verdict, findings))
}

type Connected = (StageReport, Verdict, Option<std::net::TcpStream>);

fn connect(host: &str, address: SocketAddr, options: &Options) -> anyhow::Result<Connected> {
    let mut endpoint = judge::Endpoint { host: host.to_owned(), address, source: None };
    let timeout = options.timeouts.tcp;
    let (facts, elapsed, stream) =
        stage::connect::connect_from(options.origin, address, timeout)
            .with_context(|| format!("cannot open a socket for `{address}`"))?;
    endpoint.source = facts.source.map(|source| source.ip());
    let verdict = judge::tcp(&endpoint, &facts);
    let facts = StageFacts::Tcp(TcpFacts { state: verdict.row.port_state, connect: facts });
    let report = StageReport { stage: Stage::Tcp, verdict: verdict.row.code, elapsed, facts };
    Ok((report, judge::towards_tls(verdict, host, address.port()), stream))
}

fn shake_hands(
    host: &str,
    address: SocketAddr,
    stream: std::net::TcpStream,
    trust: &Trust,
    options: &Options,
) -> anyhow::Result<(StageReport, Verdict, Vec<Finding>)> {
    let endpoint = judge::Endpoint { host: host.to_owned(), address, source: None };
    let name = match address.ip().to_string() == host {
        true => ServerName::from(address.ip()),
        false => ServerName::try_from(host.trim_end_matches('.').to_owned())
            .with_context(|| format!("`{host}` is no name that a certificate can be for"))?,
    };
    let now = SystemTime::now();
    let (facts, elapsed) = stage::tls::handshake(stream, &name, trust, now, options.timeouts.tls)
        .context("cannot begin a TLS handshake")?;
    let (verdict, beside) = judge::tls(&endpoint, &facts);
    let facts = StageFacts::Tls(Box::new(facts));
    let report = StageReport { stage: Stage::Tls, verdict: verdict.row.code, elapsed, facts };
    Ok((report, verdict, beside))
}

/// An address that did not open, before one that did: clients try the next one, too.
fn passed_over(address: SocketAddr, mut verdict: Verdict) -> Finding {
    verdict.severity = verdict.severity.min(Severity::Info);
    Finding { verdict, facts: serde_json::json!({ "address": address.to_string() }) }
}

fn entry(
    target: String,
    host: String,
    address: SocketAddr,
    stages: Vec<StageReport>,
    verdict: Verdict,
    findings: Vec<Finding>,
) -> Entry {
    Entry {
        target,
        host: Some(host),
        port: Some(address.port()),
        address: Some(address.ip()),
        stages,
        verdict,
        findings,
        beside: Beside::default(),
    }
}
