//! The probes of a trace, gathered by port and hop. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use super::facts::{IcmpMeaning, Outcome, ProbeFacts, TraceFacts};
use crate::platform::IcmpError;
use crate::stage::connect::SocketError;

/// The path to one port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortPath {
    /// Destination port.
    pub port: u16,
    /// Whether it was probed only for comparison.
    pub is_control: bool,
    /// Where and how the path ends, over all flows.
    pub end: End,
    /// How each flow ended, in their order.
    pub flows: Vec<FlowEnd>,
    /// The hops, from TTL 1 to the last that says something.
    pub hops: Vec<Hop>,
}

/// How a path ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum End {
    /// A SYN-ACK; the smallest TTL that got one.
    SynAck {
        /// TTL of the SYN.
        ttl: u8,
    },
    /// A reset; the smallest TTL that got one.
    Reset {
        /// TTL of the SYN.
        ttl: u8,
    },
    /// An ICMP error other than "time exceeded"; the smallest TTL that got one.
    Rejected {
        /// TTL of the SYN.
        ttl: u8,
        /// The error and its sender.
        icmp: IcmpError,
    },
    /// Nothing left this machine.
    NotSent {
        /// The system's error.
        error: SocketError,
    },
    /// Routers at most; no answer from the address and no error.
    Silent,
}

/// How one flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FlowEnd {
    /// Number of the flow, from 0.
    pub flow: u8,
    /// How it ended.
    #[serde(flatten)]
    pub end: End,
}

/// What answered SYNs of one TTL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// TTL of the SYNs.
    pub ttl: u8,
    /// Probes waited for, retransmissions not counted.
    pub probes: u32,
    /// Each different answer once.
    pub answers: Vec<Answer>,
}

/// One kind of answer at one hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// What it was.
    #[serde(flatten)]
    pub kind: AnswerKind,
    /// Who sent it; for SYN-ACK and reset, in whose name.
    pub from: Option<IpAddr>,
    /// How many probes it answered.
    pub count: u32,
    /// The fastest, from the first SYN on, in microseconds.
    pub rtt_us: u64,
}

/// The kinds of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum AnswerKind {
    /// ICMP "time exceeded" from a router on the way.
    TimeExceeded,
    /// SYN-ACK.
    SynAck,
    /// Reset.
    Reset,
    /// Any other ICMP error.
    Unreachable {
        /// The error and its sender.
        icmp: IcmpError,
    },
}

/// The paths of a trace: the port that matters first, then the control ports.
#[must_use]
pub fn paths(facts: &TraceFacts) -> Vec<PortPath> {
    let target = facts.address.port();
    let controls = facts.control_ports.iter().map(|port| (*port, true));
    std::iter::once((target, false))
        .chain(controls)
        .map(|(port, is_control)| {
            let probes = facts.probes.iter().filter(|probe| probe.port == port);
            PortPath::of(port, is_control, facts.address.ip(), &probes.collect::<Vec<_>>())
        })
        .collect()
}

impl PortPath {
    fn of(port: u16, is_control: bool, address: IpAddr, probes: &[&ProbeFacts]) -> Self {
        let mut by_flow: BTreeMap<u8, Vec<&ProbeFacts>> = BTreeMap::new();
        for probe in probes {
            by_flow.entry(probe.flow).or_default().push(probe);
        }
        let flows: Vec<FlowEnd> = by_flow
            .iter()
            .map(|(flow, of_flow)| FlowEnd { flow: *flow, end: End::of(of_flow) })
            .collect();
        let end = flows.iter().map(|flow| flow.end).min_by_key(End::rank).unwrap_or(End::Silent);
        Self { port, is_control, end, flows, hops: hops(address, probes, end) }
    }

    /// The hop of this TTL.
    #[must_use]
    pub fn hop(&self, ttl: u8) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.ttl == ttl)
    }

    /// The last hop where a router answered "time exceeded".
    #[must_use]
    pub fn last_router(&self) -> Option<&Hop> {
        self.hops.iter().rfind(|hop| hop.has_router())
    }

    /// The smallest TTL at which anything was answered in the name of the address.
    #[must_use]
    pub fn reached_at(&self) -> Option<u8> {
        match self.end {
            End::SynAck { ttl } | End::Reset { ttl } => Some(ttl),
            _ => None,
        }
    }

    /// Over all flows that ended in the same way as the path, the largest TTL of their ends:
    /// branches of a path can differ in length.
    pub(super) fn reached_latest(&self) -> Option<u8> {
        let same = |flow: &&FlowEnd| flow.end.rank().0 == self.end.rank().0;
        self.flows.iter().filter(same).filter_map(|flow| flow.end.ttl()).max()
    }
}

