//! DNS messages as bytes: the one query the probe asks, and the judgement of a datagram or TCP
//! message as its answer. Pure; the codec is hickory-proto's.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{self, DNSClass, RData};
use serde::Serialize;

use super::extended_error::{self, ExtendedError};
use super::name::{DomainName, escape_text};

/// What is asked of a server: one name, one type, class IN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Question {
    /// The name asked for.
    pub name: DomainName,
    /// The type of record asked for.
    pub record_type: RecordType,
}

/// The record types that the probe asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// IPv4 address, RFC 1035.
    A,
    /// IPv6 address, RFC 3596.
    Aaaa,
    /// Location of a service, RFC 2782.
    Srv,
}

impl RecordType {
    /// The type's registered mnemonic.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Srv => "SRV",
        }
    }

    const fn to_wire(self) -> rr::RecordType {
        match self {
            Self::A => rr::RecordType::A,
            Self::Aaaa => rr::RecordType::AAAA,
            Self::Srv => rr::RecordType::SRV,
        }
    }
}

/// One resource record of class IN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Owner name.
    pub name: DomainName,
    /// Seconds that a cache may keep it.
    pub ttl: u32,
    /// Type and content.
    pub data: RecordData,
}

/// The contents that the probe reads; other types are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordData {
    /// A or AAAA.
    Address(IpAddr),
    /// CNAME: the canonical name.
    Alias(DomainName),
    /// SRV.
    Service(Service),
}

/// SRV content, RFC 2782.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Service {
    /// Lower is tried first.
    pub priority: u16,
    /// Share among equals in priority.
    pub weight: u16,
    /// TCP port.
    pub port: u16,
    /// Host name, or the root for "not offered here".
    pub target: DomainName,
}

/// A well-formed answer to the question asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Response {
    /// Response code, with the EDNS high bits.
    pub rcode: u16,
    /// Its mnemonic.
    pub rcode_name: String,
    /// AA: the server owns the zone.
    pub authoritative: bool,
    /// RA: the server looks names up for its clients.
    pub recursion_available: bool,
    /// TC: the answer did not fit.
    pub truncated: bool,
    /// The answer carries an OPT record (RFC 6891).
    pub edns: bool,
    /// Records of the answer section that this tool reads.
    pub answers: Vec<Record>,
    /// Records of the additional section that this tool reads.
    pub additionals: Vec<Record>,
    /// The zone that says no, and for how long that may be cached (RFC 2308).
    pub negative: Option<NegativeZone>,
    /// Neither an answer nor a denial, but the name of other servers: a server that does not
    /// recurse was asked about a zone that it does not have.
    pub referral: bool,
    /// Extended DNS Errors, RFC 8914.
    pub extended_errors: Vec<ExtendedError>,
}

/// SOA of a negative answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NegativeZone {
    /// The zone's apex.
    pub zone: DomainName,
    /// Seconds for which the absence may be cached: the lesser of the SOA's TTL and MINIMUM.
    pub ttl: u32,
}

/// A message judged against the queries that are outstanding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It answers the query with this id.
    Answer(u16, Response),
    /// It answers, is cut and says so, and what there is of it cannot be read.
    CutShort,
    /// It is no answer to this question; the real one may still come.
    Stray(Stray),
    /// It is meant as the answer and is damaged.
    Malformed(String),
}

/// Why a message is not taken for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stray {
    /// Shorter than a DNS header.
    TooShort,
    /// Its id is that of no query sent.
    WrongId,
    /// It repeats another question.
    WrongQuestion,
}

impl Stray {
    /// The reason in words.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::TooShort => "shorter than a DNS header",
            Self::WrongId => "wrong id",
            Self::WrongQuestion => "answers another question",
        }
    }
}

