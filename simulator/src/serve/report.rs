//! What a server writes to its log. Nothing is formatted for a level that is off.

use std::fmt::{self, Write as _};
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use kms_protocol::kms::product::PRODUCTS;
use kms_protocol::kms::{Hresult, Request};
use kms_protocol::ndr::Ndr;
use kms_protocol::server::{CloseReason, Refusal};
use tracing::field::display;
use tracing::{Level, debug, enabled, info, warn};

use super::exchange::{Outcome, Record};
use super::worker::Worker;

/// One line per request; a foreign key warns.
pub(super) fn exchange(worker: &Worker, record: &Record, peer: SocketAddr, started: Instant) {
    let (counters, host) = (&worker.counters, worker.shared.shown_name());
    counters.requests.increment();
    let ndr = match record.ndr {
        Ndr::Ndr32 => "ndr32",
        Ndr::Ndr64 => "ndr64",
    };
    let elapsed_us = || u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let (outcome, request) = match (&record.outcome, &record.request) {
        (
            outcome @ (Outcome::Accepted(_) | Outcome::Refused(_) | Outcome::Withheld),
            Some(request),
        ) => (outcome, request),
        (outcome, _) => {
            if outcome.is_foreign_key() {
                counters.foreign_keys.increment();
                let result = record.sent.hresult.unwrap_or(Hresult::INVALID_DATA);
                warn!(result = %Code(result), reason = %outcome, ndr, %peer, elapsed_us = elapsed_us(),
                    host, "foreign key: a real client or another lab");
            } else if *outcome == Outcome::Withheld {
                // The line of the fault has told of it, and nothing is known of the request.
            } else if enabled!(Level::INFO) {
                let result =
                    record.sent.hresult.map_or("fault 0x000006F7".into(), |h| Code(h).to_string());
                info!(result, reason = %outcome, ndr, %peer, elapsed_us = elapsed_us(), host,
                    "request not readable");
            }
            return;
        }
    };
    let count = match outcome {
        Outcome::Accepted(acceptance) => {
            counters.requests_accepted.increment();
            Some(acceptance.count)
        }
        _ => None,
    };
    if !enabled!(Level::INFO) {
        return;
    }
    let fault = record.faults.last().map(display);
    let reason = count.is_none().then(|| display(outcome));
    info!(
        product = product_name(request),
        client = %fmt::from_fn(|f| request.machine_name.chars().try_for_each(|c| f.write_char(c))),
        cmid = %request.cmid,
        count,
        n_policy = request.n_policy,
        result = %Told(record.sent.hresult),
        reason,
        fault,
        client_time = %request.client_time,
        license_status = request.license_status.0,
        vm = request.vm_info != 0,
        version = %request.version,
        ndr,
        %peer,
        elapsed_us = elapsed_us(),
        host,
        "request"
    );
}

/// A PDU that the protocol machine refused.
pub(super) fn refusal(worker: &Worker, refusal: Refusal, peer: SocketAddr) {
    let host = worker.shared.shown_name();
    match refusal {
        Refusal::Bind(reason) => info!(%reason, %peer, host, "bind refused"),
        // A probe asks for an operation that does not exist: the connection goes on.
        Refusal::Call { status, .. } => return info!(%status, %peer, host, "call refused"),
        Refusal::Connection { status, .. } => info!(%status, %peer, host, "peer refused"),
    }
    worker.counters.peers_refused.increment();
}

/// The end of a connection, as far as the protocol machine knows it.
pub(super) fn close(worker: &Worker, reason: Option<CloseReason>, peer: SocketAddr) {
    let (counters, host) = (&worker.counters, worker.shared.shown_name());
    match reason {
        Some(CloseReason::RequestTimeout) => {
            counters.peers_refused.increment();
            info!(%peer, host, "connection closed: a call took too long to arrive");
        }
        Some(CloseReason::Unframeable(malformed)) => {
            counters.peers_refused.increment();
            info!(%peer, %malformed, host, "connection closed: not RPC");
        }
        Some(CloseReason::Malformed(malformed)) => {
            debug!(%peer, %malformed, host, "connection closed")
        }
        Some(CloseReason::Violation(violation)) => {
            debug!(%peer, %violation, host, "connection closed")
        }
        Some(reason) => debug!(%peer, ?reason, host, "connection closed"),
        None => debug!(%peer, host, "connection closed"),
    }
}

/// A connection that ended in an error of the network or the peer.
pub(super) fn broken(error: io::ErrorKind, peer: SocketAddr) {
    debug!(%error, %peer, "connection broken");
}

/// A peer whose answer was withheld.
pub(super) fn not_recorded(peer: SocketAddr) {
    debug!(%peer, "connection closed: the journal cannot be written");
}

/// A peer that does not read.
pub(super) fn stuck(worker: &Worker, peer: SocketAddr) {
    worker.counters.peers_refused.increment();
    info!(%peer, host = worker.shared.shown_name(), "connection closed: the peer takes no answer");
}

/// The product that a request is for: its edition, or else what its counted id covers.
fn product_name(request: &Request) -> &'static str {
    let by_edition = PRODUCTS.iter().find(|product| product.sku_id == request.sku_id);
    let by_count = || PRODUCTS.iter().find(|product| product.kms_id == request.kms_id);
    by_edition.or_else(by_count).map_or("unknown", |product| product.name)
}

/// The HRESULT that was sent, a fault's hand in it included.
struct Told(Option<Hresult>);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(hresult) => Code(hresult).fmt(f),
            None => f.write_str("none"),
        }
    }
}

/// An HRESULT as eight digits, without its name.
struct Code(Hresult);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010X}", self.0.0)
    }
}
