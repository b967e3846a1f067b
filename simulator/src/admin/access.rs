//! Who may speak to the admin server: by address, name, origin and token.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use subtle::ConstantTimeEq;
use thiserror::Error;

/// The rules for one admin server.
#[derive(Clone, Debug)]
pub struct Access {
    address: SocketAddr,
    names: Vec<String>,
    token: Option<Token>,
}

/// A secret that a client shows as `Authorization: Bearer`. It is never printed.
#[derive(Clone)]
pub struct Token(Vec<u8>);

/// Why an admin server may not be started so, or a token not be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AccessError {
    /// Beyond loopback without a token.
    #[error(
        "`{0}` can be reached from other machines: that needs --admin-token-file, or use a \
         loopback address"
    )]
    TokenNeeded(SocketAddr),
    /// Too short to be a secret.
    #[error("the token has fewer than {TOKEN_BYTES_MIN} characters")]
    TokenTooShort,
    /// Too long to be a token.
    #[error("the token has more than {TOKEN_BYTES_MAX} characters")]
    TokenTooLong,
    /// Something that cannot stand in a header.
    #[error("the token may have visible ASCII characters only")]
    TokenCharacters,
}

impl Token {
    /// Takes a token as a file holds it: surrounding white space is not part of it.
    ///
    /// # Errors
    ///
    /// [`AccessError`], which never holds the token.
    pub fn parse(text: &str) -> Result<Self, AccessError> {
        let token = text.trim();
        if token.len() < TOKEN_BYTES_MIN {
            return Err(AccessError::TokenTooShort);
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AccessError::TokenTooLong);
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AccessError::TokenCharacters);
        }
        Ok(Self(token.as_bytes().to_vec()))
    }

    /// What a client writes after `Authorization: `.
    pub(crate) fn header(&self) -> Vec<u8> {
        [b"Bearer ", &self.0[..]].concat()
    }

    /// Compares in a time that says nothing of where the difference is.
    fn is(&self, shown: &[u8]) -> bool {
        self.0.ct_eq(shown).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Access {
    /// Rules for a server at `address`, known by `names` beside its address.
    ///
    /// # Errors
    ///
    /// [`AccessError::TokenNeeded`] for an address beyond loopback without a token.
    pub fn new(
        address: SocketAddr,
        names: Vec<String>,
        token: Option<Token>,
    ) -> Result<Self, AccessError> {
        if token.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(AccessError::TokenNeeded(address));
        }
        Ok(Self { address, names, token })
    }

    /// The same rules, for the port that was taken for port 0.
    #[must_use]
    pub fn at(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    /// Whether every request needs the token.
    #[must_use]
    pub fn needs_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether an `Authorization` header shows the token; without a token nothing has to be shown.
    #[must_use]
    pub fn is_authorized(&self, header: Option<&[u8]>) -> bool {
        let Some(token) = &self.token else { return true };
        let Some((scheme, shown)) = header.and_then(|header| header.split_at_checked(7)) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"bearer ") && token.is(shown)
    }

    /// Whether a `Host` header names this server. A name that only resolves to this address is
    /// somebody's attempt to reach it through a browser (DNS rebinding).
    #[must_use]
    pub fn is_own_host(&self, host: &str) -> bool {
        let (name, port) = split_port(host);
        if port.unwrap_or(80) != self.address.port() {
            return false;
        }
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        match bare.parse::<IpAddr>() {
            // Behind a wildcard any address of the machine may be meant; an address cannot be
            // rebound.
            Ok(ip) => ip == self.address.ip() || self.address.ip().is_unspecified(),
            Err(_) => {
                let is = |known: &str| name.eq_ignore_ascii_case(known);
                is("localhost") && self.is_reached_by_loopback() || self.names.iter().any(|n| is(n))
            }
        }
    }

    /// Whether an `Origin` header is this server's own page.
    #[must_use]
    pub fn is_own_origin(&self, origin: &str) -> bool {
        let host = ["http://", "https://"].iter().find_map(|scheme| origin.strip_prefix(scheme));
        host.is_some_and(|host| self.is_own_host(host))
    }

    fn is_reached_by_loopback(&self) -> bool {
        let ip = self.address.ip().to_canonical();
        ip.is_loopback() || ip.is_unspecified()
    }
}

