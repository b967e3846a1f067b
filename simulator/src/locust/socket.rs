//! The DEALER socket to a Locust master. The crate below connects anew for SUB sockets only, so a lost
//! connection is noticed here by its monitor, and the socket is built again.

use std::time::Duration;

use futures_channel::mpsc::Receiver;
use thiserror::Error;
use tokio_stream::StreamExt as _;
use zeromq::util::PeerIdentity;
use zeromq::{
    DealerRecvHalf, DealerSendHalf, DealerSocket, Socket as _, SocketEvent, SocketOptions,
    SocketRecv as _, SocketSend as _, ZmqMessage,
};

/// Where the master listens, and as whom this worker speaks: the identity is the node id.
#[derive(Clone, Debug)]
pub struct Address {
    /// Host name or address.
    pub host: String,
    /// Port, 5557 unless told otherwise.
    pub port: u16,
    /// Node id.
    pub node_id: String,
}

/// A connection to a master.
pub struct Link {
    send: DealerSendHalf,
    receive: DealerRecvHalf,
    monitor: Receiver<SocketEvent>,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum LinkError {
    /// Nobody answered in time.
    #[error("no Locust master at {host}:{port} within {wait:?}: {reason}")]
    Unreachable {
        /// Where.
        host: String,
        /// Where.
        port: u16,
        /// How long it was tried.
        wait: Duration,
        /// What the last try came to.
        reason: String,
    },
    /// The connection is gone.
    #[error("the connection to the Locust master is lost")]
    Lost,
}

impl Link {
    /// Connects, trying again until `wait` is over.
    ///
    /// # Errors
    /// [`LinkError::Unreachable`].
    pub async fn connect(address: &Address, wait: Duration) -> Result<Self, LinkError> {
        let mut last = "no answer".to_owned();
        let attempts = async {
            loop {
                match Self::once(address).await {
                    Ok(link) => return link,
                    // A connect that races a master that is dying fails at once.
                    Err(reason) => last = reason,
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        match tokio::time::timeout(wait, attempts).await {
            Ok(link) => Ok(link),
            Err(_) => Err(LinkError::Unreachable {
                host: address.host.clone(),
                port: address.port,
                wait,
                reason: last,
            }),
        }
    }

    async fn once(address: &Address) -> Result<Self, String> {
        let identity = PeerIdentity::try_from(address.node_id.as_bytes().to_vec());
        let mut options = SocketOptions::default();
        options.peer_identity(identity.map_err(|error| error.to_string())?);
        options.connect_timeout(TRY);
        let mut socket = DealerSocket::with_options(options);
        let monitor = socket.monitor();
        let endpoint = match address.host.contains(':') {
            true => format!("tcp://[{}]:{}", address.host, address.port),
            false => format!("tcp://{}:{}", address.host, address.port),
        };
        socket.connect(&endpoint).await.map_err(|error| error.to_string())?;
        let (send, receive) = socket.split();
        Ok(Self { send, receive, monitor })
    }

    /// The next message's bytes.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn receive(&mut self) -> Result<Vec<u8>, LinkError> {
        loop {
            tokio::select! {
                message = self.receive.recv() => {
                    let frames = message.map_err(|_| LinkError::Lost)?.into_vec();
                    // One frame, no delimiter; more than one is none of Locust's.
                    if let [frame] = frames.as_slice() {
                        return Ok(frame.to_vec());
                    }
                }
                event = self.monitor.next() => {
                    if matches!(event, None | Some(SocketEvent::Disconnected(_) | SocketEvent::Closed)) {
                        return Err(LinkError::Lost);
                    }
                }
            }
        }
    }

    /// Sends one message.
    ///
    /// # Errors
    /// The connection is lost, or the master has taken nothing for 10 s.
    pub async fn send(&mut self, bytes: Vec<u8>) -> Result<(), LinkError> {
        match tokio::time::timeout(SEND_WITHIN, self.send.send(ZmqMessage::from(bytes))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(LinkError::Lost),
        }
    }
}

/// Between two tries.
const AGAIN: Duration = Duration::from_millis(250);
/// Of one try.
const TRY: Duration = Duration::from_secs(5);
/// How long a message may take to be accepted.
const SEND_WITHIN: Duration = Duration::from_secs(10);
