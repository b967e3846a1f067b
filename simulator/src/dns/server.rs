//! The server: a zone on one UDP and one TCP socket of the same port, on a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use hickory_proto::op::Query;
use hickory_proto::rr::RecordType;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tracing::{debug, info};

use super::answer::{Reply, Transport, answer, answer_with};
use super::fault::Fault;
use super::zone::Zone;
use super::{tcp, udp};

/// A running DNS server. Dropping it stops it.
#[derive(Debug)]
pub struct DnsServer {
    address: SocketAddr,
    served: watch::Sender<Served>,
    thread: Option<JoinHandle<()>>,
}

impl DnsServer {
    /// Serve `zone` at `address` over UDP and TCP. Port 0 takes a port that is free for both. An
    /// IPv6 wildcard serves IPv4 as well.
    ///
    /// # Errors
    ///
    /// What could not be bound, why, and what to do about it. Nothing is left running.
    pub fn start(address: SocketAddr, zone: Zone) -> Result<Self> {
        Self::start_with(address, zone, Options::default())
    }

    /// [`start`](Self::start) with other bounds, or without TCP.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_with(address: SocketAddr, zone: Zone, options: Options) -> Result<Self> {
        let sockets = Sockets::bind(address, options.tcp)?;
        let address = sockets.address;
        let zone = zone.served_at(address.ip());
        let (served, receiver) =
            watch::channel(Served { zone, fault: None, choose: None, stopping: false });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime of the dns server")?;
        let listening = sockets.listen(&runtime, options.tcp)?;
        let thread = thread::Builder::new()
            .name("dns".to_owned())
            .spawn(move || runtime.block_on(listening.serve(receiver, options)))
            .context("cannot start the thread of the dns server")?;
        info!(%address, domain = %served.borrow().zone.apex(), "dns server started");
        Ok(Self { address, served, thread: Some(thread) })
    }

    /// Where it serves, with the port that was taken for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serve another zone from the next query on, under the next serial.
    pub fn set_zone(&self, zone: Zone) {
        let zone = zone.served_at(self.address.ip());
        self.served.send_modify(|served| served.zone = zone.following(&served.zone));
    }

    /// Answer SRV queries with `fault`, or well again, from the next query on.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.served.send_modify(|served| served.fault = fault);
    }

    /// Let `choose` decide what is wrong with each answer, from the next query on. Where it has
    /// nothing to say, the fault of [`set_fault`](Self::set_fault) stands.
    pub fn set_choice(&self, choose: Option<Choose>) {
        self.served.send_modify(|served| served.choose = choose);
    }

    /// Stop serving and wait until both sockets are closed.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        self.served.send_modify(|served| served.stopping = true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(address = %self.address, "the dns server had panicked");
        }
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Bounds of a server, and whether it speaks TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// False: TCP connections are refused (RST), as behind a firewall that knows DNS as UDP only.
    pub tcp: bool,
    /// TCP connections at a time; one more is closed at once.
    pub max_tcp_connections: usize,
    /// How long a TCP client may take over its next query, from first wait to last byte, and over
    /// reading an answer.
    pub idle_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { tcp: true, max_tcp_connections: 64, idle_timeout: Duration::from_secs(10) }
    }
}

/// Decides what is wrong with an answer.
pub type Choose = Arc<dyn Fn(&Asked<'_>) -> Option<Fault> + Send + Sync>;

/// A question of the zone, and who asks it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The client.
    pub client: SocketAddr,
    /// How it came.
    pub transport: Transport,
    /// What is asked.
    pub question: &'a Query,
}

