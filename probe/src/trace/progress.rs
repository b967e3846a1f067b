//! Which SYN leaves when, and when enough is known. Pure: time is a parameter.

use std::time::Duration;

use super::Options;
use super::facts::{IcmpMeaning, Outcome};

/// One SYN: which port, which flow, how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) port: u16,
    pub(super) flow: u8,
    pub(super) ttl: u8,
}

/// How far a trace has come.
pub(super) struct Progress {
    /// What is still to be sent, in reverse order of time.
    plan: Vec<(Duration, Slot)>,
    /// The port that matters first.
    ports: Vec<PortState>,
    /// When something came back last.
    last_news: Duration,
    slowest_rtt: Duration,
}

/// What is known of one port.
struct PortState {
    port: u16,
    /// TTLs at which a router has answered, in any flow.
    answered: Vec<u8>,
    /// How each flow ended: the smallest TTL that showed it.
    ends: Vec<Option<FlowEnd>>,
}

#[derive(Clone, Copy)]
struct FlowEnd {
    ttl: u8,
    kind: EndKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum EndKind {
    Accepted,
    Reset,
    Unreachable,
}

impl Progress {
    pub(super) fn new(ports: &[u16], options: &Options) -> Self {
        let flow_gap = FLOW_GAP.min(options.timeout / (2 * u32::from(options.flows.max(1))));
        let ttl_gap = TTL_GAP.min(options.timeout / (4 * u32::from(options.max_hops.max(1))));
        let mut plan = Vec::new();
        for flow in 0..options.flows {
            for ttl in 1..=options.max_hops {
                let at = flow_gap * u32::from(flow) + ttl_gap * u32::from(ttl - 1);
                // One flow is enough to compare with, and leaves the routers' ICMP to the target.
                let ports = if flow == 0 { ports } else { ports.get(..1).unwrap_or_default() };
                plan.extend(ports.iter().map(|port| (at, Slot { port: *port, flow, ttl })));
            }
        }
        plan.sort_by_key(|(at, _)| *at);
        plan.reverse();
        let state = |(index, port): (usize, &u16)| PortState {
            port: *port,
            answered: Vec::new(),
            ends: vec![None; if index == 0 { usize::from(options.flows) } else { 1 }],
        };
        let ports = ports.iter().enumerate().map(state).collect();
        Self { plan, ports, last_news: Duration::ZERO, slowest_rtt: Duration::ZERO }
    }

    /// The next SYN that is due, without those that would tell nothing new.
    pub(super) fn next_launch(&mut self, elapsed: Duration) -> Option<Slot> {
        self.skip_useless();
        self.plan.pop_if(|(at, _)| *at <= elapsed).map(|(_, slot)| slot)
    }

    /// How long to wait for news; `None` once nothing more is to be learnt. `in_flight` has each
    /// SYN under way with the time at which it was sent.
    pub(super) fn next_wake(
        &mut self,
        elapsed: Duration,
        in_flight: &[(Slot, Duration)],
    ) -> Option<Duration> {
        self.skip_useless();
        if let Some((at, _)) = self.plan.last() {
            return Some(at.saturating_sub(elapsed));
        }
        if in_flight.is_empty() {
            return None;
        }
        if self.is_settled() || !in_flight.iter().any(|(slot, _)| self.is_needed(*slot)) {
            let patience = self.last_news + GRACE + self.slowest_rtt;
            return patience.checked_sub(elapsed).filter(|left| !left.is_zero());
        }
        let surplus = in_flight.iter().filter(|(slot, _)| !self.is_needed(*slot));
        let until_stale = surplus.map(|(_, sent)| (*sent + STALE).saturating_sub(elapsed)).min();
        Some(until_stale.unwrap_or(Duration::MAX))
    }

    /// Whether a SYN is to be given up before the kernel repeats it: its answer would tell nothing
    /// new, and may use up what a router that rations its ICMP has left for SYNs that matter.
    pub(super) fn is_surplus(&self, slot: Slot, age: Duration) -> bool {
        age >= STALE && !self.is_needed(slot)
    }

    /// Whether a router has answered a SYN to this port with this TTL.
    pub(super) fn is_answered(&self, slot: Slot) -> bool {
        let port = self.ports.iter().find(|port| port.port == slot.port);
        port.is_some_and(|port| port.answered.contains(&slot.ttl))
    }

    /// Takes what came back to a SYN.
    pub(super) fn note(&mut self, slot: Slot, outcome: Outcome, rtt: Duration, elapsed: Duration) {
        self.last_news = elapsed;
        let kind = match outcome {
            Outcome::SynAck => EndKind::Accepted,
            Outcome::Reset => EndKind::Reset,
            Outcome::Icmp(icmp) if IcmpMeaning::of(&icmp) == IcmpMeaning::Unreachable => {
                EndKind::Unreachable
            }
            Outcome::Icmp(_) => {
                self.slowest_rtt = self.slowest_rtt.max(rtt);
                if let Some(port) = self.port_mut(slot.port) {
                    port.answered.push(slot.ttl);
                }
                return;
            }
            Outcome::Failed(_) | Outcome::Silent => return,
        };
        self.slowest_rtt = self.slowest_rtt.max(rtt);
        let end = self.port_mut(slot.port).and_then(|p| p.ends.get_mut(usize::from(slot.flow)));
        if let Some(end) = end
            && end.is_none_or(|known| slot.ttl < known.ttl)
        {
            *end = Some(FlowEnd { ttl: slot.ttl, kind });
        }
    }

