//! Answers that go wrong on purpose.

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::EdnsOption;

use super::answer::Transport;
use super::request::Request;
use super::zone::Zone;

/// What is wrong with the answer to every SRV query of the zone; other queries are answered well.
/// (A target that is `.`, dangling or an alias needs no fault: [`Zone`] can hold those.)
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The name does not exist.
    NxDomain,
    /// The name exists without an SRV record.
    NoData,
    /// SERVFAIL, to clients with EDNS together with the reason.
    ServFail(Option<ExtendedError>),
    /// REFUSED, as from a server that does not serve this client.
    Refused,
    /// No answer.
    Drop,
    /// Over UDP an empty answer with TC set, over TCP the whole one.
    Truncate,
    /// A message that ends in its middle.
    Malformed,
}

/// An extended DNS error (RFC 8914).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedError {
    /// INFO-CODE, for example 22: no reachable authority.
    pub code: u16,
    /// EXTRA-TEXT; at most 200 bytes of it are sent.
    pub text: String,
}

impl Fault {
    /// Faults spoil answers; what is refused anyway stays as it is.
    pub(super) fn applies_to(request: &Request, response: &Message) -> bool {
        let is_srv = |query_type| query_type == RecordType::SRV;
        response.metadata.authoritative
            && request.question.as_ref().is_some_and(|question| is_srv(question.query_type))
    }

    /// Turn a good answer into what this fault makes of it.
    pub(super) fn change(&self, zone: &Zone, transport: Transport, response: &mut Message) {
        match self {
            Self::NxDomain => deny(zone, response, ResponseCode::NXDomain),
            Self::NoData => deny(zone, response, ResponseCode::NoError),
            Self::Refused => fail(response, ResponseCode::Refused),
            Self::ServFail(reason) => {
                fail(response, ResponseCode::ServFail);
                if let (Some(reason), Some(edns)) = (reason, &mut response.edns) {
                    reason.add_to(edns);
                }
            }
            Self::Truncate if transport == Transport::Udp => {
                clear(response);
                response.metadata.truncation = true;
            }
            Self::Truncate | Self::Malformed | Self::Drop => {}
        }
    }

    /// Damage the encoded answer, where this fault is of that kind.
    pub(super) fn spoil(&self, bytes: &mut Vec<u8>) {
        if *self == Self::Malformed {
            // Within the question at the earliest, so that the id still matches.
            bytes.truncate((bytes.len() / 2).max(HEADER_BYTES));
        }
    }
}

impl ExtendedError {
    fn add_to(&self, edns: &mut Edns) {
        let text = self.text.get(..self.text.floor_char_boundary(MAX_EXTRA_TEXT_BYTES));
        let mut data = self.code.to_be_bytes().to_vec();
        data.extend_from_slice(text.unwrap_or_default().as_bytes());
        edns.options_mut().insert(EdnsOption::Unknown(EXTENDED_DNS_ERROR, data));
    }
}

/// EDNS option code of RFC 8914.
const EXTENDED_DNS_ERROR: u16 = 15;
/// So that the option fits beside any question in 512 bytes.
const MAX_EXTRA_TEXT_BYTES: usize = 200;
const HEADER_BYTES: usize = 12;

fn clear(response: &mut Message) {
    response.answers.clear();
    response.authorities.clear();
    response.additionals.clear();
}

/// Authoritatively nothing.
fn deny(zone: &Zone, response: &mut Message, code: ResponseCode) {
    clear(response);
    response.metadata.response_code = code;
    response.authorities.push(zone.negative_soa());
}

/// No answer at all, as from a server without the zone.
fn fail(response: &mut Message, code: ResponseCode) {
    clear(response);
    response.metadata.response_code = code;
    response.metadata.authoritative = false;
}
