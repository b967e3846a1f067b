//! Waiting for sockets or for an instant, whichever comes first, to some 50 microseconds: epoll
//! itself only knows milliseconds.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;

/// One worker's sockets.
pub(super) struct Poller {
    epoll: Epoll,
    events: Vec<EpollEvent>,
}

/// What a socket is ready for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub(super) key: u64,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The peer sends no more, or there is an error: read to the end.
    pub(super) ending: bool,
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { epoll, events: vec![EpollEvent::empty(); EVENTS_AT_ONCE] })
    }

    /// Watches a socket until it is closed. It is told once per change.
    pub(super) fn add(&self, stream: &TcpStream, key: u64) -> io::Result<()> {
        let flags = EpollFlags::EPOLLIN
            | EpollFlags::EPOLLOUT
            | EpollFlags::EPOLLRDHUP
            | EpollFlags::EPOLLET;
        Ok(self.epoll.add(stream, EpollEvent::new(flags, key))?)
    }

    /// Fills `ready`; empty when `wait` passed without an event.
    pub(super) fn wait(&mut self, wait: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let mut count = self.epoll_wait(EpollTimeout::ZERO)?;
        if count == 0 && wait >= SPIN_BELOW {
            let mut watched = [PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN)];
            match ppoll(&mut watched, Some(TimeSpec::from_duration(wait)), None) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => return Ok(()),
                Ok(_) => count = self.epoll_wait(EpollTimeout::ZERO)?,
                Err(error) => return Err(error.into()),
            }
        }
        ready.extend(self.events.iter().take(count).map(|event| {
            let has = |flags: EpollFlags| event.events().intersects(flags);
            Ready {
                key: event.data(),
                readable: has(EpollFlags::EPOLLIN),
                writable: has(EpollFlags::EPOLLOUT),
                ending: has(EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR),
            }
        }));
        Ok(())
    }

    fn epoll_wait(&mut self, timeout: EpollTimeout) -> io::Result<usize> {
        match self.epoll.wait(&mut self.events, timeout) {
            Err(nix::errno::Errno::EINTR) => Ok(0),
            result => Ok(result?),
        }
    }
}

/// Sockets told of at once.
const EVENTS_AT_ONCE: usize = 256;
/// The kernel does not sleep more exactly than this.
const SPIN_BELOW: Duration = Duration::from_micros(50);
