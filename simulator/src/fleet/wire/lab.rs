//! The servers of a run on the wire: a KMS host for each host, a DNS server for each site.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::{Context as _, bail};
use kms_protocol::filetime::FileTime;
use kms_protocol::kms::product::{OFFICE_APP_ID, WINDOWS_APP_ID};
use tokio::net::TcpStream;

use crate::dns::{DnsServer, Fault, HostRecord, Zone};
use crate::fault::{self, Place, Rule, RuleId, Source, Stage, When};
use crate::fleet::arm::Counts;
use crate::fleet::scenario::{DnsFailure, Host, Rejection};
use crate::model::HostPolicy;
use crate::model::client::Candidate;
use crate::serve::{Change, Clock, Handle, Rate, ServeConfig, Server};

/// A host: one `serve` in this process.
#[derive(Debug)]
pub(super) struct LabHost {
    server: Server,
    handle: Handle,
    address: SocketAddr,
    is_refusing: bool,
}

/// A site: its view of DNS.
#[derive(Debug)]
pub(super) struct LabSite {
    /// The second byte of the addresses of its clients.
    network: u8,
    dns: DnsServer,
    records: Vec<SrvRecord>,
}

/// Where the clients of a site are, and whom they ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct SiteView {
    network: u8,
    pub(super) dns: SocketAddr,
}

/// An SRV record: the host as an index, its priority and weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SrvRecord {
    pub(super) host: usize,
    pub(super) candidate: Candidate,
}

impl LabHost {
    pub(super) fn start(host: &Host, policy: HostPolicy, clock: Clock) -> anyhow::Result<Self> {
        let config = ServeConfig {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            workers: NonZeroUsize::MIN,
            policy,
            initial_counts: vec![
                (WINDOWS_APP_ID, host.remembers_windows),
                (OFFICE_APP_ID, host.remembers_office),
            ],
            clock,
            ..ServeConfig::default()
        };
        let server = Server::start(config)?;
        let handle = server.hosts().first().context("a server without a host")?.clone();
        let address = *handle.addresses().first().context("a host without an address")?;
        Ok(Self { server, handle, address, is_refusing: false })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the host's clock to `now`, or so many seconds before or after it.
    pub(super) fn set_clock(&self, now: FileTime, offset_s: i64) {
        self.server.clock().change(Change::Set(shifted(now, offset_s)));
    }

    /// Lets the host's clock go so fast.
    pub(super) fn set_rate(&self, rate: Rate) {
        self.server.clock().change(Change::Rate(rate));
    }

    pub(super) fn set_policy(&self, policy: HostPolicy) {
        self.handle.set_policy(policy);
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            windows: self.handle.count(WINDOWS_APP_ID),
            office: self.handle.count(OFFICE_APP_ID),
        }
    }

    pub(super) fn forget(&self) {
        self.handle.forget_clients();
    }

    /// The host is down for everybody, or closed to the networks that are named. Returns when that
    /// is so.
    pub(super) async fn set_faults(
        &mut self,
        down: Option<Rejection>,
        closed: Vec<(String, Rejection)>,
    ) -> anyhow::Result<()> {
        let mut places: Vec<_> = down.into_iter().map(|down| (Place::default(), down)).collect();
        for (network, rejection) in closed {
            let clients = vec![network.parse()?];
            places.push((Place { clients, ..Place::default() }, rejection));
        }
        let rules: Vec<Rule> = (1..).zip(places).map(rule).collect();
        let faults = self.handle.faults();
        if faults.list().iter().map(|listed| &listed.rule).eq(&rules) {
            return Ok(());
        }
        faults.replace(Source::Api, rules, self.handle.clock().now())?;
        let refuses = *faults.refusing().borrow();
        if refuses != self.is_refusing {
            self.is_refusing = refuses;
            tokio::time::timeout(LISTEN_WAIT, self.becomes(refuses))
                .await
                .with_context(|| format!("{} neither stopped nor began to listen", self.address))?;
        }
        Ok(())
    }

