//! The conversations, each on a connection of its own and one after the other, so that association
//! groups that count up can be seen to.

use std::net::TcpStream;

use kms_protocol::guid::Guid;
use kms_protocol::kms::mark::is_marked;
use kms_protocol::rpc::{
    Bind, BindAck, BindTimeFeatures, Body, ContextElement, ContextList, PfcFlags, Request, Status,
    SyntaxId,
};
use kms_protocol::wire::Misuse;

use super::line::{Heard, Line};
use super::observation::{Observation, Question};
use crate::dns::name::escape_text;
use crate::stage::deadline::Deadline;

/// One conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversation {
    /// As a Windows client begins.
    WindowsOffer,
    /// Flags, sizes and features that nobody asks for.
    OddBind,
    /// An interface that nobody has.
    UnknownInterface,
    /// The largest fragments, and a second bind.
    SecondBind,
    /// One more context.
    AlterContext,
    /// A cancel of nothing.
    Cancel,
    /// A call in fragments.
    Fragments,
}

impl Conversation {
    /// Every conversation, in order.
    pub const ALL: [Self; 7] = [
        Self::WindowsOffer,
        Self::OddBind,
        Self::UnknownInterface,
        Self::SecondBind,
        Self::AlterContext,
        Self::Cancel,
        Self::Fragments,
    ];
}

/// What one conversation gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The answers.
    pub observations: Vec<Observation>,
    /// The association group of the bind_ack, if there was one.
    pub group: Option<u32>,
    /// Whether anything of RPC came back.
    pub spoke_rpc: bool,
    /// What came back to the bind, in full.
    pub first_answer: String,
}

/// Holds a conversation over a fresh connection to `port`.
///
/// # Errors
/// [`Misuse`] would be a defect of this program.
pub fn hold(
    conversation: Conversation,
    stream: TcpStream,
    deadline: Deadline,
    port: u16,
) -> Result<Seen, Misuse> {
    let mut talk = Talk { line: Line::new(stream, deadline), seen: Seen::default() };
    match conversation {
        Conversation::WindowsOffer => talk.windows_offer(port)?,
        Conversation::OddBind => talk.odd_bind()?,
        Conversation::UnknownInterface => talk.unknown_interface()?,
        Conversation::SecondBind => talk.second_bind()?,
        Conversation::AlterContext => talk.alter_context()?,
        Conversation::Cancel => talk.cancel()?,
        Conversation::Fragments => talk.fragments()?,
    }
    Ok(talk.seen)
}

/// What the association groups of all connections have in common.
#[must_use]
pub fn groups(groups: &[u32]) -> Option<Observation> {
    let first = *groups.first()?;
    let counts_up = groups.windows(2).all(|pair| match pair {
        [a, b] => a.wrapping_add(1) == *b,
        _ => true,
    });
    let value = match groups.len() {
        _ if groups.iter().all(|group| is_marked(*group)) => "marked".to_owned(),
        1 => "only one".to_owned(),
        _ if groups.iter().all(|group| *group == first) => format!("constant 0x{first:08X}"),
        _ if counts_up => "count up by one".to_owned(),
        _ if groups.iter().all(|group| *group < 0x1_0000) => "16 bits".to_owned(),
        _ => "vary".to_owned(),
    };
    let all: Vec<String> = groups.iter().map(|group| format!("0x{group:08X}")).collect();
    Some(Observation { question: Question::Groups, value, received: all.join(", ") })
}

struct Talk {
    line: Line,
    seen: Seen,
}

