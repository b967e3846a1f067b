//! What only some operating systems can tell about a socket, behind one trait. Elsewhere the
//! answer is `None`, which reports show as "not available here".

use std::io;
use std::net::IpAddr;

use serde::Serialize;
use socket2::Socket;

#[cfg(target_os = "linux")]
mod linux;
pub mod origin;
#[cfg(not(target_os = "linux"))]
mod other;
pub(crate) mod signals;
pub mod ttl;

use self::origin::Interface;

/// Socket facts beyond the portable interface.
pub trait SocketFacts {
    /// Asks the kernel to keep ICMP errors with their sender. Call before connecting.
    fn keep_icmp_errors(&self, socket: &Socket, is_v6: bool);

    /// The opposite. Call once connected: otherwise one ICMP error kills the connection and its
    /// sender is lost.
    fn ignore_icmp_errors(&self, socket: &Socket, is_v6: bool);

    /// SYNs sent so far, the first one included.
    fn syns_sent(&self, socket: &Socket) -> Option<u32>;

    /// Whether the handshake had completed, also on a socket that was reset since.
    fn handshake_completed(&self, socket: &Socket) -> Option<bool>;

    /// The oldest ICMP error kept. Read the socket's pending error first: reading this clears it.
    fn icmp_error(&self, socket: &Socket) -> Option<IcmpError>;

    /// Whether a socket could not be made because the machine has no such address family.
    fn lacks_address_family(&self, error: &io::Error) -> bool;

    /// Segments sent again so far, SYNs included.
    fn retransmissions(&self, socket: &Socket) -> Option<u32>;

    /// Makes everything that `socket` sends leave by this interface, and takes nothing from another.
    ///
    /// # Errors
    /// What the system returns; [`io::ErrorKind::Unsupported`] where it has no such thing.
    fn leave_by(&self, socket: &Socket, interface: &str) -> io::Result<()>;

    /// Lets the port be chosen at the connect, so that one port can serve several destinations.
    /// Call before binding to an address.
    fn choose_port_late(&self, socket: &Socket);

    /// The network interfaces of this machine; empty where they are not known.
    fn interfaces(&self) -> Vec<Interface>;

    /// The index of a network interface, for the zone of a link-local address.
    fn interface_index(&self, name: &str) -> Option<u32>;

    /// Raises this process's limit of descriptors to `wanted`, as far as it may, and returns it.
    fn descriptors(&self, wanted: usize) -> Option<usize>;

    /// An identity of this machine that survives reboots, for a stable client machine id.
    fn machine_id(&self) -> Option<String>;
}

/// An ICMP error that a connection attempt received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IcmpError {
    /// ICMP or ICMPv6.
    pub version: IcmpVersion,
    /// Type, RFC 792 or RFC 4443.
    #[serde(rename = "type")]
    pub kind: u8,
    /// Code within the type.
    pub code: u8,
    /// Who sent it, where the kernel knows.
    pub from: Option<IpAddr>,
}

/// Which ICMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IcmpVersion {
    /// ICMP for IPv4.
    Icmp,
    /// ICMP for IPv6.
    Icmpv6,
}

/// The facts of the system that this program runs on.
#[must_use]
pub fn current() -> impl SocketFacts {
    #[cfg(target_os = "linux")]
    {
        linux::Linux
    }
    #[cfg(not(target_os = "linux"))]
    {
        other::Other
    }
}

impl IcmpError {
    /// Protocol, registered name, type and code, for people.
    #[must_use]
    pub fn words(&self) -> String {
        let protocol = match self.version {
            IcmpVersion::Icmp => "ICMP",
            IcmpVersion::Icmpv6 => "ICMPv6",
        };
        format!("{protocol} {} ({}/{})", self.name(), self.kind, self.code)
    }

    /// The registered name of type and code, where they are known.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match (self.version, self.kind, self.code) {
            (IcmpVersion::Icmp, 3, 0) => "network unreachable",
            (IcmpVersion::Icmp, 3, 1) => "host unreachable",
            (IcmpVersion::Icmp, 3, 2) => "protocol unreachable",
            (IcmpVersion::Icmp, 3, 3) => "port unreachable",
            (IcmpVersion::Icmp, 3, 4) => "fragmentation needed",
            (IcmpVersion::Icmp, 3, 5) => "source route failed",
            (IcmpVersion::Icmp, 3, 6) => "destination network unknown",
            (IcmpVersion::Icmp, 3, 7) => "destination host unknown",
            (IcmpVersion::Icmp, 3, 8) => "source host isolated",
            (IcmpVersion::Icmp, 3, 9) => "network administratively prohibited",
            (IcmpVersion::Icmp, 3, 10) => "host administratively prohibited",
            (IcmpVersion::Icmp, 3, 11) => "network unreachable for this type of service",
            (IcmpVersion::Icmp, 3, 12) => "host unreachable for this type of service",
            (IcmpVersion::Icmp, 3, 13) => "communication administratively prohibited",
            (IcmpVersion::Icmp, 3, 14) => "host precedence violation",
            (IcmpVersion::Icmp, 3, 15) => "precedence cutoff in effect",
            (IcmpVersion::Icmp, 11, 0) => "time to live exceeded in transit",
            (IcmpVersion::Icmp, 11, 1) => "fragment reassembly time exceeded",
            (IcmpVersion::Icmp, 12, _) => "parameter problem",
            (IcmpVersion::Icmpv6, 1, 0) => "no route to destination",
            (IcmpVersion::Icmpv6, 1, 1) => "communication administratively prohibited",
            (IcmpVersion::Icmpv6, 1, 2) => "beyond scope of source address",
            (IcmpVersion::Icmpv6, 1, 3) => "address unreachable",
            (IcmpVersion::Icmpv6, 1, 4) => "port unreachable",
            (IcmpVersion::Icmpv6, 1, 5) => "source address failed ingress/egress policy",
            (IcmpVersion::Icmpv6, 1, 6) => "reject route to destination",
            (IcmpVersion::Icmpv6, 1, 7) => "error in source routing header",
            (IcmpVersion::Icmpv6, 2, _) => "packet too big",
            (IcmpVersion::Icmpv6, 3, 0) => "hop limit exceeded in transit",
            (IcmpVersion::Icmpv6, 3, 1) => "fragment reassembly time exceeded",
            (IcmpVersion::Icmpv6, 4, _) => "parameter problem",
            _ => "unassigned",
        }
    }
}
