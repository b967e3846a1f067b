//! The floor's client: many connections that replay encoded requests and check lengths only.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::exchange::{socket_from, source_address};
use crate::floor::FRAG_LENGTH;
use crate::script::{Script, Sizes};

/// How a connection is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One bind, then call after call.
    KeepAlive,
    /// Connect, bind, one call, close; and again.
    NewConnection,
}

/// What to drive, and with what.
#[derive(Clone, Debug)]
pub struct Target {
    /// The server.
    pub server: SocketAddr,
    /// What is sent.
    pub script: Arc<Script>,
    /// How long each answer must be.
    pub sizes: Sizes,
}

/// Connections at work, on two threads of their own.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    exchanges: AtomicU64,
}

impl Load {
    /// Opens `connections` and sets them to work.
    #[must_use]
    pub fn start(target: &Target, mode: Mode, connections: usize) -> Self {
        Self::start_on(target, mode, connections, THREADS)
    }

    /// The same on so many threads.
    #[must_use]
    pub fn start_on(target: &Target, mode: Mode, connections: usize, threads: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let threads = threads.clamp(1, connections.max(1));
        let threads = (0..threads)
            .map(|thread| {
                let (target, shared) = (target.clone(), Arc::clone(&shared));
                let mine = (thread..connections).step_by(threads).collect();
                thread::spawn(move || run_thread(&target, mode, mine, &shared))
            })
            .collect();
        Self { shared, threads }
    }

    /// Exchanges completed so far.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.shared.exchanges.load(Ordering::Relaxed)
    }

    /// Ends the load after the exchanges that are under way.
    ///
    /// # Errors
    /// The first connection that failed, with its number, or that a server stopped answering.
    pub fn finish(self) -> Result<()> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a client panicked"))?)
    }
}

fn run_thread(
    target: &Target,
    mode: Mode,
    numbers: Vec<usize>,
    shared: &Arc<Shared>,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connections = JoinSet::new();
        for number in numbers {
            let (target, shared) = (target.clone(), Arc::clone(shared));
            connections.spawn(async move {
                let work = async {
                    match mode {
                        Mode::KeepAlive => keep_alive(&target, number, &shared).await,
                        Mode::NewConnection => reconnect(&target, number, &shared).await,
                    }
                };
                work.await.with_context(|| format!("connection {number} of the load"))
            });
        }
        tokio::select! {
            ended = all_end(&mut connections) => ended,
            () = stall(shared) => bail!("the server stopped answering"),
        }
    })
}

async fn all_end(connections: &mut JoinSet<Result<()>>) -> Result<()> {
    while let Some(ended) = connections.join_next().await {
        ended??;
    }
    Ok(())
}

/// Ends when the load should have been over for [`STALL`]. One timer for all connections, since one
/// per read would be part of what is measured.
async fn stall(shared: &Shared) {
    while !shared.stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(STALL).await;
}

async fn keep_alive(target: &Target, number: usize, shared: &Shared) -> Result<()> {
    let mut connection = Connection::open(target, number).await?;
    let mut n = number;
    while !shared.stop.load(Ordering::Relaxed) {
        connection.call(target, n).await?;
        n = n.wrapping_add(1);
        shared.exchanges.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn reconnect(target: &Target, number: usize, shared: &Shared) -> Result<()> {
    let mut n = number;
    while !shared.stop.load(Ordering::Relaxed) {
        Connection::open(target, number).await?.call(target, n).await?;
        n = n.wrapping_add(1);
        shared.exchanges.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects from an address of its own and binds.
    async fn open(target: &Target, number: usize) -> Result<Self> {
        let stream = connect(target.server, source_address(number)).await?;
        let answer = vec![0; target.sizes.bind_ack.max(target.sizes.response)];
        let mut connection = Self { stream, answer };
        connection.ask(&target.script.bind, target.sizes.bind_ack).await?;
        Ok(connection)
    }

    async fn call(&mut self, target: &Target, n: usize) -> Result<()> {
        self.ask(target.script.request(n), target.sizes.response).await
    }

    /// Sends `question` and takes an answer that must say it is `length` bytes long.
    async fn ask(&mut self, question: &[u8], length: usize) -> Result<()> {
        self.stream.write_all(question).await?;
        let answer = self.answer.get_mut(..length).unwrap_or_default();
        self.stream.read_exact(answer).await?;
        match answer.get(FRAG_LENGTH..) {
            Some(&[low, high, ..]) if usize::from(u16::from_le_bytes([low, high])) == length => {
                Ok(())
            }
            _ => bail!("an answer that is not {length} bytes long"),
        }
    }
}

async fn connect(server: SocketAddr, source: IpAddr) -> Result<TcpStream> {
    let socket = socket_from(source)?;
    socket.set_nonblocking(true)?;
    Ok(TcpSocket::from_std_stream(socket.into()).connect(server).await?)
}

/// As many as the processors of the measurement.
const THREADS: usize = 2;

/// A server that is silent for so long has failed.
const STALL: Duration = Duration::from_secs(10);
