//! Things on loopback that are not a KMS host.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// A port that is taken, so that nobody else gets it, and on which nothing listens.
pub(super) struct ClosedPort {
    address: SocketAddr,
    _reserved: Socket,
}

/// A server whose connections succeed and are never answered.
pub(super) struct SilentServer {
    address: SocketAddr,
    _listener: TcpListener,
}

/// A web server for one visitor.
pub(super) struct WebServer {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl ClosedPort {
    pub(super) fn reserve() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&LOOPBACK_ANY_PORT.into())?;
        let address = socket.local_addr()?.as_socket();
        let address = address.ok_or_else(|| io::Error::other("no address was given"))?;
        Ok(Self { address, _reserved: socket })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl SilentServer {
    pub(super) fn start() -> io::Result<Self> {
        // The kernel completes handshakes by itself; nobody ever accepts or reads.
        let listener = TcpListener::bind(LOOPBACK_ANY_PORT)?;
        Ok(Self { address: listener.local_addr()?, _listener: listener })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl WebServer {
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(LOOPBACK_ANY_PORT)?;
        let address = listener.local_addr()?;
        let thread = thread::Builder::new().name("web".to_owned()).spawn(move || {
            if let Ok((visitor, _)) = listener.accept() {
                // A visitor that leaves early is no concern of the lab.
                let _left = answer(visitor);
            }
        })?;
        Ok(Self { address, thread: Some(thread) })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // Wakes the thread if nobody came.
        let _woken = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// Answers as web servers answer what they do not understand, then waits for the visitor to go, so
/// that the answer is not lost to a reset.
fn answer(mut visitor: TcpStream) -> io::Result<()> {
    visitor.set_read_timeout(Some(VISIT_MAX))?;
    let mut request = [0; 1024];
    if visitor.read(&mut request)? == 0 {
        return Ok(());
    }
    visitor
        .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    visitor.shutdown(Shutdown::Write)?;
    while visitor.read(&mut request)? > 0 {}
    Ok(())
}

const LOOPBACK_ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const VISIT_MAX: Duration = Duration::from_secs(5);
