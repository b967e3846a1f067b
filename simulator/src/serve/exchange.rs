//! One call in, one answer and one record out; no I/O. Time enters with the decision, randomness
//! as a parameter, so that the same call against the same state always gives the same answer.

use std::fmt;

use kms_protocol::kms::crypto::LabKeys;
use kms_protocol::kms::envelope::{RESPONSE_LEN_MAX, RequestError, open_request, seal_response};
use kms_protocol::kms::{Hresult, Request, Response};
use kms_protocol::ndr::{self, Ndr, RequestStubError};
use kms_protocol::rpc::{Status, SyntaxId};
use kms_protocol::server::Call;
use kms_protocol::wire::ByteOrder;
use rand::Rng;

use crate::fault::Applied;
use crate::model::{Acceptance, Decision, Query, Refusal};

/// What goes back to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A response: so many bytes of stub, at the start of the caller's buffer.
    Response(usize),
    /// A fault.
    Fault(Status),
}

/// What happened, for logs, counters and journals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The stub's transfer syntax.
    pub ndr: Ndr,
    /// The request, where it could be read.
    pub request: Option<Request>,
    /// How it ended.
    pub outcome: Outcome,
    /// The fault rules that struck, in the order of their stages: at most one at request and one
    /// at response.
    pub faults: Vec<Applied>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Recorded and answered.
    Accepted(Acceptance),
    /// Read, and refused by the host's policy.
    Refused(Refusal),
    /// Not a request of this lab.
    Unreadable(RequestError),
    /// Not even a stub.
    BadStub(RequestStubError),
}

/// Answers the KMS call `call`. `decide` is asked once, and only for a request that verified; `out`
/// takes the response stub and has room for [`ANSWER_LEN_MAX`] bytes.
pub fn handle(
    keys: &LabKeys,
    call: &Call<'_>,
    decide: impl FnOnce(&Query) -> Decision,
    rng: &mut impl Rng,
    out: &mut [u8; ANSWER_LEN_MAX],
) -> (Answer, Record) {
    let ndr = ndr_of(call.transfer_syntax);
    let payload = match ndr::decode_request(call.stub, ndr, call.byte_order) {
        Ok(payload) => payload,
        Err(error) => {
            let record =
                Record { ndr, request: None, outcome: Outcome::BadStub(error), faults: Vec::new() };
            return (Answer::Fault(Status::BAD_STUB_DATA), record);
        }
    };
    let opened = match open_request(keys, payload) {
        Ok(opened) => opened,
        Err(error) => {
            let record = Record {
                ndr,
                request: None,
                outcome: Outcome::Unreadable(error),
                faults: Vec::new(),
            };
            return (error_response(error.hresult(), ndr, out), record);
        }
    };
    let (answer, outcome) = match decide(&Query::from(&opened.request)) {
        Ok(acceptance) => {
            let mut random = [[0; 16]; 2];
            rng.fill_bytes(random.as_flattened_mut());
            let [iv, nonce] = random;
            let response = response_to(&opened.request, &acceptance);
            let written = ndr::encode_response_with(0, ndr, OWN_ORDER, out, |space| {
                seal_response(keys, &response, &opened.request_iv, &iv, &nonce, space)
            });
            (answer_of(written.ok()), Outcome::Accepted(acceptance))
        }
        Err(refusal) => (error_response(refusal.hresult(), ndr, out), Outcome::Refused(refusal)),
    };
    (answer, Record { ndr, request: Some(opened.request), outcome, faults: Vec::new() })
}

fn response_to(request: &Request, acceptance: &Acceptance) -> Response {
    Response {
        version: request.version,
        cmid: request.cmid,
        client_time: request.client_time,
        count: acceptance.count,
        activation_interval_minutes: acceptance.activation_interval.minutes(),
        renewal_interval_minutes: acceptance.renewal_interval.minutes(),
    }
}

fn error_response(hresult: Hresult, ndr: Ndr, out: &mut [u8; ANSWER_LEN_MAX]) -> Answer {
    answer_of(ndr::encode_error_response(hresult.0, ndr, OWN_ORDER, out).ok())
}

/// Every answer fits its buffer; should one not, the client is told rather than left waiting.
const fn answer_of(written: Option<usize>) -> Answer {
    match written {
        Some(len) => Answer::Response(len),
        None => Answer::Fault(Status::SERVER_TOO_BUSY),
    }
}

fn ndr_of(syntax: SyntaxId) -> Ndr {
    if syntax == SyntaxId::NDR64 { Ndr::Ndr64 } else { Ndr::Ndr32 }
}

impl Outcome {
    /// What the client is told; `None` when it gets a fault instead.
    #[must_use]
    pub const fn hresult(&self) -> Option<Hresult> {
        match self {
            Self::Accepted(_) => Some(Hresult(0)),
            Self::Refused(refusal) => Some(refusal.hresult()),
            Self::Unreadable(error) => Some(error.hresult()),
            Self::BadStub(_) => None,
        }
    }

    /// Whether the request was sealed by a real client or in another lab.
    #[must_use]
    pub const fn is_foreign_key(&self) -> bool {
        matches!(self, Self::Unreadable(error) if error.is_foreign_key())
    }
}

impl fmt::Display for Outcome {
    /// Why a request was not answered, in a few words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(_) => f.write_str("accepted"),
            Self::Refused(refusal) => f.write_str(refusal.reason()),
            Self::Unreadable(error) => error.fmt(f),
            Self::BadStub(error) => error.fmt(f),
        }
    }
}

/// A server answers in its own order, whatever the client's: the receiver makes it right.
const OWN_ORDER: ByteOrder = ByteOrder::Little;

/// Room for any response stub.
pub const ANSWER_LEN_MAX: usize = Ndr::Ndr64.response_len(RESPONSE_LEN_MAX);

#[cfg(test)]
mod tests;
