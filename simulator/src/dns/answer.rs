//! What an authoritative server says to a query (RFC 1034 section 4.3.2, RFC 2308, RFC 6891).

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, Metadata, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};

use super::encode::{self, MAX_UDP_BYTES, MIN_UDP_BYTES};
use super::fault::Fault;
use super::request::Request;
use super::zone::Zone;

/// Answer one message from the zone, with `fault` in place of or upon the answer to any SRV query.
/// Total: every sequence of bytes has a reply, if only silence.
#[must_use]
pub fn answer(zone: &Zone, fault: Option<&Fault>, query: &[u8], transport: Transport) -> Reply {
    let of_srv = |question: &Query| fault.filter(|_| question.query_type == RecordType::SRV);
    answer_with(zone, query, transport, |question| of_srv(question).cloned())
}

/// Answer one message from the zone, with the fault that `choose` has for the question. It is asked
/// about questions of the zone only: what is refused anyway stays as it is.
#[must_use]
pub fn answer_with(
    zone: &Zone,
    query: &[u8],
    transport: Transport,
    choose: impl FnOnce(&Query) -> Option<Fault>,
) -> Reply {
    let request = match Request::decode(query) {
        Ok(request) => request,
        Err(silence) => return Reply::Nothing(silence),
    };
    let mut response = respond(zone, &request);
    let fault = match &request.question {
        Some(question) if response.metadata.authoritative => choose(question),
        _ => None,
    };
    match &fault {
        Some(Fault::Drop) => return Reply::Nothing(Silence::Fault),
        Some(fault) => fault.change(zone, transport, &mut response),
        None => {}
    }
    let limit = transport.limit(request.edns.as_ref());
    let Ok((mut bytes, sent)) = encode::within(response, limit) else {
        return Reply::Nothing(Silence::Unencodable);
    };
    let delay = fault.as_ref().map_or(Duration::ZERO, Fault::delay);
    let before = fault.as_ref().and_then(|fault| fault.before(transport, &bytes));
    if let Some(fault) = &fault {
        fault.spoil(&mut bytes);
    }
    let summary = Summary {
        question: request.question,
        code: sent.metadata.response_code,
        answers: sent.answers.len(),
        truncated: sent.metadata.truncation,
        fault: fault.is_some(),
    };
    Reply::Send { before, delay, bytes, summary }
}

/// What to do about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Send this.
    Send {
        /// A message to be sent first.
        before: Option<Vec<u8>>,
        /// How long to hold it back.
        delay: Duration,
        /// The message, without the length that TCP puts before it.
        bytes: Vec<u8>,
        /// The same in brief, for the log.
        summary: Summary,
    },
    /// Send nothing.
    Nothing(Silence),
}

/// An exchange in brief. Its text is safe for terminals: names are escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What was asked, where it could be read.
    pub question: Option<Query>,
    /// The code answered.
    pub code: ResponseCode,
    /// Records in the answer section.
    pub answers: usize,
    /// Whether the client is told to come back over TCP.
    pub truncated: bool,
    /// Whether a fault had its hand in it.
    pub fault: bool,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.question {
            Some(Query { name, query_type, .. }) => {
                write!(f, "{} {query_type}", name.to_ascii().escape_debug())?;
            }
            None => f.write_str("no question")?,
        }
        write!(f, ": {}, {} records", self.code, self.answers)?;
        f.write_str(if self.truncated { ", truncated" } else { "" })?;
        f.write_str(if self.fault { ", by a fault" } else { "" })
    }
}

/// Why a message gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Silence {
    /// Not even a header of 12 bytes: there is no id to answer to.
    HeaderTooShort,
    /// An answer (QR set): two servers must not talk to each other for ever.
    NotAQuery,
    /// A fault says so.
    Fault,
    /// The answer could not be encoded.
    Unencodable,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HeaderTooShort => "shorter than a DNS header",
            Self::NotAQuery => "an answer, not a query",
            Self::Fault => "dropped by a fault",
            Self::Unencodable => "the answer could not be encoded",
        })
    }
}

/// How a query came, which decides how long its answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram: 512 bytes, or what EDNS offers up to [`MAX_UDP_BYTES`].
    Udp,
    /// A stream: 65,535 bytes.
    Tcp,
}

