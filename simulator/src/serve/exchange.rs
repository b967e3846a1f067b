//! One call in, one answer and one record out; no I/O. Time enters with the decision, randomness
//! and faults as parameters, so that the same call against the same state always gives the same
//! answer.

use std::fmt;

use jiff::SignedDuration;
use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::crypto::LabKeys;
use kms_protocol::kms::envelope::{
    Flaw, OpenRequest, RESPONSE_LEN_MAX, RequestError, open_request, seal_flawed_response,
    seal_response,
};
use kms_protocol::kms::{Hresult, Request, Response};
use kms_protocol::ndr::{self, Ndr, RequestStubError};
use kms_protocol::rpc::{Status, SyntaxId};
use kms_protocol::server::Call;
use kms_protocol::wire::ByteOrder;
use rand::Rng;

use crate::fault::{Action, Applied};
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
    /// How the host decided.
    pub outcome: Outcome,
    /// What the client was told, as far as it was told anything.
    pub sent: Sent,
    /// The fault rules that struck, in the order of their stages: at most one at request and one
    /// at response.
    pub faults: Vec<Applied>,
}

/// What an answer says, a fault's hand in it included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The HRESULT; `None` where an RPC fault was the answer.
    pub hresult: Option<Hresult>,
    /// The count, with an HRESULT of 0.
    pub count: Option<u32>,
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
    /// A fault took the host's place: the host has not seen the request.
    Withheld,
}

/// What interferes with an exchange: the fault rules, or nothing.
pub trait Interference {
    /// What happens before the host sees `request`, which is `None` where it cannot be read.
    fn at_request(&mut self, request: Option<&Request>) -> Option<Action>;

    /// What happens to the answer. `accepted`: the host has recorded the client.
    fn at_response(&mut self, request: Option<&Request>, accepted: bool) -> Option<Action>;
}

/// Nothing interferes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undisturbed;

impl Interference for Undisturbed {
    fn at_request(&mut self, _request: Option<&Request>) -> Option<Action> {
        None
    }

    fn at_response(&mut self, _request: Option<&Request>, _accepted: bool) -> Option<Action> {
        None
    }
}

/// Answers the KMS call `call`. `decide` is asked at most once, and only for a request that
/// verified; `out` takes the response stub and has room for [`ANSWER_LEN_MAX`] bytes. The record's
/// faults are for the one who knows the rules behind `interference` to fill in.
pub fn handle(
    keys: &LabKeys,
    call: &Call<'_>,
    decide: impl FnOnce(&Query) -> Decision,
    interference: &mut impl Interference,
    rng: &mut impl Rng,
    out: &mut [u8; ANSWER_LEN_MAX],
) -> (Answer, Record) {
    let ndr = ndr_of(call.transfer_syntax);
    let opened = open(keys, call, ndr);
    let request = opened.as_ref().ok().map(|opened| &opened.request);
    let before = interference.at_request(request);
    let (answer, outcome, sent) = match withheld(before.as_ref(), ndr, out) {
        Before::Answered(answer) => {
            let sent = Sent { hresult: hresult_of(before.as_ref(), None), count: None };
            (answer, Outcome::Withheld, sent)
        }
        Before::Asked { clock_offset } => {
            let outcome = match &opened {
                Ok(opened) => match decide(&by_clock(Query::from(&opened.request), clock_offset)) {
                    Ok(acceptance) => Outcome::Accepted(acceptance),
                    Err(refusal) => Outcome::Refused(refusal),
                },
                Err(outcome) => *outcome,
            };
            let accepted = matches!(outcome, Outcome::Accepted(_));
            let spoilt = interference.at_response(request, accepted);
            let sent = Sent::of(&outcome, spoilt.as_ref());
            let opened = opened.as_ref().ok();
            (answer(keys, opened, &outcome, spoilt.as_ref(), ndr, rng, out), outcome, sent)
        }
    };
    let request = opened.ok().map(|opened| opened.request);
    (answer, Record { ndr, request, outcome, sent, faults: Vec::new() })
}

/// The HRESULT that a fault puts in the place of the host's.
fn hresult_of(action: Option<&Action>, own: Option<Hresult>) -> Option<Hresult> {
    match action {
        Some(Action::Hresult { code }) => Some(*code),
        Some(Action::RpcFault { .. }) => None,
        _ => own,
    }
}

impl Sent {
    fn of(outcome: &Outcome, spoilt: Option<&Action>) -> Self {
        let hresult = hresult_of(spoilt, outcome.hresult());
        let count = match (outcome, spoilt) {
            _ if hresult != Some(Hresult::OK) => None,
            (Outcome::Accepted(_), Some(Action::Count { count })) => Some(*count),
            (Outcome::Accepted(acceptance), _) => Some(acceptance.count),
            _ => None,
        };
        Self { hresult, count }
    }
}

