//! Linux: TCP_INFO and the socket error queue (see ip(7), ipv6(7) and tcp(7)).

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use nix::getsockopt_impl;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, getsockopt, recvmsg};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::Socket;

use super::origin::Interface;
use super::{IcmpError, IcmpVersion, SocketFacts};

/// The facts that Linux offers to any user.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linux;

impl SocketFacts for Linux {
    fn keep_icmp_errors(&self, socket: &Socket, is_v6: bool) {
        set_icmp_errors(socket, is_v6, true);
    }

    fn ignore_icmp_errors(&self, socket: &Socket, is_v6: bool) {
        set_icmp_errors(socket, is_v6, false);
    }

    fn syns_sent(&self, socket: &Socket) -> Option<u32> {
        self.retransmissions(socket)?.checked_add(1)
    }

    fn handshake_completed(&self, socket: &Socket) -> Option<bool> {
        // The SYN-ACK gives the first sample of the round trip, and a reset does not clear it.
        getsockopt(socket, TcpInfo).ok().map(|info| info.tcpi_rtt > 0)
    }

    fn icmp_error(&self, socket: &Socket) -> Option<IcmpError> {
        let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
        // The queue also holds errors that this machine raised itself, without ICMP.
        for _ in 0..QUEUED_ERRORS_MAX {
            let message = recvmsg::<SockaddrIn6>(
                socket.as_raw_fd(),
                &mut [],
                Some(&mut control),
                MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT,
            )
            .ok()?;
            let found = message.cmsgs().ok()?.find_map(|record| icmp_of(&record));
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn lacks_address_family(&self, error: &io::Error) -> bool {
        error.raw_os_error() == Some(libc::EAFNOSUPPORT)
    }

    fn retransmissions(&self, socket: &Socket) -> Option<u32> {
        getsockopt(socket, TcpInfo).ok().map(|info| info.tcpi_total_retrans)
    }

    fn leave_by(&self, socket: &Socket, interface: &str) -> io::Result<()> {
        socket.bind_device(Some(interface.as_bytes()))
    }

    fn choose_port_late(&self, socket: &Socket) {
        // The option is of IPv4 in name only: it holds for IPv6 sockets as well.
        let _port_chosen_at_the_bind = setsockopt(socket, sockopt::IpBindAddressNoPort, &true);
    }

    fn interfaces(&self) -> Vec<Interface> {
        let mut interfaces: Vec<Interface> = Vec::new();
        for found in nix::ifaddrs::getifaddrs().into_iter().flatten() {
            let address = found.address.and_then(|address| {
                let v4 = address.as_sockaddr_in().map(|own| IpAddr::V4(own.ip()));
                v4.or_else(|| address.as_sockaddr_in6().map(|own| IpAddr::V6(own.ip())))
            });
            let known =
                interfaces.iter_mut().find(|interface| interface.name == found.interface_name);
            match known {
                Some(interface) => interface.addresses.extend(address),
                None => interfaces.push(Interface {
                    name: found.interface_name,
                    addresses: address.into_iter().collect(),
                }),
            }
        }
        interfaces
    }

    fn interface_index(&self, name: &str) -> Option<u32> {
        nix::net::if_::if_nametoindex(name).ok()
    }

    fn descriptors(&self, wanted: usize) -> Option<usize> {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
        let wanted = u64::try_from(wanted).ok()?.min(hard);
        let raised = wanted > soft && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok();
        usize::try_from(if raised { wanted } else { soft }).ok()
    }

    fn machine_id(&self) -> Option<String> {
        let id = fs::read_to_string("/etc/machine-id").ok()?;
        let id = id.trim();
        (!id.is_empty()).then(|| id.to_owned())
    }
}

/// Failures are ignored: without the option the sender stays unknown, which reports say.
fn set_icmp_errors(socket: &Socket, is_v6: bool, keep: bool) {
    let _without_sender = if is_v6 {
        setsockopt(socket, sockopt::Ipv6RecvErr, &keep)
    } else {
        setsockopt(socket, sockopt::Ipv4RecvErr, &keep)
    };
}

fn icmp_of(record: &ControlMessageOwned) -> Option<IcmpError> {
    match record {
        ControlMessageOwned::Ipv4RecvErr(error, from) if error.ee_origin == ORIGIN_ICMP => {
            let from = from.map(|a| IpAddr::V4(Ipv4Addr::from(u32::from_be(a.sin_addr.s_addr))));
            Some(IcmpError {
                version: IcmpVersion::Icmp,
                kind: error.ee_type,
                code: error.ee_code,
                from,
            })
        }
        ControlMessageOwned::Ipv6RecvErr(error, from) if error.ee_origin == ORIGIN_ICMP6 => {
            let from = from.map(|a| IpAddr::V6(Ipv6Addr::from(a.sin6_addr.s6_addr)));
            Some(IcmpError {
                version: IcmpVersion::Icmpv6,
                kind: error.ee_type,
                code: error.ee_code,
                from,
            })
        }
        _ => None,
    }
}

/// TCP_INFO, which nix does not wrap; the macro is its own way of adding an option.
#[derive(Clone, Copy)]
struct TcpInfo;
getsockopt_impl!(
    TcpInfo,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    libc::tcp_info,
    sockopt::GetStruct<libc::tcp_info>
);

/// SO_EE_ORIGIN_ICMP and SO_EE_ORIGIN_ICMP6 of linux/errqueue.h.
const ORIGIN_ICMP: u8 = 2;
const ORIGIN_ICMP6: u8 = 3;

/// One connect sends a handful of SYNs; each can bring back one error.
const QUEUED_ERRORS_MAX: usize = 16;
