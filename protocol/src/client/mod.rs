//! The client end of one connection, as a state machine without I/O. See the crate's
//! documentation for how to drive it.
//!
//! ```
//! use kms_protocol::client::{Config, Connection, Event};
//! use kms_protocol::rpc::{ContextElement, PfcFlags, SyntaxId};
//! use kms_protocol::time::Instant;
//!
//! let mut connection = Connection::new(Config::default(), Instant::ZERO);
//! let contexts = [ContextElement::new(0, SyntaxId::KMS, &[SyntaxId::NDR32])];
//! let call_id = connection.bind(PfcFlags::WHOLE, 0, &contexts)?;
//! assert_eq!(connection.poll_transmit().len(), 72);
//! # let _ = call_id;
//! # Ok::<(), kms_protocol::wire::Misuse>(())
//! ```

mod connection;
mod receive;

#[cfg(test)]
mod tests;

pub use connection::Connection;

use core::time::Duration;

use crate::limits::FRAGMENT_MAX;
use crate::rpc::{BindAck, BindNak, PfcFlags, Status};
use crate::wire::{ByteOrder, Malformed, Violation};

/// How the client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Fragment size offered for sending, in bytes.
    pub max_xmit_frag: u16,
    /// Fragment size offered for receiving, in bytes.
    pub max_recv_frag: u16,
    /// Call id of the first PDU; each bind, alter_context and call takes the next.
    pub first_call_id: u32,
    /// Integer order of everything sent.
    pub byte_order: ByteOrder,
    /// Longest wait for an answer; `None` leaves time to the caller.
    pub answer_timeout: Option<Duration>,
    /// Largest reassembled answer, in bytes.
    pub response_max: usize,
}

/// What arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The bind was answered. Contexts may still all have been refused: see the results.
    Bound {
        /// The bind.
        call_id: u32,
        /// Flags of the answer.
        flags: PfcFlags,
        /// The answer.
        ack: BindAck<'a>,
    },
    /// The bind was refused; the server closes.
    BindRefused {
        /// The bind.
        call_id: u32,
        /// The refusal.
        nak: BindNak<'a>,
    },
    /// An alter_context was answered.
    Altered {
        /// The alter_context.
        call_id: u32,
        /// Flags of the answer.
        flags: PfcFlags,
        /// The answer.
        ack: BindAck<'a>,
    },
    /// A call was answered.
    Response {
        /// The call.
        call_id: u32,
        /// The context id in the answer, of which only the low byte means anything.
        context_id: u16,
        /// Integer order of the stub.
        byte_order: ByteOrder,
        /// The results.
        stub: &'a [u8],
    },
    /// A call, or an alter_context, was refused.
    Fault {
        /// What was refused.
        call_id: u32,
        /// The context that the server names.
        context_id: u16,
        /// Flags: "did not execute" among them.
        flags: PfcFlags,
        /// Why.
        status: Status,
    },
    /// The server asks to close, and nothing is outstanding.
    Shutdown,
}

/// Why the connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The server closed between PDUs.
    PeerFinished,
    /// The server closed in the middle of a PDU or of a fragmented answer.
    PeerLeftMidway,
    /// The server refused the bind.
    BindRefused,
    /// No answer in time.
    Timeout,
    /// What arrived is no PDU.
    Malformed(Malformed),
    /// What arrived breaks the rules.
    Violation(Violation),
    /// The caller asked for it.
    Local,
}

impl Default for Config {
    /// What Windows clients do: 5840-byte fragments, little-endian, call ids from 2.
    fn default() -> Self {
        let fragment = u16::try_from(FRAGMENT_MAX).unwrap_or(u16::MAX);
        Self {
            max_xmit_frag: fragment,
            max_recv_frag: fragment,
            first_call_id: 2,
            byte_order: ByteOrder::Little,
            answer_timeout: None,
            response_max: crate::limits::REASSEMBLED_MAX,
        }
    }
}
