//! Which DNS servers this machine asks and which suffixes it searches, and the servers that the
//! command line names instead.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;

use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::system_conf::{parse_resolv_conf, read_system_conf};
use serde::Serialize;

use super::name::{DomainName, escape_text};
use crate::platform::{self, SocketFacts as _};

/// The machine's resolver configuration. No server at all is a value, not an error: Windows calls
/// it 0x8007267C, and a report says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SystemConfig {
    /// Where it was read.
    pub source: String,
    /// The servers in the order in which they are asked.
    pub servers: Vec<SocketAddr>,
    /// Suffixes, in the order in which a client looks for a KMS host in them.
    pub search: Vec<DomainName>,
    /// A name with fewer dots than this is tried with the suffixes first.
    pub ndots: usize,
}

impl SystemConfig {
    /// Reads the configuration of this machine.
    ///
    /// # Errors
    /// [`SystemError`] if there is one and it cannot be read or understood.
    pub fn load() -> Result<Self, SystemError> {
        let path = Path::new(RESOLV_CONF);
        if path.exists() { Self::load_from(path) } else { Self::from_platform() }
    }

    /// Reads a file in the format of resolv.conf(5). A missing file means that no server is
    /// configured.
    ///
    /// # Errors
    /// [`SystemError`] if it cannot be read or understood.
    pub fn load_from(path: &Path) -> Result<Self, SystemError> {
        let source = escape_text(&path.display().to_string(), MAX_SHOWN_CHARS);
        match std::fs::read(path) {
            Ok(text) => Self::parse(&text, &source),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { source, ndots: DEFAULT_NDOTS, ..Self::default() })
            }
            Err(error) => Err(SystemError { source, detail: error.to_string() }),
        }
    }

    /// Reads text in the format of resolv.conf(5); `source` is only kept.
    ///
    /// # Errors
    /// [`SystemError`] if it cannot be understood.
    pub fn parse(text: &[u8], source: &str) -> Result<Self, SystemError> {
        let without_zones = without_zones(text);
        if let Ok(parsed) = parse_resolv_conf(&without_zones) {
            let mut config = Self::of(parsed, source);
            restore_zones(&mut config.servers, text);
            return Ok(config);
        }
        // The library refuses a file without servers. If one more line makes it readable, that was
        // all it lacked, and the suffixes still count.
        let mut with_server = without_zones.into_bytes();
        with_server.extend_from_slice(b"\nnameserver 192.0.2.1\n");
        match parse_resolv_conf(with_server) {
            Ok(parsed) => Ok(Self { servers: Vec::new(), ..Self::of(parsed, source) }),
            Err(error) => Err(SystemError {
                source: source.to_owned(),
                detail: escape_text(&error.to_string(), MAX_SHOWN_CHARS),
            }),
        }
    }

    fn from_platform() -> Result<Self, SystemError> {
        if cfg!(unix) {
            return Self::load_from(Path::new(RESOLV_CONF));
        }
        let source = "the system's network settings";
        read_system_conf().map(|parsed| Self::of(parsed, source)).map_err(|error| SystemError {
            source: source.to_owned(),
            detail: escape_text(&error.to_string(), MAX_SHOWN_CHARS),
        })
    }

    fn of((config, options): (ResolverConfig, ResolverOpts), source: &str) -> Self {
        let mut servers: Vec<SocketAddr> = Vec::new();
        for server in config.name_servers() {
            let port = server.connections.first().map_or(DNS_PORT, |connection| connection.port);
            let address = SocketAddr::new(server.ip, port);
            // Two link-local servers with one address differ in their zone, which is not known yet.
            let is_new = !servers.contains(&address) || is_link_local(server.ip);
            if is_new && servers.len() < MAX_SERVERS {
                servers.push(address);
            }
        }
        let mut names: Vec<_> = config.search().to_vec();
        if names.is_empty() {
            names.extend(config.domain().cloned());
        }
        let mut search: Vec<DomainName> = Vec::new();
        for suffix in names.into_iter().map(DomainName::from) {
            if !suffix.is_root() && !search.contains(&suffix) && search.len() < MAX_SUFFIXES {
                search.push(suffix);
            }
        }
        Self { source: source.to_owned(), servers, search, ndots: options.ndots }
    }
}

