//! An update carried out: find the zone, see who else is there, send, verify, read back.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::SRV;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use thiserror::Error;

use super::bounds;
use super::key::TsigKey;
use super::records::{Change, Publication};
use super::refusal::{Refusal, TsigProblem};
use super::transport::{TransportError, exchange};

/// Whom to send the update to, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The zone's primary server.
    pub server: SocketAddr,
    /// Signs the update.
    pub key: Option<TsigKey>,
    /// Whether a zone outside [`bounds::LAB_SUFFIXES`] may be changed.
    pub owns_zone: bool,
    /// Time for each exchange with the server.
    pub timeout: Duration,
    /// Everything but the update itself.
    pub dry_run: bool,
}

/// What was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The zone that holds the service's name.
    pub zone: Name,
    /// The records that were added or removed.
    pub records: Vec<Record>,
    /// SRV records of other hosts at the same name, which were left as they are.
    pub others: Vec<SRV>,
    /// Whether the TTL was taken from records that were there: an RRset has one (RFC 2181
    /// section 5.2), and another would have changed theirs.
    pub adopted_ttl: bool,
    /// Whether addresses were left out, since the host's name lies in another zone.
    pub addresses_left_out: bool,
}

/// Publishes or withdraws.
///
/// `ids` gives a new message id at each call; they should not be guessable.
///
/// # Errors
///
/// [`PublishError`]; nothing was changed unless it is [`PublishError::NotSeen`].
pub fn apply(
    publication: &Publication,
    change: Change,
    options: &Options,
    ids: &mut dyn FnMut() -> u16,
) -> Result<Applied, PublishError> {
    let ask = |name: &Name, kind, id| query(options, name, kind, id);
    let zone = find_zone(&ask(&publication.service, RecordType::SOA, ids())?, publication)?;
    if !options.owns_zone && !bounds::is_lab_zone(&zone) {
        return Err(PublishError::NotALabZone { zone });
    }
    let present = ask(&publication.service, RecordType::SRV, ids())?.answers;
    let others = services(&present).filter(|srv| *srv != publication.srv()).collect::<Vec<_>>();
    let mut publication = publication.clone();
    // Only others' records bind us: our own may get a new TTL.
    let ttl_s = present.first().filter(|_| !others.is_empty()).map(|record| record.ttl);
    let adopted_ttl = ttl_s.is_some_and(|ttl_s| ttl_s != publication.ttl_s);
    publication.ttl_s = ttl_s.unwrap_or(publication.ttl_s);
    let records = publication.records(&zone);
    if !options.dry_run {
        send(options, publication.update(&zone, change, ids()))?;
        read_back(&records, change, &mut |record| ask(&record.name, record.record_type(), ids()))?;
    }
    let addresses_left_out = records.len() <= publication.addresses.len();
    Ok(Applied { zone, records, others, adopted_ttl, addresses_left_out })
}

fn send(options: &Options, mut update: Message) -> Result<(), PublishError> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let mut verifier = match &options.key {
        Some(key) => update.finalize(key.signer(), now_s).map_err(PublishError::encode)?,
        None => None,
    };
    let bytes = update.to_vec().map_err(PublishError::encode)?;
    let answer = exchange(options.server, &bytes, options.timeout)?;
    let message = decode(&answer, update.id, OpCode::Update)?;
    if message.response_code != ResponseCode::NoError {
        let tsig = message.signature().and_then(|record| record.data.error.as_ref());
        return Err(PublishError::Refused(Refusal {
            code: message.response_code,
            tsig: tsig.map(TsigProblem::from),
            signed: options.key.is_some(),
        }));
    }
    if let Some(verifier) = &mut verifier {
        verifier.verify(&answer).map_err(|_| PublishError::Unauthentic)?;
    }
    Ok(())
}

