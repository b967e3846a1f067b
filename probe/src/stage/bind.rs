//! RPC bind: the offer that Windows clients make, and what the peer says to it.

use std::net::TcpStream;
use std::time::Duration;

use kms_protocol::client::Event;
use kms_protocol::kms::mark::is_marked;
use kms_protocol::rpc::{
    BindAck, BindNak, BindTimeFeatures, ContextElement, ContextReason, ContextResult, PfcFlags,
    SyntaxId,
};
use kms_protocol::wire::Misuse;
use serde::Serialize;

use super::channel::{Broken, Channel};
use super::deadline::Deadline;
use crate::dns::name::escape_text;

/// What a bind saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BindFacts {
    /// How the peer answered; `None` when it gave no answer.
    pub answer: Option<BindAnswer>,
    /// What happened instead of an answer.
    pub broken: Option<Broken>,
    /// Segments that this end sent again; `None` where the system does not tell.
    pub retransmissions: Option<u32>,
    /// How long the stage was allowed to take, in milliseconds.
    pub timeout_ms: u64,
}

/// An answer to the bind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum BindAnswer {
    /// bind_ack.
    BindAck(BindAckFacts),
    /// bind_nak.
    BindNak(BindNakFacts),
}

/// The fields of a bind_ack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BindAckFacts {
    /// Fragment size granted for sending, in bytes.
    pub max_xmit_frag: u16,
    /// Fragment size granted for receiving, in bytes.
    pub max_recv_frag: u16,
    /// Association group, in hexadecimal.
    pub assoc_group_id: String,
    /// Whether the association group carries the mark of kms-sim. One in 4,096 does by chance.
    pub kms_sim_mark: bool,
    /// Secondary address: the port as the server knows it.
    pub secondary_address: String,
    /// Flags of the PDU.
    pub flags: u8,
    /// One result for each context offered.
    pub contexts: Vec<ContextFacts>,
}

/// What became of one offered context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContextFacts {
    /// Context id.
    pub id: u16,
    /// What was offered: `NDR32`, `NDR64` or `bind-time features`.
    pub offered: &'static str,
    /// The result's number.
    pub result: u16,
    /// Its name.
    pub result_name: String,
    /// The reason's number; for bind-time features the granted bits.
    pub reason: u16,
    /// Its name, where it is a reason.
    pub reason_name: Option<String>,
}

/// The fields of a bind_nak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BindNakFacts {
    /// The reason's number.
    pub reason: u16,
    /// Its name.
    pub reason_name: String,
    /// Protocol versions that the server supports.
    pub versions: Vec<String>,
}

/// Binds over `stream` within `timeout`. Returns the facts, how long it took, and the channel when
/// a context for calls was accepted.
///
/// # Errors
/// [`Misuse`] would be a defect of this program.
pub fn bind(
    stream: TcpStream,
    timeout: Duration,
) -> Result<(BindFacts, Duration, Option<Channel>), Misuse> {
    let mut channel = Channel::new(stream);
    let deadline = Deadline::after(timeout);
    let features = BindTimeFeatures(FEATURES_WANTED);
    let syntaxes =
        [SyntaxId::NDR32, SyntaxId::NDR64, SyntaxId::bind_time_features(features)].map(|s| [s]);
    let [ndr32, ndr64, features] = &syntaxes;
    let offers = [
        ContextElement::new(NDR32_CONTEXT, SyntaxId::KMS, ndr32),
        ContextElement::new(NDR64_CONTEXT, SyntaxId::KMS, ndr64),
        ContextElement::new(FEATURES_CONTEXT, SyntaxId::KMS, features),
    ];
    channel.client.bind(PfcFlags::WHOLE, 0, &offers)?;
    let result = channel.wait(&deadline, |event| match event {
        Event::Bound { flags, ack, .. } => Some(BindAnswer::BindAck(ack_facts(flags, &ack))),
        Event::BindRefused { nak, .. } => Some(BindAnswer::BindNak(nak_facts(&nak))),
        _ => None,
    });
    let elapsed = deadline.elapsed();
    let (answer, broken) = match result {
        Ok(answer) => (Some(answer), None),
        Err(broken) => (None, Some(broken)),
    };
    let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    let retransmissions = channel.take_retransmissions();
    let usable = channel.client.accepted_contexts().next().is_some();
    let facts = BindFacts { answer, broken, retransmissions, timeout_ms };
    Ok((facts, elapsed, usable.then_some(channel)))
}

fn ack_facts(flags: PfcFlags, ack: &BindAck<'_>) -> BindAckFacts {
    let contexts = ack.results.iter().zip(0u16..).map(|(result, id)| {
        let is_answer_to_features = result.result == ContextResult::NEGOTIATE_ACK;
        ContextFacts {
            id,
            offered: offered_name(id),
            result: result.result.0,
            result_name: result.result.to_string(),
            reason: result.reason.0,
            reason_name: (!is_answer_to_features).then(|| result.reason.to_string()),
        }
    });
    BindAckFacts {
        max_xmit_frag: ack.max_xmit_frag,
        max_recv_frag: ack.max_recv_frag,
        assoc_group_id: format!("0x{:08X}", ack.assoc_group_id),
        kms_sim_mark: is_marked(ack.assoc_group_id),
        secondary_address: escape_text(
            &String::from_utf8_lossy(ack.sec_addr_text()),
            SECONDARY_ADDRESS_CHARS_MAX,
        ),
        flags: flags.0,
        contexts: contexts.collect(),
    }
}

fn nak_facts(nak: &BindNak<'_>) -> BindNakFacts {
    BindNakFacts {
        reason: nak.reason.0,
        reason_name: nak.reason.to_string(),
        versions: nak.versions.iter().map(|(major, minor)| format!("{major}.{minor}")).collect(),
    }
}

fn offered_name(id: u16) -> &'static str {
    match id {
        NDR32_CONTEXT => "NDR32",
        NDR64_CONTEXT => "NDR64",
        _ => "bind-time features",
    }
}

impl BindAckFacts {
    /// What was accepted for calls: `NDR32`, `NDR64` or both.
    pub fn accepted(&self) -> impl Iterator<Item = &'static str> + '_ {
        let accepted = ContextResult::ACCEPTANCE.0;
        self.contexts.iter().filter(move |c| c.result == accepted).map(|c| c.offered)
    }

    /// Whether the interface itself was refused.
    #[must_use]
    pub fn refuses_interface(&self) -> bool {
        let unknown = ContextReason::ABSTRACT_SYNTAX_NOT_SUPPORTED.0;
        self.accepted().next().is_none()
            && self.contexts.iter().any(|c| c.result != FEATURES_ANSWERED && c.reason == unknown)
    }
}

/// Context ids of the offer, in the order in which Windows clients send them.
pub(super) const NDR32_CONTEXT: u16 = 0;
const NDR64_CONTEXT: u16 = 1;
const FEATURES_CONTEXT: u16 = 2;

/// Both features: security context multiplexing, and keeping the connection on orphan.
const FEATURES_WANTED: u64 = 3;
const FEATURES_ANSWERED: u16 = 3;

const SECONDARY_ADDRESS_CHARS_MAX: usize = 80;