/// The text without the zones of link-local servers: the library drops them, and with some names of
/// interfaces, such as `br-lan`, the whole line.
fn without_zones(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().map(|line| match line.split_once('%') {
        Some((server, _)) if server.trim_start().starts_with("nameserver") => server,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Gives link-local servers the zones that stand in the file: without one they cannot be asked. An
/// interface that does not exist leaves its server without.
fn restore_zones(servers: &mut [SocketAddr], text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let values = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()).flatten()
    });
    for (address, zone) in values.filter_map(|value| value.split_once('%')) {
        let zoned = address.parse::<Ipv6Addr>().ok().zip(zone_index(zone));
        let Some((address, index)) = zoned else { continue };
        let mut without = servers.iter_mut().filter_map(|server| match server {
            SocketAddr::V6(it) if *it.ip() == address && it.scope_id() == 0 => Some(it),
            _ => None,
        });
        if let Some(server) = without.next() {
            server.set_scope_id(index);
        }
    }
}

/// The index of a zone, which is an interface's name or number.
fn zone_index(zone: &str) -> Option<u32> {
    let number = zone.parse().ok().filter(|index| *index != 0);
    number.or_else(|| platform::current().interface_index(zone))
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// A resolver configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemError {
    /// Where it was read.
    pub source: String,
    /// What is wrong.
    pub detail: String,
}

impl fmt::Display for SystemError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "resolver configuration not readable: `{}`: {}", self.source, self.detail)
    }
}

impl std::error::Error for SystemError {}

/// Reads the value of `--resolver`: an IP address with an optional port, 53 by default.
///
/// # Errors
/// [`ResolverError`] repeats the value and shows the forms.
pub fn parse_resolver(text: &str) -> Result<SocketAddr, ResolverError> {
    if let Some((address, rest)) = text.split_once('%') {
        return parse_zoned_resolver(text, address, rest);
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bracketed.filter(|inner| inner.contains(':')).unwrap_or(text);
    let parsed = address
        .parse::<IpAddr>()
        .map(|ip| SocketAddr::new(ip, DNS_PORT))
        .or_else(|_| text.parse::<SocketAddr>());
    match parsed {
        Ok(server) if server.port() == 0 => Err(ResolverError::new(text, "port 0 cannot be asked")),
        Ok(server) if server.ip().is_unspecified() => {
            Err(ResolverError::new(text, "the unspecified address is no server"))
        }
        Ok(server) => Ok(server),
        Err(_) => Err(ResolverError::new(text, "not an IP address with an optional port")),
    }
}

/// A link-local server with its zone: `fe80::53%eth0` or `[fe80::53%eth0]:5353`.
fn parse_zoned_resolver(
    text: &str,
    address: &str,
    rest: &str,
) -> Result<SocketAddr, ResolverError> {
    let (zone, closing, port) = match rest.split_once(']') {
        Some((zone, port)) => (zone, "]", port),
        None => (rest, "", ""),
    };
    let mut server = parse_resolver(&format!("{address}{closing}{port}"))
        .map_err(|error| ResolverError::new(text, error.reason))?;
    let index =
        zone_index(zone).ok_or_else(|| ResolverError::new(text, "no such interface here"))?;
    match &mut server {
        SocketAddr::V6(server) => server.set_scope_id(index),
        SocketAddr::V4(_) => return Err(ResolverError::new(text, "only IPv6 has zones")),
    }
    Ok(server)
}

/// Why a `--resolver` value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverError {
    value: String,
    reason: &'static str,
}

impl ResolverError {
    fn new(value: &str, reason: &'static str) -> Self {
        Self { value: escape_text(value, MAX_SHOWN_CHARS), reason }
    }
}

impl fmt::Display for ResolverError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}: `{}` (write 192.0.2.53, 192.0.2.53:5353, 2001:db8::53 or [2001:db8::53]:5353)",
            self.reason, self.value
        )
    }
}

impl std::error::Error for ResolverError {}

/// Servers kept at most; resolv.conf(5) itself stops at three.
pub const MAX_SERVERS: usize = 32;

/// Suffixes kept at most.
pub const MAX_SUFFIXES: usize = 32;

/// The port of DNS, RFC 1035.
pub const DNS_PORT: u16 = 53;

