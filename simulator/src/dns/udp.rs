//! The UDP side: one datagram in, at most one out, from the very address that was asked.
//!
//! On a wildcard address the kernel would choose the source of an answer by its routes, and a
//! client drops what comes from an address it did not ask. So each datagram's destination is
//! read (`IP_PKTINFO`, `IPV6_PKTINFO`) and used as the source of its answer.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use nix::libc::{in_pktinfo, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, cmsg_space, recvmsg, sendmsg,
    setsockopt, sockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::answer::{Reply, Transport};
use super::server::{MAX_QUERY_BYTES, Served};

/// Answer datagrams until told to stop.
pub(super) async fn serve(socket: UdpSocket, mut served: watch::Receiver<Served>) {
    let answers = served.clone();
    let socket = Arc::new(socket);
    tokio::select! {
        () = answer_datagrams(&socket, &answers) => {}
        _stopped = served.wait_for(|served| served.stopping) => {}
    }
}

/// Ask the kernel for the destination of every datagram.
pub(super) fn prepare(socket: &socket2::Socket, address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?,
    }
    Ok(())
}

async fn answer_datagrams(socket: &Arc<UdpSocket>, served: &watch::Receiver<Served>) {
    let mut buffer = vec![0; MAX_QUERY_BYTES];
    let mut held_back = JoinSet::new();
    loop {
        let datagram = match receive(socket, &mut buffer).await {
            Ok(datagram) => datagram,
            Err(error) => {
                warn!(%error, "cannot receive dns queries over udp; trying again");
                tokio::time::sleep(RETRY_PAUSE).await;
                continue;
            }
        };
        let query = buffer.get(..datagram.len).unwrap_or_default();
        let client = datagram.client;
        let reply = served.borrow().answer(query, Transport::Udp, client);
        let Reply::Send { before, delay, bytes, .. } = reply else { continue };
        if delay.is_zero() {
            send_all(socket, before.iter().chain([&bytes]), &datagram).await;
            continue;
        }
        while held_back.try_join_next().is_some() {}
        if held_back.len() >= MAX_HELD_BACK {
            debug!(%client, limit = MAX_HELD_BACK, "dns answer dropped: too many are held back");
            continue;
        }
        let socket = Arc::clone(socket);
        held_back.spawn(async move {
            tokio::time::sleep(delay).await;
            send_all(&socket, before.iter().chain([&bytes]), &datagram).await;
        });
    }
}

async fn send_all(socket: &UdpSocket, messages: impl Iterator<Item = &Vec<u8>>, query: &Datagram) {
    for bytes in messages {
        if let Err(error) = send(socket, bytes, query).await {
            debug!(client = %query.client, %error, "cannot send a dns answer over udp");
        }
    }
}

/// Answers that a fault holds back at a time; one more is dropped, as by a resolver that is
/// overloaded.
const MAX_HELD_BACK: usize = 1_024;

struct Datagram {
    len: usize,
    client: SocketAddr,
    destination: Option<Destination>,
}

/// The address that a client asked.
#[derive(Clone, Copy)]
enum Destination {
    V4(in_pktinfo),
    V6(in6_pktinfo),
}

impl Destination {
    /// The address of a control message, to be used as a source. The interface is left to the
    /// routes: the way back need not be the way that the query came.
    fn from_control(message: &ControlMessageOwned) -> Option<Self> {
        match *message {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(Self::V4(in_pktinfo { ipi_ifindex: 0, ..info }))
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                Some(Self::V6(in6_pktinfo { ipi6_ifindex: 0, ..info }))
            }
            _ => None,
        }
    }

    fn as_control(&self) -> ControlMessage<'_> {
        match self {
            Self::V4(info) => ControlMessage::Ipv4PacketInfo(info),
            Self::V6(info) => ControlMessage::Ipv6PacketInfo(info),
        }
    }
}

/// Between attempts to receive, so that a lasting error does not occupy a processor.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

async fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Datagram> {
    let mut control = vec![0; cmsg_space::<in_pktinfo>().max(cmsg_space::<in6_pktinfo>())];
    let fd = socket.as_raw_fd();
    socket
        .async_io(Interest::READABLE, || {
            let mut parts = [IoSliceMut::new(buffer)];
            let message =
                recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut control), MsgFlags::empty())?;
            let client = message.address.as_ref().and_then(socket_address);
            let destination =
                message.cmsgs()?.find_map(|control| Destination::from_control(&control));
            Ok(Datagram {
                len: message.bytes,
                client: client.ok_or(io::ErrorKind::InvalidData)?,
                destination,
            })
        })
        .await
}

async fn send(socket: &UdpSocket, bytes: &[u8], query: &Datagram) -> io::Result<()> {
    let client = SockaddrStorage::from(query.client);
    let control: Vec<_> = query.destination.iter().map(Destination::as_control).collect();
    let fd = socket.as_raw_fd();
    socket
        .async_io(Interest::WRITABLE, || {
            let parts = [IoSlice::new(bytes)];
            sendmsg(fd, &parts, &control, MsgFlags::empty(), Some(&client))?;
            Ok(())
        })
        .await
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(address) = storage.as_sockaddr_in() {
        return Some(SocketAddr::V4((*address).into()));
    }
    storage.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into()))
}
