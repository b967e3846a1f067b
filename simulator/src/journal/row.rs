//! One row: what a request was and what was answered, or something else that happened to the host.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use kms_protocol::filetime::FileTime;
use kms_protocol::kms::Request;
use kms_protocol::kms::product::{PRODUCTS, Product};
use kms_protocol::ndr::Ndr;

use crate::model::HostName;

/// One row of a journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its place in the order in which the host decided, from 1.
    pub number: u64,
    /// The machine's clock, in microseconds since 1970-01-01 UTC.
    pub real_time_us: i64,
    /// The hosts' own clock.
    pub host_time: FileTime,
    /// The host that it happened to; the first one where it concerns all of them.
    pub host: HostName,
    /// What happened.
    pub subject: Subject,
}

/// What a row is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// A call and its answer.
    Request(Box<Exchange>),
    /// Anything else.
    Event(Event),
}

/// A call and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// The client's address.
    pub peer: SocketAddr,
    /// Transfer syntax of the call.
    pub ndr: Ndr,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// Why it was not accepted, in a few words.
    pub reason: Option<Cow<'static, str>>,
    /// The request, where it could be read.
    pub request: Option<Request>,
    /// The HRESULT that was sent; `None` when a fault was sent instead.
    pub hresult: Option<u32>,
    /// The count and intervals that were sent with an HRESULT of 0.
    pub answer: Option<AnswerRow>,
    /// Whether the host's table of clients took it in.
    pub counted: bool,
    /// The rule that changed the answer.
    pub fault: Option<FaultApplied>,
}

/// What a client that is accepted is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerRow {
    /// Distinct clients of the application.
    pub count: u32,
    /// Minutes between attempts to activate.
    pub activation_interval_minutes: u32,
    /// Minutes between renewals.
    pub renewal_interval_minutes: u32,
}

/// A fault rule that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultApplied {
    /// The rule's name or number.
    pub rule: String,
    /// What it did.
    pub kind: String,
}

/// Something that happened to a host beside requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What kind of thing.
    pub kind: EventKind,
    /// The peer concerned.
    pub peer: Option<SocketAddr>,
    /// Details in plain words.
    pub detail: String,
    /// The rule that caused it.
    pub fault: Option<FaultApplied>,
}

macro_rules! kinds {
    ($(#[doc = $about:literal])+ $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)+ }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, clap::ValueEnum)]
        pub enum $name {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the file, in exports and on the command line.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The inverse of [`Self::as_str`].
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
            }
        }
    };
}

kinds! {
    /// How a call ended.
    OutcomeKind {
        /// Recorded and answered with a count.
        Accepted = "accepted",
        /// Refused by the host's policy.
        Refused = "refused",
        /// Sealed by a real client or in another lab.
        ForeignKey = "foreign-key",
        /// A payload that is no request of any version.
        Unreadable = "unreadable",
        /// A stub whose lengths contradict each other.
        BadStub = "bad-stub",
        /// A fault rule took the host's place.
        Withheld = "withheld",
    }
}

kinds! {
    /// What kind of event.
    EventKind {
        /// The host began to serve.
        HostStarted = "host-started",
        /// The host ended in good order.
        HostStopped = "host-stopped",
        /// The host's clock was moved.
        ClockChanged = "clock-changed",
        /// A bind was refused.
        BindRefused = "bind-refused",
        /// A call was refused before it reached the service.
        CallRefused = "call-refused",
        /// A peer broke the protocol or a bound.
        PeerRefused = "peer-refused",
        /// A fault rule took effect outside a request.
        FaultApplied = "fault-applied",
        /// The journal could not be written for a while.
        RowsLost = "rows-lost",
    }
}

impl Exchange {
    /// The product that the request is for: its edition, or else what its counted id covers.
    #[must_use]
    pub fn product(&self) -> Option<&'static Product> {
        let request = self.request.as_ref()?;
        let by_edition = PRODUCTS.iter().find(|product| product.sku_id == request.sku_id);
        by_edition.or_else(|| PRODUCTS.iter().find(|product| product.kms_id == request.kms_id))
    }

    /// The client's own name, as it stands in the request.
    #[must_use]
    pub fn client(&self) -> Option<String> {
        self.request.as_ref().map(|request| request.machine_name.chars().collect())
    }
}

impl Event {
    /// An event without a peer.
    #[must_use]
    pub fn new(kind: EventKind, detail: impl Into<String>) -> Self {
        Self { kind, peer: None, detail: detail.into(), fault: None }
    }
}

/// The machine's clock as rows carry it.
pub(super) fn real_time_us(time: SystemTime) -> i64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_a_kind_is_read_back_and_is_the_word_of_the_command_line() {
        use clap::ValueEnum;
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_text(kind.as_str()), Some(*kind));
        }
        for kind in OutcomeKind::ALL {
            assert_eq!(OutcomeKind::from_text(kind.as_str()), Some(*kind));
            let on_the_command_line = kind.to_possible_value();
            assert_eq!(on_the_command_line.as_ref().map(|v| v.get_name()), Some(kind.as_str()));
        }
        assert_eq!(OutcomeKind::from_text("Accepted"), None);
    }
}
