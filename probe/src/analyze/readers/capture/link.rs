//! From the link layer to IP: Ethernet with VLANs, Linux cooked captures, loopback and raw IP.

use std::net::IpAddr;

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket};
use pcap_parser::Linktype;

/// Why a packet is not read.
pub(super) enum Unread {
    /// Its headers contradict each other.
    Broken,
    /// Its link type is not known.
    Unknown,
}

/// Takes a packet apart. What is cut off at its end is no error.
pub(super) fn slice(link: Linktype, data: &[u8]) -> Result<LaxSlicedPacket<'_>, Unread> {
    let sliced = match link {
        Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(data).ok(),
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 | Linktype(12 | 14) => {
            LaxSlicedPacket::from_ip(data).ok()
        }
        // The header ends with the EtherType.
        Linktype::LINUX_SLL => cooked(data, 14, 16),
        Linktype::LINUX_SLL2 => cooked(data, 0, 20),
        // Four bytes of address family.
        Linktype::NULL | Linktype::LOOP => {
            data.get(4..).and_then(|rest| LaxSlicedPacket::from_ip(rest).ok())
        }
        _ => return Err(Unread::Unknown),
    };
    sliced.ok_or(Unread::Broken)
}

fn cooked(data: &[u8], type_at: usize, header: usize) -> Option<LaxSlicedPacket<'_>> {
    let (kind, rest) = (data.get(type_at..)?.first_chunk::<2>()?, data.get(header..)?);
    let kind = EtherType(u16::from_be_bytes(*kind));
    Some(LaxSlicedPacket::from_ether_type(kind, rest))
}

/// From whom to whom.
pub(super) fn addresses(packet: &LaxSlicedPacket<'_>) -> Option<(IpAddr, IpAddr)> {
    match packet.net.as_ref()? {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            Some((header.source_addr().into(), header.destination_addr().into()))
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            Some((header.source_addr().into(), header.destination_addr().into()))
        }
        LaxNetSlice::Arp(_) => None,
    }
}