    /// Whether the flow is known to end nearer.
    pub(super) fn is_beyond_end(&self, slot: Slot) -> bool {
        self.end_of(slot).is_some_and(|end| end.ttl < slot.ttl)
    }

    /// Whether everything is known that can change the conclusion: every flow of the port that
    /// matters has ended, and where that is not a success, some control port shows the distance.
    /// Of rejections one is enough, for routers ration their ICMP.
    fn is_settled(&self) -> bool {
        let Some((target, controls)) = self.ports.split_first() else { return true };
        let all = |wanted: fn(&FlowEnd) -> bool| {
            target.ends.iter().all(|end| end.as_ref().is_some_and(wanted))
        };
        let is_compared = controls.is_empty() || controls.iter().any(PortState::is_reached);
        all(|end| end.kind == EndKind::Accepted)
            || is_compared && (target.is_rejected() || all(|_| true))
    }

    /// Whether the answer to this SYN would tell something that no other has told.
    fn is_needed(&self, slot: Slot) -> bool {
        let Some(index) = self.ports.iter().position(|port| port.port == slot.port) else {
            return false;
        };
        let (Some(port), controls) = (self.ports.get(index), self.ports.get(1..)) else {
            return false;
        };
        let is_compared = controls.unwrap_or_default().iter().any(PortState::is_reached);
        if self.is_beyond_end(slot) || (index > 0 && is_compared) {
            return false;
        }
        let ended_elsewhere = port.nearest_end().is_some_and(|ttl| ttl <= slot.ttl);
        if ended_elsewhere && self.end_of(slot).is_none() {
            return !port.is_rejected();
        }
        !port.answered.contains(&slot.ttl)
    }

    fn skip_useless(&mut self) {
        while let Some((_, slot)) = self.plan.last().copied()
            && self.is_useless(slot)
        {
            self.plan.pop();
        }
    }

    /// Beyond the end of its flow, or far beyond where another flow of the port ended.
    fn is_useless(&self, slot: Slot) -> bool {
        let port = self.ports.iter().find(|port| port.port == slot.port);
        let nearest = port.and_then(PortState::nearest_end);
        let far = nearest.is_some_and(|ttl| slot.ttl > ttl.saturating_add(LONGER_BRANCH_HOPS));
        far || self.is_beyond_end(slot)
    }

    fn end_of(&self, slot: Slot) -> Option<FlowEnd> {
        let port = self.ports.iter().find(|port| port.port == slot.port)?;
        port.ends.get(usize::from(slot.flow)).copied().flatten()
    }

    fn port_mut(&mut self, port: u16) -> Option<&mut PortState> {
        self.ports.iter_mut().find(|state| state.port == port)
    }
}

impl PortState {
    fn nearest_end(&self) -> Option<u8> {
        self.ends.iter().flatten().map(|end| end.ttl).min()
    }

    fn is_rejected(&self) -> bool {
        self.ends.iter().flatten().any(|end| end.kind == EndKind::Unreachable)
    }

    fn is_reached(&self) -> bool {
        self.ends.iter().flatten().any(|end| end.kind != EndKind::Unreachable)
    }
}

/// Between the SYNs of neighbouring TTLs, so that those beyond the end of a short path never leave.
const TTL_GAP: Duration = Duration::from_millis(2);

/// Between the flows of a port, so that routers that ration their ICMP can answer each.
const FLOW_GAP: Duration = Duration::from_millis(100);

/// How long to wait, beyond the slowest round trip, for what is good to know but decides nothing.
const GRACE: Duration = Duration::from_millis(300);

/// When a SYN that nobody needs is given up: before the kernel repeats it after a second.
const STALE: Duration = Duration::from_millis(800);

/// How much longer than the shortest branch of a load-balanced path another may be.
const LONGER_BRANCH_HOPS: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{IcmpError, IcmpVersion};

    const TARGET: u16 = 1688;
    const CONTROL: u16 = 443;
    const ALL: Duration = Duration::from_secs(9);

    fn progress(flows: u8) -> Progress {
        let options = Options { max_hops: 5, flows, ..Options::default() };
        Progress::new(&[TARGET, CONTROL], &options)
    }

    fn slot(port: u16, flow: u8, ttl: u8) -> Slot {
        Slot { port, flow, ttl }
    }

    fn icmp(kind: u8, code: u8) -> Outcome {
        Outcome::Icmp(IcmpError { version: IcmpVersion::Icmp, kind, code, from: None })
    }

    fn under_way(slots: &[Slot]) -> Vec<(Slot, Duration)> {
        slots.iter().map(|slot| (*slot, ALL)).collect()
    }

    fn launched(progress: &mut Progress, elapsed: Duration) -> Vec<Slot> {
        std::iter::from_fn(|| progress.next_launch(elapsed)).collect()
    }

