//! What a person may name as a target, and what it means.
//!
//! An address, `[v6]` or anything with `:port` is a host; a bare name is a domain whose hosts are
//! looked up by SRV, unless the caller says that names are hosts.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use kms_protocol::kms::DEFAULT_PORT;

use crate::dns::name::{DomainName, NameError, escape_text};
use crate::platform::{self, SocketFacts};

/// A target with the text that named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// As it was given; empty for the search list.
    pub text: String,
    /// What it means.
    pub target: Target,
}

/// A target, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An address: no DNS is needed.
    Address(SocketAddr),
    /// A host name with its port: its addresses are looked up.
    Host(DomainName, u16),
    /// A domain: its SRV record is looked up.
    Domain(DomainName),
    /// No target: the search suffixes of this machine, as a client would use them.
    SearchList,
}

/// Text that is not a target. The message says which rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// Nothing was given.
    Empty,
    /// A URL.
    Url(String),
    /// A network with its prefix length.
    Network(String),
    /// Brackets that hold no IPv6 address.
    Brackets(String),
    /// Digits and dots that are no IPv4 address.
    NotAnAddress(String),
    /// A port outside 1..65535.
    Port(String),
    /// A zone that is no interface of this machine.
    Zone(String),
    /// A name that breaks the rules of DNS.
    Name(String, NameError),
}

impl Asked {
    /// Understands `text`; bare names are hosts when `names_are_hosts`.
    ///
    /// # Errors
    /// As [`Target::parse`].
    pub fn parse(text: &str, names_are_hosts: bool) -> Result<Self, TargetError> {
        Ok(Self { text: text.to_owned(), target: Target::parse(text, names_are_hosts)? })
    }

    /// No target: the search suffixes of this machine.
    #[must_use]
    pub const fn search_list() -> Self {
        Self { text: String::new(), target: Target::SearchList }
    }
}

impl Target {
    /// Understands `text`; bare names are hosts when `names_are_hosts`.
    ///
    /// # Errors
    /// [`TargetError`] says what is wrong with it.
    pub fn parse(text: &str, names_are_hosts: bool) -> Result<Self, TargetError> {
        Self::parse_with_port(text, names_are_hosts, DEFAULT_PORT)
    }

    /// Understands `text` as a host whose port is `default_port` unless it says another.
    ///
    /// # Errors
    /// [`TargetError`] says what is wrong with it.
    pub fn host(text: &str, default_port: u16) -> Result<Self, TargetError> {
        Self::parse_with_port(text, true, default_port)
    }

    fn parse_with_port(
        text: &str,
        names_are_hosts: bool,
        default_port: u16,
    ) -> Result<Self, TargetError> {
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if text.contains("://") {
            return Err(TargetError::Url(shown(text)));
        }
        if is_network(text) {
            return Err(TargetError::Network(shown(text)));
        }
        if let Some(after) = text.strip_prefix('[') {
            return bracketed(text, after, default_port);
        }
        if text.matches(':').count() > 1 {
            return Ok(Self::Address(v6(text, text, default_port)?));
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(parse_port(port)?)),
            None => (text, None),
        };
        if let Ok(address) = name.parse() {
            let port = port.unwrap_or(default_port);
            return Ok(Self::Address(SocketAddr::new(IpAddr::V4(address), port)));
        }
        if looks_numeric(name) {
            return Err(TargetError::NotAnAddress(shown(name)));
        }
        let (name, names_are_hosts) = match (srv_domain(name), port) {
            (Some(domain), None) => (domain, false),
            _ => (name, names_are_hosts),
        };
        let domain =
            DomainName::parse(name).map_err(|error| TargetError::Name(shown(text), error))?;
        Ok(match port {
            Some(port) => Self::Host(domain, port),
            None if names_are_hosts => Self::Host(domain, default_port),
            None => Self::Domain(domain),
        })
    }
}

/// The domain in the name of an SRV record, for who copies it whole from `nslookup` or `dig`.
fn srv_domain(name: &str) -> Option<&str> {
    let (prefix, domain) = name.split_at_checked(SRV_PREFIX.len())?;
    (prefix.eq_ignore_ascii_case(SRV_PREFIX) && !domain.is_empty()).then_some(domain)
}

/// `10.0.0.0/24`, `2001:db8::/64`: an address, and a number after the slash.
fn is_network(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, length)| {
        address.parse::<IpAddr>().is_ok() && length.parse::<u8>().is_ok()
    })
}

fn bracketed(text: &str, after: &str, default_port: u16) -> Result<Target, TargetError> {
    let (inside, rest) = after.split_once(']').ok_or_else(|| TargetError::Brackets(shown(text)))?;
    let port = match rest {
        "" => default_port,
        _ => match rest.strip_prefix(':') {
            Some(port) => parse_port(port)?,
            None => return Err(TargetError::Brackets(shown(text))),
        },
    };
    Ok(Target::Address(v6(text, inside, port)?))
}

/// An IPv6 address, with a zone where it has one: `fe80::1%eth0`.
fn v6(text: &str, address: &str, port: u16) -> Result<SocketAddr, TargetError> {
    let (address, zone) = match address.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (address, None),
    };
    let address: Ipv6Addr = address.parse().map_err(|_| TargetError::Brackets(shown(text)))?;
    let scope = match zone {
        None => 0,
        Some(zone) => zone
            .parse()
            .ok()
            .or_else(|| platform::current().interface_index(zone))
            .ok_or_else(|| TargetError::Zone(shown(zone)))?,
    };
    Ok(SocketAddr::V6(SocketAddrV6::new(address, port, 0, scope)))
}

