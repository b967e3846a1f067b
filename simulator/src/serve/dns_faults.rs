//! The fault rules, asked on behalf of the DNS server.

use std::sync::Arc;

use tracing::info;

use super::clock::HostClock;
use crate::dns::{Asked, Choose, Fault, Transport};
use crate::fault::{Facts, FaultSet, Question, Stage, dns_fault};

/// What the rules of `faults` say to each question, by `clock`.
pub(super) fn choice(faults: &Arc<FaultSet>, clock: &Arc<HostClock>) -> Choose {
    let (faults, clock) = (Arc::clone(faults), Arc::clone(clock));
    Arc::new(move |asked| choose(&faults, &clock, asked))
}

fn choose(faults: &FaultSet, clock: &HostClock, asked: &Asked<'_>) -> Option<Fault> {
    if !faults.strikes_at(Stage::Dns) {
        return None;
    }
    let name = asked.question.name.to_ascii();
    let record_type = asked.question.query_type.to_string();
    let question = Question {
        name: name.trim_end_matches('.'),
        record_type: &record_type,
        over_tcp: asked.transport == Transport::Tcp,
    };
    let client = asked.client.ip();
    let facts = Facts { question: Some(question), ..Facts::of(client) };
    let hit = faults.decide(Stage::Dns, &facts, clock.now())?;
    info!(rule = %hit.applied.rule, kind = %hit.applied.kind, stage = "dns", %client, number = hit.number, "fault");
    dns_fault(hit)
}
