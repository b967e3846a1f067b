//! The TCP side (RFC 7766): messages behind a length of two bytes, several in turn on one
//! connection, with bounds on connections, on the size of a query and on waiting.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::answer::{Reply, Transport};
use super::server::{MAX_QUERY_BYTES, Options, Served};

/// Accept and answer until told to stop.
pub(super) async fn serve(
    listener: TcpListener,
    mut served: watch::Receiver<Served>,
    options: Options,
) {
    let answers = served.clone();
    tokio::select! {
        () = accept(&listener, &answers, &options) => {}
        _stopped = served.wait_for(|served| served.stopping) => {}
    }
}

async fn accept(listener: &TcpListener, served: &watch::Receiver<Served>, options: &Options) {
    let free = Arc::new(Semaphore::new(options.max_tcp_connections));
    let mut connections = JoinSet::new();
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "cannot accept dns connections; trying again");
                tokio::time::sleep(RETRY_PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&free).try_acquire_owned() else {
            debug!(%client, limit = options.max_tcp_connections, "dns connection refused: limit");
            continue;
        };
        let (served, idle_timeout) = (served.clone(), options.idle_timeout);
        connections.spawn(async move {
            if let Err(error) = converse(stream, client, &served, idle_timeout).await {
                debug!(%client, %error, "dns connection ended");
            }
            drop(permit);
        });
    }
}

/// Answer one client's queries in their order until it closes, breaks a rule or falls silent.
async fn converse(
    mut stream: TcpStream,
    client: SocketAddr,
    served: &watch::Receiver<Served>,
    idle_timeout: Duration,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut query = Vec::new();
    while timeout(idle_timeout, read_message(&mut stream, &mut query)).await?? {
        let reply = served.borrow().answer(&query, Transport::Tcp, client);
        if let Reply::Send { delay, bytes, .. } = reply {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            timeout(idle_timeout, write_message(&mut stream, &bytes)).await??;
        }
    }
    Ok(())
}

/// Between attempts to accept, so that a lasting error (no descriptors) does not occupy a
/// processor.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Read one message into `query`; false where the client has closed its side instead.
async fn read_message(stream: &mut TcpStream, query: &mut Vec<u8>) -> io::Result<bool> {
    let len = match stream.read_u16().await {
        Ok(len) => usize::from(len),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error),
    };
    if len > MAX_QUERY_BYTES {
        let reason = format!("a query of {len} bytes, the limit is {MAX_QUERY_BYTES}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    query.resize(len, 0);
    stream.read_exact(query).await?;
    Ok(true)
}

async fn write_message(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let len = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    // One write, so that length and message leave in one segment.
    let message = [len.to_be_bytes().as_slice(), bytes].concat();
    stream.write_all(&message).await
}
