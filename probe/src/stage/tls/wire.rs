//! A socket under one deadline, which remembers how its peer's answer began.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::stage::deadline::Deadline;

/// The socket.
pub(super) struct Wire {
    stream: TcpStream,
    deadline: Deadline,
    received_bytes: u64,
    first_bytes: Vec<u8>,
}

impl Wire {
    pub(super) const fn new(stream: TcpStream, deadline: Deadline) -> Self {
        Self { stream, deadline, received_bytes: 0, first_bytes: Vec::new() }
    }

    pub(super) const fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    pub(super) fn first_bytes(&self) -> &[u8] {
        &self.first_bytes
    }

    /// Whether the answer begins as a record of TLS or its predecessor.
    pub(super) fn looks_like_tls(&self) -> bool {
        matches!(self.first_bytes(), [0x14..=0x18, 3, ..])
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let remaining = self.deadline.remaining().ok_or(io::ErrorKind::WouldBlock)?;
        self.stream.set_read_timeout(Some(remaining))?;
        let count = self.stream.read(buffer)?;
        let bytes = buffer.get(..count).unwrap_or(&[]);
        let room = FIRST_BYTES_MAX.saturating_sub(self.first_bytes.len());
        self.first_bytes.extend(bytes.iter().take(room));
        self.received_bytes = self.received_bytes.saturating_add(count as u64);
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let remaining = self.deadline.remaining().ok_or(io::ErrorKind::WouldBlock)?;
        self.stream.set_write_timeout(Some(remaining))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// What a read or write with a timeout gives when it passes.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::WouldBlock || (cfg!(windows) && kind == io::ErrorKind::TimedOut)
}

const FIRST_BYTES_MAX: usize = 64;
