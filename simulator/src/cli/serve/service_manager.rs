//! What a service manager such as systemd is told, and the sockets that it passes.
//!
//! Both are protocols of the environment: `NOTIFY_SOCKET` (sd_notify(3)) names a datagram socket
//! for states, `LISTEN_PID` and `LISTEN_FDS` (sd_listen_fds(3)) say that descriptors from 3 on are
//! sockets for this process. Without those variables nothing happens.

use std::env;
use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use listenfd::ListenFd;
use nix::time::{ClockId, clock_gettime};
use socket2::SockRef;
use tracing::warn;

/// Where states are told, if anywhere.
#[derive(Debug)]
pub(super) struct ServiceManager {
    socket: Option<(UnixDatagram, SocketAddr)>,
}

impl ServiceManager {
    /// The one that has started this process, if it wants to be told.
    ///
    /// # Errors
    /// `NOTIFY_SOCKET` is no address of a socket.
    pub(super) fn from_environment() -> anyhow::Result<Self> {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(Self { socket: None });
        };
        let shown = name.to_string_lossy().escape_debug().to_string();
        let opened = address(&name).and_then(|address| Ok((unbound()?, address)));
        let socket = opened.with_context(|| format!("NOTIFY_SOCKET: cannot use `{shown}`"))?;
        Ok(Self { socket: Some(socket) })
    }

    /// Everything listens.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// The end has been asked for, and calls in flight are waited for.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Files are being read again; [`Self::ready`] says when that is over.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
        let now_us = now.map_or(0, |now| now.tv_sec() * 1_000_000 + now.tv_nsec() / 1000);
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now_us}"));
    }

    /// A manager that cannot be told is no reason to serve nobody.
    fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(state.as_bytes(), address)
        {
            warn!(%error, "cannot tell the service manager");
        }
    }
}

fn unbound() -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(TELLING_TIMEOUT))?;
    Ok(socket)
}

/// `/path`, or `@name` in the abstract namespace.
fn address(name: &OsStr) -> std::io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}

/// The listening TCP sockets that the service manager has passed to this process, in its order.
/// To be called before anything else opens descriptors or starts threads.
///
/// # Errors
/// Too many, or a descriptor that is not a listening TCP socket.
pub(super) fn passed_sockets() -> anyhow::Result<Vec<Arc<TcpListener>>> {
    // Those of another process are none of ours: a parent may have left its variables behind.
    if env::var("LISTEN_PID").ok() != Some(std::process::id().to_string()) {
        return Ok(Vec::new());
    }
    let count = env::var("LISTEN_FDS").unwrap_or_default();
    match count.parse::<usize>() {
        Ok(count) if count <= SOCKETS_MAX => {}
        _ => {
            bail!("LISTEN_FDS: `{}` is not a number from 0 to {SOCKETS_MAX}", count.escape_debug())
        }
    }
    let mut passed = ListenFd::from_env();
    (0..passed.len()).map(|index| take(&mut passed, index)).collect()
}

fn take(passed: &mut ListenFd, index: usize) -> anyhow::Result<Arc<TcpListener>> {
    let descriptor = index + FIRST_DESCRIPTOR;
    let listener = passed.take_tcp_listener(index).ok().flatten();
    match listener.filter(|listener| SockRef::from(listener).is_listener().unwrap_or(false)) {
        Some(listener) => Ok(Arc::new(listener)),
        None => bail!(
            "descriptor {descriptor}, passed by the service manager, is not a listening TCP \
             socket; a .socket unit for kms-sim has ListenStream= with an address and Accept=no"
        ),
    }
}

/// SD_LISTEN_FDS_START.
const FIRST_DESCRIPTOR: usize = 3;

/// How long a manager may keep this process waiting.
const TELLING_TIMEOUT: Duration = Duration::from_secs(1);

/// Sockets that are taken over, at most.
const SOCKETS_MAX: usize = 64;
