//! The server end of one connection: what a conforming RPC server does with every PDU, as a state
//! machine without I/O. See the crate's documentation for how to drive it.
//!
//! The rules follow C706 chapter 12, [MS-RPCE] 3.3 and, where those leave room, what Windows
//! Server 2012 R2 and later and Samba were seen to do.
//!
//! ```
//! use kms_protocol::rpc::Status;
//! use kms_protocol::server::{Config, Connection, Event};
//! use kms_protocol::time::Instant;
//!
//! fn serve(connection: &mut Connection, now: Instant, received: &[u8], send: &mut dyn FnMut(&[u8])) {
//!     connection.handle_input(now, received);
//!     loop {
//!         match connection.poll_event() {
//!             Some(Event::Bind { .. }) => connection.accept_bind(0x1ab0_0001),
//!             Some(Event::Call(call)) => {
//!                 let call_id = call.call_id;
//!                 connection.fault(call_id, Status::BAD_STUB_DATA);
//!             }
//!             Some(_) => {}
//!             None => break,
//!         }
//!     }
//!     let sent = connection.poll_transmit().len();
//!     send(connection.poll_transmit());
//!     connection.transmitted(sent);
//! }
//! # serve(&mut Connection::new(Config::new(1688), Instant::ZERO), Instant::ZERO, &[], &mut |_| {});
//! ```

mod calls;
mod connection;
mod dispatch;
mod negotiation;

#[cfg(test)]
mod tests;

pub use connection::Connection;

use core::time::Duration;

use crate::rpc::{BindNakReason, Status, SyntaxId};
use crate::wire::{ByteOrder, Malformed, Violation};

/// What a connection offers and allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// TCP port of the listener, told to clients as the secondary address.
    pub port: u16,
    /// The one interface that is offered.
    pub interface: SyntaxId,
    /// Operations of the interface: numbers from 0 below this one exist.
    pub operations: u16,
    /// Whether calls of operations that do not exist are shown to the caller too, which answers
    /// them with [`Connection::refuse_operation`]; otherwise the machine refuses them by itself.
    pub shows_unknown_operations: bool,
    /// Whether NDR32 is accepted, as every RPC runtime does.
    pub ndr32: bool,
    /// Whether NDR64 is offered, and then preferred, as a 64-bit Windows host does.
    pub ndr64: bool,
    /// Longest wait for the next PDU of a quiet connection.
    pub idle_timeout: Duration,
    /// Longest time from the first byte of a PDU, or the first fragment of a call, to its end.
    pub request_timeout: Duration,
    /// Calls that may wait for an answer at once; more wait unread.
    pub open_calls_max: usize,
    /// Bytes that the connection may hold before the peer is told that the server is too busy.
    pub buffer_max: usize,
}

/// What the caller has to know or decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A bind wants an association group. Answer with `accept_bind` or `refuse_bind`; nothing else
    /// is read before that.
    Bind {
        /// The group to join; 0 asks for a new one.
        assoc_group_id: u32,
    },
    /// A complete call. Answer with `respond` or `fault`, now or later.
    Call(Call<'a>),
    /// The client would like an open call to end early; answering it as usual is allowed.
    Cancelled {
        /// The open call.
        call_id: u32,
    },
    /// The client has abandoned an open call: its answer will be dropped.
    Orphaned {
        /// The abandoned call.
        call_id: u32,
    },
    /// The machine refused something by itself; for logs and counters.
    Refused(Refusal),
}

/// A complete call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// Identifies the call when it is answered.
    pub call_id: u32,
    /// The presentation context it came on.
    pub context_id: u16,
    /// Operation number, below [`Config::operations`] unless unknown ones are shown.
    pub opnum: u16,
    /// Transfer syntax of the context: NDR32 or NDR64.
    pub transfer_syntax: SyntaxId,
    /// Integer order of the stub.
    pub byte_order: ByteOrder,
    /// The arguments.
    pub stub: &'a [u8],
}

/// Something the machine refused by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A bind, with a bind_nak; the connection closes.
    Bind(BindNakReason),
    /// A call, with a fault; the connection goes on.
    Call {
        /// The call.
        call_id: u32,
        /// The status sent.
        status: Status,
    },
    /// A broken rule, with a fault; the connection closes.
    Connection {
        /// The call that the fault names.
        call_id: u32,
        /// The status sent.
        status: Status,
    },
}

/// Why the connection closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer sent its last byte and everything has been answered.
    PeerFinished,
    /// The peer's last byte came in the middle of a PDU or call.
    PeerLeftMidway,
    /// Too long without a PDU.
    Idle,
    /// A PDU or call took too long to arrive.
    RequestTimeout,
    /// A `frag_length` below 16: the stream cannot be followed, and nothing is answered.
    Unframeable(Malformed),
    /// Bytes that are no PDU; answered as a protocol error.
    Malformed(Malformed),
    /// A rule was broken; answered with a fault or bind_nak.
    Violation(Violation),
    /// The bind was refused.
    BindRefused(BindNakReason),
    /// A rule of the call sequence was broken; answered with this fault.
    Fault(Status),
    /// The caller asked for it.
    Local,
}

/// What happens at the time that `poll_timeout` gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutReason {
    /// The connection has been quiet for too long.
    Idle,
    /// A PDU or call has not arrived in time.
    Request,
}

impl Config {
    /// The KMS interface on `port` with the default limits: 30 s for a quiet connection, as the
    /// documented client closes after each exchange, and 10 s for one call to arrive.
    #[must_use]
    pub const fn new(port: u16) -> Self {
        Self {
            port,
            interface: SyntaxId::KMS,
            operations: 1,
            shows_unknown_operations: false,
            ndr32: true,
            ndr64: true,
            idle_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(10),
            open_calls_max: crate::limits::OPEN_CALLS_MAX,
            buffer_max: crate::limits::CONNECTION_BUFFER_MAX,
        }
    }
}
