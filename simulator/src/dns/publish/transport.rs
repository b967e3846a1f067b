//! One message each way over TCP, within a time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use thiserror::Error;

/// Sends one message and reads one answer (RFC 1035 section 4.2.2), all within `timeout`.
///
/// # Errors
///
/// [`TransportError`], with what was being done.
pub(super) fn exchange(
    server: SocketAddr,
    message: &[u8],
    timeout: Duration,
) -> Result<Vec<u8>, TransportError> {
    let started = Instant::now();
    let fail = |doing: &'static str| {
        move |source: io::Error| TransportError {
            server,
            doing,
            elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            source,
        }
    };
    let left = || {
        let left = timeout.saturating_sub(started.elapsed());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    };
    let mut stream =
        TcpStream::connect_timeout(&server, timeout).map_err(fail("connect over TCP"))?;
    let send = |stream: &mut TcpStream| {
        let length = u16::try_from(message.len()).map_err(io::Error::other)?;
        stream.set_write_timeout(Some(left()?))?;
        stream.write_all(&[&length.to_be_bytes(), message].concat())
    };
    send(&mut stream).map_err(fail("send"))?;
    let mut length = [0; 2];
    fill(&mut stream, &mut length, &left).map_err(fail("wait for the answer"))?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    fill(&mut stream, &mut answer, &left).map_err(fail("read the answer"))?;
    Ok(answer)
}

/// `read_exact` with one deadline for all of it.
fn fill(
    stream: &mut TcpStream,
    mut buffer: &mut [u8],
    left: &dyn Fn() -> io::Result<Duration>,
) -> io::Result<()> {
    while !buffer.is_empty() {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => buffer = buffer.get_mut(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A DNS server could not be talked to.
#[derive(Debug, Error)]
#[error("cannot {doing}: DNS server {server}, after {elapsed_ms} ms")]
pub struct TransportError {
    /// Whom.
    pub server: SocketAddr,
    /// What was being done.
    pub doing: &'static str,
    /// For how long, in milliseconds.
    pub elapsed_ms: u64,
    /// What the system said.
    pub source: io::Error,
}
