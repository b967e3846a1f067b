//! The admin server's sockets: its own thread and runtime, so that no exchange waits for a page.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::Request;
use axum::middleware::from_fn_with_state;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::access::Access;
use super::guard::{self, Guard};

/// Where to listen and who may speak.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free port.
    pub address: SocketAddr,
    /// Names that the server is known by, beside its address and `localhost`.
    pub names: Vec<String>,
    /// What every request has to show.
    pub token: Option<super::Token>,
}

/// A running admin server. Dropping it ends it.
#[derive(Debug)]
pub struct AdminServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl AdminServer {
    /// Binds, then serves `routes` behind the guard, with `beside` on the same runtime.
    ///
    /// # Errors
    /// An address that needs a token or cannot be listened on; no resources for a thread.
    pub(super) fn start(
        options: &Options,
        routes: Router,
        beside: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let Options { address, names, token } = options.clone();
        let access = Access::new(address, names, token)
            .with_context(|| format!("cannot serve the admin API at {address}"))?;
        let listener = TcpListener::bind(address)
            .with_context(|| format!("cannot listen on {address} for the admin API"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let guard = Guard::new(access.at(address));
        let app = routes
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .layer(from_fn_with_state(guard, guard::pass));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopping) = watch::channel(false);
        let thread = thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                runtime.spawn(beside);
                if let Err(error) = runtime.block_on(serve(listener, app, stopping)) {
                    warn!(%error, "the admin server ended");
                }
                // An open stream of events does not keep the process from ending.
                runtime.shutdown_timeout(Duration::ZERO);
            })
            .context("cannot start the admin server's thread")?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            warn!("the admin server has panicked");
        }
    }
}

async fn serve(
    listener: TcpListener,
    app: Router,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let stopping = stop.clone();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        // Those that find no place wait in the listener's backlog.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let (app, stop) = (app.clone(), stopping.clone());
                    connections.spawn(async move {
                        connection(stream, peer, app, stop).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    warn!(%error, "cannot accept connections to the admin API: trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    mut stop: watch::Receiver<bool>,
) {
    if let Err(error) = SockRef::from(&stream).set_tcp_user_timeout(Some(READ_TIMEOUT)) {
        debug!(%peer, %error, "an admin connection may wait for its reader without end");
    }
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let app = app.clone();
        async move {
            let response = app.oneshot(request.map(Body::new)).await;
            response.map_err(|never: Infallible| match never {})
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_headers(HEADERS_MAX);
    let conversation = http.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = conversation => if let Err(error) = ended {
            debug!(%peer, %error, "admin connection ended");
        },
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// Connections at once; a page with its stream of events uses two.
const CONNECTIONS_MAX: usize = 64;
/// Largest body of a request: a rule has a few hundred bytes.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long the head of a request may take, which bounds the wait between two as well.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a peer may leave what it was sent unread, or unacknowledged where it has vanished.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const HEADERS_MAX: usize = 64;
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
