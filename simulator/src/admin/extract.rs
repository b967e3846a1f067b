//! Bodies, queries and paths of requests: what cannot be read is a [`Problem`] that names it.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::{Json, RequestPartsExt};
use serde::de::DeserializeOwned;

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
        let body = Json::from_request(request, state).await;
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
            Problem::new(rejection.status(), format!("path: {}", rejection.body_text()))
        })?;
        Ok(Self(value))
    }
}