const RESOLV_CONF: &str = "/etc/resolv.conf";
const DEFAULT_NDOTS: usize = 1;
const MAX_SHOWN_CHARS: usize = 200;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn parsed(text: &str) -> SystemConfig {
        SystemConfig::parse(text.as_bytes(), "test").unwrap()
    }

    fn names(config: &SystemConfig) -> Vec<String> {
        config.search.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn servers_suffixes_and_ndots_are_read_in_order() {
        let config = parsed(
            "search corp.test eu.corp.test\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n\
             nameserver 192.0.2.1\noptions ndots:2\n",
        );
        let servers: Vec<_> = config.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.1:53", "[2001:db8::1]:53"]);
        assert_eq!(names(&config), ["corp.test", "eu.corp.test"]);
        assert_eq!(config.ndots, 2);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn link_local_servers_keep_their_zones() {
        let config = parsed(
            "nameserver fe80::1%lo\nnameserver fe80::1%7\nnameserver fe80::2%no-such0\n\
             nameserver 2001:db8::1\n",
        );
        let servers: Vec<_> = config.servers.iter().map(ToString::to_string).collect();
        let expected = ["[fe80::1%1]:53", "[fe80::1%7]:53", "[fe80::2]:53", "[2001:db8::1]:53"];
        assert_eq!(servers, expected);
        for (text, server) in [
            ("fe80::53%lo", "[fe80::53%1]:53"),
            ("[fe80::53%lo]", "[fe80::53%1]:53"),
            ("[fe80::53%3]:5353", "[fe80::53%3]:5353"),
        ] {
            assert_eq!(parse_resolver(text).unwrap().to_string(), server);
        }
        for (text, part) in [
            ("fe80::53%no-such0", "no such interface"),
            ("192.0.2.53%lo", "only IPv6"),
            ("[fe80::53%lo", "not an IP address"),
            ("fe80::53%", "no such interface"),
        ] {
            let error = parse_resolver(text).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains(text), "{error}");
        }
    }

    #[test]
    fn no_server_is_a_value_and_the_suffixes_still_count() {
        let config = parsed("search corp.test\n# nameserver 192.0.2.1\n");
        assert!(config.servers.is_empty());
        assert_eq!(names(&config), ["corp.test"]);
        assert!(parsed("").servers.is_empty());
    }

    #[test]
    fn a_missing_file_configures_no_server() {
        let folder = tempfile::tempdir().unwrap();
        let config = SystemConfig::load_from(&folder.path().join("resolv.conf")).unwrap();
        assert!(config.servers.is_empty() && config.search.is_empty());
        assert_eq!(config.ndots, 1);
    }

    #[test]
    fn an_unreadable_file_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = SystemConfig::load_from(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
    }

    #[test]
    fn the_root_is_no_suffix_and_lists_are_bounded() {
        let suffixes: Vec<_> = (0..40).map(|i| format!("s{i}.test")).collect();
        let config = parsed(&format!("search . {}\n", suffixes.join(" ")));
        assert_eq!(config.search.len(), MAX_SUFFIXES);
        assert_eq!(names(&config)[0], "s0.test");
        let servers: String = (0..40).map(|i| format!("nameserver 192.0.2.{i}\n")).collect();
        assert_eq!(parsed(&servers).servers.len(), MAX_SERVERS);
    }

    #[test]
    fn resolver_values_have_four_forms() {
        for (text, server) in [
            ("192.0.2.53", "192.0.2.53:53"),
            ("192.0.2.53:5353", "192.0.2.53:5353"),
            ("2001:db8::53", "[2001:db8::53]:53"),
            ("[2001:db8::53]", "[2001:db8::53]:53"),
            ("[2001:db8::53]:5353", "[2001:db8::53]:5353"),
        ] {
            assert_eq!(parse_resolver(text).unwrap().to_string(), server);
        }
    }

    #[test]
    fn other_resolver_values_are_refused_with_the_forms() {
        for text in ["", "dns.corp.test", "192.0.2.53:", "192.0.2.53:99999", "[192.0.2.53]", "::g"]
        {
            let error = parse_resolver(text).unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}` (write 192.0.2.53")), "{error}");
        }
        assert!(parse_resolver("192.0.2.53:0").unwrap_err().to_string().contains("port 0"));
        assert!(parse_resolver("0.0.0.0").unwrap_err().to_string().contains("unspecified"));
        assert!(parse_resolver("\u{1b}[2J").unwrap_err().to_string().contains("\\u{1b}"));
    }
}
