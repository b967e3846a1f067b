//! What a connection said: RPC and KMS, as far as they are in the clear.

use kms_protocol::kms::{Request, Version};
use kms_protocol::ndr::{Ndr, decode_request, decode_response};
use kms_protocol::rpc::{Body, Frame, Header, Packet, PfcFlags, SyntaxId, next_frame};
use kms_protocol::wire::ByteOrder;

use super::super::super::record::{Conversation, Event, HOST_PROCESSED, Reached, Unit};
use super::super::super::records::Sink;
use super::moment;
use super::stream::Stream;

/// Turns a connection into a conversation, and its requests that can be read into events.
pub(super) fn conclude(stream: Stream, sink: &mut Sink<'_>) {
    let mut conversation = Conversation {
        place: sink.place(Unit::Packet, stream.first_packet),
        time: moment(stream.first_micros),
        client: stream.client,
        server: stream.server,
        end: stream.end,
        reached: if stream.is_connected { Reached::Connected } else { Reached::Nothing },
        syns: stream.syns,
        connect_us: stream.connect_us,
        versions: Vec::new(),
        requests: 0,
        answers: 0,
        code: None,
        detail: String::new(),
    };
    let mut requests = Vec::new();
    let contexts = sent(&stream.sent.bytes, &mut conversation, &mut requests);
    received(&stream.received.bytes, &contexts, &mut conversation, &mut requests);
    // Somebody else's connection that happens to use the port of a KMS host.
    if conversation.reached == Reached::Connected && !stream.sent.bytes.is_empty() {
        conversation.detail = "what the client sent is no RPC".to_owned();
    }
    for call in requests {
        let Some(request) = call.request else { continue };
        let place = conversation.place;
        let mut event = Event::new(HOST_PROCESSED, place);
        event.time = conversation.time;
        event.hresult = call.hresult;
        event.count = call.count;
        event.set_request(&request, sink.names());
        event.address = sink.names().name(&stream.client.ip().to_string());
        event.host = sink.names().name(&stream.server.to_string());
        sink.event(event);
    }
    sink.conversation(conversation);
}

/// One call.
struct Call {
    id: u32,
    /// Whether it asks for an activation, or only whether somebody answers.
    is_activation: bool,
    /// The request, where it is in the clear.
    request: Option<Request>,
    hresult: Option<u32>,
    count: Option<u32>,
}

/// Contexts of NDR64; every other is NDR32.
type Contexts = Vec<u16>;

fn sent(bytes: &[u8], conversation: &mut Conversation, calls: &mut Vec<Call>) -> Contexts {
    let mut ndr64 = Contexts::new();
    let mut stub: Vec<u8> = Vec::new();
    for (header, packet) in packets(bytes) {
        match packet.body {
            Body::Bind(bind) | Body::AlterContext(bind) => {
                conversation.reached = conversation.reached.max(Reached::BindSent);
                let is_64 = |syntaxes: kms_protocol::rpc::SyntaxList<'_>| {
                    syntaxes.iter().any(|syntax| syntax == SyntaxId::NDR64)
                };
                let offered = bind.contexts.iter();
                ndr64.extend(
                    offered
                        .filter(|context| is_64(context.transfer_syntaxes))
                        .map(|context| context.id),
                );
            }
            Body::Request(request) => {
                conversation.reached = Reached::RequestSent;
                if header.flags.contains(PfcFlags::FIRST_FRAG) {
                    stub.clear();
                }
                stub.extend_from_slice(request.stub);
                if !header.flags.contains(PfcFlags::LAST_FRAG) {
                    continue;
                }
                conversation.requests += 1;
                let ndr = ndr_of(request.context_id, &ndr64);
                let payload = decode_request(&stub, ndr, header.drep.byte_order()).ok();
                let is_call = request.opnum == kms_protocol::ndr::REQUEST_ACTIVATION;
                let payload = payload.filter(|_| is_call);
                let version = payload.and_then(version_of);
                let shown = match version {
                    Some(version) => version.to_string(),
                    None if is_call => "unknown".to_owned(),
                    None => format!("none (operation {})", request.opnum),
                };
                if conversation.versions.len() < VERSIONS_MAX {
                    conversation.versions.push(shown);
                }
                // Version 4 is in the clear: a base and its check value. 5 and 6 stay closed.
                let base = payload.filter(|_| version == Some(Version::V4));
                let base = base.and_then(|payload| payload.get(..BASE_LEN));
                let request = base.and_then(|base| Request::decode(base).ok());
                if calls.len() < CALLS_MAX {
                    calls.push(Call {
                        id: header.call_id,
                        is_activation: is_call,
                        request,
                        hresult: None,
                        count: None,
                    });
                }
            }
            _ => {}
        }
    }
    ndr64
}