    /// Waits until connections are refused, or no longer are.
    async fn becomes(&self, refuses: bool) {
        while TcpStream::connect(self.address).await.is_err() != refuses {
            tokio::time::sleep(LISTEN_POLL).await;
        }
    }
}

impl SiteView {
    /// The address of the client that makes exchange `number`: another one each time, as the clients
    /// are many, and so that the ports of ended connections do not run out.
    pub(super) fn client(&self, number: u64) -> Ipv4Addr {
        let [.., high, low] = (number % CLIENT_ADDRESSES).to_be_bytes();
        Ipv4Addr::new(127, self.network, high, low.saturating_add(1))
    }
}

impl LabSite {
    pub(super) fn start(
        network: u8,
        records: Vec<SrvRecord>,
        hosts: &[Option<SocketAddr>],
    ) -> anyhow::Result<Self> {
        let zone = zone(&records, hosts)?;
        let dns = DnsServer::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), zone)?;
        Ok(Self { network, dns, records })
    }

    /// The network of its clients.
    pub(super) fn network(&self) -> String {
        format!("127.{}.0.0/16", self.network)
    }

    /// What its clients have to know.
    pub(super) fn view(&self) -> SiteView {
        SiteView { network: self.network, dns: self.dns.address() }
    }

    pub(super) fn set_records(
        &mut self,
        records: Vec<SrvRecord>,
        hosts: &[Option<SocketAddr>],
    ) -> anyhow::Result<()> {
        if records != self.records {
            self.dns.set_zone(zone(&records, hosts)?);
            self.records = records;
        }
        Ok(())
    }

    pub(super) fn set_failure(&self, failure: Option<DnsFailure>) {
        self.dns.set_fault(failure.map(|failure| match failure {
            DnsFailure::Silent => Fault::Drop,
            DnsFailure::Nxdomain => Fault::NxDomain,
            DnsFailure::Nodata => Fault::NoData,
            DnsFailure::Servfail => Fault::ServFail(None),
            DnsFailure::Refused => Fault::Refused,
        }));
    }
}

/// Whoever is concerned gets no answer, or no connection.
fn rule((number, (place, rejection)): (usize, (Place, Rejection))) -> Rule {
    Rule {
        id: RuleId::made_up("fleet", number),
        enabled: true,
        stage: Stage::Accept,
        place,
        when: When::default(),
        action: match rejection {
            Rejection::Silent => fault::Action::NeverAnswer,
            Rejection::Refused => fault::Action::Refuse,
        },
    }
}

/// The records, with the addresses of the hosts that they list.
fn zone(records: &[SrvRecord], hosts: &[Option<SocketAddr>]) -> anyhow::Result<Zone> {
    let mut zone = Zone::new(DOMAIN)?;
    for SrvRecord { host, candidate } in records {
        // A host of sites that are not run: no client of these may be sent there.
        let Some(address) = hosts.get(*host).copied().flatten() else {
            bail!("host number {host} is not part of these sites")
        };
        zone = zone.host(HostRecord {
            port: address.port(),
            priority: candidate.priority,
            weight: candidate.weight,
            ..HostRecord::new(format!("host-{host}"), [address.ip()])
        })?;
    }
    Ok(zone)
}

pub(super) fn shifted(time: FileTime, seconds: i64) -> FileTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { time.saturating_sub(by) } else { time.saturating_add(by) }
}

/// The domain of every site; each site has its own view of it.
pub(super) const DOMAIN: &str = "fleet.test";

/// Addresses that the clients of a site have in turn: 127.N.0.1 to 127.N.254.255.
const CLIENT_ADDRESSES: u64 = 0xFF00;

/// How long a host may take to stop listening, or to begin again.
const LISTEN_WAIT: Duration = Duration::from_secs(20);
const LISTEN_POLL: Duration = Duration::from_millis(1);
