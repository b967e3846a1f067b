//! Listening sockets: one per worker on the same port, and none beside another server's.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// A socket for each worker, all listening on `address`; the kernel spreads connections over them.
///
/// The first socket takes the port for itself, so that a port that anybody else listens on is
/// refused, be it by another server of this kind. Only then is it opened to the others.
///
/// # Errors
/// [`ListenError`] with the address and what to do about it.
pub(super) fn listen(
    address: SocketAddr,
    workers: NonZeroUsize,
) -> Result<Vec<TcpListener>, ListenError> {
    let attempt = || -> io::Result<Vec<TcpListener>> {
        let first = bind(address, false)?;
        let bound = first.local_addr()?.as_socket().unwrap_or(address);
        first.set_reuse_port(true)?;
        // A socket that stops listening keeps its port only if it was bound to that very port.
        let keeps_port = address.port() != 0;
        let others = workers.get() - usize::from(keeps_port);
        let mut listeners: Vec<TcpListener> =
            (0..others).map(|_| bind(bound, true).map(Into::into)).collect::<io::Result<_>>()?;
        if keeps_port {
            listeners.push(first.into());
        }
        Ok(listeners)
    };
    attempt().map_err(|error| ListenError { address, error })
}

/// `socket`, which listens already, for each worker: the same one for all of them.
///
/// # Errors
/// No descriptors for the copies, or a socket that is not what it should be.
pub(super) fn adopt(socket: &TcpListener, workers: NonZeroUsize) -> io::Result<Vec<TcpListener>> {
    socket.set_nonblocking(true)?;
    SockRef::from(socket).set_tcp_nodelay(true)?;
    (0..workers.get()).map(|_| socket.try_clone()).collect()
}

/// Lets the kernel refuse connections to `listener`: a SYN is answered with RST, and so is whoever
/// waits to be accepted. The port stays taken.
pub(super) fn stop_listening(listener: &TcpListener) -> io::Result<()> {
    let socket = SockRef::from(listener);
    // A port may be shared with a socket that does not listen, unless that one forbids it.
    socket.set_reuse_address(false)?;
    match socket.shutdown(std::net::Shutdown::Read) {
        // It does not listen already.
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
        result => result,
    }
}

/// Listens again after [`stop_listening`].
pub(super) fn listen_again(listener: &TcpListener) -> io::Result<()> {
    let socket = SockRef::from(listener);
    socket.set_reuse_address(true)?;
    socket.listen(BACKLOG)
}

fn bind(address: SocketAddr, share_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of a server that has ended must not keep its successor from the port.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share_port)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    // Inherited by every accepted connection.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// An address that cannot be listened on.
#[derive(Debug)]
pub(super) struct ListenError {
    /// The address.
    address: SocketAddr,
    /// What the system said.
    error: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, error } = self;
        write!(f, "cannot listen on `{address}`: ")?;
        match error.kind() {
            ErrorKind::AddrInUse => f.write_str(
                "the port is occupied; stop what listens there (`ss -ltnp` names it) or choose \
                 another port",
            ),
            ErrorKind::PermissionDenied => f.write_str(
                "no permission; ports below 1024 are for privileged users: choose a higher port, \
                 or grant CAP_NET_BIND_SERVICE",
            ),
            ErrorKind::AddrNotAvailable => f.write_str("this machine does not have that address"),
            _ => error.fmt(f),
        }
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        None // its text is part of the message already
    }
}

/// Connections that may wait to be accepted; the system's own cap applies.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn all_sockets_share_one_free_port_and_the_kernel_uses_them_all() {
        let listeners = listen(LOOPBACK, workers(2)).unwrap();
        let address = listeners[0].local_addr().unwrap();
        assert_ne!(address.port(), 0);
        assert_eq!(listeners[1].local_addr().unwrap(), address);
        let _clients: Vec<TcpStream> =
            (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
        for listener in &listeners {
            assert!(listener.accept().is_ok(), "every socket gets its share");
        }
    }

    #[test]
    fn a_listener_that_stops_is_refused_by_the_kernel_and_keeps_its_port() {
        for workers in [workers(1), workers(2)] {
            let listeners = listen(LOOPBACK, workers).unwrap();
            let address = listeners[0].local_addr().unwrap();
            for _ in 0..3 {
                listeners.iter().for_each(|listener| stop_listening(listener).unwrap());
                let refused = TcpStream::connect(address).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
                assert!(listen(address, workers).is_err(), "the port is still taken");
                listeners.iter().for_each(|listener| listen_again(listener).unwrap());
                assert_eq!(listeners[0].local_addr().unwrap(), address);
                TcpStream::connect(address).unwrap();
            }
        }
    }

    #[test]
    fn a_port_that_another_server_shares_among_its_workers_is_occupied() {
        let theirs = listen(LOOPBACK, workers(2)).unwrap();
        let address = theirs[0].local_addr().unwrap();
        let error = listen(address, workers(2)).unwrap_err();
        assert_eq!(error.error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&format!("`{address}`: the port is occupied")));
    }

    #[test]
    fn an_accepted_connection_sends_without_delay() {
        let listeners = listen(LOOPBACK, workers(1)).unwrap();
        let _client = TcpStream::connect(listeners[0].local_addr().unwrap()).unwrap();
        listeners[0].set_nonblocking(false).unwrap();
        let (accepted, _) = listeners[0].accept().unwrap();
        assert!(accepted.nodelay().unwrap());
    }

    #[test]
    fn a_low_port_without_permission_and_a_foreign_address_are_explained() {
        let error =
            |kind: ErrorKind| ListenError { address: LOOPBACK, error: kind.into() }.to_string();
        assert!(error(ErrorKind::PermissionDenied).contains("CAP_NET_BIND_SERVICE"));
        assert!(error(ErrorKind::AddrNotAvailable).contains("does not have that address"));
    }

    fn workers(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    const LOOPBACK: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
}
