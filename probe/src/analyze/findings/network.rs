//! Findings from captures: where each conversation stopped, and who ended it.

use super::super::record::{Conversation, End, Reached};
use super::super::records::Records;
use super::{Gathered, Seen, Subject};

pub(super) fn find(records: &Records, gathered: &mut Gathered) {
    for (index, conversation) in records.conversations.iter().enumerate() {
        let Some(code) = judge(conversation) else { continue };
        let subject = Subject::Conversation(u32::try_from(index).unwrap_or(u32::MAX));
        let (place, time) = (conversation.place, conversation.time);
        let seen = Seen { subject, place, time, code: conversation.code };
        gathered.add(code, &seen, || ended(conversation));
    }
}

/// The finding that a conversation calls for; none where it went well.
fn judge(conversation: &Conversation) -> Option<&'static str> {
    if matches!(conversation.end, End::Icmp(..)) && conversation.reached == Reached::Nothing {
        return Some("network.icmp");
    }
    match (conversation.reached, conversation.end) {
        (Reached::Nothing, End::ServerReset) => Some("network.refused"),
        (Reached::Nothing, _) => Some("network.syn_unanswered"),
        // Nobody asked for more: a port check, or a client that gave up.
        (Reached::Connected, _) => None,
        (Reached::BindSent, _) if conversation.code.is_some() => Some("network.bind_refused"),
        (Reached::BindSent, _) => Some("network.bind_stopped"),
        (Reached::Bound, _) => None,
        (Reached::RequestSent, _) => Some("network.call_stopped"),
        (Reached::Answered, _) if conversation.code.is_some_and(|code| code != 0) => {
            Some("network.call_failed")
        }
        (Reached::Answered, _) => None,
    }
}

/// How it ended, in words.
pub(crate) fn ended(conversation: &Conversation) -> String {
    let how = match conversation.end {
        End::ClientFin => "the client closed".to_owned(),
        End::ServerFin => "the host closed".to_owned(),
        End::ClientReset => "the client reset the connection".to_owned(),
        End::ServerReset => "the host's side reset the connection".to_owned(),
        End::Icmp(kind, code, _) => format!("an ICMP error came back (type {kind}, code {code})"),
        End::Open => "nothing more was sent".to_owned(),
    };
    let syns = match (conversation.reached, conversation.syns) {
        (Reached::Nothing, count) => format!("{count} SYN{}; ", if count == 1 { "" } else { "s" }),
        _ => String::new(),
    };
    match conversation.detail.is_empty() {
        true => format!("{syns}{how}"),
        false => format!("{syns}{}; {how}", conversation.detail),
    }
}
