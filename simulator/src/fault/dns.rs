//! From a rule that strikes a DNS query to what the embedded DNS server does.

use super::action::Action;
use super::set::Hit;
use crate::dns::Fault;

/// What the DNS server does for `hit`; `None` for an action that is not of DNS.
#[must_use]
pub fn dns_fault(mut hit: Hit) -> Option<Fault> {
    Some(match hit.action {
        Action::DnsNxdomain => Fault::NxDomain,
        Action::DnsNodata => Fault::NoData,
        Action::DnsServfail { reason } => Fault::ServFail(reason),
        Action::DnsRefused => Fault::Refused,
        Action::DnsDrop => Fault::Drop,
        Action::DnsDelay(delay) => Fault::Delay(delay.length(&mut hit.draw)),
        Action::DnsTruncate => Fault::Truncate,
        Action::DnsNoService => Fault::NoService,
        Action::DnsDangling { target } => Fault::Dangling(target),
        Action::DnsMalformed => Fault::Malformed,
        Action::DnsWrongId => Fault::WrongIdFirst,
        Action::DnsFlap { ttl_s } if hit.number % 2 == 1 => Fault::Ttl(ttl_s),
        Action::DnsFlap { .. } => Fault::NxDomain,
        Action::DnsView { addresses } => Fault::View(addresses),
        _ => return None,
    })
}
