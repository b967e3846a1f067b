//! The facts of each stage in one line.

use std::time::Duration;

use crate::check::{Beside, DnsFacts, StageFacts, TcpFacts};
use crate::platform::IcmpVersion;
use crate::stage::bind::{BindAckFacts, BindAnswer, BindFacts};
use crate::stage::call::{CallFacts, FaultFacts};
use crate::stage::channel::{Broken, BrokenHow};
use crate::stage::clock::{ClockFacts, ClockSource};
use crate::stage::connect::{ConnectFacts, ConnectOutcome};
use crate::stage::echo::EchoOutcome;
use crate::stage::kms::{KmsAnswer, KmsFacts};
use crate::stage::resolve::{AddressSource, Endpoint};
use crate::stage::tls::TlsFacts;
use crate::verdict::PortState;

/// Something that was tried beside the stages, as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BesideLine {
    /// What was tried.
    pub label: &'static str,
    /// How it ended, in a word.
    pub word: &'static str,
    /// How long it took, where it was answered.
    pub elapsed: Option<Duration>,
    /// What was seen. It may hold text from the network: escape it.
    pub facts: String,
}

/// What was tried beside the stages, a line each.
#[must_use]
pub fn beside(beside: &Beside) -> Vec<BesideLine> {
    let mut lines = Vec::new();
    if let Some(port) = &beside.closed_port {
        let word = match port.connect.outcome {
            ConnectOutcome::Connected => "open",
            ConnectOutcome::TimedOut => "timeout",
            ConnectOutcome::Failed => port.state.map_or("failed", |state| match state {
                PortState::Filtered => "filtered",
                _ => "refused",
            }),
        };
        let seen = match port.connect.outcome {
            ConnectOutcome::Connected => "opens although it should be closed".to_owned(),
            ConnectOutcome::TimedOut => "no answer, so it does not open".to_owned(),
            ConnectOutcome::Failed => {
                format!("does not open: {}", failure(&port.connect).join(", "))
            }
        };
        let elapsed = Some(Duration::from_micros(port.elapsed_us));
        let facts = format!("TCP {} {seen}", port.port);
        lines.push(BesideLine { label: "closed", word, elapsed, facts });
    }
    if let Some(echo) = &beside.ping {
        let (word, elapsed) = match echo.outcome {
            EchoOutcome::Answered { rtt_us } => ("answered", Some(Duration::from_micros(rtt_us))),
            EchoOutcome::Silent => ("silent", None),
            EchoOutcome::Unreachable { .. } => ("unreachable", None),
            EchoOutcome::NotAllowed | EchoOutcome::Failed { .. } => ("not made", None),
        };
        let facts = format!("ICMP echo {}", echo.words());
        lines.push(BesideLine { label: "ping", word, elapsed, facts });
    }
    lines
}

/// What a stage saw, in one line. It may hold text from the network: escape it.
#[must_use]
pub fn line(facts: &StageFacts) -> String {
    let parts = match facts {
        StageFacts::Dns(facts) => dns(facts),
        StageFacts::NoDns(facts) => vec![format!("nothing in {}", facts.resolvers_from)],
        StageFacts::Tcp(facts) => tcp(facts),
        StageFacts::Bind(facts) => bind(facts),
        StageFacts::Rpc(facts) => rpc(facts),
        StageFacts::Kms(facts) => kms(facts),
        StageFacts::Clock(facts) => clock(facts),
        StageFacts::Tls(facts) => tls(facts),
    };
    parts.join(", ")
}

fn dns(facts: &DnsFacts) -> Vec<String> {
    let resolved = &facts.resolved;
    let mut parts = vec![match resolved.facts.decided_by {
        Some(resolver) => format!("{} at {resolver}", resolved.facts.question),
        None => format!("{} without DNS", resolved.facts.question),
    }];
    let records = facts.records();
    if !records.is_empty() {
        parts.push(plural(records.len(), "SRV record", "SRV records"));
    }
    if facts.targets_not_followed() > 0 {
        parts
            .push(format!("{} targets beyond the limit not checked", facts.targets_not_followed()));
    }
    if let Some(endpoint) = &facts.endpoint {
        parts.extend(endpoint_parts(facts, endpoint));
    }
    if let Some((attempts, _)) = facts.exchange().filter(|(attempts, _)| *attempts > 1) {
        parts.push(format!("{attempts} queries"));
    }
    parts
}

fn endpoint_parts(facts: &DnsFacts, endpoint: &Endpoint) -> Vec<String> {
    let mut parts = Vec::new();
    if let (Some(priority), Some(weight)) = (endpoint.priority, endpoint.weight) {
        parts.push(format!("priority {priority}, weight {weight}"));
    }
    match (endpoint.share, endpoint.share_of_priority) {
        (Some(share), Some(of_priority)) if share == 0.0 && of_priority > 0.0 => {
            parts.push("standby until better priorities fail".to_owned());
        }
        (Some(share), _) => parts.push(format!("gets {} of the clients", percent(share))),
        _ => {}
    }
    let record = facts.records().iter().find(|record| {
        record.service.target == endpoint.host && record.service.port == endpoint.port
    });
    if let Some(record) = record {
        parts.push(format!("TTL {} s", record.ttl));
    }
    if endpoint.source == AddressSource::OperatingSystem {
        parts.push("address from this machine, not from DNS".to_owned());
    }
    parts
}

