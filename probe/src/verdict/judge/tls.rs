//! What a TLS handshake means, and what the stages before it mean when it is not a KMS host that
//! they went to.

use std::time::Duration;

use super::Endpoint;
use super::words::{count, duration, readable};
use crate::stage::guess::Guess;
use crate::stage::tls::certificate::CertificateFacts;
use crate::stage::tls::{Failure, FailureHow, ProblemKind, TlsFacts};
use crate::verdict::table::tls as table;
use crate::verdict::{Finding, Row, Severity, Verdict};

/// Judges a handshake: the verdict, and what is worth saying beside it.
#[must_use]
pub fn tls(endpoint: &Endpoint, facts: &TlsFacts) -> (Verdict, Vec<Finding>) {
    let values = values(endpoint, facts);
    if let Some(failure) = &facts.failure {
        let row = match failure.how {
            FailureHow::TimedOut => &table::TIMEOUT,
            _ => &table::HANDSHAKE_FAILED,
        };
        let mut verdict = Verdict::of(row, &values);
        // That Windows shows it for a missing version is all that is documented.
        if row.code == table::HANDSHAKE_FAILED.code && failure.how != FailureHow::OldVersion {
            verdict.client_sees.clear();
        }
        return (verdict, Vec::new());
    }
    let mut verdicts = facts.problems.iter().map(|problem| Verdict::of(row(problem.kind), &values));
    let verdict = verdicts.next();
    let mut beside: Vec<Verdict> = verdicts.collect();
    let verdict = verdict.unwrap_or_else(|| {
        beside.extend(expiring(facts, &values));
        Verdict::of(&table::OK, &values)
    });
    let findings = beside.into_iter().map(|verdict| finding(verdict, facts)).collect();
    (verdict, findings)
}

/// A verdict of the dns or tcp stage on the way to an endpoint for online activation: the same
/// cause, with the remedy and the codes of such an endpoint.
#[must_use]
pub fn towards_tls(mut verdict: Verdict, host: &str, port: u16) -> Verdict {
    verdict.client_sees = match verdict.row.code {
        "dns.nxdomain" | "dns.nodata" => vec![table::WININET_NOT_RESOLVED],
        "tcp.timeout" => vec![table::WININET_TIMEOUT],
        _ => Vec::new(),
    };
    if verdict.row.code.starts_with("tcp.") && verdict.severity > Severity::Ok {
        verdict.remedy = Some(format!(
            "Allow TCP {port} to {host} by its name on every firewall and web filter on the way, \
             or test from a machine that may connect directly: this check uses no web proxy."
        ));
    }
    verdict
}

fn row(problem: ProblemKind) -> &'static Row {
    match problem {
        ProblemKind::Untrusted => &table::UNTRUSTED,
        ProblemKind::NameMismatch => &table::NAME_MISMATCH,
        ProblemKind::Expired => &table::EXPIRED,
        ProblemKind::NotYetValid => &table::NOT_YET_VALID,
    }
}

fn values(endpoint: &Endpoint, facts: &TlsFacts) -> Vec<(&'static str, String)> {
    let mut values = endpoint.values();
    values.push(("timeout", duration(Duration::from_millis(facts.timeout_ms))));
    if let Some(own) = facts.chain.first() {
        let issuer = if own.is_self_issued { "itself" } else { &own.issuer_name };
        let quoted = if own.is_self_issued { issuer.to_owned() } else { format!("`{issuer}`") };
        values.push(("issuer", quoted));
        values.push(("until", day(&own.not_after)));
        values.push(("names", names(own)));
        values.push(("days_left", count_days(own.days_left)));
        values.push(("time_why", time_why(facts)));
        values.push(("trust_why", trust_why(facts, own)));
    }
    if let Some(failure) = &facts.failure {
        values.push(("tls_why", why(failure)));
        values.push(("tls_remedy", remedy(failure, &endpoint.host)));
    }
    values
}

