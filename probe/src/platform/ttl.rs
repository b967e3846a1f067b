//! Many connecting sockets at once, each with its own TTL, and waiting for all of them together.

use std::io;
use std::time::Duration;

use socket2::Socket;

/// Sets the TTL, or the hop limit, of what `socket` sends.
///
/// # Errors
/// What the system returns.
pub fn set_ttl(socket: &Socket, is_v6: bool, ttl: u8) -> io::Result<()> {
    if is_v6 { socket.set_unicast_hops_v6(ttl.into()) } else { socket.set_ttl_v4(ttl.into()) }
}

/// Waits until one of `sockets` has connected, failed or received an ICMP error, at most for
/// `timeout`, which is rounded up to milliseconds.
///
/// Returns the indexes of those with news; none after the time or a signal.
///
/// # Errors
/// What the system returns; on systems other than Linux always [`io::ErrorKind::Unsupported`].
#[cfg(target_os = "linux")]
pub fn wait(sockets: &[&Socket], timeout: Duration) -> io::Result<Vec<usize>> {
    use std::os::fd::AsFd as _;

    use nix::errno::Errno;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    let wanted = PollFlags::POLLOUT;
    let mut polled: Vec<_> =
        sockets.iter().map(|socket| PollFd::new(socket.as_fd(), wanted)).collect();
    let millis = i32::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
    match poll(&mut polled, PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)) {
        Ok(_) => {
            let news = polled.iter().enumerate().filter(|(_, fd)| fd.any() != Some(false));
            Ok(news.map(|(index, _)| index).collect())
        }
        Err(Errno::EINTR) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Waits until one of `sockets` has connected, failed or received an ICMP error.
///
/// # Errors
/// Always: this system does not tell who sent an ICMP error.
#[cfg(not(target_os = "linux"))]
pub fn wait(_sockets: &[&Socket], _timeout: Duration) -> io::Result<Vec<usize>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether a non-blocking connect has begun and its result is still to come.
#[must_use]
pub fn is_under_way(error: &io::Error) -> bool {
    #[cfg(target_os = "linux")]
    let in_progress = error.raw_os_error() == Some(nix::libc::EINPROGRESS);
    #[cfg(not(target_os = "linux"))]
    let in_progress = false;
    in_progress || error.kind() == io::ErrorKind::WouldBlock
}
