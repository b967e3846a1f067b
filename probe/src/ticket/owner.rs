//! Who must act, by verdict.

use std::fmt;

/// Whose desk a ticket goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The zone's records, or the DNS servers themselves.
    Dns,
    /// The way to a DNS server.
    DnsPath,
    /// A packet filter between client and host.
    Firewall,
    /// A device that looks into connections.
    Inspection,
    /// Routing between client and host.
    Routing,
    /// The KMS host.
    Host,
    /// The machine that the check ran on, and others like it.
    Client,
}

impl Owner {
    /// Who must act on a verdict. What is not listed is a matter of the host.
    #[must_use]
    pub fn of(code: &str) -> Self {
        match code {
            "dns.timeout" | "dns.unreachable" | "dns.truncated_no_tcp" => Self::DnsPath,
            "dns.no_resolver" | "dns.local_override" => Self::Client,
            "tcp.no_route" | "tcp.source_unavailable" => Self::Client,
            "tcp.timeout" | "tcp.prohibited" | "tcp.port_unreachable" => Self::Firewall,
            "tcp.accepts_all" => Self::Inspection,
            "tcp.host_unreachable" | "tcp.net_unreachable" | "tcp.loop" => Self::Routing,
            "bind.timeout" | "bind.reset" | "bind.closed" => Self::Inspection,
            "rpc.timeout" | "rpc.reset" | "kms.timeout" | "kms.reset" => Self::Inspection,
            other if other.starts_with("dns.") => Self::Dns,
            other if other.starts_with("tls.") => Self::Inspection,
            _ => Self::Host,
        }
    }

    /// Whether a rule that opens the port can help.
    pub(super) fn opens_ports(self, code: &str) -> bool {
        match self {
            Self::Firewall | Self::DnsPath => true,
            Self::Host => code == "tcp.refused",
            // Where connections are inspected the port is open already.
            Self::Inspection | Self::Dns | Self::Routing | Self::Client => false,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "the owner of the DNS zone and its servers",
            Self::DnsPath => "the owner of the DNS server and of the firewalls before it",
            Self::Firewall => "the owner of the firewalls between client and KMS host",
            Self::Inspection => {
                "the owner of the firewalls that inspect connections between client and KMS host"
            }
            Self::Routing => "the owner of the routers between client and KMS host",
            Self::Host => "the owner of the KMS host",
            Self::Client => "the owner of the client",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Severity, table};

    #[test]
    fn the_stage_of_a_verdict_bounds_who_can_be_asked() {
        for row in table::rows().filter(|row| row.severity >= Severity::Warning) {
            let owner = Owner::of(row.code);
            let possible: &[Owner] = match row.stage.name() {
                "dns" => &[Owner::Dns, Owner::DnsPath, Owner::Client],
                "tcp" => &[
                    Owner::Firewall,
                    Owner::Inspection,
                    Owner::Routing,
                    Owner::Host,
                    Owner::Client,
                ],
                _ => &[Owner::Host, Owner::Inspection],
            };
            assert!(possible.contains(&owner), "{}: {owner}", row.code);
        }
    }
}