impl End {
    fn of(probes: &[&ProbeFacts]) -> Self {
        let ends = probes.iter().filter_map(|probe| {
            let ttl = probe.ttl;
            Some(match probe.outcome {
                Outcome::SynAck => Self::SynAck { ttl },
                Outcome::Reset => Self::Reset { ttl },
                Outcome::Icmp(icmp) if IcmpMeaning::of(&icmp) == IcmpMeaning::Unreachable => {
                    Self::Rejected { ttl, icmp }
                }
                Outcome::Failed(error) => Self::NotSent { error },
                Outcome::Icmp(_) | Outcome::Silent => return None,
            })
        });
        let end = ends.min_by_key(Self::rank).unwrap_or(Self::Silent);
        let all_failed = probes.iter().all(|probe| matches!(probe.outcome, Outcome::Failed(_)));
        // A single failed probe, for want of a port say, is no end of a flow whose others left.
        if matches!(end, Self::NotSent { .. }) && !all_failed { Self::Silent } else { end }
    }

    /// The TTL that shows it.
    #[must_use]
    pub const fn ttl(&self) -> Option<u8> {
        match self {
            Self::SynAck { ttl } | Self::Reset { ttl } | Self::Rejected { ttl, .. } => Some(*ttl),
            Self::NotSent { .. } | Self::Silent => None,
        }
    }

    /// What gets furthest comes first, then the nearest.
    fn rank(&self) -> (u8, u8) {
        let kind = match self {
            Self::SynAck { .. } => 0,
            Self::Reset { .. } => 1,
            Self::Rejected { .. } => 2,
            Self::Silent => 3,
            Self::NotSent { .. } => 4,
        };
        (kind, self.ttl().unwrap_or(0))
    }
}

impl Hop {
    /// Whether a router answered "time exceeded" here.
    #[must_use]
    pub fn has_router(&self) -> bool {
        self.answers.iter().any(|answer| answer.kind == AnswerKind::TimeExceeded)
    }

    /// The routers that answered "time exceeded" here, each once.
    #[must_use]
    pub fn routers(&self) -> Vec<IpAddr> {
        let routers = self.answers.iter().filter(|a| a.kind == AnswerKind::TimeExceeded);
        routers.filter_map(|answer| answer.from).collect()
    }
}

fn hops(address: IpAddr, probes: &[&ProbeFacts], end: End) -> Vec<Hop> {
    let mut hops: BTreeMap<u8, Hop> = BTreeMap::new();
    for probe in probes {
        let ttl = probe.ttl;
        let hop = hops.entry(ttl).or_insert(Hop { ttl, probes: 0, answers: Vec::new() });
        hop.probes += 1;
        if let Some((kind, from)) = answer_kind(address, &probe.outcome) {
            hop.add(kind, from, probe.rtt_us.unwrap_or_default());
        }
    }
    // Behind the end, more of the same says nothing; of the silence behind the last router, one
    // hop is enough. A rejection may come late, and then the hops before it are not silent ones.
    let last_router = hops.values().rev().find(|hop| hop.has_router()).map_or(0, |hop| hop.ttl);
    hops.into_values()
        .filter(|hop| match end {
            End::SynAck { ttl } | End::Reset { ttl } => hop.ttl <= ttl,
            End::Rejected { ttl, .. } => hop.ttl <= last_router || hop.ttl == ttl,
            End::Silent => hop.ttl <= last_router.saturating_add(1),
            End::NotSent { .. } => hop.ttl == 1,
        })
        .collect()
}

fn answer_kind(address: IpAddr, outcome: &Outcome) -> Option<(AnswerKind, Option<IpAddr>)> {
    Some(match outcome {
        Outcome::SynAck => (AnswerKind::SynAck, Some(address)),
        Outcome::Reset => (AnswerKind::Reset, Some(address)),
        Outcome::Icmp(icmp) => match IcmpMeaning::of(icmp) {
            IcmpMeaning::TimeExceeded => (AnswerKind::TimeExceeded, icmp.from),
            IcmpMeaning::Unreachable => (AnswerKind::Unreachable { icmp: *icmp }, icmp.from),
            IcmpMeaning::Passing => return None,
        },
        Outcome::Failed(_) | Outcome::Silent => return None,
    })
}

impl Hop {
    fn add(&mut self, kind: AnswerKind, from: Option<IpAddr>, rtt_us: u64) {
        let same = |answer: &&mut Answer| answer.kind == kind && answer.from == from;
        match self.answers.iter_mut().find(same) {
            Some(answer) => {
                answer.count += 1;
                answer.rtt_us = answer.rtt_us.min(rtt_us);
            }
            None => self.answers.push(Answer { kind, from, count: 1, rtt_us }),
        }
    }
}
