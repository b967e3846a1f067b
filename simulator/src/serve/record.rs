//! What a server records: its own facts as rows of a journal.

use std::borrow::Cow;
use std::net::SocketAddr;

use kms_protocol::kms::Hresult;
use kms_protocol::server::{CloseReason, Refusal};

use super::exchange::{Outcome, Record};
use crate::fault::{Applied, Stage};
use crate::journal::{AnswerRow, Event, EventKind, Exchange, FaultApplied, OutcomeKind, Subject};

/// A call and its answer.
pub(super) fn exchange(record: &Record, peer: SocketAddr) -> Subject {
    let (outcome, answer) = match &record.outcome {
        Outcome::Accepted(acceptance) => {
            let answer = AnswerRow {
                count: acceptance.count,
                activation_interval_minutes: acceptance.activation_interval.minutes(),
                renewal_interval_minutes: acceptance.renewal_interval.minutes(),
            };
            (OutcomeKind::Accepted, Some(answer))
        }
        Outcome::Refused(_) => (OutcomeKind::Refused, None),
        Outcome::Unreadable(error) if error.is_foreign_key() => (OutcomeKind::ForeignKey, None),
        Outcome::Unreadable(_) => (OutcomeKind::Unreadable, None),
        Outcome::BadStub(_) => (OutcomeKind::BadStub, None),
        Outcome::Withheld => (OutcomeKind::Withheld, None),
    };
    let answer = answer
        .filter(|_| record.sent.hresult == Some(Hresult::OK))
        .map(|answer| AnswerRow { count: record.sent.count.unwrap_or(answer.count), ..answer });
    let reason = match &record.outcome {
        Outcome::Accepted(_) => None,
        Outcome::Refused(refusal) => Some(Cow::Borrowed(refusal.reason())),
        other => Some(Cow::Owned(other.to_string())),
    };
    Subject::Request(Box::new(Exchange {
        peer,
        ndr: record.ndr,
        outcome,
        reason,
        request: record.request.clone(),
        hresult: record.sent.hresult.map(|hresult| hresult.0),
        answer,
        counted: matches!(record.outcome, Outcome::Accepted(_)),
        fault: record.faults.last().map(applied),
    }))
}

/// A fault that struck outside a request.
pub(super) fn fault(fault: &Applied, stage: Stage, peer: SocketAddr) -> Subject {
    let detail = format!("at {stage}");
    let kind = EventKind::FaultApplied;
    Subject::Event(Event { kind, peer: Some(peer), detail, fault: Some(applied(fault)) })
}

fn applied(fault: &Applied) -> FaultApplied {
    FaultApplied { rule: fault.rule.to_string(), kind: fault.kind.to_string() }
}

/// A PDU that the protocol machine refused.
pub(super) fn refusal(refusal: Refusal, peer: SocketAddr) -> Subject {
    let (kind, detail) = match refusal {
        Refusal::Bind(reason) => (EventKind::BindRefused, reason.to_string()),
        Refusal::Call { status, .. } => (EventKind::CallRefused, status.to_string()),
        Refusal::Connection { status, .. } => (EventKind::PeerRefused, status.to_string()),
    };
    Subject::Event(Event { kind, peer: Some(peer), detail, fault: None })
}

/// A connection that ended because its peer broke a rule no fault could tell it of.
pub(super) fn close(reason: Option<CloseReason>, peer: SocketAddr) -> Option<Subject> {
    let detail = match reason? {
        CloseReason::RequestTimeout => "a call took too long to arrive".to_owned(),
        CloseReason::Unframeable(malformed) => format!("not RPC: {malformed}"),
        _ => return None,
    };
    let kind = EventKind::PeerRefused;
    Some(Subject::Event(Event { kind, peer: Some(peer), detail, fault: None }))
}
