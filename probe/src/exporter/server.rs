//! The exporter's sockets and signals.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::{Exporter, routes};

type Say = Box<dyn Fn(&str) + Send + Sync>;

/// Serves until SIGTERM or SIGINT; SIGHUP reads the modules file again.
pub(super) fn run(exporter: Arc<Exporter>, say: Say) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        // One for each place; checks have threads of their own beside these.
        .max_blocking_threads(exporter.options.places)
        .enable_all()
        .build()
        .context("cannot start")?;
    let ended = runtime.block_on(serve(&exporter, &say));
    // Probes that still wait for a silent host do not keep the process.
    runtime.shutdown_timeout(Duration::ZERO);
    ended
}

async fn serve(exporter: &Arc<Exporter>, say: &Say) -> anyhow::Result<()> {
    let address = exporter.options.listen;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("--listen: cannot listen on {address}"))?;
    let signals = "cannot listen for signals";
    let mut hang_up = signal(SignalKind::hangup()).context(signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).context(signals)?;
    let mut terminate = signal(SignalKind::terminate()).context(signals)?;
    say(&format!("listening on http://{}", listener.local_addr()?));
    let app = routes::router(Arc::clone(exporter));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        // Those that find no place wait in the listener's backlog.
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            Some((place, listener.accept().await))
        };
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = hang_up.recv() => match exporter.reload() {
                Ok(()) => say("read the modules file again"),
                Err(error) => say(&format!("the old modules stay: {error:#}")),
            },
            Some((place, accepted)) = accepted => match accepted {
                Ok((stream, peer)) => {
                    let app = app.clone();
                    connections.spawn(async move {
                        connection(stream, peer, app).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    say(&format!("cannot accept connections: {error}: trying again"));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
        while connections.try_join_next().is_some() {}
    }
}

/// What goes wrong in one connection is its peer's to notice.
async fn connection(stream: TcpStream, _peer: SocketAddr, app: Router) {
    let _unbounded = SockRef::from(&stream).set_tcp_user_timeout(Some(READ_TIMEOUT));
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let app = app.clone();
        async move {
            let response = app.oneshot(request.map(Body::new)).await;
            response.map_err(|never: Infallible| match never {})
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let _ended = http.serve_connection(TokioIo::new(stream), service).await;
}

/// Connections at once: scrapes that wait for a place keep theirs.
const CONNECTIONS_MAX: usize = 1024;
const WORKERS: usize = 2;
/// How long the head of a request may take, which bounds the wait between two as well.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a peer may leave what it was sent unread, or unacknowledged where it has vanished.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const HEADERS_MAX: usize = 64;
/// The head of a request: a target has 300 bytes at most.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
