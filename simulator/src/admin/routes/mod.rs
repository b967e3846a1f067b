//! The routes, one file per subject, and the document that describes them.

mod clients;
mod clock;
mod config;
mod events;
mod faults;
mod health;
mod history;
mod journal;
mod metrics;
mod page;
mod state;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::lab::Lab;
use super::problem::Problem;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "kms-sim admin API",
        description = "State, clients, faults, clock and journal of a lab KMS host. Errors are \
                       `application/problem+json` (RFC 9457). Where a token is set, every path but \
                       `/`, its style and script, `/healthz`, `/readyz` and `/openapi.json` needs \
                       it as `Authorization: Bearer`."
    ),
    components(schemas(Problem)),
    security(("token" = []), ())
)]
struct Document;

/// Every route behind its path.
pub(super) fn router(lab: Arc<Lab>) -> Router {
    let (router, document) = described().with_state(lab).split_for_parts();
    let document: Arc<str> = pretty(&document).into();
    router
        .route("/openapi.json", get(move || health::document(Arc::clone(&document))))
        .fallback(|| async { Problem::not_found("no such path: `/openapi.json` lists all") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take that method")
        })
}

/// The OpenAPI document, as it is served and checked in.
#[must_use]
pub fn openapi() -> String {
    pretty(described().get_openapi())
}

fn pretty(document: &utoipa::openapi::OpenApi) -> String {
    let mut document = document.clone();
    let components = document.components.get_or_insert_default();
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme("token", token);
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn described() -> OpenApiRouter<Arc<Lab>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(page::page))
        .routes(routes!(page::style))
        .routes(routes!(page::script))
        .routes(routes!(state::state))
        .routes(routes!(history::history))
        .routes(routes!(events::events))
        .routes(routes!(clients::clients))
        .routes(routes!(config::config))
        .routes(routes!(clock::show, clock::change))
        .routes(routes!(faults::list, faults::add, faults::clear))
        .routes(routes!(faults::reset_all))
        .routes(routes!(faults::show, faults::replace, faults::switch, faults::remove))
        .routes(routes!(faults::reset))
        .routes(routes!(journal::rows))
        .routes(routes!(journal::stats))
}
