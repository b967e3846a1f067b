//! From where a conversation leaves this machine: the kernel's choice, or an address or interface
//! that was asked for.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::str;

use serde::{Serialize, Serializer};
use socket2::Socket;

use super::{SocketFacts, current};

/// What was asked for; the default leaves everything to the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The address to connect from.
    pub source: Option<IpAddr>,
    /// The interface to leave by.
    pub interface: Option<InterfaceName>,
}

/// The name of a network interface.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InterfaceName {
    bytes: [u8; INTERFACE_NAME_BYTES_MAX],
    length: usize,
}

/// A network interface of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

impl Origin {
    /// Whether anything was asked for.
    #[must_use]
    pub const fn is_asked_for(&self) -> bool {
        self.source.is_some() || self.interface.is_some()
    }

    /// Makes `socket` leave from here. Call before connecting it to an address of its family.
    ///
    /// An interface is bound to (SO_BINDTODEVICE, which Linux allows any user since 5.7) and must
    /// have an address of the family, for the kernel would take one of another interface instead.
    /// Where it cannot be bound to, its address is.
    ///
    /// # Errors
    /// What the system returns; [`io::ErrorKind::AddrNotAvailable`] where this machine has no such
    /// address, or the interface none of the family.
    pub fn apply(&self, socket: &Socket, is_v6: bool) -> io::Result<()> {
        let Some(source) = self.source_of(socket, is_v6)? else { return Ok(()) };
        current().choose_port_late(socket);
        let scope = self.interface.and_then(|name| current().interface_index(name.as_str()));
        let own = match source {
            IpAddr::V6(own) => SocketAddrV6::new(own, 0, 0, scope.unwrap_or(0)).into(),
            IpAddr::V4(_) => SocketAddr::new(source, 0),
        };
        socket.bind(&own.into())
    }

    /// The address to bind to, once the interface is bound to as far as it can be.
    fn source_of(&self, socket: &Socket, is_v6: bool) -> io::Result<Option<IpAddr>> {
        let Some(interface) = self.interface else { return Ok(self.source) };
        let bound = current().leave_by(socket, interface.as_str());
        let own = self.source.or_else(|| interface.address(is_v6));
        match (bound, own) {
            (_, None) => Err(io::ErrorKind::AddrNotAvailable.into()),
            (Ok(()), Some(_)) => Ok(self.source),
            (Err(error), _) if !is_not_permitted(&error) => Err(error),
            (Err(_), own) => Ok(own),
        }
    }

    /// The address of this machine to leave from towards `peer`, for sockets that somebody else
    /// makes: the source of its family, or the interface's address.
    #[must_use]
    pub fn address_for(&self, peer: &SocketAddr) -> Option<IpAddr> {
        let source = self.source.filter(|source| source.is_ipv6() == peer.is_ipv6());
        source.or_else(|| self.interface?.address(peer.is_ipv6()))
    }

    /// The part of this that makes sense towards a DNS server: nothing for one on this machine, and
    /// no source address of the other family.
    #[must_use]
    pub fn towards_resolver(&self, server: IpAddr) -> Self {
        if server.is_loopback() {
            return Self::default();
        }
        let source = self.source.filter(|source| source.is_ipv6() == server.is_ipv6());
        Self { source, interface: self.interface }
    }
}

impl InterfaceName {
    /// A name as systems allow it: 1 to 15 bytes without space or slash.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '/';
        let mut bytes = [0; INTERFACE_NAME_BYTES_MAX];
        if text.is_empty() || text.contains(is_odd) {
            return None;
        }
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { bytes, length: text.len() })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }

    /// Its first address of the family; a link-local one only where there is no other.
    fn address(&self, is_v6: bool) -> Option<IpAddr> {
        let interfaces = current().interfaces();
        let own = interfaces.iter().find(|interface| interface.name == self.as_str())?;
        let of_family = own.addresses.iter().filter(|address| address.is_ipv6() == is_v6);
        let is_link_local = |address: &&IpAddr| match address {
            IpAddr::V6(address) => address.is_unicast_link_local(),
            IpAddr::V4(_) => false,
        };
        of_family.min_by_key(is_link_local).copied()
    }
}

impl fmt::Debug for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for InterfaceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Older kernels want a capability; other systems cannot at all.
fn is_not_permitted(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported)
}

/// IFNAMSIZ of Linux without its final zero.
const INTERFACE_NAME_BYTES_MAX: usize = 15;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn names_that_no_interface_can_have_are_refused() {
        for text in ["eth0", "wlp0s20f3.100", "fifteen-bytes-x"] {
            assert_eq!(InterfaceName::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "sixteen-bytes-xx", "a b", "a/b", "a\u{1b}"] {
            assert_eq!(InterfaceName::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn towards_a_resolver_only_what_can_hold_is_kept() {
        let source = Some("192.0.2.1".parse().unwrap());
        let origin = Origin { source, interface: InterfaceName::parse("eth0") };
        let towards = |server: &str| origin.towards_resolver(server.parse().unwrap());
        assert_eq!(towards("192.0.2.53"), origin);
        assert_eq!(towards("2001:db8::53"), Origin { source: None, ..origin });
        assert_eq!(towards("127.0.0.53"), Origin::default());
        assert_eq!(towards("::1"), Origin::default());
    }
}
