//! The last ten minutes, second by second.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::extract::Params;
use super::super::history::Second;
use super::super::lab::Lab;
use super::super::problem::Problem;
use super::hosts::place;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Since {
    /// Only seconds after this one, in seconds since 1970-01-01 UTC.
    #[serde(default)]
    #[param(default = 0)]
    since: i64,
    /// Name of a host; the first one unless given.
    host: Option<String>,
}

/// Rates, service times, connections and counts of the last ten minutes, second by second.
#[utoipa::path(get, path = "/api/v1/history", tag = "lab", params(Since),
    responses(
        (status = 200, description = "Seconds, oldest first", body = [Second]),
        (status = 400, description = "An unusable parameter", body = Problem,
         content_type = "application/problem+json")))]
pub(super) async fn history(
    State(lab): State<Arc<Lab>>,
    Params(Since { since, host }): Params<Since>,
) -> Result<Json<Vec<Second>>, Problem> {
    let place = place(&lab, host.as_deref())?;
    let watched = lab.watched();
    Ok(Json(watched.host(place).map(|host| host.history.since(since)).unwrap_or_default()))
}