fn received(bytes: &[u8], ndr64: &Contexts, conversation: &mut Conversation, calls: &mut [Call]) {
    for (header, packet) in packets(bytes) {
        match packet.body {
            Body::BindAck(ack) | Body::AlterContextResp(ack) => {
                let is_accepted = ack.results.iter().any(|result| result.result.0 == 0);
                if is_accepted {
                    conversation.reached = conversation.reached.max(Reached::Bound);
                } else {
                    conversation.code = Some(0);
                    conversation.detail = "the bind was refused: no such interface".to_owned();
                }
            }
            Body::BindNak(nak) => {
                conversation.code = Some(u32::from(nak.reason.0));
                conversation.detail = format!("bind_nak, reason {}", nak.reason.0);
            }
            Body::Fault(fault) => {
                conversation.reached = Reached::Answered;
                conversation.answers += 1;
                // An operation that no KMS host has is asked for to be refused.
                let call = calls.iter().find(|call| call.id == header.call_id);
                if call.is_some_and(|call| !call.is_activation) {
                    continue;
                }
                let name = fault.status.name().unwrap_or("unknown");
                conversation.detail = format!("fault {name} (0x{:08X})", fault.status.0);
                conversation.code.get_or_insert(fault.status.0);
            }
            Body::Response(response) => {
                conversation.reached = Reached::Answered;
                conversation.answers += 1;
                let ndr = ndr_of(response.context_id, ndr64);
                let order = header.drep.byte_order();
                let Ok(stub) = decode_response(response.stub, ndr, order) else { continue };
                if stub.hresult != 0 {
                    conversation.code.get_or_insert(stub.hresult);
                    conversation.detail = super::super::super::findings::explained(stub.hresult);
                }
                let call = calls.iter_mut().find(|call| call.id == header.call_id);
                if let Some(call) = call {
                    call.hresult = Some(stub.hresult);
                    call.count = stub.payload.and_then(count_of);
                }
            }
            _ => {}
        }
    }
}

/// The whole PDUs at the start of a stream.
fn packets(mut stream: &[u8]) -> impl Iterator<Item = (Header, Packet<'_>)> {
    std::iter::from_fn(move || {
        let Ok(Frame::Whole { header, pdu }) = next_frame(stream) else { return None };
        stream = stream.get(pdu.len()..)?;
        Some((header, Packet::decode(pdu).ok()?))
    })
}

fn ndr_of(context: u16, ndr64: &Contexts) -> Ndr {
    if ndr64.contains(&context) { Ndr::Ndr64 } else { Ndr::Ndr32 }
}

fn version_of(payload: &[u8]) -> Option<Version> {
    Version::from_wire(u32::from_le_bytes(*payload.first_chunk()?))
}

/// The count in an answer of version 4: version, ePID with its length, CMID, client time, count.
fn count_of(payload: &[u8]) -> Option<u32> {
    if version_of(payload)? != Version::V4 {
        return None;
    }
    let mut reader = kms_protocol::wire::Reader::new(payload, ByteOrder::Little);
    reader.u32("version").ok()?;
    let epid = reader.u32("ePID length").ok()?;
    reader.take("ePID", usize::try_from(epid).ok()?).ok()?;
    reader.guid("CMID").ok()?;
    reader.u64("client time").ok()?;
    reader.u32("count").ok()
}

/// Bytes of a request without its check value.
const BASE_LEN: usize = 236;
const VERSIONS_MAX: usize = 16;
const CALLS_MAX: usize = 256;
