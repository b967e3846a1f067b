//! Presentation context lists as bind and alter_context carry them, C706 12.6.3.1
//! (`p_cont_list_t`). A list is either borrowed wire bytes, validated once, or a slice of values.

use super::syntax::{self, SyntaxId};
use crate::wire::{ByteOrder, Expected, Malformed, Misuse, Reader, Writer};

/// One offered presentation context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextElement<'a> {
    /// Identifier that requests on this context will carry.
    pub id: u16,
    /// Reserved byte, kept as it came.
    pub reserved: u8,
    /// The interface.
    pub abstract_syntax: SyntaxId,
    /// Encodings offered for it.
    pub transfer_syntaxes: SyntaxList<'a>,
}

/// Transfer syntaxes of one context.
#[derive(Clone, Copy, Debug)]
pub struct SyntaxList<'a>(Syntaxes<'a>);

/// Presentation contexts of one bind or alter_context: at most 255.
#[derive(Clone, Copy, Debug)]
pub struct ContextList<'a>(Contexts<'a>);

#[derive(Clone, Copy, Debug)]
enum Syntaxes<'a> {
    Wire { bytes: &'a [u8], order: ByteOrder },
    Values(&'a [SyntaxId]),
}

#[derive(Clone, Copy, Debug)]
enum Contexts<'a> {
    Wire { bytes: &'a [u8], count: u8, order: ByteOrder },
    Values(&'a [ContextElement<'a>]),
}

impl<'a> SyntaxList<'a> {
    /// A list of values; more than 255 cannot be encoded.
    #[must_use]
    pub const fn new(syntaxes: &'a [SyntaxId]) -> Self {
        Self(Syntaxes::Values(syntaxes))
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Syntaxes::Wire { bytes, .. } => bytes.len() / SyntaxId::LEN,
            Syntaxes::Values(values) => values.len(),
        }
    }

    /// Whether there is none, which no server accepts.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The transfer syntaxes in order.
    pub fn iter(&self) -> impl Iterator<Item = SyntaxId> + 'a {
        let list = self.0;
        (0..).map_while(move |index| match list {
            Syntaxes::Wire { bytes, order } => syntax::read_at(bytes, order, index),
            Syntaxes::Values(values) => values.get(index).copied(),
        })
    }
}

impl PartialEq for SyntaxList<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for SyntaxList<'_> {}

impl<'a> ContextElement<'a> {
    /// Context `id` for one interface with the given encodings.
    #[must_use]
    pub const fn new(id: u16, abstract_syntax: SyntaxId, transfer: &'a [SyntaxId]) -> Self {
        let transfer_syntaxes = SyntaxList::new(transfer);
        Self { id, reserved: 0, abstract_syntax, transfer_syntaxes }
    }

    fn encoded_len(&self) -> usize {
        4 + SyntaxId::LEN * self.transfer_syntaxes.len().saturating_add(1)
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let id = reader.u16("p_cont_id")?;
        let count = reader.u8("n_transfer_syn")?;
        let reserved = reader.u8("reserved")?;
        let abstract_syntax = SyntaxId::decode(reader, "abstract_syntax")?;
        let bytes = reader.take("transfer_syntaxes", usize::from(count) * SyntaxId::LEN)?;
        let transfer_syntaxes = SyntaxList(Syntaxes::Wire { bytes, order: reader.order() });
        Ok(Self { id, reserved, abstract_syntax, transfer_syntaxes })
    }

    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        let count = count_u8(writer, "n_transfer_syn", self.transfer_syntaxes.len())?;
        writer.u16("p_cont_id", self.id)?;
        writer.u8("n_transfer_syn", count)?;
        writer.u8("reserved", self.reserved)?;
        self.abstract_syntax.encode(writer, "abstract_syntax")?;
        self.transfer_syntaxes.iter().try_for_each(|s| s.encode(writer, "transfer_syntax"))
    }
}

impl<'a> ContextList<'a> {
    /// A list of values; more than 255 cannot be encoded.
    #[must_use]
    pub const fn new(contexts: &'a [ContextElement<'a>]) -> Self {
        Self(Contexts::Values(contexts))
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Contexts::Wire { count, .. } => count as usize,
            Contexts::Values(values) => values.len(),
        }
    }

    /// Whether there is none, which no server accepts.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = ContextElement<'a>> + 'a {
        let list = self.0;
        let (mut reader, count) = match list {
            Contexts::Wire { bytes, count, order } => {
                (Reader::new(bytes, order), usize::from(count))
            }
            Contexts::Values(values) => (Reader::new(&[], ByteOrder::Little), values.len()),
        };
        (0..count).map_while(move |index| match list {
            Contexts::Wire { .. } => ContextElement::decode(&mut reader).ok(),
            Contexts::Values(values) => values.get(index).copied(),
        })
    }

    /// Bytes on the wire, the 4-byte list header included.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        4 + self.iter().map(|element| element.encoded_len()).sum::<usize>()
    }

    /// Reads and validates the list header and every element.
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let count = reader.u8("n_context_elem")?;
        reader.take("reserved", 3)?;
        let mut probe = reader.clone();
        for _ in 0..count {
            ContextElement::decode(&mut probe)?;
        }
        let len = probe.offset().saturating_sub(reader.offset());
        let order = reader.order();
        let bytes = reader.take("p_cont_elem", len)?;
        Ok(Self(Contexts::Wire { bytes, count, order }))
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        let count = count_u8(writer, "n_context_elem", self.len())?;
        writer.u8("n_context_elem", count)?;
        writer.bytes("reserved", &[0; 3])?;
        self.iter().try_for_each(|element| element.encode(writer))
    }
}

impl PartialEq for ContextList<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for ContextList<'_> {}

/// A count that has one byte on the wire.
pub(super) fn count_u8(
    writer: &Writer<'_>,
    field: &'static str,
    count: usize,
) -> Result<u8, Misuse> {
    u8::try_from(count)
        .map_err(|_| Misuse::new(writer.offset(), field, count as u64, Expected::AtMost(255)))
}
