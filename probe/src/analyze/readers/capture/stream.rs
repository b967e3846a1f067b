//! TCP connections put together from their segments, within limits.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use crate::analyze::record::End;

/// One TCP segment.
pub(super) struct Segment<'a> {
    pub(super) number: u64,
    pub(super) micros: u64,
    pub(super) source: SocketAddr,
    pub(super) target: SocketAddr,
    pub(super) sequence: u32,
    pub(super) syn: bool,
    pub(super) ack: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    pub(super) payload: &'a [u8],
}

/// All connections of a capture.
pub(super) struct Streams {
    ports: HashSet<u16>,
    by_ends: HashMap<(SocketAddr, SocketAddr), usize>,
    streams: Vec<Stream>,
    left_out: u64,
}

/// One connection, from the side that opened it.
pub(super) struct Stream {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) first_packet: u64,
    pub(super) first_micros: u64,
    pub(super) connect_us: Option<u64>,
    pub(super) syns: u32,
    pub(super) is_connected: bool,
    pub(super) end: End,
    pub(super) sent: Half,
    pub(super) received: Half,
}

/// One direction: the bytes from its beginning without a gap.
#[derive(Default)]
pub(super) struct Half {
    next: Option<u32>,
    pub(super) bytes: Vec<u8>,
    waiting: BTreeMap<u32, Vec<u8>>,
    waiting_bytes: usize,
}

impl Streams {
    /// Connections that are followed.
    pub(super) const STREAMS_MAX: usize = 50_000;
    /// Ports of KMS hosts that answers of DNS may add.
    const PORTS_MAX: usize = 1_000;

    pub(super) fn new(ports: Vec<u16>) -> Self {
        let ports = ports.into_iter().collect();
        Self { ports, by_ends: HashMap::new(), streams: Vec::new(), left_out: 0 }
    }

    /// One more port that a KMS host listens on.
    pub(super) fn add_port(&mut self, port: u16) {
        if self.ports.len() < Self::PORTS_MAX {
            self.ports.insert(port);
        }
    }

    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(super) fn into_streams(self) -> Vec<Stream> {
        self.streams
    }

    pub(super) fn segment(&mut self, segment: &Segment<'_>) {
        let is_opening = segment.syn && !segment.ack;
        if is_opening {
            self.open(segment);
        }
        let sent = self.by_ends.get(&(segment.source, segment.target)).copied();
        let received = self.by_ends.get(&(segment.target, segment.source)).copied();
        let (at, is_from_client) = match (sent, received) {
            (Some(at), _) => (at, true),
            (None, Some(at)) => (at, false),
            // A connection that was open before the capture began, known by its port or its bind.
            (None, None) => {
                let is_bind = segment.payload.starts_with(BIND);
                let is_to_host = self.ports.contains(&segment.target.port());
                if !is_to_host && !is_bind || segment.rst {
                    return;
                }
                let Some(at) = self.push(segment) else { return };
                if let Some(stream) = self.streams.get_mut(at) {
                    stream.is_connected = true;
                }
                (at, true)
            }
        };
        if let Some(stream) = self.streams.get_mut(at) {
            stream.take(segment, is_from_client);
        }
    }

    /// A SYN: a new connection, or once more the same.
    fn open(&mut self, segment: &Segment<'_>) {
        if !self.ports.contains(&segment.target.port()) {
            return;
        }
        let known = self.by_ends.get(&(segment.source, segment.target)).copied();
        let is_again = known.and_then(|at| self.streams.get(at)).is_some_and(|stream| {
            stream.sent.next == Some(segment.sequence.wrapping_add(1)) && !stream.is_connected
        });
        let at = if is_again { known } else { self.push(segment) };
        if let Some(stream) = at.and_then(|at| self.streams.get_mut(at)) {
            stream.syns = stream.syns.saturating_add(1);
        }
    }

    fn push(&mut self, segment: &Segment<'_>) -> Option<usize> {
        if self.streams.len() >= Self::STREAMS_MAX {
            self.left_out += 1;
            return None;
        }
        self.streams.push(Stream {
            client: segment.source,
            server: segment.target,
            first_packet: segment.number,
            first_micros: segment.micros,
            connect_us: None,
            syns: 0,
            is_connected: false,
            end: End::Open,
            sent: Half::default(),
            received: Half::default(),
        });
        let at = self.streams.len() - 1;
        self.by_ends.insert((segment.source, segment.target), at);
        Some(at)
    }