impl Talk {
    fn windows_offer(&mut self, port: u16) -> Result<(), Misuse> {
        let features = SyntaxId::bind_time_features(BindTimeFeatures(3));
        let offers = [(0, SyntaxId::NDR32), (1, SyntaxId::NDR64), (2, features)];
        let heard = self.bind(PfcFlags::WHOLE, 5840, SyntaxId::KMS, &offers)?;
        let Some(ack) = bind_ack(&heard) else {
            self.note(Question::Contexts, failure(&heard), &heard);
            return Ok(());
        };
        self.note(Question::Contexts, results(&ack), &heard);
        self.note(Question::AckFlags, flags(&heard), &heard);
        let text = String::from_utf8_lossy(ack.sec_addr_text());
        let value = if text == port.to_string() { "the port connected to" } else { "another" };
        self.seen.observations.push(Observation {
            question: Question::SecondaryAddress,
            value: value.to_owned(),
            received: format!("`{}`", escape_text(&text, TEXT_MAX)),
        });
        let accepted = ack.results.iter().zip(0u16..).find(|(result, _)| result.result.0 == 0);
        let Some((_, context_id)) = accepted else { return Ok(()) };
        self.call(PfcFlags::WHOLE, 3, context_id)?;
        let answer = self.line.hear();
        self.note(Question::UnknownOperation, refusal(&answer), &answer);
        Ok(())
    }

    fn odd_bind(&mut self) -> Result<(), Misuse> {
        let features = SyntaxId::bind_time_features(BindTimeFeatures(1));
        let offers = [(0, SyntaxId::NDR32), (1, features)];
        let odd = PfcFlags::WHOLE | PfcFlags::MAYBE;
        let heard = self.bind(odd, 3199, SyntaxId::KMS, &offers)?;
        let Some(ack) = bind_ack(&heard) else {
            self.note(Question::FeatureMask, failure(&heard), &heard);
            return Ok(());
        };
        self.note(Question::MaybeFlag, flags(&heard), &heard);
        self.note(Question::OddFragment, sizes(&ack), &heard);
        let granted = ack.results.iter().nth(1);
        let value = granted.map(|result| format!("({},{})", result.result.0, result.reason.0));
        self.note(Question::FeatureMask, value.unwrap_or_default(), &heard);
        Ok(())
    }

    fn unknown_interface(&mut self) -> Result<(), Misuse> {
        let nobody = SyntaxId::of(NOBODY, 1);
        let heard = self.bind(PfcFlags::WHOLE, 5840, nobody, &[(0, SyntaxId::NDR32)])?;
        let Some(ack) = bind_ack(&heard) else {
            self.note(Question::UnknownInterface, failure(&heard), &heard);
            return Ok(());
        };
        self.note(Question::UnknownInterface, results(&ack), &heard);
        self.call(PfcFlags::WHOLE, 7, 0)?;
        let answer = self.line.hear();
        let mut value = refusal(&answer);
        if let Some(id) = answer.call_id().filter(|id| *id != 7) {
            value = format!("{value}, call id {id}");
        }
        self.note(Question::UnboundCall, value, &answer);
        if let Some(Body::Fault(fault)) = answer.packet().map(|packet| packet.body) {
            self.note(Question::FaultHint, fault.alloc_hint.to_string(), &answer);
        }
        Ok(())
    }

    fn second_bind(&mut self) -> Result<(), Misuse> {
        let offer = [(0, SyntaxId::NDR32)];
        let heard = self.bind(PfcFlags::WHOLE, u16::MAX, SyntaxId::KMS, &offer)?;
        let Some(ack) = bind_ack(&heard) else {
            self.note(Question::LargeFragment, failure(&heard), &heard);
            return Ok(());
        };
        self.note(Question::LargeFragment, sizes(&ack), &heard);
        self.say_bind(PfcFlags::WHOLE, 3, 5840, SyntaxId::KMS, &offer)?;
        let answer = self.line.hear();
        let value = match answer.packet().map(|packet| packet.body) {
            Some(Body::BindAck(_)) => "bind_ack".to_owned(),
            Some(Body::BindNak(nak)) => format!("bind_nak {}", nak.reason.0),
            _ => failure(&answer),
        };
        self.note(Question::SecondBind, value, &answer);
        Ok(())
    }