    #[test]
    fn every_ttl_is_sent_once_per_flow_and_control_ports_have_one() {
        let mut progress = progress(2);
        let all = launched(&mut progress, ALL);
        assert_eq!(all.len(), 3 * 5, "two flows of the target and one of the control port");
        assert_eq!(all.first(), Some(&slot(TARGET, 0, 1)));
        assert!(
            all.windows(2).all(|pair| pair[0].flow < pair[1].flow || pair[0].ttl <= pair[1].ttl)
        );
    }

    #[test]
    fn syns_leave_a_moment_apart_and_none_beyond_a_known_end() {
        let mut progress = progress(1);
        assert_eq!(launched(&mut progress, Duration::ZERO).len(), 2);
        for port in [TARGET, CONTROL] {
            progress.note(slot(port, 0, 1), Outcome::SynAck, Duration::ZERO, Duration::ZERO);
        }
        assert!(launched(&mut progress, ALL).is_empty());
        assert_eq!(progress.next_wake(ALL, &[]), None);
    }

    #[test]
    fn silence_on_the_port_that_matters_is_waited_for_until_the_deadline() {
        let mut progress = progress(1);
        let in_flight = under_way(&launched(&mut progress, ALL));
        assert_eq!(progress.next_wake(ALL, &in_flight), Some(Duration::MAX));
        progress.note(slot(CONTROL, 0, 2), Outcome::SynAck, Duration::ZERO, ALL);
        let silent = under_way(&[slot(TARGET, 0, 3)]);
        assert_eq!(progress.next_wake(ALL, &silent), Some(Duration::MAX));
    }

    #[test]
    fn what_only_compares_is_given_up_before_it_is_repeated_once_the_host_has_answered() {
        let mut progress = progress(1);
        let in_flight = under_way(&launched(&mut progress, ALL));
        let (target, control) = (slot(TARGET, 0, 1), slot(CONTROL, 0, 1));
        assert!(!progress.is_surplus(control, STALE));
        progress.note(slot(CONTROL, 0, 2), Outcome::SynAck, Duration::ZERO, ALL);
        assert_eq!(progress.next_wake(ALL, &in_flight), Some(STALE));
        assert!(progress.is_surplus(control, STALE) && !progress.is_surplus(control, GRACE));
        assert!(!progress.is_surplus(target, ALL));
    }

    #[test]
    fn a_port_that_is_reached_is_waited_for_no_longer_than_the_grace() {
        let mut progress = progress(1);
        let in_flight = under_way(&launched(&mut progress, ALL));
        progress.note(slot(TARGET, 0, 2), Outcome::SynAck, Duration::ZERO, ALL);
        assert_eq!(progress.next_wake(ALL, &in_flight), Some(GRACE));
        assert_eq!(progress.next_wake(ALL + GRACE, &in_flight), None);
    }

    #[test]
    fn a_refused_port_waits_for_a_control_port_to_compare_with() {
        for refusal in [Outcome::Reset, icmp(3, 13)] {
            let mut progress = progress(1);
            let in_flight = under_way(&launched(&mut progress, ALL));
            progress.note(slot(TARGET, 0, 2), refusal, Duration::ZERO, ALL);
            let mut left = in_flight;
            left.retain(|(slot, _)| !progress.is_beyond_end(*slot));
            assert_eq!(progress.next_wake(ALL, &left), Some(Duration::MAX));
            progress.note(slot(CONTROL, 0, 3), Outcome::Reset, Duration::ZERO, ALL);
            assert_eq!(progress.next_wake(ALL, &left), Some(GRACE));
        }
    }

    #[test]
    fn a_flow_that_stays_silent_where_another_is_answered_is_waited_for() {
        let mut progress = progress(2);
        launched(&mut progress, ALL);
        progress.note(slot(TARGET, 0, 2), Outcome::SynAck, Duration::ZERO, ALL);
        let silent = slot(TARGET, 1, 2);
        assert_eq!(progress.next_wake(ALL, &under_way(&[silent])), Some(Duration::MAX));
    }

    #[test]
    fn a_router_that_answered_in_one_flow_is_not_waited_for_in_another() {
        let mut progress = progress(2);
        launched(&mut progress, ALL);
        progress.note(slot(TARGET, 0, 1), icmp(11, 0), Duration::ZERO, ALL);
        let again = under_way(&[slot(TARGET, 1, 1)]);
        assert_eq!(progress.next_wake(ALL, &again), Some(GRACE));
    }

    #[test]
    fn a_later_flow_may_be_longer_but_not_without_limit() {
        let options = Options { max_hops: 30, flows: 2, ..Options::default() };
        let mut progress = Progress::new(&[TARGET], &options);
        progress.note(slot(TARGET, 0, 2), Outcome::SynAck, Duration::ZERO, Duration::ZERO);
        let of_second = launched(&mut progress, ALL).into_iter().filter(|slot| slot.flow == 1);
        assert_eq!(of_second.map(|slot| slot.ttl).max(), Some(2 + LONGER_BRANCH_HOPS));
    }
}
