//! A client that a scenario names: who it is, where it is not made up from the seed.

use std::fmt;
use std::str::FromStr;

use kms_page::text::is_dangerous;
use kms_protocol::guid::Guid;
use kms_protocol::kms::MachineName;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One client of a group's `clients`: a CMID, a name, or both with a space between them. What is left
/// out is made up as for any other client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListedClient {
    /// Client machine id.
    pub cmid: Option<Guid>,
    /// Its own name.
    pub name: Option<String>,
}

/// A text that is no [`ListedClient`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadListedClient;

impl FromStr for ListedClient {
    type Err = BadListedClient;

    fn from_str(text: &str) -> Result<Self, BadListedClient> {
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        let cmid = first.parse::<Guid>().ok();
        let name = if cmid.is_some() { rest } else { text };
        let good = name.trim() == name
            && !name.chars().any(is_dangerous)
            && MachineName::new(name).is_ok()
            && (cmid.is_some() || !name.is_empty());
        let name = (!name.is_empty()).then(|| name.to_owned());
        if good { Ok(Self { cmid, name }) } else { Err(BadListedClient) }
    }
}

impl fmt::Display for ListedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cmid, &self.name) {
            (Some(cmid), Some(name)) => write!(f, "{cmid} {name}"),
            (Some(cmid), None) => write!(f, "{cmid}"),
            (None, Some(name)) => f.write_str(name),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Display for BadListedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a client: a CMID, a name of at most 63 characters, or `CMID NAME`")
    }
}

impl Serialize for ListedClient {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ListedClient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const CMID: &str = "36f27b39-2fd5-440b-be67-a09996d27a38";

    #[test]
    fn a_client_has_a_cmid_a_name_or_both_and_is_written_as_it_is_read() {
        let long = "x".repeat(63);
        for text in [CMID, "PC-1", &format!("{CMID} PC-1"), "Anna's PC", &long] {
            let client: ListedClient = text.parse().unwrap();
            assert_eq!(client.to_string(), text);
            assert_eq!(client.cmid.is_some(), text.starts_with(CMID));
        }
        let too_long = "x".repeat(64);
        for text in ["", " ", " PC", "PC ", "a\tb", &format!("{CMID}  PC"), &too_long, "\u{202e}"] {
            assert_eq!(text.parse::<ListedClient>(), Err(BadListedClient), "{text:?}");
        }
    }
}
