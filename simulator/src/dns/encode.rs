//! Fitting an answer into what its client can take (RFC 2181 section 9).

use hickory_proto::ProtoError;
use hickory_proto::op::{Header, HeaderCounts, Message, emit_message_parts};
use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};

/// Encode `response` in at most `limit` bytes, which are 512 or more. Addresses that were only
/// added for convenience give way first, by whole record sets and silently. When the answer itself
/// is too long, the records that fit go out with TC set. Also returns what was sent.
///
/// # Errors
///
/// [`ProtoError`] when a record cannot be encoded at all.
pub(super) fn within(mut response: Message, limit: u16) -> Result<(Vec<u8>, Message), ProtoError> {
    let bytes = response.to_vec()?;
    if bytes.len() <= usize::from(limit) {
        return Ok((bytes, response));
    }
    let counts = counts_within(&response, limit)?;
    let (answers, authorities) = (usize::from(counts.answers), usize::from(counts.authorities));
    if answers < response.answers.len() || authorities < response.authorities.len() {
        response.metadata.truncation = true;
        response.answers.truncate(answers);
        response.authorities.clear();
        response.additionals.clear();
    } else {
        cut_between_sets(&mut response.additionals, usize::from(counts.additionals));
    }
    Ok((response.to_vec()?, response))
}

/// Most bytes of an answer over UDP, whatever the client offers: what passes any path without
/// fragments (DNS flag day 2020; also the default of BIND and Knot).
pub const MAX_UDP_BYTES: u16 = 1_232;
/// Bytes that any client takes over UDP (RFC 1035 section 2.3.4).
pub const MIN_UDP_BYTES: u16 = 512;

/// How many records of each section fit when the OPT record has its room kept.
fn counts_within(response: &Message, limit: u16) -> Result<HeaderCounts, ProtoError> {
    let mut bytes = Vec::new();
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_max_size(limit.saturating_sub(opt_len(response)?));
    let Header { counts, .. } = emit_message_parts(
        &response.metadata,
        &mut response.queries.iter(),
        &mut response.answers.iter(),
        &mut response.authorities.iter(),
        &mut response.additionals.iter(),
        None,
        None,
        &mut encoder,
    )?;
    Ok(counts)
}

fn opt_len(response: &Message) -> Result<u16, ProtoError> {
    let mut bytes = Vec::new();
    if let Some(edns) = &response.edns {
        edns.emit(&mut BinEncoder::new(&mut bytes))?;
    }
    Ok(u16::try_from(bytes.len()).unwrap_or(u16::MAX))
}

/// Keep the first `count` records, less the set that this would cut in two: half of a host's
/// addresses would pass for all of them.
fn cut_between_sets(records: &mut Vec<Record>, count: usize) {
    let key = |record: &Record| (record.name.clone(), record.record_type());
    let cut = records.get(count).map(key);
    records.truncate(count);
    while records.last().map(key) == cut && cut.is_some() {
        records.pop();
    }
}