/// What the sockets' tasks share.
pub(super) struct Served {
    zone: Zone,
    fault: Option<Fault>,
    choose: Option<Choose>,
    pub(super) stopping: bool,
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Served")
            .field("zone", &self.zone)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

impl Served {
    pub(super) fn answer(&self, query: &[u8], transport: Transport, client: SocketAddr) -> Reply {
        let reply = match &self.choose {
            None => answer(&self.zone, self.fault.as_ref(), query, transport),
            Some(choose) => answer_with(&self.zone, query, transport, |question| {
                let chosen = choose(&Asked { client, transport, question });
                let is_srv = question.query_type == RecordType::SRV;
                chosen.or_else(|| self.fault.clone().filter(|_| is_srv))
            }),
        };
        match &reply {
            Reply::Send { summary, .. } => debug!(%client, %transport, "dns query {summary}"),
            Reply::Nothing(silence) => debug!(%client, %transport, "dns query ignored: {silence}"),
        }
        reply
    }
}

/// Longest query taken, in bytes: the longest name with every EDNS option of note and padding is
/// far below.
pub(super) const MAX_QUERY_BYTES: usize = 4_096;
const TCP_BACKLOG: i32 = 128;
/// With port 0 the port that UDP gets may be taken for TCP: how often to try another.
const BIND_ATTEMPTS: usize = 32;

/// Both sockets bound, neither served.
struct Sockets {
    address: SocketAddr,
    udp: Socket,
    tcp: Socket,
}

impl Sockets {
    /// Without `tcp`, the TCP socket only holds its port.
    fn bind(address: SocketAddr, tcp: bool) -> Result<Self> {
        let attempts = if address.port() == 0 { BIND_ATTEMPTS } else { 1 };
        let mut last_error = None;
        for _ in 0..attempts {
            let udp = bind(address, Protocol::UDP, false)?;
            let local = udp.local_addr()?.as_socket().context("a socket without an address")?;
            match bind(local, Protocol::TCP, tcp) {
                Ok(tcp) => return Ok(Self { address: local, udp, tcp }),
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(|| anyhow!("no attempt to bind `{address}`")))
    }

    /// Register both with `runtime`. Without `tcp`, the TCP socket stays bound and does not listen:
    /// the kernel refuses every connection.
    fn listen(self, runtime: &Runtime, tcp: bool) -> Result<Listening> {
        let _guard = runtime.enter();
        let address = self.address;
        let udp = UdpSocket::from_std(self.udp.into())
            .with_context(|| format!("cannot serve dns on udp `{address}`"))?;
        if !tcp {
            return Ok(Listening { udp, tcp: Tcp::Refused(self.tcp) });
        }
        self.tcp.listen(TCP_BACKLOG).map_err(|error| explain(&error, address, Protocol::TCP))?;
        let listener = TcpListener::from_std(self.tcp.into())
            .with_context(|| format!("cannot serve dns on tcp `{address}`"))?;
        Ok(Listening { udp, tcp: Tcp::Open(listener) })
    }
}

struct Listening {
    udp: UdpSocket,
    tcp: Tcp,
}

enum Tcp {
    Open(TcpListener),
    Refused(Socket),
}

impl Listening {
    async fn serve(self, served: watch::Receiver<Served>, options: Options) {
        match self.tcp {
            Tcp::Open(listener) => {
                tokio::join!(
                    udp::serve(self.udp, served.clone()),
                    tcp::serve(listener, served, options)
                );
            }
            Tcp::Refused(held_port) => {
                udp::serve(self.udp, served).await;
                drop(held_port);
            }
        }
    }
}

/// `reuse` lets a restart listen before the last connections' TIME_WAIT has ended. It would also
/// let others listen where this socket does not.
fn bind(address: SocketAddr, protocol: Protocol, reuse: bool) -> Result<Socket> {
    let socket = || -> io::Result<Socket> {
        let is_udp = protocol == Protocol::UDP;
        let kind = if is_udp { Type::DGRAM } else { Type::STREAM };
        let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        if is_udp {
            udp::prepare(&socket, address)?;
        }
        socket.set_reuse_address(reuse)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(socket)
    };
    socket().map_err(|error| explain(&error, address, protocol))
}

/// What could not be bound, with the remedy for the usual causes.
fn explain(error: &io::Error, address: SocketAddr, protocol: Protocol) -> anyhow::Error {
    let transport = if protocol == Protocol::UDP { "udp" } else { "tcp" };
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; a port below 1024 needs root or CAP_NET_BIND_SERVICE: choose a higher port"
        }
        io::ErrorKind::AddrInUse => {
            "; another program, perhaps another dns server, has this port: stop it or choose \
             another port"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        _ => "",
    };
    anyhow!("cannot serve dns on {transport} `{address}`: {error}{remedy}")
}
