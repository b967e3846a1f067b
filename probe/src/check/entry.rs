//! What a check returns: one entry per (target, host, port, address), each with its stages.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::Beside;
use crate::dns::exchange::Transport;
use crate::stage::Stage;
use crate::stage::bind::BindFacts;
use crate::stage::call::CallFacts;
use crate::stage::clock::ClockFacts;
use crate::stage::connect::ConnectFacts;
use crate::stage::kms::KmsFacts;
use crate::stage::resolve::{Endpoint, Facts, Resolved, ServiceRecord, View};
use crate::stage::tls::TlsFacts;
use crate::verdict::{Finding, PortState, Severity, Verdict};

/// Everything that a check found.
#[derive(Clone, Debug)]
pub struct Report {
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// The entries, in the order of the targets, and within a target in the order of clients.
    pub entries: Vec<Entry>,
}

/// One conversation, or the reason why there was none.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The target as it was given; the suffix, or nothing, for a search.
    pub target: String,
    /// Host name, or the address where there is no name; `None` where none was found.
    pub host: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// Address that was connected to.
    pub address: Option<IpAddr>,
    /// The stages that ran, in order; never empty.
    pub stages: Vec<StageReport>,
    /// The verdict of the deepest stage, or of a clock that keeps clients from activating.
    pub verdict: Verdict,
    /// What is worth saying beside it.
    pub findings: Vec<Finding>,
    /// What was tried beside the stages.
    pub beside: Beside,
}

/// One stage that ran.
#[derive(Clone, Debug)]
pub struct StageReport {
    /// Which stage.
    pub stage: Stage,
    /// Its verdict's code.
    pub verdict: &'static str,
    /// How long it took.
    pub elapsed: Duration,
    /// What it saw.
    pub facts: StageFacts,
}

/// The facts of a stage.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum StageFacts {
    /// Look-ups.
    Dns(DnsFacts),
    /// Look-ups that could not even begin.
    NoDns(NoDnsFacts),
    /// Connect.
    Tcp(TcpFacts),
    /// Bind.
    Bind(BindFacts),
    /// Call of an operation that does not exist.
    Rpc(CallFacts),
    /// KMS exchange.
    Kms(Box<KmsFacts>),
    /// A clock.
    Clock(Box<ClockFacts>),
    /// A TLS handshake.
    Tls(Box<TlsFacts>),
}

/// A machine without DNS server and search suffix.
#[derive(Clone, Debug, Serialize)]
pub struct NoDnsFacts {
    /// Where servers and suffixes would have come from.
    pub resolvers_from: String,
}

/// Facts of a connect, with the word that port scanners use.
#[derive(Clone, Debug, Serialize)]
pub struct TcpFacts {
    /// `listening`, `not listening` or `filtered`, where one of them applies.
    pub state: Option<PortState>,
    /// What the connect saw.
    #[serde(flatten)]
    pub connect: ConnectFacts,
}

/// What the look-ups of a target saw, as it concerns one of its endpoints.
#[derive(Clone, Debug)]
pub struct DnsFacts {
    /// The look-ups, shared by all entries of the target.
    pub resolved: Arc<Resolved>,
    /// The endpoint of this entry; `None` where there is none.
    pub endpoint: Option<Endpoint>,
    /// Whether this entry carries all views. The further entries of a target do not repeat them.
    pub with_views: bool,
}

impl Report {
    /// The worst severity, findings included.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.entries.iter().map(Entry::severity_with_findings).max().unwrap_or(Severity::Ok)
    }

    /// The worst verdict, findings included: the first of several.
    #[must_use]
    pub fn worst(&self) -> Option<&Verdict> {
        let verdicts = self.entries.iter().map(|entry| &entry.verdict);
        let findings = self.entries.iter().flat_map(|entry| &entry.findings).map(|f| &f.verdict);
        let mut all = verdicts.chain(findings);
        let severity = self.severity();
        all.find(|verdict| verdict.severity == severity)
    }
}

impl Entry {
    /// The worse of the verdict's severity and that of the findings.
    #[must_use]
    pub fn severity_with_findings(&self) -> Severity {
        let findings = self.findings.iter().map(|finding| finding.verdict.severity);
        findings.max().unwrap_or(Severity::Ok).max(self.verdict.severity)
    }

    /// The facts of the look-ups, where there were any.
    #[must_use]
    pub fn dns(&self) -> Option<&DnsFacts> {
        self.stages.iter().find_map(|stage| match &stage.facts {
            StageFacts::Dns(facts) => Some(facts),
            _ => None,
        })
    }
}

impl DnsFacts {
    fn facts(&self) -> &Facts {
        &self.resolved.facts
    }

    /// The records of the resolver that decided.
    #[must_use]
    pub fn records(&self) -> &[ServiceRecord] {
        self.facts().deciding_view().map_or(&[], |view| view.records.as_slice())
    }

    /// SRV targets beyond the limit, whose addresses were not looked up.
    #[must_use]
    pub fn targets_not_followed(&self) -> usize {
        self.facts().deciding_view().map_or(0, |view| view.hosts_not_followed)
    }

    /// UDP queries sent and the transport of the answer of the look-up that decided.
    #[must_use]
    pub fn exchange(&self) -> Option<(u32, Transport)> {
        let view = self.facts().deciding_view()?;
        let hosts = view.hosts.iter().flat_map(|host| &host.lookups);
        let exchange = view.service.iter().chain(hosts).find_map(|lookup| lookup.last())?;
        Some((exchange.attempts, exchange.transport))
    }
}

impl Serialize for DnsFacts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let facts = self.facts();
        let exchange = self.exchange();
        let views: Option<&[View]> = self.with_views.then_some(facts.views.as_slice());
        let mut fields = serializer.serialize_struct("DnsFacts", 12)?;
        fields.serialize_field("name", &facts.name)?;
        fields.serialize_field("question", &facts.question)?;
        fields.serialize_field("resolver", &facts.decided_by)?;
        fields.serialize_field("resolvers_from", &facts.resolvers_from)?;
        fields.serialize_field("attempts", &exchange.map(|(attempts, _)| attempts))?;
        fields.serialize_field("transport", &exchange.map(|(_, transport)| transport))?;
        fields.serialize_field("reason", &self.resolved.reason.values)?;
        fields.serialize_field("records", self.records())?;
        fields.serialize_field("targets_not_followed", &self.targets_not_followed())?;
        fields.serialize_field("endpoint", &self.endpoint)?;
        fields.serialize_field("views", &views)?;
        fields.serialize_field("system", &facts.system)?;
        fields.end()
    }
}
