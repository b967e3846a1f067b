//! A TCP peer made of single segments, for what no kernel sends: a SYN in answer to a SYN.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// A raw socket, to be made inside the server's namespace. What it sends carries a DSCP, which
/// tells it from the kernel's own segments.
pub(crate) struct RawPeer(Socket);

impl RawPeer {
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP)).unwrap();
        socket.set_tos_v4(TOS).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// Waits for a segment to its port with all of `flags`; returns where it came from.
    pub(crate) fn receive(&mut self, flags: u8) -> SocketAddrV4 {
        let mut packet = [0; 2048];
        loop {
            let length = self.0.read(&mut packet).unwrap();
            let (ip, tcp) = packet[..length].split_at(usize::from(packet[0] & 0x0F) * 4);
            let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
            if port(2) == PORT && tcp[13] & flags == flags {
                let from = Ipv4Addr::new(ip[12], ip[13], ip[14], ip[15]);
                return SocketAddrV4::new(from, port(0));
            }
        }
    }

    /// Sends a segment without payload.
    pub(crate) fn send(&self, from: Ipv4Addr, to: SocketAddrV4, sequence: u32, flags: u8) {
        let mut tcp = Vec::with_capacity(20);
        tcp.extend(PORT.to_be_bytes());
        tcp.extend(to.port().to_be_bytes());
        tcp.extend(sequence.to_be_bytes());
        // No acknowledgement; header of 20 bytes; window; checksum to come; no urgent data.
        tcp.extend([0, 0, 0, 0, 0x50, flags, 0xFF, 0xFF, 0, 0, 0, 0]);
        let sum = checksum(from, *to.ip(), &tcp);
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        self.0.send_to(&tcp, &SocketAddrV4::new(*to.ip(), 0).into()).unwrap();
    }
}

/// The checksum of a segment with its pseudo header, RFC 9293 3.1.
fn checksum(from: Ipv4Addr, to: Ipv4Addr, tcp: &[u8]) -> u16 {
    let length = u16::try_from(tcp.len()).unwrap().to_be_bytes();
    let pseudo = [&from.octets()[..], &to.octets(), &[0, 6], &length, tcp].concat();
    let words =
        pseudo.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    !u16::try_from((folded & 0xFFFF) + (folded >> 16)).unwrap()
}

pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

/// A port of the server where nobody listens.
pub(crate) const PORT: u16 = 1690;
/// Class selector 1: anything but the kernel's zero.
const TOS: u32 = 0x20;
const PATIENCE: Duration = Duration::from_secs(20);
