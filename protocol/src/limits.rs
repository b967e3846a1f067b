//! Every bound of the protocol layer, with its reason.

/// Largest fragment a request, response or fault may have, in bytes: the transport cap that
/// Windows and Samba use on TCP, whatever was negotiated.
pub const FRAGMENT_MAX: usize = 5840;

/// Smallest fragment size that a server grants in a bind_ack, in bytes.
pub const FRAGMENT_GRANT_MIN: u16 = 2048;

/// Largest bind or alter_context, in bytes: all that `frag_length` can say.
pub const BIND_MAX: usize = 65_535;

/// Largest reassembled request or response stub, in bytes.
pub const REASSEMBLED_MAX: usize = 0x40_0000;

/// Calls of one connection that may wait for an answer at once.
pub const OPEN_CALLS_MAX: usize = 16;

/// Presentation contexts of one connection. A real client offers two or three; Samba's suite
/// opens a few dozen; more is refused with "local limit exceeded", not truncated.
pub const CONTEXTS_MAX: usize = 256;

/// Bytes that one server connection may hold: one 4 MiB call, the largest PDU and its answer.
pub const CONNECTION_BUFFER_MAX: usize = 0x44_0000;

/// Unsent answer bytes above which a server connection reads no further request.
pub const TRANSMIT_BACKLOG_MAX: usize = 64 * 1024;

/// Buffer that a connection keeps between calls, in bytes: room for one KMS exchange, so that a
/// busy connection does not ask the allocator twice per call. A larger buffer is given back as
/// soon as it is empty.
pub const KEPT_BUFFER_MAX: usize = 512;
