//! The faults of one call: asks the rules, remembers what struck.

use std::net::SocketAddr;

use kms_protocol::kms::{Hresult, Request};
use tracing::info;

use super::exchange::Interference;
use super::record;
use super::worker::Worker;
use crate::fault::{Action, Applied, Facts, Hit, Stage};

/// Asks the rules on behalf of one call.
pub(super) struct Disturbance<'a> {
    worker: &'a Worker,
    peer: SocketAddr,
    opnum: u16,
    /// What struck, in order.
    pub(super) struck: Vec<Applied>,
    /// The last hit: the one that decides what becomes of the answer's bytes.
    pub(super) hit: Option<Hit>,
}

impl<'a> Disturbance<'a> {
    pub(super) const fn new(worker: &'a Worker, peer: SocketAddr, opnum: u16) -> Self {
        Self { worker, peer, opnum, struck: Vec::new(), hit: None }
    }

    /// Asks the rules at `stage`.
    pub(super) fn ask(
        &mut self,
        stage: Stage,
        request: Option<&Request>,
        accepted: bool,
    ) -> Option<Action> {
        if !self.worker.shared.faults.strikes_at(stage) {
            return None;
        }
        let opnum = Some(self.opnum);
        let facts = Facts { opnum, request, accepted, ..Facts::of(self.peer.ip()) };
        let hit = strike(self.worker, stage, &facts)?;
        if self.opnum == 0 {
            self.struck.push(hit.applied.clone());
        } else {
            record_applied(self.worker, &hit.applied, stage, self.peer);
        }
        let action = hit.action.clone();
        self.hit = Some(hit);
        Some(action)
    }
}

impl Interference for Disturbance<'_> {
    fn at_request(&mut self, request: Option<&Request>) -> Option<Action> {
        self.ask(Stage::Request, request, false)
    }

    fn at_response(&mut self, request: Option<&Request>, accepted: bool) -> Option<Action> {
        let fault = self.ask(Stage::Response, request, accepted);
        // The host of a sinkhole accepts nobody: this is for requests that it cannot read.
        fault.or_else(|| self.worker.shared.sinkhole.then_some(SINKHOLE_ANSWER))
    }
}

/// What a sinkhole says to everybody: a documented HRESULT that no client can use.
const SINKHOLE_ANSWER: Action = Action::Hresult { code: Hresult::HOST_NOT_ACTIVATED };

/// The rule that strikes a connection before any request: counted, logged and recorded.
pub(super) fn strike_outside(worker: &Worker, stage: Stage, peer: SocketAddr) -> Option<Hit> {
    if !worker.shared.faults.strikes_at(stage) {
        return None;
    }
    let hit = strike(worker, stage, &Facts::of(peer.ip()))?;
    record_applied(worker, &hit.applied, stage, peer);
    Some(hit)
}

/// The row of a fault that is not part of a request's own row.
fn record_applied(worker: &Worker, applied: &Applied, stage: Stage, peer: SocketAddr) {
    worker.shared.record_now(|| record::fault(applied, stage, peer));
}

/// The rule that strikes an event, counted and logged.
fn strike(worker: &Worker, stage: Stage, facts: &Facts<'_>) -> Option<Hit> {
    let hit = worker.shared.faults.decide(stage, facts, worker.shared.common.clock.now())?;
    worker.counters.faults.increment();
    let Applied { rule, kind } = &hit.applied;
    let host = worker.shared.shown_name();
    info!(%rule, %kind, %stage, client = %facts.client, number = hit.number, host, "fault");
    Some(hit)
}
