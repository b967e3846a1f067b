//! Results of context negotiation as bind_ack and alter_context_resp carry them, C706 12.6.3.1
//! (`p_result_list_t`) and [MS-RPCE] 2.2.2.4.

use core::fmt;

use super::context::count_u8;
use super::syntax::{BindTimeFeatures, SyntaxId};
use crate::wire::{ByteOrder, Malformed, Misuse, Reader, Writer};

/// Result of one offered context. Unknown values survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContextResult(pub u16);

/// Why a context was refused; for a negotiate_ack the granted feature bits. Unknown values survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContextReason(pub u16);

/// One result: 24 bytes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultElement {
    /// Accepted, rejected or a feature answer.
    pub result: ContextResult,
    /// Why, or the granted features.
    pub reason: ContextReason,
    /// The accepted transfer syntax; zero otherwise.
    pub transfer_syntax: SyntaxId,
}

/// Results in the order of the offered contexts: at most 255.
#[derive(Clone, Copy, Debug)]
pub struct ResultList<'a>(Results<'a>);

#[derive(Clone, Copy, Debug)]
enum Results<'a> {
    Wire { bytes: &'a [u8], order: ByteOrder },
    Values(&'a [ResultElement]),
}

impl ContextResult {
    /// The context may be used.
    pub const ACCEPTANCE: Self = Self(0);
    /// The server application refused.
    pub const USER_REJECTION: Self = Self(1);
    /// The RPC runtime refused.
    pub const PROVIDER_REJECTION: Self = Self(2);
    /// Answer to bind-time feature negotiation; the reason holds the granted bits.
    pub const NEGOTIATE_ACK: Self = Self(3);

    /// The name in the specification.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "acceptance",
            1 => "user rejection",
            2 => "provider rejection",
            3 => "negotiate ack",
            _ => return None,
        })
    }
}

impl ContextReason {
    /// No reason given.
    pub const NOT_SPECIFIED: Self = Self(0);
    /// The interface is unknown here.
    pub const ABSTRACT_SYNTAX_NOT_SUPPORTED: Self = Self(1);
    /// The interface is known and none of the encodings is taken.
    pub const TRANSFER_SYNTAXES_NOT_SUPPORTED: Self = Self(2);
    /// A limit of the server was reached.
    pub const LOCAL_LIMIT_EXCEEDED: Self = Self(3);

    /// The name in the specification.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "reason not specified",
            1 => "abstract syntax not supported",
            2 => "proposed transfer syntaxes not supported",
            3 => "local limit exceeded",
            _ => return None,
        })
    }
}

impl ResultElement {
    /// Bytes on the wire.
    pub const LEN: usize = 24;

    /// Accepts `transfer_syntax`.
    #[must_use]
    pub const fn accepted(transfer_syntax: SyntaxId) -> Self {
        Self {
            result: ContextResult::ACCEPTANCE,
            reason: ContextReason::NOT_SPECIFIED,
            transfer_syntax,
        }
    }

    /// Refuses on behalf of the RPC runtime.
    #[must_use]
    pub const fn rejected(reason: ContextReason) -> Self {
        Self { result: ContextResult::PROVIDER_REJECTION, reason, transfer_syntax: SyntaxId::ZERO }
    }

    /// Grants bind-time features; only the low 16 bits have a place on the wire.
    #[must_use]
    pub const fn features(granted: BindTimeFeatures) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "the field has 16 bits")]
        let reason = ContextReason(granted.0 as u16);
        Self { result: ContextResult::NEGOTIATE_ACK, reason, transfer_syntax: SyntaxId::ZERO }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            result: ContextResult(reader.u16("result")?),
            reason: ContextReason(reader.u16("reason")?),
            transfer_syntax: SyntaxId::decode(reader, "transfer_syntax")?,
        })
    }

    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        writer.u16("result", self.result.0)?;
        writer.u16("reason", self.reason.0)?;
        self.transfer_syntax.encode(writer, "transfer_syntax")
    }
}

impl<'a> ResultList<'a> {
    /// A list of values; more than 255 cannot be encoded.
    #[must_use]
    pub const fn new(results: &'a [ResultElement]) -> Self {
        Self(Results::Values(results))
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Results::Wire { bytes, .. } => bytes.len() / ResultElement::LEN,
            Results::Values(values) => values.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The results in order.
    pub fn iter(&self) -> impl Iterator<Item = ResultElement> + 'a {
        let list = self.0;
        (0..).map_while(move |index: usize| match list {
            Results::Wire { bytes, order } => {
                let start = index.checked_mul(ResultElement::LEN)?;
                let end = start.checked_add(ResultElement::LEN)?;
                ResultElement::decode(&mut Reader::new(bytes.get(start..end)?, order)).ok()
            }
            Results::Values(values) => values.get(index).copied(),
        })
    }

    pub(super) fn encoded_len(&self) -> usize {
        4 + self.len().saturating_mul(ResultElement::LEN)
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let count = reader.u8("n_results")?;
        reader.take("reserved", 3)?;
        let bytes = reader.take("p_results", usize::from(count) * ResultElement::LEN)?;
        Ok(Self(Results::Wire { bytes, order: reader.order() }))
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        let count = count_u8(writer, "n_results", self.len())?;
        writer.u8("n_results", count)?;
        writer.bytes("reserved", &[0; 3])?;
        self.iter().try_for_each(|element| element.encode(writer))
    }
}

impl PartialEq for ResultList<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for ResultList<'_> {}

impl fmt::Debug for ContextResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ContextResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "unknown result {}", self.0),
        }
    }
}

impl fmt::Debug for ContextReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ContextReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "unknown reason {}", self.0),
        }
    }
}
