//! What a trace saw, probe by probe, and nothing about what it means.

use std::net::{IpAddr, SocketAddr};

use super::payload::PayloadFacts;
use crate::platform::origin::Origin;
use crate::platform::{IcmpError, IcmpVersion};
use crate::stage::connect::SocketError;

/// What a trace to one address saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceFacts {
    /// The address and port that matter.
    pub address: SocketAddr,
    /// This end, once the kernel had chosen one.
    pub source: Option<IpAddr>,
    /// From where it was asked to leave; `None` leaves it to the kernel.
    pub origin: Option<Origin>,
    /// Ports of the same address that were probed for comparison.
    pub control_ports: Vec<u16>,
    /// The largest TTL that was allowed.
    pub max_hops: u8,
    /// Flows of the target's port that were asked for; control ports have one.
    pub flows: u8,
    /// What came of a payload, where the port was reached and one was sent.
    pub payload: Option<PayloadFacts>,
    /// How long the trace was allowed to take, in milliseconds.
    pub timeout_ms: u64,
    /// How long it took, in microseconds.
    pub elapsed_us: u64,
    /// Every probe that was answered, or waited for to the end.
    pub probes: Vec<ProbeFacts>,
}

/// One SYN, retransmissions included, and what came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeFacts {
    /// Destination port.
    pub port: u16,
    /// Number of the flow, from 0.
    pub flow: u8,
    /// TTL or hop limit of the SYN.
    pub ttl: u8,
    /// What came back.
    pub outcome: Outcome,
    /// From the first SYN to the answer, in microseconds; `None` without an answer.
    pub rtt_us: Option<u64>,
}

/// What came back to a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The handshake completed.
    SynAck,
    /// A reset.
    Reset,
    /// An ICMP error.
    Icmp(IcmpError),
    /// Nothing left this machine, or the system says no more than this.
    Failed(SocketError),
    /// Nothing.
    Silent,
}

/// What an ICMP error says of a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IcmpMeaning {
    /// The TTL ran out at the sender: it is a router on the way.
    TimeExceeded,
    /// The sender will not or cannot carry the SYN further.
    Unreachable,
    /// Nothing that ends a connection attempt, such as "fragmentation needed".
    Passing,
}

impl IcmpMeaning {
    /// The meaning of an error by type and code, RFC 792 and RFC 4443.
    pub(super) const fn of(icmp: &IcmpError) -> Self {
        match (icmp.version, icmp.kind, icmp.code) {
            (IcmpVersion::Icmp, 11, 0) | (IcmpVersion::Icmpv6, 3, 0) => Self::TimeExceeded,
            (IcmpVersion::Icmp, 3, 4) => Self::Passing,
            (IcmpVersion::Icmp, 3, _) | (IcmpVersion::Icmpv6, 1, _) => Self::Unreachable,
            _ => Self::Passing,
        }
    }
}
