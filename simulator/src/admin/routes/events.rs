//! Live requests, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;

use super::super::extract::Params;
use super::super::lab::{Lab, STREAMS_MAX};
use super::super::problem::Problem;
use super::hosts::place;
use crate::journal::{FlatRow, Subject};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsOf {
    /// Name of a host; events of all of them unless given.
    host: Option<String>,
}

/// What the hosts do from now on: an event `request` for each call and `host` for anything else, with
/// the row as JSON; `missed` says how many rows were passed over because the reader is too slow.
#[utoipa::path(get, path = "/api/v1/events", tag = "lab", params(EventsOf),
    responses((status = 200, description = "Events until either side ends it", body = String,
               content_type = "text/event-stream"),
              (status = 503, description = "32 streams are open already", body = Problem,
               content_type = "application/problem+json")))]
pub(super) async fn events(
    State(lab): State<Arc<Lab>>,
    Params(EventsOf { host }): Params<EventsOf>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let wanted = match &host {
        Some(host) => Some(lab.host(place(&lab, Some(host))?).name().clone()),
        None => None,
    };
    let place = Arc::clone(&lab.streams).try_acquire_owned().map_err(|_| {
        let detail = format!("{STREAMS_MAX} streams of events are open already");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    })?;
    let mut rows = lab.first().recorder().watch();
    let (sender, receiver) = tokio::sync::mpsc::channel(EVENTS_WAITING_MAX);
    tokio::spawn(async move {
        let _place = place;
        loop {
            let row = tokio::select! {
                row = rows.next() => row,
                // Where nothing happens, no event would show that the reader is gone.
                () = sender.closed() => return,
            };
            let event = match row {
                Ok(row) if wanted.as_ref().is_some_and(|host| row.host != *host) => continue,
                Ok(row) => {
                    let is_request = matches!(row.subject, Subject::Request(_));
                    let name = if is_request { "request" } else { "host" };
                    Event::default()
                        .event(name)
                        .id(row.number.to_string())
                        .json_data(FlatRow::from(&*row))
                }
                Err(RecvError::Lagged(missed)) => {
                    Ok(Event::default().event("missed").data(missed.to_string()))
                }
                Err(RecvError::Closed) => return,
            };
            // An error: the reader is gone.
            let Ok(event) = event else { continue };
            if sender.send(Ok(event)).await.is_err() {
                return;
            }
        }
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(keep_alive))
}

/// Events that wait for a slow reader before rows are passed over.
const EVENTS_WAITING_MAX: usize = 64;
/// A silent stream is told apart from a dead one.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
