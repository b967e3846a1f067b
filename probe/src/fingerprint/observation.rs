//! What was seen, one value per question.

use serde::Serialize;

/// A question whose answer tells servers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Results for the three contexts that Windows clients offer.
    Contexts,
    /// Flags of the bind_ack to an ordinary bind.
    AckFlags,
    /// The port that the bind_ack names.
    SecondaryAddress,
    /// An operation that does not exist.
    UnknownOperation,
    /// The alloc_hint of that refusal.
    FaultHint,
    /// Flags of the bind_ack to a bind with the flag "maybe".
    MaybeFlag,
    /// Fragment size granted when an odd one is offered.
    OddFragment,
    /// Bind-time features granted when only the first is asked for.
    FeatureMask,
    /// An interface that nobody has.
    UnknownInterface,
    /// A call on a context that was never accepted.
    UnboundCall,
    /// Fragment size granted when the largest is offered.
    LargeFragment,
    /// A second bind on the same connection.
    SecondBind,
    /// An alter_context that adds a context.
    AlterContext,
    /// A cancel of a call that does not exist.
    Cancel,
    /// A call in two fragments.
    Fragments,
    /// Association groups of all connections together.
    Groups,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What was asked.
    pub question: Question,
    /// What came back, in the words of the table of traits.
    pub value: String,
    /// What came back, in full.
    pub received: String,
}

impl Question {
    /// What was sent to find out.
    #[must_use]
    pub const fn sent(self) -> &'static str {
        match self {
            Self::Contexts | Self::AckFlags | Self::SecondaryAddress => {
                "bind as a Windows client: KMS in NDR32, in NDR64 and bind-time features 3, flags \
                 0x03, fragments 5840/5840"
            }
            Self::UnknownOperation => "then a call of operation 0xFFFF with an empty stub",
            Self::MaybeFlag | Self::OddFragment | Self::FeatureMask => {
                "bind: KMS in NDR32 and bind-time features 1, flags 0x43, fragments 3199/3199"
            }
            Self::UnknownInterface => "bind to an interface that nobody has, in NDR32",
            Self::UnboundCall | Self::FaultHint => {
                "then a call of operation 0xFFFF on that context, call id 7"
            }
            Self::LargeFragment => "bind: KMS in NDR32, flags 0x03, fragments 65535/65535",
            Self::SecondBind => "then a second bind on the same connection",
            Self::AlterContext => "bind, then an alter_context with KMS in NDR32 as context 1",
            Self::Cancel => {
                "bind, then a cancel of call 5, which does not exist, and a call of operation \
                 0xFFFF, call id 6"
            }
            Self::Fragments => {
                "bind, then a call of operation 0xFFFF in two fragments, call id 9, and a whole \
                 one, call id 10"
            }
            Self::Groups => "every bind asked for a new association group",
        }
    }

    /// A short name for a table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Contexts => "contexts",
            Self::AckFlags => "bind_ack flags",
            Self::SecondaryAddress => "secondary address",
            Self::UnknownOperation => "unknown operation",
            Self::FaultHint => "alloc_hint of the fault",
            Self::MaybeFlag => "flag maybe",
            Self::OddFragment => "odd fragment size",
            Self::FeatureMask => "feature mask",
            Self::UnknownInterface => "unknown interface",
            Self::UnboundCall => "unbound context",
            Self::LargeFragment => "large fragment size",
            Self::SecondBind => "second bind",
            Self::AlterContext => "alter_context",
            Self::Cancel => "cancel",
            Self::Fragments => "fragments",
            Self::Groups => "association groups",
        }
    }
}
