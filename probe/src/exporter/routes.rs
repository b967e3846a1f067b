//! The exporter's paths.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use kms_page::exposition::{CLASSIC, OPEN_METRICS, classic};
use serde::Deserialize;

use super::metrics::Refused;
use super::probe::{self, NoProbe, Wanted};
use super::{Exporter, page};

pub(super) fn router(exporter: Arc<Exporter>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/probe", get(probe))
        .route("/metrics", get(metrics))
        .route("/config", get(config))
        .route("/-/healthy", get(healthy))
        .route("/-/reload", post(reload))
        .layer(from_fn_with_state(Arc::clone(&exporter), authorize))
        .with_state(exporter)
}

#[derive(Deserialize)]
struct Parameters {
    target: Option<String>,
    module: Option<String>,
    debug: Option<bool>,
}

async fn probe(
    State(exporter): State<Arc<Exporter>>,
    parameters: Result<Query<Parameters>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Query(Parameters { target, module, debug })) = parameters else {
        let why = "the parameters are `target`, `module` and `debug=true`, each once".to_owned();
        return refuse(&exporter, Refused::BadRequest, why);
    };
    let wanted = Wanted {
        target,
        module,
        debug: debug.unwrap_or(false),
        scrape_timeout: scrape_timeout(&headers),
    };
    match probe::run(&exporter, wanted).await {
        Ok(text) => ([(header::CONTENT_TYPE, CLASSIC)], text).into_response(),
        Err(NoProbe::Refused(reason, why)) => refuse(&exporter, reason, why),
        Err(NoProbe::Failed(why)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")).into_response()
        }
    }
}

/// What Prometheus says of its patience. Nonsense is as good as nothing.
fn scrape_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(SCRAPE_TIMEOUT)?.to_str().ok()?;
    let seconds: f64 = text.trim().parse().ok()?;
    let is_sensible = seconds > 0.0 && seconds <= SCRAPE_TIMEOUT_S_MAX;
    is_sensible.then(|| Duration::from_secs_f64(seconds))
}

fn refuse(exporter: &Exporter, reason: Refused, why: String) -> Response {
    exporter.metrics.refused(reason);
    let status = match reason {
        Refused::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Refused::BadRequest => StatusCode::BAD_REQUEST,
        Refused::NotAllowed => StatusCode::FORBIDDEN,
        Refused::Unauthorized => StatusCode::UNAUTHORIZED,
    };
    let mut response = (status, format!("{why}\n")).into_response();
    let headers = response.headers_mut();
    match reason {
        Refused::Busy => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Refused::Unauthorized => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Refused::BadRequest | Refused::NotAllowed => {}
    }
    response
}

async fn metrics(State(exporter): State<Arc<Exporter>>, headers: HeaderMap) -> Response {
    let text = exporter.metrics.text();
    let accepted = headers.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    if accepted.is_some_and(|accepted| accepted.contains("application/openmetrics-text")) {
        ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response()
    } else {
        ([(header::CONTENT_TYPE, CLASSIC)], classic(&text)).into_response()
    }
}

async fn config(State(exporter): State<Arc<Exporter>>) -> String {
    exporter.settings().shown.clone()
}

async fn index(State(exporter): State<Arc<Exporter>>) -> Html<String> {
    Html(page::index(&exporter))
}

async fn healthy() -> &'static str {
    "healthy\n"
}

async fn reload(State(exporter): State<Arc<Exporter>>) -> Response {
    match exporter.reload() {
        Ok(()) => "reloaded\n".into_response(),
        Err(error) => {
            let why = format!("not reloaded, the old modules stay: {error:#}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, why).into_response()
        }
    }
}

/// Every path but the one that says whether the process lives wants the token, where there is one.
async fn authorize(
    State(exporter): State<Arc<Exporter>>,
    request: Request,
    next: Next,
) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let is_open = request.uri().path() == "/-/healthy";
    let token = exporter.options.token.as_ref();
    if !is_open && token.is_some_and(|token| !token.is_shown_by(shown)) {
        let why = "the header `Authorization: Bearer TOKEN` is wanted".to_owned();
        return refuse(&exporter, Refused::Unauthorized, why);
    }
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

const SCRAPE_TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";
const SCRAPE_TIMEOUT_S_MAX: f64 = 3600.0;
const HEADERS: [(header::HeaderName, &str); 2] =
    [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::CACHE_CONTROL, "no-store")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patience_of_a_scrape_is_a_sensible_number_or_not_known() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(SCRAPE_TIMEOUT, HeaderValue::from_static(text));
            scrape_timeout(&headers)
        };
        assert_eq!(of("9.5"), Some(Duration::from_millis(9500)));
        for nonsense in ["", "x", "0", "-1", "NaN", "inf", "1e300"] {
            assert_eq!(of(nonsense), None, "{nonsense}");
        }
        assert_eq!(scrape_timeout(&HeaderMap::new()), None);
    }
}
