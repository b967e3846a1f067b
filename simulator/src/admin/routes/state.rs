//! The lab at a glance.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use kms_protocol::guid::Guid;
use kms_protocol::kms::LicenseStatus;
use kms_protocol::kms::product::PRODUCTS;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::extract::Params;
use super::super::lab::{APPLICATIONS, Lab};
use super::super::problem::Problem;
use super::clock::ClockState;
use super::hosts::OfHost;
use crate::serve::Handle;

/// What a page shows at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LabState {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// The host that this is about: listen, sinkhole, connections, requests, applications, clients.
    pub(super) host: String,
    /// When the process started, RFC 3339 in UTC.
    pub(super) started: String,
    pub(super) listen: Vec<String>,
    pub(super) workers: usize,
    /// Whether everybody is refused, and only recorded.
    pub(super) sinkhole: bool,
    /// Seed of the random parts, as text: it may be larger than what a script's number holds.
    pub(super) seed: String,
    pub(super) clock: ClockState,
    pub(super) connections: Connections,
    pub(super) requests: Requests,
    pub(super) applications: Vec<Application>,
    /// Clients that have asked since the admin server started, at most 10,000.
    pub(super) clients: usize,
    /// Those clients by the licence state that each gave last.
    pub(super) licence_states: Vec<LicenceState>,
    pub(super) faults: Faults,
    pub(super) dns: Option<Dns>,
    pub(super) journal: Option<JournalState>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Connections {
    pub(super) open: usize,
    pub(super) limit: usize,
    pub(super) accepted: u64,
    pub(super) refused: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Requests {
    pub(super) answered: u64,
    pub(super) accepted: u64,
    pub(super) foreign_keys: u64,
    pub(super) peers_refused: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Application {
    pub(super) app_id: String,
    pub(super) name: &'static str,
    pub(super) count: u32,
    /// Clients that are remembered at most, at present.
    pub(super) capacity: usize,
    pub(super) thresholds: Vec<Threshold>,
}

/// How many clients a kind of product needs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Threshold {
    pub(super) kind: &'static str,
    pub(super) clients: u32,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LicenceState {
    pub(super) status: u32,
    pub(super) name: String,
    pub(super) clients: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Faults {
    pub(super) rules: usize,
    pub(super) enabled: usize,
    pub(super) applied: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Dns {
    pub(super) address: String,
    pub(super) domain: String,
    pub(super) records: Vec<DnsRecord>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DnsRecord {
    pub(super) name: String,
    pub(super) ttl_s: u32,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) data: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JournalState {
    pub(super) file: String,
    pub(super) durability: &'static str,
    pub(super) rows: u64,
    pub(super) behind: usize,
    pub(super) lost: u64,
    pub(super) failure: Option<String>,
}

/// The lab at a glance.
#[utoipa::path(get, path = "/api/v1/state", tag = "lab", params(OfHost),
    responses((status = 200, description = "The state now", body = LabState)))]
pub(super) async fn state(
    State(lab): State<Arc<Lab>>,
    Params(of): Params<OfHost>,
) -> Result<Json<LabState>, Problem> {
    Ok(Json(LabState::of(&lab, of.place(&lab)?)))
}

impl LabState {
    pub(super) fn of(lab: &Lab, place: usize) -> Self {
        let server = lab.host(place);
        let totals = server.totals();
        // Not within the expression below, which would hold the lock to its end.
        let clients = lab.watched().roster.clients(place).count();
        Self {
            name: "kms-sim",
            version: env!("CARGO_PKG_VERSION"),
            host: server.name().to_string(),
            started: lab.started.to_string(),
            listen: server.addresses().iter().map(ToString::to_string).collect(),
            workers: server.workers(),
            sinkhole: server.is_sinkhole(),
            seed: server.seed().to_string(),
            clock: ClockState::of(lab),
            connections: Connections {
                open: server.connections(),
                limit: server.connections_max(),
                accepted: totals.connections,
                refused: totals.connections_refused,
            },
            requests: Requests {
                answered: totals.requests,
                accepted: totals.requests_accepted,
                foreign_keys: totals.foreign_keys,
                peers_refused: totals.peers_refused,
            },
            applications: applications(server),
            clients,
            licence_states: licence_states(lab, place),
            faults: faults(server),
            dns: lab.dns.as_ref().map(|dns| Dns {
                address: dns.address.to_string(),
                domain: dns.zone.apex().to_ascii(),
                records: dns
                    .zone
                    .records()
                    .map(|record| DnsRecord {
                        name: record.name.to_ascii(),
                        ttl_s: record.ttl,
                        kind: record.record_type().to_string(),
                        data: record.data.to_string(),
                    })
                    .collect(),
            }),
            journal: journal(lab),
        }
    }
}

pub(super) fn applications(host: &Handle) -> Vec<Application> {
    let (clients, _) = host.host();
    let now = host.clock().now();
    let application = |(app_id, name): &(Guid, &'static str)| Application {
        app_id: app_id.to_string(),
        name,
        count: clients.count(*app_id, now),
        capacity: clients
            .cache(*app_id)
            .map_or(crate::model::client_cache::CAPACITY_MIN, |c| c.capacity()),
        thresholds: thresholds(*app_id),
    };
    APPLICATIONS.iter().map(application).collect()
}

/// The distinct thresholds of an application's products, smallest first.
fn thresholds(app_id: Guid) -> Vec<Threshold> {
    let products = PRODUCTS.iter().filter(|product| product.app_id == app_id);
    let mut found: Vec<Threshold> = products
        .map(|product| Threshold { kind: product.family.name(), clients: product.n_policy })
        .collect();
    found.sort_by_key(|threshold| (threshold.clients, threshold.kind));
    found.dedup_by_key(|threshold| (threshold.clients, threshold.kind));
    found
}

fn licence_states(lab: &Lab, place: usize) -> Vec<LicenceState> {
    let mut states: Vec<LicenceState> = (0..=6)
        .map(|status| LicenceState { status, name: LicenseStatus(status).to_string(), clients: 0 })
        .collect();
    for client in lab.watched().roster.clients(place) {
        if let Some(state) = states.iter_mut().find(|state| state.status == client.licence_status) {
            state.clients += 1;
        }
    }
    states
}

/// The rules that concern a host: its own and those for every host.
fn faults(host: &Handle) -> Faults {
    let mut listed = host.faults().list();
    listed.extend(host.common_faults().list());
    Faults {
        rules: listed.len(),
        enabled: listed.iter().filter(|listed| listed.rule.enabled).count(),
        applied: listed.iter().map(|listed| listed.applied).sum(),
    }
}

fn journal(lab: &Lab) -> Option<JournalState> {
    let journal = lab.first().recorder().journal()?;
    let totals = journal.totals();
    Some(JournalState {
        file: journal.path().display().to_string(),
        durability: journal.config().durability.as_str(),
        rows: totals.rows,
        behind: totals.behind,
        lost: totals.lost,
        failure: journal.failure().map(str::to_owned),
    })
}

/// A time in microseconds since 1970 as RFC 3339.
pub(super) fn rfc_3339(time_us: i64) -> String {
    Timestamp::from_microsecond(time_us).map_or_else(|_| String::new(), |time| time.to_string())
}
