//! Bytes in, bytes out, and the three kinds of error.

mod error;
mod reader;
mod writer;

pub use error::{Detail, Expected, Malformed, Misuse, Violation};
pub use reader::Reader;
pub use writer::Writer;

/// Order of multi-byte integers, as announced by a PDU's data representation label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first: what Windows, Samba and this crate send.
    #[default]
    Little,
    /// Most significant byte first.
    Big,
}
