//! What a check does beside its stages where it is asked to: a port that should be closed, and an
//! ICMP echo. Neither changes the verdict.

use std::net::SocketAddr;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use serde::Serialize;

use super::Options;
use crate::stage::connect::{self, ConnectFacts, ConnectOutcome};
use crate::stage::echo::{self, EchoFacts};
use crate::verdict::{PortState, judge};

/// What was tried beside the stages; what was not asked for is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Beside {
    /// The port that should be closed.
    pub closed_port: Option<ClosedPortFacts>,
    /// The ICMP echo.
    pub ping: Option<EchoFacts>,
}

/// What a port showed that should be closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClosedPortFacts {
    /// The port.
    pub port: u16,
    /// `listening`, `not listening` or `filtered`, where one of them applies.
    pub state: Option<PortState>,
    /// How long it took, in microseconds.
    pub elapsed_us: u64,
    /// What the connect saw.
    #[serde(flatten)]
    pub connect: ConnectFacts,
}

impl ClosedPortFacts {
    /// Whether the port opens although it should be closed.
    #[must_use]
    pub fn opens(&self) -> bool {
        self.connect.outcome == ConnectOutcome::Connected
    }
}

/// What runs beside the stages of one address.
pub(super) struct Running<'scope> {
    closed_port: Option<ScopedJoinHandle<'scope, Option<ClosedPortFacts>>>,
    ping: Option<ScopedJoinHandle<'scope, EchoFacts>>,
}

/// Starts what `options` ask for beside the stages of `address`.
pub(super) fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    address: SocketAddr,
    options: &'scope Options,
) -> Running<'scope> {
    let closed_port = options.closed_port.filter(|port| *port != address.port());
    let ping = move || echo::echo(options.origin, address, options.timeouts.tcp);
    Running {
        closed_port: closed_port.map(|port| scope.spawn(move || try_port(port, address, options))),
        ping: options.ping.then(|| scope.spawn(ping)),
    }
}

impl Running<'_> {
    /// Waits for the rest.
    pub(super) fn finish(self) -> Beside {
        Beside {
            closed_port: self.closed_port.and_then(|running| running.join().ok().flatten()),
            ping: self.ping.and_then(|running| running.join().ok()),
        }
    }
}

/// `None` where this program cannot even open a socket, which the stages report.
fn try_port(port: u16, address: SocketAddr, options: &Options) -> Option<ClosedPortFacts> {
    let address = SocketAddr::new(address.ip(), port);
    let connected = connect::connect_from(options.origin, address, options.timeouts.tcp);
    let (facts, elapsed, _closed_at_once) = connected.ok()?;
    let endpoint = judge::Endpoint { host: address.ip().to_string(), address, source: None };
    Some(ClosedPortFacts {
        port,
        state: judge::tcp(&endpoint, &facts).row.port_state,
        elapsed_us: micros(elapsed),
        connect: facts,
    })
}

fn micros(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}