impl Question {
    /// The query as bytes: recursion desired, and with `edns` an OPT record that offers
    /// [`UDP_PAYLOAD_OCTETS`]. `None` only if the name cannot be encoded.
    #[must_use]
    pub fn encode(&self, id: u16, edns: bool) -> Option<Vec<u8>> {
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(self.name.as_wire().clone(), self.record_type.to_wire()));
        if edns {
            let mut options = Edns::new();
            options.set_max_payload(UDP_PAYLOAD_OCTETS).set_version(0);
            message.set_edns(options);
        }
        message.to_vec().ok()
    }

    /// Judges `bytes` as an answer to this question, asked under any of `ids`.
    #[must_use]
    pub fn judge(&self, ids: &[u16], bytes: &[u8]) -> Judgement {
        let Some((header, _)) = bytes.split_first_chunk::<HEADER_OCTETS>() else {
            return Judgement::Stray(Stray::TooShort);
        };
        let id = u16::from_be_bytes([header[0], header[1]]);
        if !ids.contains(&id) {
            return Judgement::Stray(Stray::WrongId);
        }
        let message = match Message::from_vec(bytes) {
            Ok(message) => message,
            // Old servers cut in the middle of a record; what counts is that they say so.
            Err(_) if header[2] & QR_BIT != 0 && header[2] & TC_BIT != 0 => {
                return Judgement::CutShort;
            }
            Err(error) => {
                let error = escape_text(&error.to_string(), MAX_ERROR_CHARS);
                return Judgement::Malformed(format!(
                    "{} bytes not readable: {error}",
                    bytes.len()
                ));
            }
        };
        self.judge_message(id, &message)
    }

    fn judge_message(&self, id: u16, message: &Message) -> Judgement {
        let metadata = &message.metadata;
        if metadata.message_type != MessageType::Response {
            return Judgement::Malformed("a query came back instead of a response".to_owned());
        }
        if metadata.op_code != OpCode::Query {
            return Judgement::Malformed("the response is of another operation code".to_owned());
        }
        let response = Response::of(message);
        match message.queries.as_slice() {
            // A server that cannot read the question cannot repeat it (RFC 6891 7, RFC 1035 4.1.1).
            [] if response.is_failure() => Judgement::Answer(id, response),
            [] => Judgement::Malformed("the response repeats no question".to_owned()),
            [asked] if self.matches(asked) => Judgement::Answer(id, response),
            [_] => Judgement::Stray(Stray::WrongQuestion),
            many => Judgement::Malformed(format!("the response has {} questions", many.len())),
        }
    }

    fn matches(&self, asked: &Query) -> bool {
        asked.query_type() == self.record_type.to_wire()
            && asked.query_class() == DNSClass::IN
            && DomainName::from(asked.name().clone()) == self.name
    }
}

impl Response {
    fn of(message: &Message) -> Self {
        let rcode = u16::from(message.metadata.response_code);
        let has_ns = message.authorities.iter().any(|r| matches!(r.data, RData::NS(_)));
        let negative = message.authorities.iter().find_map(negative_zone);
        Self {
            rcode,
            rcode_name: rcode_name(rcode),
            authoritative: message.metadata.authoritative,
            recursion_available: message.metadata.recursion_available,
            truncated: message.metadata.truncation,
            edns: message.edns.is_some(),
            answers: records(&message.answers),
            additionals: records(&message.additionals),
            referral: rcode == NOERROR
                && message.answers.is_empty()
                && has_ns
                && negative.is_none()
                && !message.metadata.authoritative,
            negative,
            extended_errors: message.edns.as_ref().map(extended_errors).unwrap_or_default(),
        }
    }

    /// True for FORMERR, NOTIMP and BADVERS: how a server without EDNS refuses it (RFC 6891 7).
    #[must_use]
    pub fn refuses_edns(&self) -> bool {
        matches!(self.rcode, FORMERR | NOTIMP | BADVERS)
    }

    /// The canonical names that lead from `name`, in order, and the records of `record_type` at
    /// the end of that chain. A loop ends the chain.
    #[must_use]
    pub fn follow(
        &self,
        name: &DomainName,
        record_type: RecordType,
    ) -> (Vec<DomainName>, Vec<&Record>) {
        let mut aliases: Vec<DomainName> = Vec::new();
        let mut owner = name.clone();
        while let Some(next) = self.alias_of(&owner) {
            if aliases.contains(next) || next == name {
                break;
            }
            owner = next.clone();
            aliases.push(owner.clone());
        }
        let found = self.answers.iter();
        let found = found.filter(|r| r.name == owner && r.data.is(record_type)).collect();
        (aliases, found)
    }

