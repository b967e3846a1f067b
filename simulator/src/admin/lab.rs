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
    pub(super) server: Handle,
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
    pub(super) history: History,
    pub(super) roster: Roster,
    /// The latest requests, oldest first.
    pub(super) latest: VecDeque<Arc<Row>>,
    /// Rows that came quicker than they could be looked at.
    pub(super) missed: u64,
}

impl Lab {
    pub(super) fn new(
        server: Handle,
        dns: Option<DnsView>,
        config: serde_json::Value,
        started: Timestamp,
        needs_token: bool,
    ) -> Arc<Self> {
        let streams = Arc::new(Semaphore::new(STREAMS_MAX));
        let watched = Mutex::default();
        Arc::new(Self { server, dns, config, started, needs_token, streams, watched })
    }

    pub(super) fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches from now on until the server is gone: every row, and once a second the totals.
    pub(super) fn watch(self: Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let rows = self.server.recorder().watch();
        self.follow(rows)
    }

    async fn follow(self: Arc<Self>, mut rows: LiveRows) {
        let mut every_second = interval(Duration::from_secs(1));
        every_second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut before = self.reading();
        loop {
            tokio::select! {
                row = rows.next() => match row {
                    Ok(row) => self.watched().take(row),
                    Err(RecvError::Lagged(missed)) => self.watched().missed += missed,
                    Err(RecvError::Closed) => return,
                },
                _ = every_second.tick() => {
                    let now = self.reading();
                    self.watched().history.add(self.second(&before, &now));
                    before = now;
                }
            }
        }
    }

    fn reading(&self) -> Reading {
        Reading { totals: self.server.totals(), service_times: self.server.service_times() }
    }

    fn second(&self, before: &Reading, now: &Reading) -> Second {
        let grown = |after: u64, before: u64| {
            u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX)
        };
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
            connections: u32::try_from(self.server.connections()).unwrap_or(u32::MAX),
            counts: self.counts(),
        }
    }

    /// The count of each application of the catalogue, in the order of [`APPLICATIONS`].
    fn counts(&self) -> Vec<u32> {
        let (clients, _) = self.server.host();
        let now = self.server.clock().now();
        APPLICATIONS.iter().map(|(app_id, _)| clients.count(*app_id, now)).collect()
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
    fn take(&mut self, row: Arc<Row>) {
        let Subject::Request(exchange) = &row.subject else { return };
        if let Some(client) = client_of(exchange, row.real_time_us) {
            self.roster.see(client);
        }
        if self.latest.len() >= LATEST_MAX {
            self.latest.pop_front();
        }
        self.latest.push_back(row);
    }
}

fn client_of(exchange: &Exchange, seen_us: i64) -> Option<Client> {
    let request = exchange.request.as_ref()?;
    Some(Client {
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
