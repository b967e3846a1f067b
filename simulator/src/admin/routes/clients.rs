//! The clients, with a search and pages.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::LicenseStatus;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::extract::Params;
use super::super::lab::{APPLICATIONS, Lab};
use super::super::problem::Problem;
use super::super::roster;
use super::hosts::place;
use super::state::rfc_3339;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Part of a name, address, product or CMID, in any case.
    #[serde(default)]
    search: String,
    /// Clients to pass over.
    #[serde(default)]
    #[param(default = 0)]
    offset: usize,
    /// Clients to return, at most 1,000.
    #[serde(default = "limit_default")]
    #[param(default = 100, minimum = 1, maximum = 1000)]
    limit: usize,
    /// Name of a host; the first one unless given.
    host: Option<String>,
}

const fn limit_default() -> usize {
    100
}

/// A page of clients.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientsPage {
    /// Clients that match, on all pages.
    total: usize,
    clients: Vec<ClientView>,
}

/// One client: what it said of itself last, where it has asked since the admin server started.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientView {
    cmid: String,
    application: &'static str,
    name: Option<String>,
    product: Option<&'static str>,
    licence_status: Option<u32>,
    licence_state: Option<String>,
    address: Option<String>,
    /// When it asked last, RFC 3339 in UTC; by the host's clock where the machine's is not known.
    last_seen: String,
    /// Whether the host counts it now.
    counted: bool,
}

/// Clients that the host counts or that have asked, the latest first.
#[utoipa::path(get, path = "/api/v1/clients", tag = "lab", params(Wanted),
    responses(
        (status = 200, description = "A page of clients", body = ClientsPage),
        (status = 400, description = "An unusable parameter", body = Problem,
         content_type = "application/problem+json")))]
pub(super) async fn clients(
    State(lab): State<Arc<Lab>>,
    Params(wanted): Params<Wanted>,
) -> Result<Json<ClientsPage>, Problem> {
    if !(1..=LIMIT_MAX).contains(&wanted.limit) {
        return Err(Problem::bad_request(format!("query: `limit` is not from 1 to {LIMIT_MAX}")));
    }
    let place = place(&lab, wanted.host.as_deref())?;
    Ok(Json(find(&lab, place, &wanted)))
}

/// One client before it is shown: only those of the page that is asked for are.
enum Found<'a> {
    Asked(&'a roster::Client),
    /// The host remembers it from before.
    Remembered {
        app_id: Guid,
        cmid: Guid,
        seen: FileTime,
    },
}

/// Those that have asked, then those that the host remembers from before.
fn find(lab: &Lab, place: usize, wanted: &Wanted) -> ClientsPage {
    let host = lab.host(place);
    let (table, _) = host.host();
    let now = host.clock().now();
    let counted: HashSet<(Guid, Guid)> = APPLICATIONS
        .iter()
        .filter_map(|(app_id, _)| Some((app_id, table.cache(*app_id)?)))
        .flat_map(|(app_id, cache)| cache.alive(now).map(|(cmid, _)| (*app_id, cmid)))
        .collect();
    let watched = lab.watched();
    let asked = watched.roster.latest_first(place).map(Found::Asked);
    let mut older: Vec<Found<'_>> = Vec::new();
    for (app_id, _) in &APPLICATIONS {
        let Some(cache) = table.cache(*app_id) else { continue };
        let before = older.len();
        older.extend(
            cache
                .alive(now)
                .filter(|(cmid, _)| watched.roster.get(place, *app_id, *cmid).is_none())
                .map(|(cmid, seen)| Found::Remembered { app_id: *app_id, cmid, seen }),
        );
        older.get_mut(before..).unwrap_or_default().reverse();
    }
    let search = wanted.search.to_lowercase();
    let mut page = ClientsPage { total: 0, clients: Vec::new() };
    for found in asked.chain(older).filter(|found| found.has(&search)) {
        if page.total >= wanted.offset && page.clients.len() < wanted.limit {
            page.clients.push(found.view(&counted));
        }
        page.total += 1;
    }
    page
}

impl Found<'_> {
    fn has(&self, search: &str) -> bool {
        let has = |part: &str| part.to_lowercase().contains(search);
        search.is_empty()
            || match self {
                Self::Asked(client) => {
                    has(&client.name)
                        || client.product.is_some_and(has)
                        || has(&client.address)
                        || has(&client.cmid.to_string())
                }
                Self::Remembered { cmid, .. } => has(&cmid.to_string()),
            }
    }

    fn view(&self, counted: &HashSet<(Guid, Guid)>) -> ClientView {
        match self {
            Self::Asked(client) => {
                ClientView::of(client, counted.contains(&(client.app_id, client.cmid)))
            }
            Self::Remembered { app_id, cmid, seen } => {
                ClientView::remembered(*app_id, *cmid, &seen.to_string())
            }
        }
    }
}

fn application(app_id: Guid) -> &'static str {
    APPLICATIONS.iter().find(|(known, _)| *known == app_id).map_or("unknown", |(_, name)| name)
}

impl ClientView {
    fn of(client: &roster::Client, counted: bool) -> Self {
        Self {
            cmid: client.cmid.to_string(),
            application: application(client.app_id),
            name: Some(client.name.clone()),
            product: client.product,
            licence_status: Some(client.licence_status),
            licence_state: Some(LicenseStatus(client.licence_status).to_string()),
            address: Some(client.address.clone()),
            last_seen: rfc_3339(client.seen_us),
            counted,
        }
    }

    fn remembered(app_id: Guid, cmid: Guid, seen: &str) -> Self {
        Self {
            cmid: cmid.to_string(),
            application: application(app_id),
            name: None,
            product: None,
            licence_status: None,
            licence_state: None,
            address: None,
            last_seen: format!("{}Z", seen.replace(' ', "T")),
            counted: true,
        }
    }
}

const LIMIT_MAX: usize = 1_000;