    fn alter_context(&mut self) -> Result<(), Misuse> {
        if self.bound()? == Bound::No {
            return Ok(());
        }
        let transfer = [SyntaxId::NDR32];
        let contexts = [ContextElement::new(1, SyntaxId::KMS, &transfer)];
        let body = Body::AlterContext(offer(5840, &contexts));
        self.line.say(PfcFlags::WHOLE, 3, body)?;
        let answer = self.line.hear();
        let value = match answer.packet().map(|packet| packet.body) {
            Some(Body::AlterContextResp(ack)) => results(&ack),
            _ => failure(&answer),
        };
        self.note(Question::AlterContext, value, &answer);
        Ok(())
    }

    fn cancel(&mut self) -> Result<(), Misuse> {
        if self.bound()? == Bound::No {
            return Ok(());
        }
        self.line.say(PfcFlags::WHOLE, 5, Body::CoCancel)?;
        self.call(PfcFlags::WHOLE, 6, 0)?;
        let answer = self.line.hear();
        let value = match answer.call_id() {
            Some(6) => "ignored".to_owned(),
            Some(_) => "answered".to_owned(),
            None => failure(&answer),
        };
        self.note(Question::Cancel, value, &answer);
        Ok(())
    }

    /// Without an accepted context the first fragment is refused at once, by every server.
    fn fragments(&mut self) -> Result<(), Misuse> {
        if self.bound()? != Bound::WithContext {
            return Ok(());
        }
        self.call(PfcFlags::FIRST_FRAG, 9, 0)?;
        self.call(PfcFlags::LAST_FRAG, 9, 0)?;
        self.call(PfcFlags::WHOLE, 10, 0)?;
        let (first, second) = (self.line.hear(), self.line.hear());
        let value = match (first.call_id(), second.call_id()) {
            (Some(9), Some(10)) => "one answer each".to_owned(),
            (Some(9), Some(9)) => "answers the first fragment".to_owned(),
            (None, _) => failure(&first),
            (Some(_), None) => format!("one answer, then {}", failure(&second)),
            (Some(_), Some(_)) => "other calls".to_owned(),
        };
        let received = format!("{}; {}", first.words(), second.words());
        let question = Question::Fragments;
        self.seen.observations.push(Observation { question, value, received });
        Ok(())
    }

    /// Binds as simply as possible: what comes after needs it.
    fn bound(&mut self) -> Result<Bound, Misuse> {
        let heard = self.bind(PfcFlags::WHOLE, 5840, SyntaxId::KMS, &[(0, SyntaxId::NDR32)])?;
        Ok(match bind_ack(&heard) {
            Some(ack) if results(&ack) == "(0,0)" => Bound::WithContext,
            Some(_) => Bound::WithoutContext,
            None => Bound::No,
        })
    }

    fn bind(
        &mut self,
        flags: PfcFlags,
        size: u16,
        interface: SyntaxId,
        offers: &[(u16, SyntaxId)],
    ) -> Result<Heard, Misuse> {
        self.say_bind(flags, 2, size, interface, offers)?;
        let heard = self.line.hear();
        self.seen.spoke_rpc = matches!(heard, Heard::Pdu(_));
        self.seen.first_answer = heard.words();
        self.seen.group = bind_ack(&heard).map(|ack| ack.assoc_group_id);
        Ok(heard)
    }

    fn say_bind(
        &mut self,
        flags: PfcFlags,
        call_id: u32,
        size: u16,
        interface: SyntaxId,
        offers: &[(u16, SyntaxId)],
    ) -> Result<(), Misuse> {
        let transfer: Vec<[SyntaxId; 1]> = offers.iter().map(|(_, syntax)| [*syntax]).collect();
        let contexts: Vec<ContextElement<'_>> = offers
            .iter()
            .zip(&transfer)
            .map(|((id, _), syntax)| ContextElement::new(*id, interface, syntax))
            .collect();
        self.line.say(flags, call_id, Body::Bind(offer(size, &contexts)))
    }

    /// Operation 0xFFFF with an empty stub: no interface has so many operations.
    fn call(&mut self, flags: PfcFlags, call_id: u32, context_id: u16) -> Result<(), Misuse> {
        let request = Request { alloc_hint: 0, context_id, opnum: 0xFFFF, object: None, stub: &[] };
        self.line.say(flags, call_id, Body::Request(request))
    }

