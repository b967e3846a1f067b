//! Publishing a lab host in somebody's real DNS by dynamic update (RFC 2136), as a KMS host does.
//!
//! Exactly the records that are named are added or removed, never a whole RRset: what another host
//! published stays. [`Publication`] is the records and the update message, [`bounds`] says where
//! that is allowed, [`TsigKey`] signs, [`Refusal`] says what a server's answer means; all of these
//! are pure. [`apply`] carries it out over TCP.

mod apply;
pub mod bounds;
mod key;
mod records;
mod refusal;
mod transport;

pub use apply::{Applied, Options, PublishError, apply};
pub use key::{FILE_BYTES_MAX as KEY_FILE_BYTES_MAX, KeyError, TsigKey};
pub use records::{Change, Publication};
pub use refusal::{Refusal, TsigProblem};
pub use transport::TransportError;
