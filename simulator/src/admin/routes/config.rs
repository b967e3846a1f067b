//! The configuration in force.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::super::lab::Lab;

/// The settings that the host was started with, by the keys of its configuration file. Keys of the lab
/// and tokens are not among them.
#[utoipa::path(get, path = "/api/v1/config", tag = "lab",
    responses((status = 200, description = "Settings by key", body = Object)))]
pub(super) async fn config(State(lab): State<Arc<Lab>>) -> Json<serde_json::Value> {
    Json(lab.config.clone())
}
