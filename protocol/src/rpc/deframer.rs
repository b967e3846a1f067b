//! Cuts a byte stream into PDUs by their `frag_length`.

use super::header::{Header, PduType};
use crate::limits::{BIND_MAX, FRAGMENT_MAX};
use crate::wire::Malformed;

/// What the start of a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Not a whole PDU yet: so many bytes are wanted in all, as far as is known.
    Incomplete {
        /// Bytes that the PDU has in all; 16 while its header is not complete.
        wanted: usize,
    },
    /// A whole PDU; the stream goes on after it.
    Whole {
        /// Its header.
        header: Header,
        /// The PDU, header included.
        pdu: &'a [u8],
    },
    /// A PDU that claims more than its type may have. Its header is all there is to answer.
    TooLong {
        /// Its header.
        header: Header,
        /// Bytes that its type may have.
        limit: usize,
    },
}

/// The PDU at the start of `stream`. Only as much as `frag_length` says is ever wanted, and never
/// more than the type of the PDU may have.
///
/// # Errors
/// [`Malformed`] when `frag_length` is below 16: nothing after it can be trusted.
pub fn next_frame(stream: &[u8]) -> Result<Frame<'_>, Malformed> {
    if stream.len() < Header::LEN {
        return Ok(Frame::Incomplete { wanted: Header::LEN });
    }
    let header = Header::decode(stream)?;
    let limit = length_limit(header.ptype);
    let wanted = usize::from(header.frag_length);
    if wanted > limit {
        return Ok(Frame::TooLong { header, limit });
    }
    Ok(match stream.get(..wanted) {
        Some(pdu) => Frame::Whole { header, pdu },
        None => Frame::Incomplete { wanted },
    })
}

/// Binds and their answers are not fragmented, so that one PDU must hold all of them.
const fn length_limit(ptype: PduType) -> usize {
    match ptype {
        PduType::BIND
        | PduType::ALTER_CONTEXT
        | PduType::BIND_ACK
        | PduType::BIND_NAK
        | PduType::ALTER_CONTEXT_RESP => BIND_MAX,
        _ => FRAGMENT_MAX,
    }
}
