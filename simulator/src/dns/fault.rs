//! Answers that go wrong on purpose.

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::SRV;
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::answer::Transport;
use super::zone::{Zone, address_rdata};

/// What is wrong with an answer.
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
    /// A good answer, so much later; at most an hour.
    Delay(Duration),
    /// In place of SRV records one with target `.`: decidedly no such service (RFC 2782).
    NoService,
    /// SRV records that lead to this name within the domain, without its addresses.
    Dangling(String),
    /// Over UDP the answer under another id, and then the right one.
    WrongIdFirst,
    /// Records with this time to live, in seconds.
    Ttl(u32),
    /// Names with these addresses in place of their own.
    View(Vec<IpAddr>),
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
            Self::NoService => lead_to(response, &Name::root(), Some(0)),
            Self::Dangling(target) => {
                // Checked where the rule was read; the root would be another fault.
                if let Ok(target) = zone.absolute(target) {
                    lead_to(response, &target, None);
                }
            }
            Self::Ttl(ttl_s) => {
                let records = response.answers.iter_mut().chain(&mut response.additionals);
                records.for_each(|record| record.ttl = *ttl_s);
            }
            Self::View(addresses) => show(zone, response, addresses),
            Self::Truncate | Self::Malformed | Self::Drop | Self::Delay(_) | Self::WrongIdFirst => {
            }
        }
    }

    /// Damage the encoded answer, where this fault is of that kind.
    pub(super) fn spoil(&self, bytes: &mut Vec<u8>) {
        if *self == Self::Malformed {
            // Within the question at the earliest, so that the id still matches.
            bytes.truncate((bytes.len() / 2).max(HEADER_BYTES));
        }
    }

    /// What is sent before the answer.
    pub(super) fn before(&self, transport: Transport, answer: &[u8]) -> Option<Vec<u8>> {
        if *self != Self::WrongIdFirst || transport != Transport::Udp {
            return None;
        }
        let mut stray = answer.to_vec();
        stray.get_mut(..2).unwrap_or_default().iter_mut().for_each(|byte| *byte = !*byte);
        Some(stray)
    }

    /// How long the answer is held back.
    pub(super) const fn delay(&self) -> Duration {
        match self {
            Self::Delay(time) => *time,
            _ => Duration::ZERO,
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

/// SRV records with another target, and with priority, weight and port 0 where `port` says so.
fn lead_to(response: &mut Message, target: &Name, port: Option<u16>) {
    for record in &mut response.answers {
        if let RData::SRV(srv) = &record.data {
            let (priority, weight) = port.map_or((srv.priority, srv.weight), |_| (0, 0));
            let port = port.unwrap_or(srv.port);
            record.data = RData::SRV(SRV::new(priority, weight, port, target.clone()));
        }
    }
    let mut kept: Vec<Record> = Vec::new();
    for record in response.answers.drain(..) {
        if !kept.contains(&record) {
            kept.push(record);
        }
    }
    response.answers = kept;
    response.additionals.clear();
}

/// Replaces the addresses of every name that has any.
fn show(zone: &Zone, response: &mut Message, addresses: &[IpAddr]) {
    let asked = response.queries.first().map(|question| question.query_type);
    let is_wanted =
        |rdata: &RData| asked == Some(RecordType::ANY) || asked == Some(rdata.record_type());
    if let Some(owner) = response.queries.first().map(|question| question.name.clone())
        && zone.addresses(&owner).next().is_some()
    {
        let is_address = |record: &Record| matches!(record.data, RData::A(_) | RData::AAAA(_));
        response.answers.retain(|record| !is_address(record));
        let view = addresses.iter().map(|address| address_rdata(*address)).filter(is_wanted);
        response.answers.extend(view.map(|rdata| zone.record(owner.clone(), rdata)));
        response.authorities.clear();
        if response.answers.is_empty() {
            response.authorities.push(zone.negative_soa());
        }
    }
    let mut names: Vec<Name> = response.additionals.drain(..).map(|record| record.name).collect();
    names.dedup();
    for name in names {
        let view = addresses.iter().map(|address| address_rdata(*address));
        response.additionals.extend(view.map(|rdata| zone.record(name.clone(), rdata)));
    }
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
