//! `kms-probe lab`: a simulated KMS host and a DNS server in this process, on loopback, with a
//! healthy check and a tour of failures. Each failure is caused for real; only the expectation is
//! written down.

mod broken;
mod show;

pub use show::{closing, opening, text};

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::Context as _;
use kms_protocol::kms::product;
use kms_protocol::kms::{Hresult, crypto::LabKey};
use kms_simulator::dns::{DnsServer, HostRecord, Zone};
use kms_simulator::serve::{Clock, ServeConfig, Server};
use serde::Serialize;

use self::broken::{ClosedPort, SilentServer, WebServer};
use crate::check::{self, KmsOptions, Timeouts};
use crate::report::json::CheckJson;
use crate::stage::Stage;
use crate::target::{Asked, Target};

/// One stop of the tour.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number, from 1.
    pub number: usize,
    /// What it shows.
    pub title: &'static str,
    /// What was set up or broken for it.
    pub scene: String,
    /// The command that a person would type for it.
    pub command: String,
    /// The verdict that it must give.
    pub expected: &'static str,
    /// A code that a Windows client must see in it.
    pub expected_code: Option<Hresult>,
    /// What the probe found.
    pub report: check::Report,
}

/// The whole tour.
#[derive(Clone, Debug)]
pub struct Tour {
    /// The stops, in order.
    pub steps: Vec<Step>,
}

/// The tour as JSON has it.
#[derive(Debug, Serialize)]
pub struct TourShape<'a> {
    as_expected: bool,
    steps: Vec<StepShape<'a>>,
}

#[derive(Debug, Serialize)]
struct StepShape<'a> {
    title: &'static str,
    scene: &'a str,
    command: &'a str,
    expected: &'static str,
    got: &'static str,
    as_expected: bool,
    check: CheckJson<'a>,
}

/// Walks the tour and hands each step to `visit` as soon as it is done.
///
/// # Errors
/// What could not be started on loopback, and what `visit` returns.
pub fn run(mut visit: impl FnMut(&Step) -> anyhow::Result<()>) -> anyhow::Result<Tour> {
    let mut tour = Tour { steps: Vec::new() };
    for stop in STOPS {
        let number = tour.steps.len() + 1;
        let step = stop(number).with_context(|| format!("step {number} of the lab"))?;
        visit(&step)?;
        tour.steps.push(step);
    }
    Ok(tour)
}

impl Tour {
    /// Whether every verdict was the expected one.
    #[must_use]
    pub fn all_as_expected(&self) -> bool {
        self.steps.iter().all(Step::as_expected)
    }

    /// The tour as JSON has it.
    #[must_use]
    pub fn shape(&self) -> TourShape<'_> {
        let steps = self.steps.iter().map(|step| StepShape {
            title: step.title,
            scene: &step.scene,
            command: &step.command,
            expected: step.expected,
            got: step.got(),
            as_expected: step.as_expected(),
            check: CheckJson(&step.report),
        });
        TourShape { as_expected: self.all_as_expected(), steps: steps.collect() }
    }
}

impl Step {
    /// The verdict that came out.
    #[must_use]
    pub fn got(&self) -> &'static str {
        self.report.worst().map_or("nothing", |verdict| verdict.row.code)
    }

    /// Whether it is the expected one, with the expected code in it.
    #[must_use]
    pub fn as_expected(&self) -> bool {
        let code_is_seen = |code: Hresult| {
            let worst = self.report.worst();
            worst.is_some_and(|verdict| verdict.client_sees.iter().any(|s| s.code == code.0))
        };
        self.got() == self.expected && self.expected_code.is_none_or(code_is_seen)
    }
}

const STOPS: [fn(usize) -> anyhow::Result<Step>; 7] =
    [healthy, closed_port, silent_server, no_record, wrong_service, skewed_clock, count_too_low];

fn healthy(number: usize) -> anyhow::Result<Step> {
    let product = product::DEFAULT;
    let server = host(product.n_policy, Clock::REAL)?;
    let address = address_of(&server)?;
    let record = HostRecord { port: address.port(), ..HostRecord::new("kms1", [address.ip()]) };
    let dns = DnsServer::start(LOOPBACK_ANY_PORT, Zone::new(DOMAIN)?.host(record)?)?;
    let resolver = dns.address();
    let options = check::Options { resolvers: vec![resolver], ..at_depth(Stage::Kms) };
    let report = check::run(&[Asked::parse(DOMAIN, false)?], &options)?;
    Ok(Step {
        number,
        title: "A healthy host, found by its SRV record",
        scene: format!(
            "The host's count was filled to {} beforehand, which is what {} needs.",
            product.n_policy, product.name
        ),
        command: format!("kms-probe check {DOMAIN} --resolver {resolver} --depth kms"),
        expected: "kms.ok",
        expected_code: None,
        report,
    })
}

