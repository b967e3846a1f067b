//! What every request passes before a route sees it, and what every answer carries.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::Access;
use super::problem::Problem;
use super::rate::Bucket;

/// The guard of one admin server.
#[derive(Debug)]
pub(super) struct Guard {
    access: Access,
    bucket: Mutex<Bucket>,
    started: Instant,
}

impl Guard {
    pub(super) fn new(access: Access) -> Arc<Self> {
        let bucket = Mutex::new(Bucket::new(REQUESTS_PER_SECOND, REQUESTS_AT_ONCE));
        Arc::new(Self { access, bucket, started: Instant::now() })
    }

    fn check(&self, request: &Request) -> Result<(), Problem> {
        let headers = request.headers();
        self.check_host(request)?;
        self.check_origin(request.method(), headers)?;
        if self.access.needs_token() && !is_open(request.uri().path()) {
            let shown = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
            if !self.access.is_authorized(shown) {
                return Err(Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "the header `Authorization: Bearer TOKEN` with this server's token is wanted",
                ));
            }
        }
        Ok(())
    }

    fn check_host(&self, request: &Request) -> Result<(), Problem> {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        // A target in absolute form counts before the header (RFC 9112, 3.2.2).
        let is_own_target =
            request.uri().authority().is_none_or(|name| self.access.is_own_host(name.as_str()));
        match host {
            Some(host)
                if is_own_target && hosts.next().is_none() && self.access.is_own_host(host) =>
            {
                Ok(())
            }
            _ => Err(Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                "the header `Host` does not name this server: use its address, or start it with \
                 --admin-name for another name",
            )),
        }
    }

    /// A browser says from which page a request comes. Programs say nothing.
    fn check_origin(&self, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        let refused = |detail| Err(Problem::new(StatusCode::FORBIDDEN, detail));
        for origin in headers.get_all(header::ORIGIN) {
            if !origin.to_str().is_ok_and(|origin| self.access.is_own_origin(origin)) {
                return refused("the header `Origin` names another page: none may use this server");
            }
        }
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        let is_foreign = site.is_some_and(|site| !matches!(site, b"same-origin" | b"none"));
        if is_foreign && !method.is_safe() {
            return refused("the header `Sec-Fetch-Site` says that another site sends this");
        }
        Ok(())
    }

    /// Takes a place among the requests of this second; `Err` says how long to wait for one.
    fn take(&self) -> Result<(), Duration> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(self.started.elapsed())
    }
}

fn too_many(wait: Duration) -> Response {
    let detail = format!("more than {REQUESTS_PER_SECOND} requests a second");
    let mut response = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
    response
}

/// The middleware: checks, then the route, then headers, on refusals as well.
pub(super) async fn pass(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match guard.check(&request) {
        Err(problem) => problem.into_response(),
        Ok(()) => match guard.take() {
            Err(wait) => too_many(wait),
            Ok(()) => next.run(request).await,
        },
    };
    if response.status() == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    }
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Probes of an orchestrator carry no token, and the page has to load before it can ask for one:
/// neither says anything of the lab.
pub(super) fn is_open(path: &str) -> bool {
    OPEN_PATHS.contains(&path)
}

const OPEN_PATHS: [&str; 6] =
    ["/", "/page.css", "/page.js", "/healthz", "/readyz", "/openapi.json"];

/// Rate of requests, all clients together. A page that polls and a script that works both fit.
const REQUESTS_PER_SECOND: u32 = 500;
const REQUESTS_AT_ONCE: u32 = 1_000;

/// On every answer. The page has its own style and script and nothing from elsewhere.
const HEADERS: [(header::HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];
