//! A query as it arrives: what can be answered, what is refused outright, what gets no answer.

use hickory_proto::op::{
    Edns, Header, Message, MessageType, Metadata, OpCode, Query, ResponseCode,
};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::answer::Silence;

/// A message that deserves an answer.
#[derive(Debug)]
pub(super) struct Request {
    /// Id and flags, to be echoed.
    pub(super) metadata: Metadata,
    /// The one question, to be echoed; absent where it could not be read.
    pub(super) question: Option<Query>,
    /// The client's EDNS, where it sent any (RFC 6891).
    pub(super) edns: Option<Edns>,
    /// The code to answer with, whatever the zone holds.
    pub(super) refusal: Option<ResponseCode>,
}

impl Request {
    /// Read a message.
    ///
    /// # Errors
    ///
    /// [`Silence`] for what no server may answer: no whole header, or itself an answer.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Silence> {
        let header =
            Header::read(&mut BinDecoder::new(bytes)).map_err(|_| Silence::HeaderTooShort)?;
        if header.message_type == MessageType::Response {
            return Err(Silence::NotAQuery);
        }
        // The counts come from the peer: more than one question is refused before any is read.
        let readable = header.counts.queries <= 1;
        let message = readable.then(|| Message::from_vec(bytes).ok()).flatten();
        let (question, edns) = match message {
            Some(mut message) => (message.queries.pop(), message.edns),
            None => (None, None),
        };
        let refusal = if header.op_code != OpCode::Query {
            Some(ResponseCode::NotImp)
        } else if question.is_none() {
            Some(ResponseCode::FormErr)
        } else if edns.as_ref().is_some_and(|edns| edns.version() > EDNS_VERSION) {
            Some(ResponseCode::BADVERS)
        } else {
            None
        };
        // What another operation puts in the first section is no question (RFC 2136).
        let question = question.filter(|_| header.op_code == OpCode::Query);
        Ok(Self { metadata: header.metadata, question, edns, refusal })
    }
}

/// The only version of EDNS there is.
const EDNS_VERSION: u8 = 0;
