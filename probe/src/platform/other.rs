//! Systems without a wrapper here: nothing is known beyond the portable interface.

use std::io;

use socket2::Socket;

use super::origin::Interface;
use super::{IcmpError, SocketFacts};

/// Answers `None` to everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Other;

impl SocketFacts for Other {
    fn keep_icmp_errors(&self, _socket: &Socket, _is_v6: bool) {}

    fn ignore_icmp_errors(&self, _socket: &Socket, _is_v6: bool) {}

    fn syns_sent(&self, _socket: &Socket) -> Option<u32> {
        None
    }

    fn handshake_completed(&self, _socket: &Socket) -> Option<bool> {
        None
    }

    fn icmp_error(&self, _socket: &Socket) -> Option<IcmpError> {
        None
    }

    fn lacks_address_family(&self, _error: &io::Error) -> bool {
        false
    }

    fn retransmissions(&self, _socket: &Socket) -> Option<u32> {
        None
    }

    fn leave_by(&self, _socket: &Socket, _interface: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn choose_port_late(&self, _socket: &Socket) {}

    fn interfaces(&self) -> Vec<Interface> {
        Vec::new()
    }

    fn interface_index(&self, _name: &str) -> Option<u32> {
        None
    }

    fn descriptors(&self, _: usize) -> Option<usize> {
        None
    }

    fn machine_id(&self) -> Option<String> {
        None
    }
}
