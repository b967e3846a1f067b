//! Bodies, queries and paths of requests: what cannot be read is a [`Problem`] that names it.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::{Json, RequestPartsExt};
use serde::de::DeserializeOwned;
use tokio::time::{Duration, timeout};

use super::problem::Problem;

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

/// The query of a URL.
pub(super) struct Params<T>(pub(super) T);

/// The variable part of a path.
pub(super) struct Segment<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = timeout(BODY_TIMEOUT, Json::from_request(request, state)).await;
        let body = body.map_err(|_| {
            let detail = format!("body: not whole within {} s", BODY_TIMEOUT.as_secs());
            Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
        })?;
        let Json(value) = body.map_err(|rejection: JsonRejection| {
            Problem::new(rejection.status(), format!("body: {}", rejection.body_text()))
        })?;
        Ok(Self(value))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + 'static> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let query = parts.extract::<Query<T>>().await;
        let Query(value) = query.map_err(|rejection: QueryRejection| {
            Problem::new(rejection.status(), format!("query: {}", rejection.body_text()))
        })?;
        Ok(Self(value))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send + 'static> FromRequestParts<S> for Segment<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let path = parts.extract::<Path<T>>().await;
        let Path(value) = path.map_err(|rejection: PathRejection| {
            // What cannot be read as a name is the name of nothing.
            Problem::not_found(format!("path: {}", rejection.body_text()))
        })?;
        Ok(Self(value))
    }
}

/// How long a body may take to arrive: a client that never ends one gives its connection back.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use axum::http::header;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let endless =
            axum::body::Body::from_stream(tokio_stream::pending::<Result<&str, String>>());
        let request = Request::post("/").header(header::CONTENT_TYPE, "application/json");
        let request = request.body(endless).unwrap();
        let refused = Body::<u32>::from_request(request, &()).await.err().unwrap();
        assert!(format!("{refused:?}").contains("408"), "{refused:?}");
    }
}
