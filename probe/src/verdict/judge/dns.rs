//! What look-ups mean. The stage names the code and the values; the sentences are put together
//! here.

use std::time::Duration;

use super::words::duration;
use crate::stage::resolve::{Facts, Observation};
use crate::verdict::table::{self, dns as rows};
use crate::verdict::{Finding, Severity, Verdict};

/// Judges one observation about the look-up that `facts` tell of.
#[must_use]
pub fn dns(facts: &Facts, observation: &Observation, timeout: Duration) -> Verdict {
    let mut values: Vec<(&'static str, String)> = vec![
        ("domain", facts.name.to_string()),
        ("timeout", duration(timeout)),
        ("resolver", "This machine itself".to_owned()),
        ("missing_why", missing_why(facts)),
        ("missing_remedy", missing_remedy(facts)),
    ];
    for (&name, value) in &observation.values {
        let value = match name {
            "resolver" => format!("DNS server {}", value.strip_suffix(":53").unwrap_or(value)),
            _ => value.clone(),
        };
        match values.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => values.push((name, value)),
        }
    }
    if let Some(bare) = observation.values.get("bare_name") {
        let hint = format!("; {bare} itself has an address, and `--host` tests it as a host");
        values.push(("host_hint", hint));
    }
    let row = table::find(observation.code.code()).unwrap_or(&rows::MALFORMED);
    let mut verdict = Verdict::of(row, &values);
    // What Windows shows is documented for a missing SRV record, not for a missing host.
    if facts.port.is_some() && observation.code.is_missing() {
        verdict.client_sees.clear();
    }
    verdict
}

/// An observation beside a look-up that succeeded: it is no worse than a warning, for clients get
/// their answer.
#[must_use]
pub fn dns_finding(facts: &Facts, observation: &Observation, timeout: Duration) -> Finding {
    let mut verdict = dns(facts, observation, timeout);
    verdict.severity = verdict.severity.min(Severity::Warning);
    let facts = serde_json::to_value(&observation.values).unwrap_or_default();
    Finding { verdict, facts }
}

/// A domain that was searched before the one that has a KMS host: ordinary, and worth knowing.
#[must_use]
pub fn dns_passed_over(facts: &Facts, reason: &Observation, timeout: Duration) -> Finding {
    let mut finding = dns_finding(facts, reason, timeout);
    finding.verdict.severity = Severity::Info;
    finding
}

fn missing_why(facts: &Facts) -> String {
    match facts.port {
        None => format!(
            "no KMS host is published in {}, or this is not the DNS server that knows it",
            facts.name
        ),
        Some(_) => "the host name is wrong or its record was deleted, or this is not the DNS \
                    server that knows it"
            .to_owned(),
    }
}

fn missing_remedy(facts: &Facts) -> String {
    match facts.port {
        None => format!(
            "Create `_vlmcs._tcp.{}. IN SRV 0 0 1688 <KMS host>.` or let the KMS host publish it \
             (`slmgr /sdns`, confirmed there by event 12294)",
            facts.name
        ),
        Some(_) => format!("Correct the name, or create the A or AAAA record of {}", facts.name),
    }
}