fn percent(share: f64) -> String {
    let tenths = (share * 1000.0).round() / 10.0;
    format!("{tenths}%")
}

fn tcp(facts: &TcpFacts) -> Vec<String> {
    let connect = &facts.connect;
    let mut parts: Vec<String> = facts.state.iter().map(|state| state.words().to_owned()).collect();
    match connect.outcome {
        ConnectOutcome::Connected => parts.extend(syns_again(connect)),
        ConnectOutcome::TimedOut => {
            if let Some(syns) = connect.syns_sent {
                parts.push(format!("{} unanswered", plural_u32(syns, "SYN", "SYNs")));
            }
            if connect.icmp.is_none() {
                parts.push("no ICMP error came back".to_owned());
            }
        }
        ConnectOutcome::Failed => parts.extend(failure(connect)),
    }
    let interface = connect.origin.and_then(|origin| origin.interface);
    let by = interface.map_or_else(String::new, |interface| format!(" by {interface}"));
    if let Some(source) = connect.source {
        parts.push(format!("from {}{by}", source.ip()));
    }
    parts
}

/// A SYN sent again says that it or its answer was lost, or late by a second.
fn syns_again(connect: &ConnectFacts) -> Option<String> {
    let again = connect.syns_sent?.checked_sub(1).filter(|again| *again > 0)?;
    Some(format!("{} sent again", plural_u32(again, "SYN", "SYNs")))
}

fn sent_again(retransmissions: Option<u32>) -> Option<String> {
    let again = retransmissions.filter(|again| *again > 0)?;
    Some(format!("{} sent again", plural_u32(again, "segment", "segments")))
}

fn failure(connect: &ConnectFacts) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(icmp) = connect.icmp {
        let protocol = match icmp.version {
            IcmpVersion::Icmp => "ICMP",
            IcmpVersion::Icmpv6 => "ICMPv6",
        };
        let from = icmp.from.map_or_else(String::new, |from| format!(" from {from}"));
        parts.push(format!("{protocol} {} ({}/{}){from}", icmp.name(), icmp.kind, icmp.code));
    }
    if let Some(error) = connect.error {
        parts.push(match error.errno {
            Some(errno) => format!("{} (errno {errno})", error.kind.words()),
            None => error.kind.words().to_owned(),
        });
    }
    parts
}

fn bind(facts: &BindFacts) -> Vec<String> {
    let mut parts = match (&facts.answer, &facts.broken) {
        (Some(BindAnswer::BindAck(ack)), _) => ack_parts(ack),
        (Some(BindAnswer::BindNak(nak)), _) => {
            vec![format!("bind_nak, reason {} ({})", nak.reason, nak.reason_name)]
        }
        (None, Some(broken)) => broken_parts(broken),
        (None, None) => Vec::new(),
    };
    parts.extend(sent_again(facts.retransmissions));
    parts
}

fn ack_parts(ack: &BindAckFacts) -> Vec<String> {
    let mut parts: Vec<String> = ack
        .contexts
        .iter()
        .filter_map(|context| {
            let refused = context.reason_name.as_ref().filter(|_| context.result != 0);
            match refused {
                Some(reason) => Some(format!("{} refused ({reason})", context.offered)),
                None if context.result == 0 => Some(format!("{} accepted", context.offered)),
                None => None,
            }
        })
        .collect();
    parts.push(format!("fragments {}/{}", ack.max_xmit_frag, ack.max_recv_frag));
    if ack.kms_sim_mark {
        parts.push("carries the kms-sim mark".to_owned());
    }
    parts
}

fn rpc(facts: &CallFacts) -> Vec<String> {
    let call = format!("operation {:#06X}", facts.opnum);
    let mut parts = match facts {
        CallFacts { fault: Some(fault), .. } => {
            vec![format!("{call} answered with {}", fault_words(fault))]
        }
        CallFacts { response_bytes: Some(bytes), .. } => {
            vec![format!("{call} answered with {} of results", plural(*bytes, "byte", "bytes"))]
        }
        CallFacts { broken: Some(broken), .. } => broken_parts(broken),
        CallFacts { .. } => vec![call],
    };
    parts.extend(sent_again(facts.retransmissions));
    parts
}

fn fault_words(fault: &FaultFacts) -> String {
    match fault.name {
        Some(name) => format!("fault {name}"),
        None => format!("fault {}", fault.status),
    }
}

