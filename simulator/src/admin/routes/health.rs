//! Whether the process lives and serves, for orchestrators; and the API's own description.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::lab::Lab;
use super::super::problem::Problem;

/// The process lives.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()),
    responses((status = 200, description = "It lives", body = String, content_type = "text/plain")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The host serves: its journal, where it has one, can be written.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()),
    responses(
        (status = 200, description = "It serves", body = String, content_type = "text/plain"),
        (status = 503, description = "It does not, and why", body = Problem,
         content_type = "application/problem+json")))]
pub(super) async fn readyz(State(lab): State<Arc<Lab>>) -> Response {
    let failure = lab.first().recorder().journal().and_then(|journal| journal.failure());
    match failure {
        None => "ok\n".into_response(),
        Some(_) => {
            // Why is for those who may see the state.
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the journal cannot be written")
                .into_response()
        }
    }
}

/// `/openapi.json`.
pub(super) async fn document(text: Arc<str>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text.to_string()).into_response()
}