fn parse_port(text: &str) -> Result<u16, TargetError> {
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if port != 0 && digits_only => Ok(port),
        _ => Err(TargetError::Port(shown(text))),
    }
}

fn looks_numeric(name: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit();
    name.bytes().any(is_digit) && name.bytes().all(|byte| is_digit(byte) || byte == b'.')
}

fn shown(text: &str) -> String {
    escape_text(text, SHOWN_CHARS_MAX)
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the target is empty"),
            Self::Url(text) => write!(f, "a host or domain is wanted, not a URL: `{text}`"),
            Self::Network(text) => write!(
                f,
                "a host or domain is wanted, not a network: `{text}`: list its addresses in a file \
                 for `kms-probe sweep`"
            ),
            Self::Brackets(text) => {
                write!(f, "not an IPv6 address, `[address]` or `[address]:port`: `{text}`")
            }
            Self::NotAnAddress(text) => write!(f, "not an IPv4 address: `{text}`"),
            Self::Port(text) if text.is_empty() => f.write_str("no port after the `:`"),
            Self::Port(text) => write!(f, "port outside 1..65535: `{text}`"),
            Self::Zone(text) => write!(f, "no such interface on this machine: `{text}`"),
            Self::Name(text, error) => write!(f, "not a domain or host name: `{text}`: {error}"),
        }
    }
}

impl std::error::Error for TargetError {}

const SRV_PREFIX: &str = "_vlmcs._tcp.";
const SHOWN_CHARS_MAX: usize = 80;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    fn kind(text: &str) -> String {
        match Target::parse(text, false) {
            Ok(Target::Address(address)) => format!("address {address}"),
            Ok(Target::Host(name, port)) => format!("host {name} {port}"),
            Ok(Target::Domain(name)) => format!("domain {name}"),
            Ok(Target::SearchList) => "search list".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn addresses_brackets_and_ports_are_hosts_and_bare_names_are_domains() {
        for (text, expected) in [
            ("corp.example.com", "domain corp.example.com"),
            ("corp.example.com.", "domain corp.example.com"),
            ("kms1.corp.example.com:1688", "host kms1.corp.example.com 1688"),
            ("kms1:16880", "host kms1 16880"),
            ("192.0.2.10", "address 192.0.2.10:1688"),
            ("192.0.2.10:99", "address 192.0.2.10:99"),
            ("2001:db8::1", "address [2001:db8::1]:1688"),
            ("[2001:db8::1]", "address [2001:db8::1]:1688"),
            ("[::1]:99", "address [::1]:99"),
            ("fe80::1%7", "address [fe80::1%7]:1688"),
            ("7.kms.test", "domain 7.kms.test"),
            ("_vlmcs._tcp.corp.test", "domain corp.test"),
            ("_VLMCS._TCP.corp.test.", "domain corp.test"),
            ("_vlmcs._tcp.corp.test:99", "host _vlmcs._tcp.corp.test 99"),
            ("_ldap._tcp.corp.test", "domain _ldap._tcp.corp.test"),
        ] {
            assert_eq!(kind(text), expected);
        }
    }

    #[test]
    fn names_are_hosts_when_the_caller_says_so() {
        let host = Target::parse("kms1.corp.test", true).unwrap();
        assert_eq!(host, Target::Host(DomainName::parse("kms1.corp.test").unwrap(), DEFAULT_PORT));
    }

    #[test]
    fn a_host_of_another_service_has_its_own_default_port() {
        for (text, expected) in [
            ("ntp1", "host ntp1 123"),
            ("ntp1:1123", "host ntp1 1123"),
            ("192.0.2.1", "address 192.0.2.1:123"),
            ("2001:db8::1", "address [2001:db8::1]:123"),
            ("[2001:db8::1]:1123", "address [2001:db8::1]:1123"),
        ] {
            let shown = match Target::host(text, 123).unwrap() {
                Target::Address(address) => format!("address {address}"),
                Target::Host(name, port) => format!("host {name} {port}"),
                other => panic!("{other:?}"),
            };
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn what_is_not_a_target_says_why() {
        for (text, part) in [
            ("", "empty"),
            ("http://kms1:1688/", "not a URL"),
            ("10.0.0.0/24", "not a network"),
            ("2001:db8::/64", "not a network"),
            ("kms1:0", "port outside 1..65535: `0`"),
            ("kms1:65536", "port outside"),
            ("kms1:+80", "port outside"),
            ("kms1:", "no port after"),
            ("192.0.2.256", "not an IPv4 address"),
            ("192.0.2:1688", "not an IPv4 address"),
            ("[::1", "not an IPv6 address"),
            ("[::1]x", "not an IPv6 address"),
            ("[kms1]:1688", "not an IPv6 address"),
            ("2001:db8::g", "not an IPv6 address"),
            ("fe80::1%no-such-interface", "no such interface"),
            ("a..b", "label is empty"),
            ("-corp.test", "hyphen"),
            ("corp\u{1b}[2J.test", "\\u{1b}"),
        ] {
            let shown = kind(text);
            assert!(shown.contains(part), "{text:?}: {shown}");
            assert!(!shown.contains('\u{1b}'));
        }
    }
}
