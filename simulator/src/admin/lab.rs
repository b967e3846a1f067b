//! What the routes see of a running lab.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Duration, MissedTickBehavior, interval};

use super::history::{History, Second};
use super::roster::{Client, Roster};
use crate::journal::{Exchange, LiveRows, Row, Subject};
use crate::serve::{Distribution, Handle, Totals};

/// A lab and what has been watched of it since the admin server started.
#[derive(Debug)]
pub(super) struct Lab {
    /// The hosts, the first one first; never empty.
    pub(super) hosts: Vec<Handle>,
    first: Handle,
    pub(super) dns: Option<DnsView>,
    /// The configuration in force, as a table of its keys.
    pub(super) config: serde_json::Value,
    pub(super) started: Timestamp,
    /// Whether the state is for those with the token only.
    pub(super) needs_token: bool,
    /// Places for streams of events.
    pub(super) streams: Arc<Semaphore>,
    watched: Mutex<Watched>,
}

/// The embedded DNS server: where, and what it publishes.
#[derive(Clone, Debug)]
pub struct DnsView {
    /// Where it listens.
    pub address: std::net::SocketAddr,
    /// The zone that it began with.
    pub zone: crate::dns::Zone,
}

#[derive(Debug, Default)]
pub(super) struct Watched {
    /// What belongs to each host, in their order.
    hosts: Vec<WatchedHost>,
    pub(super) roster: Roster,
    /// Rows that came quicker than they could be looked at.
    pub(super) missed: u64,
}

#[derive(Debug, Default)]
pub(super) struct WatchedHost {
    pub(super) history: History,
    /// The latest requests, oldest first.
    pub(super) latest: VecDeque<Arc<Row>>,
}

impl Lab {
    pub(super) fn new(
        hosts: &[Handle],
        dns: Option<DnsView>,
        config: serde_json::Value,
        started: Timestamp,
        needs_token: bool,
    ) -> Option<Arc<Self>> {
        let (hosts, first) = (hosts.to_vec(), hosts.first()?.clone());
        let streams = Arc::new(Semaphore::new(STREAMS_MAX));
        let of_hosts = hosts.iter().map(|_| WatchedHost::default()).collect();
        let watched = Mutex::new(Watched { hosts: of_hosts, ..Watched::default() });
        let lab = Self { hosts, first, dns, config, started, needs_token, streams, watched };
        Some(Arc::new(lab))
    }

    /// The first host, which also stands for what all of them share.
    pub(super) const fn first(&self) -> &Handle {
        &self.first
    }

    /// The host in this place; the first where there is none.
    pub(super) fn host(&self, place: usize) -> &Handle {
        self.hosts.get(place).unwrap_or(&self.first)
    }

    pub(super) fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches from now on until the server is gone: every row, and once a second the totals.
    pub(super) fn watch(self: Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let rows = self.first.recorder().watch();
        self.follow(rows)
    }

    async fn follow(self: Arc<Self>, mut rows: LiveRows) {
        let mut every_second = interval(Duration::from_secs(1));
        every_second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut before: Vec<Reading> = self.hosts.iter().map(Reading::of).collect();
        loop {
            tokio::select! {
                row = rows.next() => match row {
                    Ok(row) => {
                        let place = self.hosts.iter().position(|host| *host.name() == row.host);
                        self.watched().take(place.unwrap_or(0), row);
                    }
                    Err(RecvError::Lagged(missed)) => self.watched().missed += missed,
                    Err(RecvError::Closed) => return,
                },
                _ = every_second.tick() => {
                    for (place, (host, before)) in self.hosts.iter().zip(&mut before).enumerate() {
                        let now = Reading::of(host);
                        let second = second(host, before, &now);
                        if let Some(watched) = self.watched().hosts.get_mut(place) {
                            watched.history.add(second);
                        }
                        *before = now;
                    }
                }
            }
        }
    }
}

impl Reading {
    fn of(host: &Handle) -> Self {
        Self { totals: host.totals(), service_times: host.service_times() }
    }
}

fn second(host: &Handle, before: &Reading, now: &Reading) -> Second {
    let grown =
        |after: u64, before: u64| u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX);
    let service_times = now.service_times.since(&before.service_times);
    let answered = grown(now.totals.requests, before.totals.requests);
    let accepted = grown(now.totals.requests_accepted, before.totals.requests_accepted);
    Second {
        time_s: Timestamp::now().as_second(),
        accepted,
        refused: answered.saturating_sub(accepted),
        faults: grown(now.totals.faults, before.totals.faults),
        service_p50_us: service_times.percentile_us(50),
        service_p99_us: service_times.percentile_us(99),
        connections: u32::try_from(host.connections()).unwrap_or(u32::MAX),
        // In the order of APPLICATIONS.
        counts: APPLICATIONS.iter().map(|(app_id, _)| host.count(*app_id)).collect(),
    }
}

/// The applications of the catalogue, by name.
pub(super) const APPLICATIONS: [(kms_protocol::guid::Guid, &str); 2] = [
    (kms_protocol::kms::product::WINDOWS_APP_ID, "Windows"),
    (kms_protocol::kms::product::OFFICE_APP_ID, "Office"),
];

struct Reading {
    totals: Totals,
    service_times: Distribution,
}

impl Watched {
    /// What belongs to the host in this place.
    pub(super) fn host(&self, place: usize) -> Option<&WatchedHost> {
        self.hosts.get(place)
    }

    fn take(&mut self, place: usize, row: Arc<Row>) {
        let Subject::Request(exchange) = &row.subject else { return };
        if let Some(client) = client_of(place, exchange, row.real_time_us) {
            self.roster.see(client);
        }
        let Some(host) = self.hosts.get_mut(place) else { return };
        if host.latest.len() >= LATEST_MAX {
            host.latest.pop_front();
        }
        host.latest.push_back(row);
    }
}

fn client_of(host: usize, exchange: &Exchange, seen_us: i64) -> Option<Client> {
    let request = exchange.request.as_ref()?;
    Some(Client {
        host,
        app_id: request.app_id,
        cmid: request.cmid,
        name: exchange.client()?,
        product: exchange.product().map(|product| product.name),
        licence_status: request.license_status.0,
        address: exchange.peer.ip().to_string(),
        seen_us,
    })
}

/// Latest requests that are kept for a page that is opened now.
const LATEST_MAX: usize = 50;
/// Streams of events at once: half of the connections, so that watchers leave room for the rest.
pub(super) const STREAMS_MAX: usize = 32;
