//! The codes of the DNS stage.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::dns::exchange::Outcome;

/// What look-ups can show; [`DnsCode::code`] is the verdict's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DnsCode {
    /// Addresses were found.
    Ok,
    /// No DNS server is configured.
    NoResolver,
    /// The name does not exist.
    NxDomain,
    /// The name has no such record.
    NoData,
    /// The server failed, or answered with a code that says no more than that.
    ServFail,
    /// The server will not answer.
    Refused,
    /// Silence.
    Timeout,
    /// The query cannot be delivered.
    Unreachable,
    /// Too large for UDP, and TCP fails.
    TruncatedNoTcp,
    /// Something came back that is not an answer.
    Malformed,
    /// SRV target `.`.
    NoService,
    /// An SRV target without address.
    TargetUnresolved,
    /// An SRV target that is an alias.
    CnameTarget,
    /// An SRV record with port 0.
    PortZero,
    /// Resolvers disagree.
    SplitView,
    /// The operating system says something else than DNS.
    LocalOverride,
}

impl DnsCode {
    /// Every code.
    pub const ALL: [Self; 16] = [
        Self::Ok,
        Self::NoResolver,
        Self::NxDomain,
        Self::NoData,
        Self::ServFail,
        Self::Refused,
        Self::Timeout,
        Self::Unreachable,
        Self::TruncatedNoTcp,
        Self::Malformed,
        Self::NoService,
        Self::TargetUnresolved,
        Self::CnameTarget,
        Self::PortZero,
        Self::SplitView,
        Self::LocalOverride,
    ];

    /// The verdict's name, `dns.` and the code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ok => "dns.ok",
            Self::NoResolver => "dns.no_resolver",
            Self::NxDomain => "dns.nxdomain",
            Self::NoData => "dns.nodata",
            Self::ServFail => "dns.servfail",
            Self::Refused => "dns.refused",
            Self::Timeout => "dns.timeout",
            Self::Unreachable => "dns.unreachable",
            Self::TruncatedNoTcp => "dns.truncated_no_tcp",
            Self::Malformed => "dns.malformed",
            Self::NoService => "dns.no_service",
            Self::TargetUnresolved => "dns.target_unresolved",
            Self::CnameTarget => "dns.cname_target",
            Self::PortZero => "dns.port_zero",
            Self::SplitView => "dns.split_view",
            Self::LocalOverride => "dns.local_override",
        }
    }

    /// The code of an exchange's outcome.
    #[must_use]
    pub const fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Answer => Self::Ok,
            Outcome::NxDomain => Self::NxDomain,
            Outcome::NoData => Self::NoData,
            Outcome::ServFail | Outcome::OtherRcode => Self::ServFail,
            Outcome::Refused => Self::Refused,
            Outcome::Timeout => Self::Timeout,
            Outcome::Unreachable(_) => Self::Unreachable,
            Outcome::TruncatedNoTcp { .. } => Self::TruncatedNoTcp,
            Outcome::Malformed { .. } => Self::Malformed,
        }
    }

    /// The name does not exist or has no such record: the server has said so.
    #[must_use]
    pub const fn is_missing(self) -> bool {
        matches!(self, Self::NxDomain | Self::NoData)
    }
}

impl fmt::Display for DnsCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.code())
    }
}

impl Serialize for DnsCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}
