//! A full-size, lab-keyed KMS exchange, made as a Windows client makes it: where the server
//! preferred NDR64, the client first asks for NDR32 by alter_context and makes its call there.

use std::time::Duration;

use kms_protocol::client::Event;
use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::crypto::LabKeys;
use kms_protocol::kms::envelope::{self, OpenResponse, ResponseError};
use kms_protocol::kms::product::Product;
use kms_protocol::kms::{Hresult, LicenseStatus, MachineName, Request, Version};
use kms_protocol::ndr::{self, Ndr};
use kms_protocol::rpc::{ContextElement, PfcFlags, SyntaxId};
use kms_protocol::wire::{ByteOrder, Misuse};
use serde::Serialize;

use super::bind::NDR32_CONTEXT;
use super::call::FaultFacts;
use super::channel::{Broken, Channel};
use super::deadline::Deadline;
use crate::dns::name::escape_text;

/// Who asks, and for what.
#[derive(Clone)]
pub struct KmsQuestion {
    /// The lab's keys.
    pub keys: LabKeys,
    /// Protocol version.
    pub version: Version,
    /// The product that wants to be activated.
    pub product: &'static Product,
    /// Client machine id.
    pub cmid: Guid,
    /// The client's clock.
    pub client_time: FileTime,
    /// Random bytes, fresh for each exchange.
    pub iv: [u8; 16],
}

/// What a KMS exchange saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KmsFacts {
    /// Protocol version asked with.
    pub version: String,
    /// Product asked for.
    pub product: &'static str,
    /// Count that this product needs.
    pub threshold: u32,
    /// Client machine id.
    pub cmid: String,
    /// Client name.
    pub machine_name: &'static str,
    /// The client's clock as sent, UTC.
    pub client_time: String,
    /// Encoding of the call: `NDR32` or `NDR64`.
    pub transfer_syntax: &'static str,
    /// What became of the wish for NDR32 where the server had preferred NDR64.
    pub alter_context: Option<&'static str>,
    /// Size of the request, in bytes, encoding not included.
    pub request_bytes: usize,
    /// Size of the response payload, in bytes; 0 where there was only an HRESULT.
    pub response_bytes: Option<usize>,
    /// HRESULT of the host.
    pub hresult: Option<String>,
    /// Its symbol, where it is known.
    pub hresult_name: Option<&'static str>,
    /// What the host answered, when the answer verified.
    pub answer: Option<KmsAnswer>,
    /// The check that the answer failed.
    pub failed_check: Option<FailedCheck>,
    /// What is wrong with the encoding of the answer.
    pub malformed: Option<String>,
    /// The RPC fault that answered instead.
    pub fault: Option<FaultFacts>,
    /// What happened instead of an answer.
    pub broken: Option<Broken>,
    /// Segments that this end sent again; `None` where the system does not tell.
    pub retransmissions: Option<u32>,
    /// How long the stage was allowed to take, in milliseconds.
    pub timeout_ms: u64,
}

/// An answer that verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KmsAnswer {
    /// Clients that the host knows.
    pub count: u32,
    /// Minutes until an unactivated client asks again.
    pub activation_interval_minutes: u32,
    /// Minutes until an activated client renews.
    pub renewal_interval_minutes: u32,
    /// The host's extended product id, escaped.
    pub epid: String,
    /// The host's hardware id in hexadecimal, in version 6.0.
    pub hardware_id: Option<String>,
}

/// A check that an answer failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedCheck {
    /// Its name, such as `hmac`.
    pub check: &'static str,
    /// In words.
    pub detail: String,
}

/// What answered a call.
enum Reply {
    Response { stub: Vec<u8>, order: ByteOrder },
    Fault(FaultFacts),
}

/// Asks `question` over `channel` within `timeout`.
///
/// # Errors
/// [`Misuse`] would be a defect of this program.
pub fn exchange(
    channel: &mut Channel,
    question: &KmsQuestion,
    timeout: Duration,
) -> Result<(KmsFacts, Duration), Misuse> {
    let deadline = Deadline::after(timeout);
    let request = request_of(question)?;
    let mut facts = facts_of(question, timeout);
    let reply = ask(channel, question, &request, &deadline, &mut facts)?;
    let elapsed = deadline.elapsed();
    facts.retransmissions = channel.take_retransmissions();
    match reply {
        Ok(Reply::Response { stub, order }) => {
            let ndr = if facts.transfer_syntax == NDR64 { Ndr::Ndr64 } else { Ndr::Ndr32 };
            read_response(&stub, ndr, order, question, &request, &mut facts);
        }
        Ok(Reply::Fault(fault)) => facts.fault = Some(fault),
        Err(broken) => facts.broken = Some(broken),
    }
    Ok((facts, elapsed))
}

fn request_of(question: &KmsQuestion) -> Result<Request, Misuse> {
    Ok(Request {
        version: question.version,
        vm_info: 0,
        license_status: LicenseStatus::OOB_GRACE,
        binding_expiration_minutes: BINDING_EXPIRATION_MINUTES,
        app_id: question.product.app_id,
        sku_id: question.product.sku_id,
        kms_id: question.product.kms_id,
        cmid: question.cmid,
        n_policy: question.product.n_policy,
        client_time: question.client_time,
        cmid_previous: Guid::ZERO,
        machine_name: MachineName::new(MACHINE_NAME)?,
    })
}

