//! What the journal holds.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use kms_protocol::guid::Guid;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::extract::Params;
use super::super::lab::Lab;
use super::super::problem::Problem;
use crate::journal::{Cursor, Filter, FlatRow, OutcomeKind, PAGE_ROWS_MAX, Reader, Stats};
use crate::model::HostName;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The earliest time, RFC 3339.
    from: Option<String>,
    /// The first time that is too late, RFC 3339.
    to: Option<String>,
    /// Name of a host; rows of all of them unless given.
    host: Option<String>,
    /// A client's address, or part of its name in any case.
    client: Option<String>,
    /// Client machine id.
    cmid: Option<String>,
    /// Part of a product's name in any case, or one of its ids.
    product: Option<String>,
    /// How the call ended: accepted, refused, foreign-key, unreadable or bad-stub.
    outcome: Option<String>,
    /// The HRESULT that was sent, such as 0xC004F042.
    hresult: Option<String>,
    /// Rows with smaller numbers only: the last row's number gives the next page.
    #[param(minimum = 0)]
    before: Option<u64>,
    /// Rows to return, at most 1,000.
    #[serde(default = "limit_default")]
    #[param(default = 100, minimum = 1, maximum = 1000)]
    limit: usize,
}

const fn limit_default() -> usize {
    100
}

/// A page of the journal.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JournalPage {
    /// Rows, the latest first, as `kms-sim journal export --format jsonl` writes them.
    #[schema(value_type = [Object])]
    rows: Vec<FlatRow>,
    /// What to give as `before` for the next page; null on the last.
    next: Option<u64>,
}

/// Rows of the journal, the latest first.
#[utoipa::path(get, path = "/api/v1/journal", tag = "journal", params(Wanted),
    responses(
        (status = 200, description = "A page of rows", body = JournalPage),
        (status = 400, description = "An unusable parameter", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "The host keeps no journal", body = Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "The journal cannot be read", body = Problem,
         content_type = "application/problem+json")))]
pub(super) async fn rows(
    State(lab): State<Arc<Lab>>,
    Params(wanted): Params<Wanted>,
) -> Result<Json<JournalPage>, Problem> {
    let filter = wanted.filter()?;
    let cursor = Cursor::Before(wanted.before.unwrap_or(u64::MAX));
    let limit = wanted.limit;
    let rows = read(&lab, move |reader| reader.page(&filter, cursor, limit)).await?;
    let next = rows.last().filter(|_| rows.len() == limit).map(|row| row.number);
    Ok(Json(JournalPage { rows: rows.iter().map(FlatRow::from).collect(), next }))
}

/// Requests by hour, product and outcome, and clients.
#[utoipa::path(get, path = "/api/v1/journal/stats", tag = "journal", params(Wanted),
    responses(
        (status = 200, description = "Sums, as `kms-sim journal stats --format json` prints them",
         body = Object),
        (status = 400, description = "An unusable parameter", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "The host keeps no journal", body = Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "The journal cannot be read", body = Problem,
         content_type = "application/problem+json")))]
pub(super) async fn stats(
    State(lab): State<Arc<Lab>>,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Stats>, Problem> {
    let filter = wanted.filter()?;
    Ok(Json(read(&lab, move |reader| reader.stats(&filter)).await?))
}

/// Reads the file on a thread of its own, so that a long search keeps nobody waiting.
async fn read<T: Send + 'static>(
    lab: &Lab,
    question: impl FnOnce(&Reader) -> Result<T, crate::journal::JournalError> + Send + 'static,
) -> Result<T, Problem> {
    let journal = lab.first().recorder().journal();
    let journal = journal.ok_or_else(|| Problem::not_found("the host keeps no journal"))?;
    let path = journal.path().to_owned();
    let answer = tokio::task::spawn_blocking(move || question(&Reader::open(&path)?)).await;
    let unavailable = |why: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why);
    match answer {
        Ok(answer) => answer.map_err(|error| unavailable(error.to_string())),
        Err(_) => Err(unavailable("the journal's reader ended".to_owned())),
    }
}

impl Wanted {
    fn filter(&self) -> Result<Filter, Problem> {
        let bad = |name: &str, wanted: &str| {
            Problem::bad_request(format!("query: `{name}` is not {wanted}"))
        };
        if !(1..=PAGE_ROWS_MAX).contains(&self.limit) {
            return Err(bad("limit", &format!("from 1 to {PAGE_ROWS_MAX}")));
        }
        let time = |name, text: &Option<String>| {
            text.as_deref()
                .map(|text| text.parse::<Timestamp>().map(Timestamp::as_microsecond))
                .transpose()
                .map_err(|_| bad(name, "RFC 3339, such as `2026-11-24T08:00:00Z`"))
        };
        let cmid = self.cmid.as_deref().map(str::parse::<Guid>).transpose();
        let host = self.host.as_deref().map(str::parse::<HostName>).transpose();
        let outcome = self.outcome.as_deref().map(|text| OutcomeKind::from_text(text).ok_or(()));
        let hresult = self.hresult.as_deref().map(|text| {
            let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
            u32::from_str_radix(digits.unwrap_or(text), 16)
        });
        Ok(Filter {
            from_us: time("from", &self.from)?,
            to_us: time("to", &self.to)?,
            host: host.map_err(|_| bad("host", "a host's name"))?,
            client: self.client.clone(),
            cmid: cmid.map_err(|_| bad("cmid", "a GUID"))?,
            product: self.product.clone(),
            outcome: outcome.transpose().map_err(|()| {
                bad("outcome", "accepted, refused, foreign-key, unreadable or bad-stub")
            })?,
            hresult: hresult
                .transpose()
                .map_err(|_| bad("hresult", "an HRESULT, such as 0xC004F042"))?,
            requests_only: false,
        })
    }
}
