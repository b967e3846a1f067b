//! What a bind means.

use std::time::Duration;

use super::Endpoint;
use super::words::{broken_values, duration};
use crate::stage::bind::{BindAckFacts, BindAnswer, BindFacts, BindNakFacts};
use crate::stage::channel::{Broken, BrokenHow};
use crate::verdict::table::bind as table;
use crate::verdict::{Row, Verdict};

/// Judges a bind to `endpoint`.
#[must_use]
pub fn bind(endpoint: &Endpoint, facts: &BindFacts) -> Verdict {
    let mut values = endpoint.values();
    values.push(("timeout", duration(Duration::from_millis(facts.timeout_ms))));
    let row = match (&facts.answer, &facts.broken) {
        (Some(BindAnswer::BindAck(ack)), _) => {
            values.push(("syntax", ack.accepted().collect::<Vec<_>>().join(" and ")));
            values.push(("results", results(ack)));
            row_of_ack(ack)
        }
        (Some(BindAnswer::BindNak(nak)), _) => {
            values.push(("nak_reason", format!("reason {}, `{}`", nak.reason, nak.reason_name)));
            values.push(("nak_remedy", nak_remedy(nak).to_owned()));
            &table::NAK
        }
        (None, Some(broken)) => {
            values.extend(broken_values(broken));
            row_of_broken(broken)
        }
        (None, None) => &table::TIMEOUT,
    };
    Verdict::of(row, &values)
}

fn row_of_ack(ack: &BindAckFacts) -> &'static Row {
    if ack.accepted().next().is_some() {
        &table::OK
    } else if ack.refuses_interface() {
        &table::NOT_KMS
    } else {
        &table::NO_SYNTAX
    }
}

fn row_of_broken(broken: &Broken) -> &'static Row {
    match broken.how {
        BrokenHow::TimedOut => &table::TIMEOUT,
        BrokenHow::Closed => &table::CLOSED,
        BrokenHow::Reset => &table::RESET,
        BrokenHow::NotRpc => &table::NOT_RPC,
        BrokenHow::CallIdMismatch => &table::CALL_ID_MISMATCH,
        BrokenHow::Malformed => &table::MALFORMED,
    }
}

fn results(ack: &BindAckFacts) -> String {
    let each = ack.contexts.iter().map(|context| match &context.reason_name {
        Some(reason) => format!("{}: {}, {reason}", context.offered, context.result_name),
        None => format!("{}: {}", context.offered, context.result_name),
    });
    each.collect::<Vec<_>>().join("; ")
}

fn nak_remedy(nak: &BindNakFacts) -> &'static str {
    match nak.reason {
        1 | 2 => {
            "the server is out of room, so look at its load and connection limits and try again"
        }
        4 => {
            "the server saw a protocol error in a bind that Windows clients send as well, so look \
             for a device on the path that alters it"
        }
        8 | 9 => {
            "the server wants authentication, which KMS clients do not offer, so look for RPC \
             restrictions on the host (policy `Restrict Unauthenticated RPC clients`)"
        }
        _ => {
            "it names no cause, so look at the host's event logs at this time and see which \
             process owns the port"
        }
    }
}
