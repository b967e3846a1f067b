//! Which targets may be asked for, so that an exporter is no scanner in somebody else's hands.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kms_protocol::kms::DEFAULT_PORT;

use crate::dns::name::DomainName;
use crate::target::Target;

/// The targets that may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowList(Vec<Rule>);

/// One line of the list.
///
/// - `kms1.corp.example.com`: this name, as a domain or as a host
/// - `*.corp.example.com`: every name below it
/// - `192.0.2.10`, `[2001:db8::10]`: this address
/// - `192.0.2.0/24`, `[2001:db8::/64]`: every address in it
///
/// Each admits port 1688 only, `:PORT` another, `:*` any. A domain has no port: where its SRV records
/// lead is up to who owns the domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    whom: Whom,
    port: Port,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Whom {
    Name(String),
    Below(String),
    Network(IpAddr, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    Only(u16),
    Any,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleError(&'static str);

impl AllowList {
    /// A list of these lines.
    #[must_use]
    pub const fn new(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    /// Whether `target` may be asked for.
    #[must_use]
    pub fn admits(&self, target: &Target) -> bool {
        self.0.iter().any(|rule| rule.admits(target))
    }

    /// The lines.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }
}

impl Default for AllowList {
    /// This machine only, on any port.
    fn default() -> Self {
        let network = |address, bits| Rule { whom: Whom::Network(address, bits), port: Port::Any };
        Self(vec![
            network(Ipv4Addr::new(127, 0, 0, 0).into(), 8),
            network(Ipv6Addr::LOCALHOST.into(), 128),
        ])
    }
}

impl Rule {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let (whom, port) = split(text)?;
        let port = match port {
            None => Port::Only(DEFAULT_PORT),
            Some("*") => Port::Any,
            Some(number) => match number.parse() {
                Ok(number) if number != 0 => Port::Only(number),
                _ => return Err(RuleError("the port is not 1 to 65535, and not `*`")),
            },
        };
        Ok(Self { whom: Whom::parse(whom)?, port })
    }

    fn admits(&self, target: &Target) -> bool {
        match (target, &self.whom) {
            (Target::Address(address), Whom::Network(network, bits)) => {
                self.port.admits(address.port())
                    && shares_prefix(address.ip().to_canonical(), *network, *bits)
            }
            (Target::Host(name, port), whom) => self.port.admits(*port) && whom.names(name),
            (Target::Domain(name), whom) => whom.names(name),
            (Target::Address(_) | Target::SearchList, _) => false,
        }
    }
}

impl Whom {
    fn parse(text: &str) -> Result<Self, RuleError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        if let Ok(address) = address.parse::<IpAddr>() {
            let address = address.to_canonical();
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(most), |bits| bits.parse().ok());
            let bits = bits.filter(|bits| *bits <= most);
            let bits = bits.ok_or(RuleError("the prefix is longer than the address"))?;
            return Ok(Self::Network(address, bits));
        }
        if bits.is_some() {
            return Err(RuleError("before `/` stands no address"));
        }
        let name = |text| match DomainName::parse(text) {
            Ok(name) => Ok(plain(&name)),
            Err(_) => Err(RuleError(
                "a name, `*.NAME`, an address or a network is wanted, each with `:PORT` or not",
            )),
        };
        match text.strip_prefix("*.") {
            Some(below) => Ok(Self::Below(name(below)?)),
            None => Ok(Self::Name(name(text)?)),
        }
    }

    fn names(&self, name: &DomainName) -> bool {
        let name = plain(name);
        match self {
            Self::Name(known) => *known == name,
            Self::Below(parent) => {
                name.strip_suffix(parent.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            Self::Network(..) => false,
        }
    }
}

impl Port {
    const fn admits(self, port: u16) -> bool {
        match self {
            Self::Only(only) => only == port,
            Self::Any => true,
        }
    }
}

/// A name as DNS compares it.
fn plain(name: &DomainName) -> String {
    name.to_string().trim_end_matches('.').to_ascii_lowercase()
}

/// `WHOM[:PORT]`, where an IPv6 address with a port stands in brackets.
fn split(text: &str) -> Result<(&str, Option<&str>), RuleError> {
    if let Some(after) = text.strip_prefix('[') {
        let (inside, rest) = after.split_once(']').ok_or(RuleError("the bracket is not closed"))?;
        let port = match rest {
            "" => None,
            _ => Some(rest.strip_prefix(':').ok_or(RuleError("after `]` stands no `:PORT`"))?),
        };
        return Ok((inside, port));
    }
    if text.matches(':').count() > 1 {
        return Ok((text, None));
    }
    Ok(text.split_once(':').map_or((text, None), |(whom, port)| (whom, Some(port))))
}

fn shares_prefix(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    let differing = address ^ network;
    differing.checked_shr(width - u32::from(bits)).unwrap_or(0) == 0
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_v6 = matches!(self.whom, Whom::Network(IpAddr::V6(_), _));
        let (open, close) = if is_v6 { ("[", "]") } else { ("", "") };
        match &self.whom {
            Whom::Name(name) => write!(f, "{name}")?,
            Whom::Below(parent) => write!(f, "*.{parent}")?,
            Whom::Network(address, bits) => write!(f, "{open}{address}/{bits}{close}")?,
        }
        match self.port {
            Port::Only(port) => write!(f, ":{port}"),
            Port::Any => f.write_str(":*"),
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for RuleError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn admits(rule: &str, target: &str) -> bool {
        let target = Target::parse(target, false).unwrap();
        AllowList::new(vec![Rule::parse(rule).unwrap()]).admits(&target)
    }

    #[test]
    fn a_line_admits_what_it_names_on_the_port_of_kms_only() {
        for (rule, admitted, refused) in [
            ("corp.test", &["corp.test", "CORP.test.", "corp.test:1688"][..], &["a.corp.test"][..]),
            ("*.corp.test", &["a.corp.test", "a.b.corp.test:1688"], &["corp.test", "xcorp.test"]),
            ("kms1:99", &["kms1:99", "kms1"], &["kms1:1688", "kms11:99"]),
            ("192.0.2.10", &["192.0.2.10"], &["192.0.2.11", "192.0.2.10:22", "a.test"]),
            ("192.0.2.10:*", &["192.0.2.10:22"], &["192.0.2.1:22"]),
            ("192.0.2.128/25", &["192.0.2.128", "192.0.2.255"], &["192.0.2.127", "::1"]),
            ("0.0.0.0/0", &["8.8.8.8"], &["8.8.8.8:53", "2001:db8::1"]),
            ("2001:db8::/64", &["2001:db8::1"], &["2001:db8:0:1::1", "192.0.2.1"]),
            ("[2001:db8::1]:99", &["[2001:db8::1]:99"], &["2001:db8::1", "[2001:db8::2]:99"]),
            ("192.0.2.1", &["::ffff:192.0.2.1"], &["::ffff:192.0.2.2"]),
        ] {
            for target in admitted {
                assert!(admits(rule, target), "{rule} should admit {target}");
            }
            for target in refused {
                assert!(!admits(rule, target), "{rule} should not admit {target}");
            }
        }
    }

    #[test]
    fn without_a_list_only_this_machine_is_asked() {
        let list = AllowList::default();
        for (target, expected) in [
            ("127.0.0.1:22", true),
            ("127.9.9.9", true),
            ("[::1]:5", true),
            ("128.0.0.1", false),
            ("localhost", false),
            ("corp.test", false),
        ] {
            assert_eq!(list.admits(&Target::parse(target, false).unwrap()), expected, "{target}");
        }
        assert!(!list.admits(&Target::SearchList));
    }

    #[test]
    fn what_is_no_line_is_refused_and_a_line_shows_as_it_reads() {
        for text in [
            "",
            "*",
            "*.",
            "a b",
            "kms1:0",
            "kms1:x",
            "192.0.2.0/33",
            "2001:db8::/129",
            "a/8",
            "[::1",
            "[::1]x",
            "192.0.2.0/-1",
            "http://a",
        ] {
            assert!(Rule::parse(text).is_err(), "{text}");
        }
        for (text, shown) in [
            ("Kms1.Corp.test", "kms1.corp.test:1688"),
            ("*.corp.test:*", "*.corp.test:*"),
            ("192.0.2.0/24", "192.0.2.0/24:1688"),
            ("2001:db8::1", "[2001:db8::1/128]:1688"),
        ] {
            let rule = Rule::parse(text).unwrap();
            assert_eq!(rule.to_string(), shown);
            assert_eq!(Rule::parse(shown).unwrap(), rule, "{shown}");
        }
    }
}