fn facts_of(question: &KmsQuestion, timeout: Duration) -> KmsFacts {
    KmsFacts {
        version: question.version.to_string(),
        product: question.product.name,
        threshold: question.product.n_policy,
        cmid: question.cmid.to_string(),
        machine_name: MACHINE_NAME,
        client_time: question.client_time.to_string(),
        transfer_syntax: NDR32,
        alter_context: None,
        request_bytes: envelope::request_len(question.version),
        response_bytes: None,
        hresult: None,
        hresult_name: None,
        answer: None,
        failed_check: None,
        malformed: None,
        fault: None,
        broken: None,
        retransmissions: None,
        timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
    }
}

fn ask(
    channel: &mut Channel,
    question: &KmsQuestion,
    request: &Request,
    deadline: &Deadline,
    facts: &mut KmsFacts,
) -> Result<Result<Reply, Broken>, Misuse> {
    if let Err(broken) = ensure_ndr32(channel, deadline, facts)? {
        return Ok(Err(broken));
    }
    let context = channel.client.accepted_contexts().find(|(id, _)| *id == NDR32_CONTEXT);
    let context = context.or_else(|| channel.client.accepted_contexts().next());
    let (context_id, ndr) = match context {
        Some((id, SyntaxId::NDR64)) => (id, Ndr::Ndr64),
        Some((id, _)) => (id, Ndr::Ndr32),
        None => (NDR32_CONTEXT, Ndr::Ndr32),
    };
    facts.transfer_syntax = if ndr == Ndr::Ndr64 { NDR64 } else { NDR32 };
    let mut payload = [0; REQUEST_BYTES_MAX];
    let len = envelope::seal_request(&question.keys, request, &question.iv, &mut payload)?;
    let payload = payload.get(..len).unwrap_or(&[]);
    let mut stub = [0; STUB_BYTES_MAX];
    let len = ndr::encode_request(payload, ndr, ByteOrder::Little, &mut stub)?;
    let stub = stub.get(..len).unwrap_or(&[]);
    channel.client.call(context_id, ndr::REQUEST_ACTIVATION, stub)?;
    Ok(channel.wait(deadline, |event| match event {
        Event::Response { stub, byte_order, .. } => {
            Some(Reply::Response { stub: stub.to_vec(), order: byte_order })
        }
        Event::Fault { status, flags, .. } => Some(Reply::Fault(FaultFacts::new(status, flags))),
        _ => None,
    }))
}

/// A server that is asked for NDR32 alone grants it although it preferred NDR64 before.
fn ensure_ndr32(
    channel: &mut Channel,
    deadline: &Deadline,
    facts: &mut KmsFacts,
) -> Result<Result<(), Broken>, Misuse> {
    if channel.client.transfer_syntax(NDR32_CONTEXT).is_some() {
        return Ok(Ok(()));
    }
    let ndr32 = [SyntaxId::NDR32];
    let offer = [ContextElement::new(NDR32_CONTEXT, SyntaxId::KMS, &ndr32)];
    channel.client.alter_context(PfcFlags::WHOLE, &offer)?;
    let answered = channel.wait(deadline, |event| {
        matches!(event, Event::Altered { .. } | Event::Fault { .. }).then_some(())
    });
    let granted = channel.client.transfer_syntax(NDR32_CONTEXT).is_some();
    facts.alter_context = match answered {
        Ok(()) if granted => Some("accepted"),
        Ok(()) => Some("refused"),
        Err(_) => Some("not answered"),
    };
    Ok(answered)
}

fn read_response(
    stub: &[u8],
    ndr: Ndr,
    order: ByteOrder,
    question: &KmsQuestion,
    request: &Request,
    facts: &mut KmsFacts,
) {
    let response = match ndr::decode_response(stub, ndr, order) {
        Ok(response) => response,
        Err(malformed) => {
            facts.malformed = Some(malformed.to_string());
            return;
        }
    };
    let hresult = Hresult(response.hresult);
    facts.hresult = Some(hresult.to_string());
    facts.hresult_name = hresult.name();
    facts.response_bytes = Some(response.payload.map_or(0, <[u8]>::len));
    if hresult != Hresult::OK {
        return;
    }
    let Some(payload) = response.payload else {
        facts.malformed = Some("success without a response".to_owned());
        return;
    };
    match envelope::open_response(&question.keys, payload, request, &question.iv) {
        Ok(open) => facts.answer = Some(KmsAnswer::of(&open)),
        Err(error) => facts.failed_check = Some(FailedCheck::of(&error)),
    }
}

impl KmsAnswer {
    fn of(open: &OpenResponse) -> Self {
        let epid: String = open.epid.chars().collect();
        Self {
            count: open.response.count,
            activation_interval_minutes: open.response.activation_interval_minutes,
            renewal_interval_minutes: open.response.renewal_interval_minutes,
            epid: escape_text(&epid, EPID_CHARS_MAX),
            hardware_id: open.hardware_id.map(|id| super::channel::hex(&id)),
        }
    }
}

impl FailedCheck {
    fn of(error: &ResponseError) -> Self {
        Self { check: error.check(), detail: error.to_string() }
    }
}

/// Whom the host's log names.
pub const MACHINE_NAME: &str = "KMS-PROBE";

const NDR32: &str = "NDR32";
const NDR64: &str = "NDR64";

/// What a fresh installation with a 30-day grace would say.
const BINDING_EXPIRATION_MINUTES: u32 = 43_200;

const REQUEST_BYTES_MAX: usize = 260;
const STUB_BYTES_MAX: usize = REQUEST_BYTES_MAX + 16;
const EPID_CHARS_MAX: usize = 64;
