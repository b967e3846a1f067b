//! One blocking connection: connect, bind, call.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kms_protocol::rpc::{Body, Header, Packet};
use socket2::{Domain, Socket, Type};

use crate::floor::FRAG_LENGTH;
use crate::script::{Script, Sizes};

/// What this client waits for any one message.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes one exchange with a server and notes how long its answers are.
///
/// # Errors
/// When the server does not accept the bind and answer the call: a measurement of refusals would
/// look splendid.
pub fn learn_sizes(server: SocketAddr, script: &Script) -> Result<Sizes> {
    let mut stream = connect(server, source_address(0))?;
    let request = script.request(0);
    let bind_ack = ask(&mut stream, &script.bind).context("bind")?;
    ensure!(matches!(decode(&bind_ack)?, Body::BindAck(_)), "the bind was not accepted");
    let response = ask(&mut stream, request).context("call")?;
    ensure!(matches!(decode(&response)?, Body::Response(_)), "the call was not answered");
    Ok(Sizes {
        bind: script.bind.len(),
        bind_ack: bind_ack.len(),
        request: request.len(),
        response: response.len(),
    })
}

/// Connections that have bound and made one call, and then stay open.
///
/// # Errors
/// When one of them cannot be opened; the message says which.
pub fn open_idle(
    server: SocketAddr,
    script: &Script,
    range: std::ops::Range<usize>,
    sizes: &Sizes,
) -> Result<Vec<TcpStream>> {
    let open_one = |index: usize| -> Result<TcpStream> {
        let mut stream = connect(server, source_address(index / CONNECTIONS_PER_ADDRESS))?;
        bind(&mut stream, script, sizes)?;
        call(&mut stream, script.request(index), sizes)?;
        Ok(stream)
    };
    range.map(|index| open_one(index).with_context(|| format!("idle connection {index}"))).collect()
}

/// Binds on `stream`.
///
/// # Errors
/// No answer of the usual length.
pub fn bind(stream: &mut TcpStream, script: &Script, sizes: &Sizes) -> Result<()> {
    exchange(stream, &script.bind, sizes.bind_ack)
}

/// Makes one call on `stream`, which has bound.
///
/// # Errors
/// No answer of the usual length.
pub fn call(stream: &mut TcpStream, request: &[u8], sizes: &Sizes) -> Result<()> {
    exchange(stream, request, sizes.response)
}

fn exchange(stream: &mut TcpStream, question: &[u8], length: usize) -> Result<()> {
    let mut answer = [0; ANSWER_LEN_MAX];
    let answer = answer.get_mut(..length).context("longer than any answer")?;
    stream.write_all(question)?;
    stream.read_exact(answer)?;
    // As the client of many connections reads it: the floor states a length and nothing else.
    let field = answer.get(FRAG_LENGTH..FRAG_LENGTH + 2).and_then(|field| field.try_into().ok());
    let stated = usize::from(u16::from_le_bytes(field.context("shorter than any answer")?));
    ensure!(stated == length, "an answer of {stated} bytes instead of {length}");
    Ok(())
}

/// The `n`th of the loopback addresses that connections come from. One address has some 28,000
/// ports, fewer than what is opened here.
#[must_use]
pub fn source_address(n: usize) -> IpAddr {
    let [low, high] = [n % 250, n / 250 % 250].map(|part| u8::try_from(part + 1).unwrap_or(1));
    IpAddr::V4(Ipv4Addr::new(127, 10, high, low))
}

/// A socket that will connect from `source`. Its port is chosen when it connects, and so may be one
/// that waits out an earlier connection to another peer.
///
/// # Errors
/// When the system refuses it.
pub fn socket_from(source: IpAddr) -> Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::IpBindAddressNoPort, &true)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

/// A blocking connection from `source`.
///
/// # Errors
/// When there is none within [`ANSWER_TIMEOUT`].
pub fn connect(server: SocketAddr, source: IpAddr) -> Result<TcpStream> {
    let socket = socket_from(source)?;
    socket.connect_timeout(&server.into(), ANSWER_TIMEOUT)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    Ok(stream)
}

fn ask(stream: &mut TcpStream, question: &[u8]) -> Result<Vec<u8>> {
    stream.write_all(question)?;
    let mut answer = vec![0; Header::LEN];
    stream.read_exact(&mut answer)?;
    let length = usize::from(Header::decode(&answer)?.frag_length);
    ensure!(length >= Header::LEN, "an answer of {length} bytes");
    answer.resize(length, 0);
    stream.read_exact(answer.get_mut(Header::LEN..).unwrap_or_default())?;
    Ok(answer)
}

fn decode(bytes: &[u8]) -> Result<Body<'_>> {
    Ok(Packet::decode(bytes)?.body)
}

/// More than a bind_ack or a response has.
const ANSWER_LEN_MAX: usize = 1024;

/// Well below the ports of one address.
const CONNECTIONS_PER_ADDRESS: usize = 20_000;
