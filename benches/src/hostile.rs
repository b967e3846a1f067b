//! Clients that try to be in the way of others: slow, silent or endless, until they are told to stop.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use kms_protocol::limits::{FRAGMENT_MAX, REASSEMBLED_MAX};
use kms_protocol::ndr;
use kms_protocol::rpc::{Body, Packet, PfcFlags, Request};

use crate::exchange::{ANSWER_TIMEOUT, bind, connect, socket_from, source_address};
use crate::script::{Script, Sizes};
use crate::suite::pause;

/// A way of being in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sends calls by the dozen and takes a byte of the answers now and then, until the server sends
    /// and takes no more.
    SlowReader,
    /// Sends calls a byte at a time.
    SlowWriter,
    /// Connects and stays silent, one in two after the first half of a bind.
    HalfOpen,
    /// Calls of 4 MiB in fragments, again and again: one client ends each, another never does
    /// and begins anew when it is thrown out.
    Fragments,
}

/// What all hostile clients need.
#[derive(Clone, Debug)]
pub struct Victim {
    /// The server.
    pub server: SocketAddr,
    /// What its well-behaved clients send.
    pub script: Arc<Script>,
    /// How long its answers are.
    pub sizes: Sizes,
    /// Connections that are left half open.
    pub half_open: usize,
}

/// Hostile clients of one kind at work. Dropping them ends them.
#[derive(Debug)]
pub struct Hostile {
    kind: Kind,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    /// How often the clients have done what makes them hostile.
    deeds: AtomicU64,
    /// Connections that have done it.
    at_work: AtomicUsize,
}

/// One hostile client's part in it.
struct Part<'a> {
    shared: &'a Shared,
    at_work: bool,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::SlowReader, Self::SlowWriter, Self::HalfOpen, Self::Fragments];

    /// As printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SlowReader => "slow readers",
            Self::SlowWriter => "slow writers",
            Self::HalfOpen => "half-open connections",
            Self::Fragments => "calls of 4 MiB in fragments",
        }
    }

    /// How many connections there are.
    #[must_use]
    pub const fn connections(self, victim: &Victim) -> usize {
        match self {
            Self::SlowReader | Self::SlowWriter => SLOW_CONNECTIONS,
            Self::HalfOpen => victim.half_open,
            Self::Fragments => 2,
        }
    }
}