    /// An ICMP error quotes the packet that it is about.
    pub(super) fn icmp(&mut self, kind: u8, code: u8, sender: IpAddr, quoted: &[u8]) {
        let Some((source, target)) = quoted_ends(quoted) else { return };
        let Some(at) = self.by_ends.get(&(source, target)) else { return };
        if let Some(stream) = self.streams.get_mut(*at)
            && stream.end == End::Open
        {
            stream.end = End::Icmp(kind, code, sender);
        }
    }
}

/// The ends of a TCP packet that is cut after its first bytes.
fn quoted_ends(quoted: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let first = quoted.first()?;
    let (source, target, tcp): (IpAddr, IpAddr, &[u8]) = match first >> 4 {
        4 => {
            let header = usize::from(first & 15) * 4;
            if *quoted.get(9)? != TCP {
                return None;
            }
            let source: [u8; 4] = *quoted.get(12..)?.first_chunk()?;
            let target: [u8; 4] = *quoted.get(16..)?.first_chunk()?;
            (source.into(), target.into(), quoted.get(header..)?)
        }
        6 => {
            if *quoted.get(6)? != TCP {
                return None;
            }
            let source: [u8; 16] = *quoted.get(8..)?.first_chunk()?;
            let target: [u8; 16] = *quoted.get(24..)?.first_chunk()?;
            (source.into(), target.into(), quoted.get(40..)?)
        }
        _ => return None,
    };
    let port = |at: usize| Some(u16::from_be_bytes(*tcp.get(at..)?.first_chunk()?));
    Some(((source, port(0)?).into(), (target, port(2)?).into()))
}

impl Stream {
    fn take(&mut self, segment: &Segment<'_>, is_from_client: bool) {
        if segment.syn && segment.ack && !is_from_client {
            self.is_connected = true;
            let elapsed = segment.micros.saturating_sub(self.first_micros);
            self.connect_us.get_or_insert(elapsed);
        }
        if segment.rst || segment.fin {
            let end = match (segment.rst, is_from_client) {
                (true, true) => End::ClientReset,
                (true, false) => End::ServerReset,
                (false, true) => End::ClientFin,
                (false, false) => End::ServerFin,
            };
            // The first who ends it is the one who ended it.
            if self.end == End::Open {
                self.end = end;
            }
        }
        let half = if is_from_client { &mut self.sent } else { &mut self.received };
        half.take(segment.sequence, segment.syn, segment.payload);
    }
}

impl Half {
    /// Bytes of one direction that are kept: more than any exchange with a KMS host has.
    pub(super) const BYTES_MAX: usize = 64 << 10;
    /// Bytes that wait for a gap to close.
    const WAITING_MAX: usize = 64 << 10;

    fn take(&mut self, sequence: u32, is_syn: bool, payload: &[u8]) {
        if is_syn {
            self.next = Some(sequence.wrapping_add(1));
            return;
        }
        if payload.is_empty() {
            return;
        }
        let next = *self.next.get_or_insert(sequence);
        let ahead = sequence.wrapping_sub(next);
        // More than half of all numbers ahead is behind.
        if ahead > u32::MAX / 2 {
            let old = usize::try_from(next.wrapping_sub(sequence)).unwrap_or(usize::MAX);
            return self.append(payload.get(old..).unwrap_or_default());
        }
        if ahead > 0 {
            if self.waiting_bytes + payload.len() <= Self::WAITING_MAX {
                self.waiting_bytes += payload.len();
                self.waiting.entry(sequence).or_insert_with(|| payload.to_vec());
            }
            return;
        }
        self.append(payload);
        self.release();
    }

    fn append(&mut self, payload: &[u8]) {
        let Some(next) = self.next else { return };
        let length = u32::try_from(payload.len()).unwrap_or(0);
        self.next = Some(next.wrapping_add(length));
        let room = Self::BYTES_MAX.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(payload.get(..room.min(payload.len())).unwrap_or_default());
    }

    /// Takes what waited, as far as there is no gap.
    fn release(&mut self) {
        while let Some(next) = self.next {
            let ready = self.waiting.keys().copied().find(|at| next.wrapping_sub(*at) < GAP_MAX);
            let Some(payload) = ready.and_then(|at| Some((at, self.waiting.remove(&at)?))) else {
                return;
            };
            let (at, payload) = payload;
            self.waiting_bytes = self.waiting_bytes.saturating_sub(payload.len());
            let old = usize::try_from(next.wrapping_sub(at)).unwrap_or(usize::MAX);
            self.append(payload.get(old..).unwrap_or_default());
        }
    }
}

/// How far behind a segment that waited may begin.
const GAP_MAX: u32 = 1 << 20;

const TCP: u8 = 6;

/// The start of a DCE/RPC bind, version 5.0.
const BIND: &[u8] = &[5, 0, 11];
