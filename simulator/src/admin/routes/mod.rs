//! The routes, one file per subject, and the document that describes them.

mod clients;
mod clock;
mod config;
mod events;
mod faults;
mod health;
mod history;
mod hosts;
mod journal;
mod metrics;
mod page;
mod state;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::guard;
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
    for (path, item) in &mut document.paths.paths {
        let methods =
            [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        methods.into_iter().flatten().for_each(|operation| describe_refusals(path, operation));
    }
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Adds what is answered before a route sees a request, or by a body that it cannot take.
fn describe_refusals(path: &str, operation: &mut Operation) {
    let has_body = operation.request_body.is_some();
    let for_body = BODY_REFUSALS.iter().filter(|_| has_body);
    let mut parameters = operation.parameters.iter().flatten();
    let names_host = parameters
        .any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == "host"));
    let of_host = HOST_REFUSALS.iter().filter(|_| names_host);
    let of_guard = REFUSALS.iter().filter(|(status, _)| *status != "401" || !guard::is_open(path));
    for (status, description) in of_guard.chain(for_body).chain(of_host) {
        operation.responses.responses.entry((*status).to_owned()).or_insert_with(|| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
            ResponseBuilder::new()
                .description(*description)
                .content("application/problem+json", content.build())
                .into()
        });
    }
}

const REFUSALS: [(&str, &str); 4] = [
    ("401", "A token is set, and the request does not show it"),
    ("403", "The request comes from another site's page"),
    ("421", "The target or the header `Host` does not name this server"),
    ("429", "Too many requests: `Retry-After` says when to come again"),
];
const HOST_REFUSALS: [(&str, &str); 2] =
    [("400", "An unusable parameter"), ("404", "No host has that name")];
const BODY_REFUSALS: [(&str, &str); 3] = [
    ("408", "A body that does not arrive within 10 seconds"),
    ("413", "A body of more than 64 KiB"),
    ("415", "A body that is not `application/json`"),
];

fn described() -> OpenApiRouter<Arc<Lab>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(page::page))
        .routes(routes!(page::style))
        .routes(routes!(page::script))
        .routes(routes!(state::state))
        .routes(routes!(hosts::hosts))
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