fn kms(facts: &KmsFacts) -> Vec<String> {
    let mut parts = vec![format!("version {} in {}", facts.version, facts.transfer_syntax)];
    if let Some(answer) = &facts.answer {
        parts.extend(answer_parts(answer, facts.threshold));
    }
    if let Some(failed) = &facts.failed_check {
        parts.push(failed.detail.clone());
    }
    match (&facts.hresult, facts.hresult_name) {
        (Some(hresult), _) if hresult == "0x00000000" => {}
        (Some(hresult), Some(name)) => parts.push(format!("HRESULT {hresult} {name}")),
        (Some(hresult), None) => parts.push(format!("HRESULT {hresult}")),
        (None, _) => {}
    }
    parts.extend(facts.malformed.clone());
    parts.extend(facts.fault.as_ref().map(fault_words));
    parts.extend(facts.broken.iter().flat_map(broken_parts));
    parts.extend(sent_again(facts.retransmissions));
    parts
}

fn answer_parts(answer: &KmsAnswer, threshold: u32) -> Vec<String> {
    vec![
        format!("count {} of {threshold} needed", answer.count),
        format!(
            "retry every {} min, renewal every {} min",
            answer.activation_interval_minutes, answer.renewal_interval_minutes
        ),
        format!("ePID {}", answer.epid),
    ]
}

fn clock(facts: &ClockFacts) -> Vec<String> {
    let how = match (facts.source, facts.server) {
        (ClockSource::Ntlm, _) => "NTLM challenge".to_owned(),
        (ClockSource::Sntp, Some(server)) => format!("SNTP at {server}"),
        (ClockSource::Sntp, None) => "SNTP".to_owned(),
    };
    let mut parts = vec![how];
    match &facts.reading {
        Some(reading) => {
            let uncertainty = crate::verdict::judge::duration(reading.uncertainty());
            let offset = crate::verdict::judge::offset(reading);
            parts.push(format!("{offset} this machine's, give or take {uncertainty}"));
        }
        None => parts.push("no time".to_owned()),
    }
    if let Some(ntlm) = &facts.ntlm {
        let computer = ntlm.dns_computer.as_ref().or(ntlm.computer.as_ref());
        parts.extend(computer.map(|name| format!("computer {name}")));
        let domain = ntlm.dns_domain.as_ref().or(ntlm.domain.as_ref());
        parts.extend(domain.map(|name| format!("domain {name}")));
        parts.extend(ntlm.os_version.as_ref().map(|version| format!("version {version}")));
    }
    if let Some(sntp) = &facts.sntp {
        parts.push(format!("stratum {} after {}", sntp.stratum, sntp.reference));
    }
    parts
}

fn tls(facts: &TlsFacts) -> Vec<String> {
    let mut parts: Vec<String> = facts.protocol.iter().map(|&version| version.to_owned()).collect();
    parts.extend(facts.cipher_suite.clone());
    if let Some(own) = facts.chain.first() {
        let names = match own.names.split_first() {
            Some((first, [])) => format!("certificate for {first}"),
            Some((first, more)) => {
                let more = more.len() + own.names_not_shown;
                format!("certificate for {first} and {more} more")
            }
            None => format!("certificate {}", own.subject),
        };
        parts.push(names);
        parts.push(format!("issued by {}", own.issuer_name));
        let (from, until) = (&own.not_before, &own.not_after);
        parts.push(format!("valid from {from} to {until}"));
        if own.days_left >= 0 {
            let days = u64::try_from(own.days_left).unwrap_or(0);
            parts.push(format!("{} left", plural_u64(days, "day", "days")));
        }
        let chain = facts.chain.len() + facts.certificates_not_shown;
        parts.push(plural(chain, "certificate shown", "certificates shown"));
    }
    if let Some(failure) = &facts.failure {
        parts.push("no handshake".to_owned());
        parts.extend(failure.detail.clone());
    }
    parts
}

fn broken_parts(broken: &Broken) -> Vec<String> {
    let how = match broken.how {
        BrokenHow::TimedOut => "no complete answer",
        BrokenHow::Closed => "connection closed",
        BrokenHow::Reset => "connection reset",
        BrokenHow::NotRpc => "not RPC",
        BrokenHow::CallIdMismatch => "wrong call id",
        BrokenHow::Malformed => "damaged answer",
    };
    let mut parts = vec![how.to_owned()];
    parts.extend(broken.detail.clone());
    if let Some(error) = broken.error.filter(|_| broken.how == BrokenHow::TimedOut) {
        parts.push(format!("an ICMP error came back ({})", error.kind.words()));
    }
    if broken.received_bytes > 0 {
        parts.push(format!(
            "{} received, beginning with {}",
            plural_u64(broken.received_bytes, "byte", "bytes"),
            crate::verdict::judge::readable(&broken.first_bytes)
        ));
    }
    parts
}

fn plural(number: usize, one: &str, many: &str) -> String {
    plural_u64(number as u64, one, many)
}

fn plural_u32(number: u32, one: &str, many: &str) -> String {
    plural_u64(u64::from(number), one, many)
}

fn plural_u64(number: u64, one: &str, many: &str) -> String {
    crate::verdict::judge::count(number, one, many)
}