/// A certificate for days, or, of a short-lived one, the last third of its life.
fn expiring(facts: &TlsFacts, values: &[(&'static str, String)]) -> Option<Verdict> {
    let own = facts.chain.first()?;
    let soon = EXPIRING_DAYS.min(own.days_valid / 3);
    if own.days_left >= soon {
        return None;
    }
    let mut verdict = Verdict::of(&table::EXPIRING, values);
    if own.days_left < URGENT_DAYS.min(soon) {
        verdict.severity = Severity::Warning;
    }
    Some(verdict)
}

fn finding(verdict: Verdict, facts: &TlsFacts) -> Finding {
    let mut shown = serde_json::Map::new();
    if let Some(own) = facts.chain.first() {
        shown.insert("issuer".to_owned(), own.issuer.clone().into());
        shown.insert("not_before".to_owned(), own.not_before.clone().into());
        shown.insert("not_after".to_owned(), own.not_after.clone().into());
    }
    Finding { verdict, facts: shown.into() }
}

fn trust_why(facts: &TlsFacts, own: &CertificateFacts) -> String {
    let detail = facts.problems.iter().find(|problem| problem.kind == ProblemKind::Untrusted);
    let detail = detail.map_or("", |problem| problem.detail.as_str());
    let last = facts.chain.last().unwrap_or(own);
    if let Some(malformed) = &own.malformed {
        return format!("it cannot be read ({malformed})");
    }
    if !detail.contains("UnknownIssuer") {
        return detail.to_owned();
    }
    if own.is_self_issued {
        return "it is signed by nobody but itself".to_owned();
    }
    if facts.chain.len() == 1 {
        return "the server sends no further certificate, so either it leaves out the intermediate \
                one or the issuer is a root that this machine does not know"
            .to_owned();
    }
    let top = if last.is_self_issued { &last.subject } else { &last.issuer };
    format!("its chain ends at `{top}`, which is no root that this machine knows")
}

fn time_why(facts: &TlsFacts) -> String {
    let outside = |certificate: &&CertificateFacts| {
        certificate.days_left < 0
            || facts.problems.iter().any(|problem| problem.kind == ProblemKind::NotYetValid)
    };
    let certificate = facts.chain.iter().find(outside).or(facts.chain.first());
    certificate.map_or_else(String::new, |certificate| {
        format!(
            "that of `{}` is valid from {} to {}",
            certificate.subject, certificate.not_before, certificate.not_after
        )
    })
}

fn names(own: &CertificateFacts) -> String {
    let shown = own.names.iter().take(NAMES_SAID).map(|name| format!("`{name}`"));
    let shown = shown.collect::<Vec<_>>().join(", ");
    let more = own.names.len().saturating_sub(NAMES_SAID) + own.names_not_shown;
    match (shown.is_empty(), more) {
        (true, _) => format!("no name at all (its subject is `{}`)", own.subject),
        (false, 0) => shown,
        (false, more) => format!("{shown} and {more} more"),
    }
}

fn why(failure: &Failure) -> String {
    let detail = failure.detail.as_deref().unwrap_or_default();
    match failure.how {
        FailureHow::TimedOut => "no answer in time".to_owned(),
        FailureHow::Closed if failure.received_bytes == 0 => {
            "the connection was closed when the client's greeting arrived".to_owned()
        }
        FailureHow::Closed => "the connection was closed in the middle of it".to_owned(),
        FailureHow::Reset if detail.is_empty() => {
            "the connection was reset when the client's greeting was sent".to_owned()
        }
        FailureHow::Reset => format!("the connection broke ({detail})"),
        FailureHow::Alert => format!("the server ended it with the alert `{detail}`"),
        FailureHow::OldVersion => {
            format!("the server speaks neither TLS 1.2 nor TLS 1.3 ({detail})")
        }
        FailureHow::NotTls => {
            let start = readable(&failure.first_bytes);
            match failure.guess {
                Some(Guess::Http) => format!("the answer is plain HTTP and begins with {start}"),
                _ => format!("the answer is not TLS and begins with {start}"),
            }
        }
        FailureHow::Malformed => format!("the answer breaks the rules of TLS ({detail})"),
    }
}

fn remedy(failure: &Failure, host: &str) -> String {
    match failure.how {
        FailureHow::OldVersion => format!(
            "Allow TLS 1.2 or newer on the server or on the proxy that answers in the place of \
             {host}"
        ),
        FailureHow::NotTls => format!(
            "Check the port, and whether a web filter or a captive portal answers in the place of \
             {host}"
        ),
        _ => format!(
            "Exempt {host} from TLS inspection, and allow it by name on firewalls and web filters \
             that look at the server name in the client's greeting"
        ),
    }
}

fn count_days(days: i64) -> String {
    match u64::try_from(days) {
        Ok(0) | Err(_) => "less than a day".to_owned(),
        Ok(days) => count(days, "day", "days"),
    }
}

/// `2027-01-05` of a moment.
fn day(moment: &str) -> String {
    moment.split('T').next().unwrap_or(moment).to_owned()
}

/// Below, a certificate is worth a word; below the other, somebody should act.
const EXPIRING_DAYS: i64 = 21;
const URGENT_DAYS: i64 = 7;

const NAMES_SAID: usize = 3;