/// What becomes of a request before the host sees it.
enum Before {
    /// This is the answer, and the host does not see it.
    Answered(Answer),
    /// The host sees it, by a clock that is off.
    Asked { clock_offset: Option<SignedDuration> },
}

fn open(keys: &LabKeys, call: &Call<'_>, ndr: Ndr) -> Result<OpenRequest, Outcome> {
    let payload = ndr::decode_request(call.stub, ndr, call.byte_order).map_err(Outcome::BadStub)?;
    open_request(keys, payload).map_err(Outcome::Unreadable)
}

fn withheld(action: Option<&Action>, ndr: Ndr, out: &mut [u8; ANSWER_LEN_MAX]) -> Before {
    match action {
        None => Before::Asked { clock_offset: None },
        Some(Action::ClockOffset { offset }) => Before::Asked { clock_offset: Some(*offset) },
        Some(Action::RpcFault { status }) => Before::Answered(Answer::Fault(*status)),
        Some(Action::Hresult { code }) => Before::Answered(error_response(*code, ndr, out)),
        // The answer will not be sent; only the call has to end.
        Some(_) => Before::Answered(Answer::Fault(Status::SERVER_TOO_BUSY)),
    }
}

/// A host's clock that is ahead sees the client's behind, by as much.
fn by_clock(query: Query, offset: Option<SignedDuration>) -> Query {
    let Some(offset) = offset else { return query };
    Query { client_time: moved(query.client_time, -offset), ..query }
}

fn moved(time: FileTime, offset: SignedDuration) -> FileTime {
    match offset.is_negative() {
        true => time.saturating_sub(offset.unsigned_abs()),
        false => time.saturating_add(offset.unsigned_abs()),
    }
}

fn answer(
    keys: &LabKeys,
    opened: Option<&OpenRequest>,
    outcome: &Outcome,
    spoilt: Option<&Action>,
    ndr: Ndr,
    rng: &mut impl Rng,
    out: &mut [u8; ANSWER_LEN_MAX],
) -> Answer {
    match (spoilt, outcome, opened) {
        (Some(Action::RpcFault { status }), ..) => Answer::Fault(*status),
        (Some(Action::Hresult { code }), ..) => error_response(*code, ndr, out),
        (_, Outcome::Accepted(acceptance), Some(opened)) => {
            accept(keys, opened, acceptance, spoilt, ndr, rng, out)
        }
        (_, outcome, _) => match outcome.hresult() {
            Some(hresult) => error_response(hresult, ndr, out),
            None => Answer::Fault(Status::BAD_STUB_DATA),
        },
    }
}

fn accept(
    keys: &LabKeys,
    opened: &OpenRequest,
    acceptance: &Acceptance,
    spoilt: Option<&Action>,
    ndr: Ndr,
    rng: &mut impl Rng,
    out: &mut [u8; ANSWER_LEN_MAX],
) -> Answer {
    let mut random = [[0; 16]; 2];
    rng.fill_bytes(random.as_flattened_mut());
    let [iv, nonce] = random;
    let mut response = response_to(&opened.request, acceptance);
    let flaw = spoilt.and_then(|action| spoil(&mut response, action));
    let request_iv = &opened.request_iv;
    let written = ndr::encode_response_with(0, ndr, OWN_ORDER, out, |space| match flaw {
        None => seal_response(keys, &response, request_iv, &iv, &nonce, space),
        Some(flaw) => seal_flawed_response(keys, &response, request_iv, &iv, &nonce, flaw, space),
    });
    answer_of(written.ok())
}

/// Makes the response say what the fault wants, or names the check value that is to be wrong.
fn spoil(response: &mut Response, action: &Action) -> Option<Flaw> {
    match action {
        Action::Count { count } => response.count = *count,
        Action::WrongCmid => {
            let mut cmid = *response.cmid.as_bytes();
            cmid.iter_mut().for_each(|byte| *byte = !*byte);
            response.cmid = Guid::from_bytes(cmid);
        }
        Action::WrongTime { offset } => response.client_time = moved(response.client_time, *offset),
        Action::WrongMac => return Some(Flaw::Mac),
        Action::WrongHash => return Some(Flaw::Hash),
        Action::WrongHmac => return Some(Flaw::Hmac),
        _ => {}
    }
    None
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

/// A response that is nothing but an HRESULT, to a call in `syntax`.
pub fn refuse(hresult: Hresult, syntax: SyntaxId, out: &mut [u8; ANSWER_LEN_MAX]) -> Answer {
    error_response(hresult, ndr_of(syntax), out)
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
            Self::BadStub(_) | Self::Withheld => None,
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
            Self::Withheld => f.write_str("withheld from the host by a fault"),
        }
    }
}

/// A server answers in its own order, whatever the client's: the receiver makes it right.
const OWN_ORDER: ByteOrder = ByteOrder::Little;

/// Room for any response stub.
pub const ANSWER_LEN_MAX: usize = Ndr::Ndr64.response_len(RESPONSE_LEN_MAX);

#[cfg(test)]
mod tests;