impl Transport {
    /// Bytes that the answer may have.
    fn limit(self, edns: Option<&Edns>) -> u16 {
        match self {
            Self::Udp => {
                edns.map_or(MIN_UDP_BYTES, Edns::max_payload).clamp(MIN_UDP_BYTES, MAX_UDP_BYTES)
            }
            Self::Tcp => u16::MAX,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        })
    }
}

/// Aliases followed in one answer; a longer chain is a failure, as a circle is.
const MAX_ALIASES: usize = 8;
/// Where the additional section stops: more would not fit the datagram of any client.
const MAX_ADDITIONAL_RECORDS: usize = 256;
const TYPE_OPT: u16 = 41;
const TYPE_IXFR: u16 = 251;
const TYPE_AXFR: u16 = 252;
/// Obsolete since RFC 1035, and never implemented.
const TYPE_MAILB: u16 = 253;
const TYPE_MAILA: u16 = 254;

fn respond(zone: &Zone, request: &Request) -> Message {
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata = Metadata::response_from_request(&request.metadata);
    response.queries.extend(request.question.clone());
    response.edns = request.edns.as_ref().map(|client| {
        let mut edns = Edns::new();
        edns.set_max_payload(MAX_UDP_BYTES).set_dnssec_ok(client.flags().dnssec_ok);
        edns
    });
    match (request.refusal, &request.question) {
        (Some(code), _) => response.metadata.response_code = code,
        (None, Some(question)) => match refuse(zone, question) {
            Some(code) => response.metadata.response_code = code,
            None => look_up(zone, question, &mut response),
        },
        (None, None) => response.metadata.response_code = ResponseCode::FormErr,
    }
    response
}

/// The code for a question that this server does not look up.
fn refuse(zone: &Zone, question: &Query) -> Option<ResponseCode> {
    if question.query_class != DNSClass::IN || !zone.contains(&question.name) {
        return Some(ResponseCode::Refused);
    }
    // QTYPEs that are no data types (RFC 6895 section 3.1), but for ANY, which is looked up.
    match u16::from(question.query_type) {
        TYPE_IXFR | TYPE_AXFR => Some(ResponseCode::Refused),
        TYPE_MAILB | TYPE_MAILA => Some(ResponseCode::NotImp),
        TYPE_OPT | 128..TYPE_IXFR => Some(ResponseCode::FormErr),
        _ => None,
    }
}

fn look_up(zone: &Zone, question: &Query, response: &mut Message) {
    response.metadata.authoritative = true;
    let is_wanted = |rdata: &RData| {
        question.query_type == RecordType::ANY || rdata.record_type() == question.query_type
    };
    let mut owner = question.name.clone();
    for _followed in 0..=MAX_ALIASES {
        if !zone.contains(&owner) {
            return; // The alias leads out of the zone; the resolver goes on from there.
        }
        let Some(held) = zone.lookup(&owner) else {
            response.metadata.response_code = ResponseCode::NXDomain;
            response.authorities.push(zone.negative_soa());
            return;
        };
        let held: Vec<RData> = held.collect();
        let wanted = held.iter().filter(|rdata| is_wanted(rdata));
        let before = response.answers.len();
        response.answers.extend(wanted.map(|rdata| zone.record(owner.clone(), rdata.clone())));
        if response.answers.len() > before {
            add_addresses(zone, response);
            return;
        }
        let alias = held.into_iter().find_map(|rdata| match rdata {
            RData::CNAME(target) => Some(target),
            _ => None,
        });
        let Some(alias) = alias else {
            response.authorities.push(zone.negative_soa());
            return;
        };
        let target = alias.0.clone();
        response.answers.push(zone.record(owner, RData::CNAME(alias)));
        if response.answers.iter().any(|record| record.name == target) {
            break;
        }
        owner = target;
    }
    response.metadata.response_code = ResponseCode::ServFail;
}

/// Spare the client the next question: addresses of the names answered (RFC 2782, RFC 1035).
fn add_addresses(zone: &Zone, response: &mut Message) {
    let targets: BTreeSet<&Name> = response
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(&srv.target),
            RData::NS(ns) => Some(&ns.0),
            _ => None,
        })
        .collect();
    for target in targets {
        if response.additionals.len() >= MAX_ADDITIONAL_RECORDS {
            return;
        }
        response.additionals.extend(zone.addresses(target));
    }
}