/// `name:port`, `[v6]:port` or either without a port.
fn split_port(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            // An unreadable port fits no server's.
            (name, Some(port.parse().unwrap_or(0)))
        }
        _ => (host, None),
    }
}

/// Shortest token, in characters: 16 random ones cannot be guessed at any rate of a network.
pub(super) const TOKEN_BYTES_MIN: usize = 16;
/// Longest token, in characters.
pub const TOKEN_BYTES_MAX: usize = 512;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn access(address: &str, names: &[&str], token: Option<&str>) -> Result<Access, AccessError> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let token = token.map(|token| Token::parse(token).unwrap());
        Access::new(address.parse().unwrap(), names, token)
    }

    #[test]
    fn beyond_loopback_a_token_is_needed() {
        for address in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(access(address, &[], None).is_ok(), "{address}");
        }
        for address in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80"] {
            assert!(access(address, &[], None).is_err(), "{address}");
            assert!(access(address, &[], Some("0123456789abcdef")).is_ok(), "{address}");
        }
    }

    #[test]
    fn a_token_is_shown_whole_or_not_at_all() {
        let access = access("127.0.0.1:80", &[], Some("  0123456789abcdef\n")).unwrap();
        for (header, wanted) in [
            (Some("Bearer 0123456789abcdef"), true),
            (Some("bearer 0123456789abcdef"), true),
            (Some("Bearer 0123456789abcdeg"), false),
            (Some("Bearer 0123456789abcde"), false),
            (Some("Bearer 0123456789abcdef "), false),
            (Some("Basic 0123456789abcdef"), false),
            (Some("Bearer"), false),
            (None, false),
        ] {
            assert_eq!(access.is_authorized(header.map(str::as_bytes)), wanted, "{header:?}");
        }
        assert!(!format!("{access:?}").contains("0123"));
    }

    #[test]
    fn a_token_that_cannot_be_one_is_refused() {
        for (text, wanted) in [
            ("short", AccessError::TokenTooShort),
            (&"x".repeat(513), AccessError::TokenTooLong),
            ("0123456789 abcdef", AccessError::TokenCharacters),
        ] {
            assert_eq!(Token::parse(text).unwrap_err(), wanted);
        }
    }

    #[test]
    fn only_this_servers_own_names_are_hosts() {
        let loopback = access("127.0.0.1:8080", &["lab.test"], None).unwrap();
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "lab.test:8080"] {
            assert!(loopback.is_own_host(host), "{host}");
        }
        for host in [
            "evil.test:8080",
            "127.0.0.1",
            "127.0.0.1:8081",
            "10.0.0.1:8080",
            "",
            ":",
            "[::1]:8080",
        ] {
            assert!(!loopback.is_own_host(host), "{host}");
        }
        let wild = access("0.0.0.0:80", &[], Some("0123456789abcdef")).unwrap();
        assert!(wild.is_own_host("192.0.2.7") && wild.is_own_host("localhost:80"));
        assert!(!wild.is_own_host("kms.evil.test"));
        let six = access("[::1]:8080", &[], None).unwrap();
        assert!(six.is_own_host("[::1]:8080") && !six.is_own_host("::1:8080"));
    }

    #[test]
    fn only_its_own_page_is_an_origin() {
        let access = access("127.0.0.1:8080", &[], None).unwrap();
        assert!(access.is_own_origin("http://127.0.0.1:8080"));
        for origin in ["null", "http://evil.test", "http://127.0.0.1", "file://", ""] {
            assert!(!access.is_own_origin(origin), "{origin}");
        }
    }
}
