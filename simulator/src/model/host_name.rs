//! What a host is called among the hosts of one process.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// The name of a host: its place in the domain of the embedded DNS server, its label in logs, rows
/// and metrics. Letters, digits, `-`, `_` and dots between labels, in lower case; at most
/// [`HostName::BYTES_MAX`] bytes. Copies share one text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Arc<str>);

/// A text that is no [`HostName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHostName;

impl HostName {
    /// What a domain name may have at most.
    pub const BYTES_MAX: usize = 253;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = BadHostName;

    /// Upper case becomes lower case, and a dot at the end is left out: names of DNS.
    fn from_str(text: &str) -> Result<Self, BadHostName> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_label = |label: &str| {
            (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(is_plain)
        };
        if text.len() > Self::BYTES_MAX || !text.split('.').all(is_label) {
            return Err(BadHostName);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }
}

impl Default for HostName {
    /// `kms1`: the name of a host that did not choose one.
    fn default() -> Self {
        Self(DEFAULT.into())
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for HostName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for BadHostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a host's name: letters, digits, `-` and `_`, labels of at most 63 characters with \
             dots between them",
        )
    }
}

impl std::error::Error for BadHostName {}

const DEFAULT: &str = "kms1";

/// RFC 1035, section 2.3.4.
const LABEL_BYTES_MAX: usize = 63;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn names_of_dns_are_taken_in_lower_case_and_nothing_else() {
        for (text, wanted) in [("KMS2", "kms2"), ("a-b_c.Lab.test.", "a-b_c.lab.test"), ("1", "1")]
        {
            assert_eq!(text.parse::<HostName>().unwrap().as_str(), wanted);
        }
        let (label, long) = ("x".repeat(64), ["abcdefg"; 33].join("."));
        for text in ["", ".", "a..b", "a b", "a,b", "kä", "a\nb", &label, &long] {
            assert_eq!(text.parse::<HostName>(), Err(BadHostName), "{text}");
        }
        let bound = format!("{}.{}", ["abcdefg"; 31].join("."), "abcde");
        assert_eq!((bound.len(), bound.parse::<HostName>().is_ok()), (253, true));
    }
}