/// Asks the server again: one that says yes and does nothing is found out.
fn read_back(
    records: &[Record],
    change: Change,
    ask: &mut dyn FnMut(&Record) -> Result<Message, PublishError>,
) -> Result<(), PublishError> {
    for record in records {
        let answer = ask(record)?;
        let is_there = answer.answers.iter().any(|seen| seen.data == record.data);
        if is_there != (change == Change::Publish) {
            return Err(PublishError::NotSeen { record: Box::new(record.clone()), change });
        }
    }
    Ok(())
}

fn query(
    options: &Options,
    name: &Name,
    kind: RecordType,
    id: u16,
) -> Result<Message, PublishError> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(name.clone(), kind));
    let bytes = message.to_vec().map_err(PublishError::encode)?;
    let answer = exchange(options.server, &bytes, options.timeout)?;
    let message = decode(&answer, id, OpCode::Query)?;
    match message.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => Ok(message),
        code => Err(PublishError::Query { name: name.clone(), kind, code }),
    }
}

fn decode(bytes: &[u8], id: u16, op_code: OpCode) -> Result<Message, PublishError> {
    let message = Message::from_vec(bytes).map_err(|_| PublishError::Malformed)?;
    let fits = message.id == id
        && message.message_type == MessageType::Response
        && message.op_code == op_code;
    if fits { Ok(message) } else { Err(PublishError::Malformed) }
}

/// The zone is the owner of the SOA record in the answer, or beside an empty one (RFC 2308).
fn find_zone(answer: &Message, publication: &Publication) -> Result<Name, PublishError> {
    let soa = answer.answers.iter().chain(&answer.authorities);
    let zone = soa
        .filter(|record| record.record_type() == RecordType::SOA)
        .map(|record| record.name.clone())
        .find(|zone| zone.zone_of(&publication.service));
    match zone {
        Some(zone) if answer.authoritative => Ok(zone),
        _ => Err(PublishError::NotAuthoritative { name: publication.service.clone() }),
    }
}

fn services(records: &[Record]) -> impl Iterator<Item = SRV> {
    records.iter().filter_map(|record| match &record.data {
        RData::SRV(srv) => Some(srv.clone()),
        _ => None,
    })
}

/// Why records were not published or withdrawn.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The server cannot be talked to.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Not a DNS answer to the question.
    #[error("the server's answer is not an answer to what was asked")]
    Malformed,
    /// The server holds no zone for the name.
    #[error("the server is not authoritative for `{name}`: name the primary server of its zone")]
    NotAuthoritative {
        /// What was asked for.
        name: Name,
    },
    /// A query before or after the update failed.
    #[error("the server answers {code} to a query for {kind} of `{name}`")]
    Query {
        /// What was asked for.
        name: Name,
        /// Of which type.
        kind: RecordType,
        /// The answer.
        code: ResponseCode,
    },
    /// A zone that may be somebody's real one.
    #[error(
        "zone `{zone}` is not a lab's: real clients would find this host there, and it cannot \
         activate them; --i-own-this-zone says that you want that (no question is asked below \
         .test, .example, .invalid, .localhost, .home.arpa and .internal)"
    )]
    NotALabZone {
        /// The zone.
        zone: Name,
    },
    /// The server refuses.
    #[error("the server refuses the update: {0}")]
    Refused(Refusal),
    /// The server says yes, and its signature is wrong.
    #[error(
        "the answer to the signed update is not signed with the same key: whether the server made \
         the change is not known"
    )]
    Unauthentic,
    /// The server says yes, and a query shows otherwise.
    #[error("the server took the update, but {} `{record}`", match change {
        Change::Publish => "does not show",
        Change::Withdraw => "still shows",
    })]
    NotSeen {
        /// The record.
        record: Box<Record>,
        /// What was asked for.
        change: Change,
    },
    /// The message cannot be built.
    #[error("cannot encode the message: {0}")]
    Encode(String),
}

impl PublishError {
    fn encode(error: impl ToString) -> Self {
        Self::Encode(error.to_string())
    }
}