    fn note(&mut self, question: Question, value: String, heard: &Heard) {
        let received = heard.words();
        self.seen.observations.push(Observation { question, value, received });
    }
}

/// What a plain bind led to.
#[derive(PartialEq, Eq)]
enum Bound {
    No,
    WithoutContext,
    WithContext,
}

fn offer<'a>(size: u16, contexts: &'a [ContextElement<'a>]) -> Bind<'a> {
    Bind {
        max_xmit_frag: size,
        max_recv_frag: size,
        assoc_group_id: 0,
        contexts: ContextList::new(contexts),
    }
}

fn bind_ack(heard: &Heard) -> Option<BindAck<'_>> {
    match heard.packet()?.body {
        Body::BindAck(ack) => Some(ack),
        _ => None,
    }
}

fn results(ack: &BindAck<'_>) -> String {
    let results = ack.results.iter();
    let pairs: Vec<String> =
        results.map(|result| format!("({},{})", result.result.0, result.reason.0)).collect();
    pairs.join(" ")
}

fn sizes(ack: &BindAck<'_>) -> String {
    format!("{}/{}", ack.max_xmit_frag, ack.max_recv_frag)
}

fn flags(heard: &Heard) -> String {
    heard.packet().map_or_else(String::new, |it| format!("0x{:02X}", it.header.flags.0))
}

/// How a call that cannot be executed was refused, or that it was not.
fn refusal(heard: &Heard) -> String {
    if let Some(Body::Response(response)) = heard.packet().map(|packet| packet.body) {
        let last = response.stub.last_chunk::<4>().map(|last| u32::from_le_bytes(*last));
        return match last {
            Some(0x8007_000D) => "answered with HRESULT 0x8007000D".to_owned(),
            _ => "answered".to_owned(),
        };
    }
    match heard.fault() {
        Some((Status::OP_RANGE_ERROR, true)) => "op_rng_error, not executed".to_owned(),
        Some((Status::OP_RANGE_ERROR, false)) => "op_rng_error".to_owned(),
        Some((Status::UNKNOWN_INTERFACE, true)) => "unk_if, not executed".to_owned(),
        Some((Status::UNKNOWN_INTERFACE, false)) => "unk_if".to_owned(),
        Some((status, _)) => format!("fault 0x{:08X}", status.0),
        None => failure(heard),
    }
}

/// A PDU of a kind that was not asked for, or the end of the connection.
fn failure(heard: &Heard) -> String {
    match heard.packet().map(|packet| packet.body) {
        Some(Body::BindNak(nak)) => format!("bind_nak {}", nak.reason.0),
        Some(Body::Fault(_)) => "fault".to_owned(),
        _ if heard.is_short_fault() => "short fault".to_owned(),
        _ => heard.failure().to_owned(),
    }
}

/// Version 5 UUID: nobody's, and the same for every run.
const NOBODY: Guid = match Guid::parse("7d6f1f6c-53b2-5d0e-9c43-6b1d2f0f6e11") {
    Ok(guid) => guid,
    Err(_) => Guid::ZERO,
};
const TEXT_MAX: usize = 40;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn association_groups_are_told_apart_by_what_they_have_in_common() {
        let value = |ids: &[u32]| groups(ids).unwrap().value;
        assert_eq!(value(&[0x1AB0_0001, 0x1AB0_0009]), "marked");
        assert_eq!(value(&[0x1AB0_0001, 0x0AB0_0009]), "vary");
        assert_eq!(value(&[0x1063_BF3F; 7]), "constant 0x1063BF3F");
        assert_eq!(value(&[u32::MAX, 0, 1]), "count up by one");
        assert_eq!(value(&[0x1234, 0xFFFF, 0x0001]), "16 bits");
        assert_eq!(value(&[0x1234]), "only one");
        assert_eq!(groups(&[]), None);
    }
}
