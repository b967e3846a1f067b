//! The two tables against each other.

use std::collections::BTreeSet;

use kms_probe::stage::Stage;
use kms_probe::verdict::table;
use kms_simulator::fault::{self, Kind, RuleId, parse_compact};

use super::cases::{Case, DNS, HOST};

fn all() -> impl Iterator<Item = &'static Case> {
    HOST.iter().chain(DNS)
}

/// What a case is about: the kind and the stage of each of its rules.
fn struck(case: &Case) -> Vec<(Kind, fault::Stage)> {
    let rules =
        case.rules.iter().map(|text| parse_compact(text, &RuleId::made_up("x", 1)).unwrap());
    rules.map(|rule| (rule.kind(), rule.stage)).collect()
}

#[test]
fn every_kind_at_every_stage_has_a_verdict() {
    let shown: BTreeSet<_> = all().flat_map(struck).collect();
    let mut missing = Vec::new();
    for kind in Kind::all() {
        for stage in kind.spec().stages {
            if !shown.contains(&(kind, *stage)) {
                missing.push(format!("{kind} at {stage}"));
            }
        }
    }
    assert!(missing.is_empty(), "no case shows what the probe says of {missing:?}");
}

#[test]
fn every_verdict_comes_from_a_fault_or_cannot() {
    // A case that leaves the outcome to a race proves none of its verdicts.
    let caused: BTreeSet<&str> = all()
        .filter(|case| case.expected.len() == 1)
        .flat_map(|case| case.expected.iter().copied())
        .collect();
    for row in table::rows().filter(|row| STAGES.contains(&row.stage)) {
        let elsewhere = NOT_BY_A_FAULT.iter().find(|(code, _)| *code == row.code);
        match (caused.contains(row.code), elsewhere) {
            (true, None) | (false, Some(_)) => {}
            (true, Some((_, reason))) => panic!("`{}` can be caused, yet: {reason}", row.code),
            (false, None) => panic!("no fault causes `{}`", row.code),
        }
    }
    for (code, _) in NOT_BY_A_FAULT {
        assert!(table::find(code).is_some(), "`{code}` is no verdict");
    }
}

/// The stages that a host and its DNS server have a part in.
const STAGES: [Stage; 5] = [Stage::Dns, Stage::Tcp, Stage::Bind, Stage::Rpc, Stage::Kms];

/// Verdicts that no fault rule of a host or its DNS server causes for certain, and why.
const NOT_BY_A_FAULT: &[(&str, &str)] = &[
    ("dns.ok", "the verdict of a healthy look-up alone: `--depth dns`"),
    ("dns.no_resolver", "the checking machine has no DNS server"),
    ("dns.unreachable", "nobody serves DNS there: stop the simulator's DNS"),
    ("dns.truncated_no_tcp", "TCP to the DNS server is closed: `Options::tcp`, in process only"),
    ("dns.cname_target", "a zone with an alias as target"),
    ("dns.port_zero", "a zone with port 0"),
    ("dns.local_override", "the checking machine's hosts file or cache"),
    ("tcp.accepts_all", "a device that opens every port, the one that should be closed too"),
    ("tcp.ok", "the verdict of a connect alone: `--depth tcp`"),
    ("tcp.timeout", "packets must vanish: a firewall or a dead host"),
    ("tcp.reset", "a reset that overtakes the handshake: `reset stage=accept` does by chance"),
    ("tcp.port_unreachable", "ICMP comes from a host's kernel or a router"),
    ("tcp.host_unreachable", "ICMP comes from a router"),
    ("tcp.net_unreachable", "ICMP comes from a router"),
    ("tcp.prohibited", "ICMP comes from a packet filter"),
    ("tcp.loop", "ICMP comes from a router"),
    ("tcp.no_route", "the checking machine's own routes"),
    ("tcp.source_unavailable", "the checking machine's own addresses"),
    ("bind.ok", "the verdict of a bind alone: `--depth bind`"),
];