    fn alias_of(&self, owner: &DomainName) -> Option<&DomainName> {
        self.answers.iter().find_map(|record| match &record.data {
            RecordData::Alias(next) if record.name == *owner => Some(next),
            _ => None,
        })
    }

    fn is_failure(&self) -> bool {
        !matches!(self.rcode, NOERROR | NXDOMAIN)
    }
}

impl RecordData {
    /// Whether this is content of that record type.
    #[must_use]
    pub const fn is(&self, record_type: RecordType) -> bool {
        match record_type {
            RecordType::A => matches!(self, Self::Address(IpAddr::V4(_))),
            RecordType::Aaaa => matches!(self, Self::Address(IpAddr::V6(_))),
            RecordType::Srv => matches!(self, Self::Service(_)),
        }
    }
}

/// The mnemonic of a response code (RFC 6895), or `RCODE` and the number.
#[must_use]
pub fn rcode_name(rcode: u16) -> String {
    let name = match rcode {
        NOERROR => "NOERROR",
        FORMERR => "FORMERR",
        SERVFAIL => "SERVFAIL",
        NXDOMAIN => "NXDOMAIN",
        NOTIMP => "NOTIMP",
        REFUSED => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        BADVERS => "BADVERS",
        23 => "BADCOOKIE",
        other => return format!("RCODE{other}"),
    };
    name.to_owned()
}

fn records(section: &[rr::Record]) -> Vec<Record> {
    let of_class_in = section.iter().filter(|record| record.dns_class == DNSClass::IN);
    of_class_in
        .filter_map(|record| {
            let data = match &record.data {
                RData::A(address) => RecordData::Address(IpAddr::V4(address.0)),
                RData::AAAA(address) => RecordData::Address(IpAddr::V6(address.0)),
                RData::CNAME(alias) => RecordData::Alias(DomainName::from(alias.0.clone())),
                RData::SRV(service) => RecordData::Service(Service {
                    priority: service.priority,
                    weight: service.weight,
                    port: service.port,
                    target: DomainName::from(service.target.clone()),
                }),
                _ => return None,
            };
            Some(Record { name: DomainName::from(record.name.clone()), ttl: record.ttl, data })
        })
        .collect()
}

fn negative_zone(record: &rr::Record) -> Option<NegativeZone> {
    match &record.data {
        RData::SOA(soa) => Some(NegativeZone {
            zone: DomainName::from(record.name.clone()),
            ttl: record.ttl.min(soa.minimum),
        }),
        _ => None,
    }
}

fn extended_errors(edns: &Edns) -> Vec<ExtendedError> {
    let options = edns.options().as_ref().iter();
    options
        .filter_map(|(_, option)| match option {
            EdnsOption::Unknown(extended_error::OPTION_CODE, data) => ExtendedError::decode(data),
            _ => None,
        })
        .take(MAX_EXTENDED_ERRORS)
        .collect()
}

/// UDP payload size that queries offer: fits every common path without fragments (DNS flag day
/// 2020).
pub const UDP_PAYLOAD_OCTETS: u16 = 1232;

/// Response code: no error.
pub const NOERROR: u16 = 0;
/// Response code: the query could not be read.
pub const FORMERR: u16 = 1;
/// Response code: the server failed.
pub const SERVFAIL: u16 = 2;
/// Response code: the name does not exist.
pub const NXDOMAIN: u16 = 3;
/// Response code: the server does not do this.
pub const NOTIMP: u16 = 4;
/// Response code: the server will not answer this client.
pub const REFUSED: u16 = 5;
/// Response code: EDNS version not supported.
pub const BADVERS: u16 = 16;

const HEADER_OCTETS: usize = 12;
const QR_BIT: u8 = 0x80;
const TC_BIT: u8 = 0x02;
const MAX_ERROR_CHARS: usize = 200;
const MAX_EXTENDED_ERRORS: usize = 8;

#[cfg(test)]
mod tests;