impl Hostile {
    /// Starts them, and returns when each is in the way.
    ///
    /// # Errors
    /// When they cannot get to work.
    pub fn start(kind: Kind, victim: &Victim) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let threads = match kind {
            Kind::HalfOpen => 1,
            _ => kind.connections(victim),
        };
        let threads = (0..threads)
            .map(|number| {
                let (shared, victim) = (Arc::clone(&shared), victim.clone());
                thread::spawn(move || {
                    let mut part = Part { shared: &shared, at_work: false };
                    match kind {
                        Kind::SlowReader => again(&mut part, |p| read_slowly(&victim, number, p)),
                        Kind::SlowWriter => again(&mut part, |p| write_slowly(&victim, number, p)),
                        Kind::HalfOpen => stay_half_open(&victim, &shared),
                        Kind::Fragments => {
                            again(&mut part, |p| send_fragments(&victim, number == 0, p))
                        }
                    }
                })
            })
            .collect();
        let hostile = Self { kind, shared, threads };
        let deadline = Instant::now() + START_TIMEOUT;
        while hostile.shared.at_work.load(Ordering::Relaxed) < kind.connections(victim) {
            ensure!(
                Instant::now() < deadline && !hostile.threads.iter().all(JoinHandle::is_finished),
                "{} did not get to work within {START_TIMEOUT:?}",
                kind.name()
            );
            pause(Duration::from_millis(5));
        }
        Ok(hostile)
    }

    /// What they are.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// How often they have been in the way: writes that the server did not take, bytes sent one by
    /// one, connections left half open, 4 MiB sent.
    #[must_use]
    pub fn deeds(&self) -> u64 {
        self.shared.deeds.load(Ordering::Relaxed)
    }

    /// Ends them.
    ///
    /// # Errors
    /// What kept one of them from its work.
    pub fn finish(mut self) -> Result<()> {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in std::mem::take(&mut self.threads) {
            thread.join().map_err(|_| anyhow!("a hostile client panicked"))??;
        }
        Ok(())
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Part<'_> {
    fn stops(&self) -> bool {
        self.shared.stops()
    }

    fn did_it(&mut self) {
        self.shared.deeds.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(&mut self.at_work, true) {
            self.shared.at_work.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Runs one connection after the other: a server may throw a hostile client out at any moment.
fn again(
    part: &mut Part<'_>,
    mut connection: impl FnMut(&mut Part<'_>) -> Result<()>,
) -> Result<()> {
    while !part.stops() {
        if let Err(error) = connection(part)
            && !error.is::<io::Error>()
        {
            return Err(error);
        }
    }
    Ok(())
}

fn read_slowly(victim: &Victim, number: usize, part: &mut Part<'_>) -> Result<()> {
    let socket = socket_from(source_address(FIRST_SOURCE + number))?;
    // So that little is taken before it is read; the kernel has a least size of its own.
    socket.set_recv_buffer_size(4096)?;
    socket.connect_timeout(&victim.server.into(), ANSWER_TIMEOUT)?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    bind(&mut stream, &victim.script, &victim.sizes)?;
    stream.set_nonblocking(true)?;
    let calls = victim.script.requests.concat();
    let mut sent = 0;
    while !part.stops() {
        match stream.write(calls.get(sent..).unwrap_or_default()) {
            Ok(count) => sent = (sent + count) % calls.len().max(1),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => part.did_it(),
            Err(error) => return Err(error.into()),
        }
        // Before the first answers have come there is nothing to read.
        would_block_is_fine(stream.read(&mut [0]))?;
        pause(SLOW_PAUSE);
    }
    Ok(())
}

fn write_slowly(victim: &Victim, number: usize, part: &mut Part<'_>) -> Result<()> {
    let mut stream = connect(victim.server, source_address(FIRST_SOURCE + number))?;
    stream.set_nonblocking(true)?;
    let mut answers = [0; 4096];
    let bytes = victim.script.bind.iter().chain(victim.script.requests.iter().flatten());
    for byte in bytes {
        if part.stops() {
            break;
        }
        stream.write_all(&[*byte])?;
        part.did_it();
        would_block_is_fine(stream.read(&mut answers))?;
        pause(SLOW_PAUSE);
    }
    Ok(())
}

fn stay_half_open(victim: &Victim, shared: &Shared) -> Result<()> {
    let source = source_address(FIRST_SOURCE);
    let half = victim.script.bind.get(..victim.script.bind.len() / 2).unwrap_or_default();
    let open = |index: usize| -> Result<TcpStream> {
        let mut stream = connect(victim.server, source)?;
        if index % 2 == 1 {
            stream.write_all(half)?;
        }
        stream.set_nonblocking(true)?;
        shared.deeds.fetch_add(1, Ordering::Relaxed);
        Ok(stream)
    };
    let mut connections = (0..victim.half_open).map(open).collect::<Result<Vec<_>>>()?;
    shared.at_work.store(connections.len(), Ordering::Relaxed);
    while !shared.stops() {
        pause(Duration::from_millis(50));
        // The server's timeouts end them; others take their place.
        for (index, stream) in connections.iter_mut().enumerate() {
            if would_block_is_fine(stream.read(&mut [0])).is_err() {
                *stream = open(index)?;
            }
        }
    }
    Ok(())
}

/// Calls of 4 MiB that end, or one that never does.
fn send_fragments(victim: &Victim, ends: bool, part: &mut Part<'_>) -> Result<()> {
    let mut stream = connect(victim.server, source_address(FIRST_SOURCE + usize::from(ends)))?;
    bind(&mut stream, &victim.script, &victim.sizes)?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let stub = vec![0; FRAGMENT_MAX - Request::STUB_OFFSET];
    let (whole, rest) = (REASSEMBLED_MAX / stub.len(), REASSEMBLED_MAX % stub.len());
    let first = fragment(PfcFlags::FIRST_FRAG, &stub)?;
    let middle = fragment(PfcFlags::default(), &stub)?.repeat(FRAGMENTS_AT_ONCE);
    let last = fragment(PfcFlags::LAST_FRAG, stub.get(..rest).unwrap_or_default())?;
    let middle_one = middle.len() / FRAGMENTS_AT_ONCE;
    stream.write_all(&first)?;
    while !part.stops() {
        let mut left = whole - 1;
        while left > 0 && !part.stops() {
            let count = left.min(FRAGMENTS_AT_ONCE);
            stream.write_all(middle.get(..count * middle_one).unwrap_or_default())?;
            left -= count;
        }
        part.did_it();
        if ends {
            stream.write_all(&last)?;
            let mut fault = [0; 512];
            ensure!(stream.read(&mut fault)? > 0, io::Error::from(io::ErrorKind::UnexpectedEof));
            stream.write_all(&first)?;
        }
    }
    Ok(())
}

fn fragment(flags: PfcFlags, stub: &[u8]) -> Result<Vec<u8>> {
    let body = Body::Request(Request {
        alloc_hint: 0,
        context_id: 0,
        opnum: ndr::REQUEST_ACTIVATION,
        object: None,
        stub,
    });
    let packet = Packet::new(flags, 2, body);
    let mut bytes = vec![0; packet.encoded_len()];
    packet.encode(&mut bytes)?;
    Ok(bytes)
}

/// # Errors
/// The connection is at its end.
fn would_block_is_fine(read: io::Result<usize>) -> io::Result<()> {
    match read {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

/// Slow clients of one kind: a few, since one slow reader holds as much as the bounds allow each.
const SLOW_CONNECTIONS: usize = 8;

/// Between two bytes of a slow client.
const SLOW_PAUSE: Duration = Duration::from_millis(10);

/// Half of the bytes that a server reads at once.
const FRAGMENTS_AT_ONCE: usize = 5;

/// Addresses below are those of well-behaved clients.
const FIRST_SOURCE: usize = 200;

/// Far longer than any of them takes.
const START_TIMEOUT: Duration = Duration::from_secs(60);
