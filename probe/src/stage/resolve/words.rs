//! What was seen, in words that sentences are made of. Pure; all of it is printable ASCII.

use std::net::IpAddr;

use super::code::DnsCode;
use super::view::HostAnswer;
use crate::dns::exchange::{EdnsUse, Exchange, Outcome};

/// Why the host has no usable address.
pub(super) fn why_unresolved(host: &HostAnswer) -> String {
    if host.host.looks_like_address() {
        return "an IP address stands where a host name belongs".to_owned();
    }
    if let Some(unusable) = host.addresses.first() {
        return format!("its address {} is no host's", unusable.address);
    }
    if host.lookups.iter().any(|lookup| lookup.endless) {
        return "its chain of aliases does not end".to_owned();
    }
    let words = code_words(host.code);
    match host.host.doubled_suffix() {
        Some(suffix) => {
            format!("{words}; {suffix} stands twice in it, as if a final dot were missing")
        }
        None => words.to_owned(),
    }
}

/// What else the answer tells, to stand before the full stop of a sentence.
pub(super) fn note(exchange: &Exchange) -> String {
    let mut note = String::new();
    if let Some(response) = &exchange.response {
        for error in &response.extended_errors {
            let name = error.name.map_or(format!("code {}", error.code), ToOwned::to_owned);
            note.push_str(&format!("; the server explains: {name}"));
            if !error.text.is_empty() {
                note.push_str(&format!(" (`{}`)", error.text));
            }
        }
        if exchange.outcome == Outcome::OtherRcode {
            note.push_str(&format!("; the response code is {}", response.rcode_name));
        }
        if response.referral {
            note.push_str("; it only refers to other servers, as one that does not recurse");
        }
        let denial = matches!(exchange.outcome, Outcome::NxDomain | Outcome::NoData);
        if let Some(negative) = response.negative.as_ref().filter(|_| denial) {
            let (zone, ttl) = (&negative.zone, negative.ttl);
            note.push_str(&format!(
                "; so says the zone `{zone}`, and caches may keep it for {ttl} s"
            ));
        }
    }
    if exchange.edns == EdnsUse::OnlyWithout {
        note.push_str("; it answered only a query without EDNS");
    }
    note
}

/// What a resolver says, after "says".
pub(super) fn code_words(code: DnsCode) -> &'static str {
    match code {
        DnsCode::NxDomain => "NXDOMAIN",
        DnsCode::NoData => "no record",
        DnsCode::ServFail => "SERVFAIL",
        DnsCode::Refused => "REFUSED",
        DnsCode::Timeout => "nothing in time",
        DnsCode::Unreachable => "nothing, for it cannot be reached",
        DnsCode::TruncatedNoTcp => "too much for UDP",
        DnsCode::Malformed => "something unreadable",
        DnsCode::NoService => "no service here",
        _ => "no usable address",
    }
}

/// Addresses as a list.
pub(super) fn shown(addresses: impl Iterator<Item = IpAddr>) -> String {
    let all: Vec<IpAddr> = addresses.collect();
    let mut text: Vec<String> = all.iter().take(MAX_SHOWN).map(ToString::to_string).collect();
    if all.len() > MAX_SHOWN {
        text.push(format!("and {} more", all.len() - MAX_SHOWN));
    }
    if text.is_empty() { "no address".to_owned() } else { text.join(", ") }
}

/// A number with its noun.
pub(super) fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// Items listed at most in one sentence.
pub(super) const MAX_SHOWN: usize = 8;