fn closed_port(number: usize) -> anyhow::Result<Step> {
    let closed = ClosedPort::reserve()?;
    let target = closed.address();
    Ok(Step {
        number,
        title: "A closed port",
        scene: "Nothing listens where the host should: the service is stopped.".to_owned(),
        command: format!("kms-probe check {target}"),
        expected: "tcp.refused",
        expected_code: Some(Hresult::NO_KMS_AVAILABLE),
        report: check_address(target, &at_depth(Stage::Rpc))?,
    })
}

fn silent_server(number: usize) -> anyhow::Result<Step> {
    let silent = SilentServer::start()?;
    let target = silent.address();
    let mut options = at_depth(Stage::Rpc);
    options.timeouts.bind = SILENCE;
    Ok(Step {
        number,
        title: "A server that accepts and then says nothing",
        scene: "The handshake succeeds and the RPC bind is never answered, as behind a firewall \
                that passes the port and drops the payload."
            .to_owned(),
        command: format!("kms-probe check {target} --bind-timeout {}ms", SILENCE.as_millis()),
        expected: "bind.timeout",
        expected_code: Some(Hresult::NO_KMS_AVAILABLE),
        report: check_address(target, &options)?,
    })
}

fn no_record(number: usize) -> anyhow::Result<Step> {
    let dns = DnsServer::start(LOOPBACK_ANY_PORT, Zone::new(DOMAIN)?)?;
    let resolver = dns.address();
    let options = check::Options { resolvers: vec![resolver], ..at_depth(Stage::Rpc) };
    Ok(Step {
        number,
        title: "No record in DNS",
        scene: format!("The DNS server knows {DOMAIN}, and nobody published a KMS host in it."),
        command: format!("kms-probe check {DOMAIN} --resolver {resolver}"),
        expected: "dns.nxdomain",
        expected_code: Some(Hresult::DNS_NAME_ERROR),
        report: check::run(&[Asked::parse(DOMAIN, false)?], &options)?,
    })
}

fn wrong_service(number: usize) -> anyhow::Result<Step> {
    let web = WebServer::start()?;
    let target = web.address();
    Ok(Step {
        number,
        title: "The wrong service on the port",
        scene: "A web server answers where RPC is expected.".to_owned(),
        command: format!("kms-probe check {target}"),
        expected: "bind.not_rpc",
        expected_code: Some(Hresult::NO_KMS_AVAILABLE),
        report: check_address(target, &at_depth(Stage::Rpc))?,
    })
}

fn skewed_clock(number: usize) -> anyhow::Result<Step> {
    let product = product::DEFAULT;
    let server = host(product.n_policy, Clock::ahead_by(SKEW))?;
    let target = address_of(&server)?;
    Ok(Step {
        number,
        title: "A host with a wrong clock",
        scene: format!(
            "The host's clock is {} hours ahead; more than 4 hours are refused.",
            SKEW.as_secs() / 3600
        ),
        command: format!("kms-probe check {target} --depth kms"),
        expected: "kms.hresult",
        expected_code: Some(Hresult::INVALID_TIMESTAMP),
        report: check_address(target, &at_depth(Stage::Kms))?,
    })
}

fn count_too_low(number: usize) -> anyhow::Result<Step> {
    let server = host(0, Clock::REAL)?;
    let target = address_of(&server)?;
    Ok(Step {
        number,
        title: "Too few clients",
        scene: "A fresh host that no client has contacted: this check is its first.".to_owned(),
        command: format!("kms-probe check {target} --depth kms"),
        expected: "kms.count_low",
        expected_code: Some(Hresult::NOT_ENOUGH_COUNT),
        report: check_address(target, &at_depth(Stage::Kms))?,
    })
}

/// A simulated host on a free loopback port that knows `clients` clients.
fn host(clients: u32, clock: Clock) -> anyhow::Result<Server> {
    Server::start(ServeConfig {
        listen: vec![LOOPBACK_ANY_PORT],
        workers: NonZeroUsize::MIN,
        initial_counts: vec![(product::DEFAULT.app_id, clients)],
        clock,
        ..ServeConfig::default()
    })
}

fn address_of(server: &Server) -> anyhow::Result<SocketAddr> {
    server.addresses().first().copied().context("the simulated host listens nowhere")
}

fn at_depth(depth: Stage) -> check::Options {
    check::Options {
        depth,
        timeouts: Timeouts::all(PATIENCE),
        kms: KmsOptions::new(&LabKey::DEFAULT),
        // Names of the lab are not this machine's business.
        ask_system: false,
        ..check::Options::default()
    }
}

fn check_address(target: SocketAddr, options: &check::Options) -> anyhow::Result<check::Report> {
    let asked = Asked { text: target.to_string(), target: Target::Address(target) };
    check::run(&[asked], options)
}

const DOMAIN: &str = "lab.test";
const LOOPBACK_ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Ample on loopback.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the silent server is listened to.
const SILENCE: Duration = Duration::from_millis(300);

const SKEW: Duration = Duration::from_secs(5 * 3600);
