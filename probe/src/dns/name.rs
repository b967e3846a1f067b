//! Domain names: parsing what a person typed, and writing what the network sent without letting a
//! label reach a terminal as anything but printable ASCII.

use std::fmt;

use hickory_proto::rr::Name;
use serde::{Serialize, Serializer};

/// An absolute domain name. Equality, order and hash ignore ASCII case (RFC 4343).
///
/// `Display` and JSON use the presentation format of RFC 1035 section 5.1 without the final dot
/// (the root is `.`): anything that is not plain printable ASCII becomes `\DDD`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainName(Name);

impl DomainName {
    /// Parses a name typed by a person; a final dot is allowed and changes nothing.
    /// International names become their A-labels (RFC 5890).
    ///
    /// # Errors
    /// [`NameError`] names the label and the rule it breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let bare = text.strip_suffix('.').unwrap_or(text);
        if bare.is_empty() {
            return Err(NameError::Empty);
        }
        for label in bare.split('.') {
            check_label(label)?;
        }
        let mut name = Name::from_str_relaxed(bare)
            .map_err(|_| NameError::TooLong { octets: bare.len(), limit: MAX_NAME_OCTETS })?;
        name.set_fqdn(true);
        let name = Self(name);
        match name.octets() {
            octets if octets > MAX_NAME_OCTETS => {
                Err(NameError::TooLong { octets, limit: MAX_NAME_OCTETS })
            }
            _ => Ok(name),
        }
    }

    /// The name where KMS hosts of this domain are published: `_vlmcs._tcp.<domain>`
    /// (Microsoft, "Plan for volume activation": KMS hosts publish an SRV record).
    ///
    /// # Errors
    /// [`NameError::TooLong`] when the longer name passes 253 characters.
    pub fn kms_service(&self) -> Result<Self, NameError> {
        let limit = MAX_NAME_OCTETS - KMS_SERVICE_PREFIX_OCTETS;
        let too_long = || NameError::TooLong { octets: self.octets(), limit };
        if self.octets() > limit {
            return Err(too_long());
        }
        let service = self.0.prepend_label("_tcp").and_then(|name| name.prepend_label("_vlmcs"));
        service.map(Self).map_err(|_| too_long())
    }

    /// This name followed by `suffix`, as a search list appends it; `None` if that is too long.
    #[must_use]
    pub fn under(&self, suffix: &Self) -> Option<Self> {
        let mut name = self.0.clone();
        name.set_fqdn(false);
        name.append_domain(&suffix.0).ok().map(Self)
    }

    /// The name without its first label; the root for the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.base_name())
    }

    /// The root, `.`: as an SRV target it says "this service is not offered here" (RFC 2782).
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_root()
    }

    /// Number of labels, the root not counted.
    #[must_use]
    pub fn labels(&self) -> usize {
        self.0.iter().len()
    }

    /// True if this name is `other` or lies below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        other.0.zone_of(&self.0)
    }

    /// True for `localhost` and names below it, which never leave the machine (RFC 6761 6.3).
    #[must_use]
    pub fn is_localhost(&self) -> bool {
        self.0.iter().next_back().is_some_and(|label| label.eq_ignore_ascii_case(b"localhost"))
    }

    /// True if every label has only letters, digits, `-` and `_`: safe to paste into a zone file,
    /// a shell or PowerShell.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.is_root() && self.0.iter().all(|label| label.iter().all(|&byte| is_plain_byte(byte)))
    }

    /// True if the name spells an IPv4 address: a common mistake in an SRV target.
    #[must_use]
    pub fn looks_like_address(&self) -> bool {
        self.to_string().parse::<std::net::Ipv4Addr>().is_ok()
    }

    /// The suffix, if the name ends in the same two or more labels twice (`kms.corp.test.corp.test`):
    /// what a zone file makes of a target whose final dot was forgotten.
    #[must_use]
    pub fn doubled_suffix(&self) -> Option<Self> {
        let total = self.labels();
        (2..=total / 2).rev().find_map(|count| {
            let tail = self.0.trim_to(count);
            let labels: Vec<_> = self.0.iter().collect();
            let before = labels.get(total - 2 * count..total - count)?;
            let same = before.iter().zip(tail.iter()).all(|(a, b)| a.eq_ignore_ascii_case(b));
            (same && total > 2 * count).then_some(Self(tail))
        })
    }

    /// The name as the DNS library holds it.
    #[must_use]
    pub(crate) fn as_wire(&self) -> &Name {
        &self.0
    }

    fn octets(&self) -> usize {
        self.0.iter().map(|label| label.len() + 1).sum::<usize>().saturating_sub(1)
    }
}

impl From<Name> for DomainName {
    fn from(mut name: Name) -> Self {
        name.set_fqdn(true);
        Self(name)
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return out.pad(".");
        }
        let mut text = String::with_capacity(64);
        for label in self.0.iter() {
            if !text.is_empty() {
                text.push('.');
            }
            label.iter().for_each(|&byte| push_escaped(&mut text, byte));
        }
        out.pad(&text)
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "DomainName({self})")
    }
}

impl Serialize for DomainName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a typed name is not a domain name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing, or only a dot.
    Empty,
    /// Two dots in a row, or a dot in front.
    EmptyLabel,
    /// A label of more than 63 characters (RFC 1035 2.3.4).
    LongLabel {
        /// The label, escaped.
        label: String,
    },
    /// A character that host and domain names cannot have.
    BadCharacter {
        /// The label, escaped.
        label: String,
        /// The character, escaped.
        character: String,
    },
    /// A label that starts or ends with a hyphen (RFC 1123 2.1).
    Hyphen {
        /// The label, escaped.
        label: String,
    },
    /// More characters than fit (RFC 1035 2.3.4).
    TooLong {
        /// Characters it has.
        octets: usize,
        /// Characters it may have here.
        limit: usize,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(out, "the name is empty"),
            Self::EmptyLabel => write!(out, "a label is empty: two dots in a row or one in front"),
            Self::LongLabel { label } => {
                write!(out, "label longer than {MAX_LABEL_OCTETS} characters: `{label}`")
            }
            Self::BadCharacter { label, character } => write!(
                out,
                "label `{label}` has `{character}`: only letters, digits, `-` and `_` are allowed"
            ),
            Self::Hyphen { label } => write!(out, "label starts or ends with a hyphen: `{label}`"),
            Self::TooLong { octets, limit } => {
                write!(out, "name of {octets} characters, at most {limit} fit here")
            }
        }
    }
}

impl std::error::Error for NameError {}

/// Writes untrusted text as printable ASCII, at most `limit` characters of it.
#[must_use]
pub fn escape_text(text: &str, limit: usize) -> String {
    let escaped: String = text
        .chars()
        .take(limit)
        .flat_map(|character| match character {
            ' '..='~' => character.to_string().chars().collect::<Vec<_>>(),
            other => other.escape_default().collect(),
        })
        .collect();
    if text.chars().nth(limit).is_some() { escaped + "..." } else { escaped }
}

fn check_label(label: &str) -> Result<(), NameError> {
    let shown = || escape_text(label, MAX_LABEL_OCTETS);
    if label.is_empty() {
        return Err(NameError::EmptyLabel);
    }
    let bad = |c: &char| c.is_ascii() && !u8::try_from(*c).is_ok_and(is_plain_byte);
    if let Some(character) = label.chars().find(|c| bad(c) || c.is_control()) {
        let character = escape_text(&character.to_string(), 1);
        return Err(NameError::BadCharacter { label: shown(), character });
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(NameError::Hyphen { label: shown() });
    }
    if label.len() > MAX_LABEL_OCTETS {
        return Err(NameError::LongLabel { label: shown() });
    }
    Ok(())
}

fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn push_escaped(text: &mut String, byte: u8) {
    match byte {
        b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
            text.push('\\');
            text.push(char::from(byte));
        }
        b'!'..=b'~' => text.push(char::from(byte)),
        other => text.push_str(&format!("\\{other:03}")),
    }
}

const MAX_NAME_OCTETS: usize = 253;
const MAX_LABEL_OCTETS: usize = 63;
const KMS_SERVICE_PREFIX_OCTETS: usize = "_vlmcs._tcp.".len();

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_final_dot_changes_nothing() {
        assert_eq!(DomainName::parse("corp.test."), DomainName::parse("CORP.test"));
    }

    #[test]
    fn bad_names_say_which_rule_they_break() {
        let error = |text: &str| DomainName::parse(text).unwrap_err().to_string();
        assert_eq!(error(""), "the name is empty");
        assert_eq!(error("."), "the name is empty");
        assert!(error("a..b").contains("label is empty"));
        assert!(error(".corp").contains("label is empty"));
        assert!(error("a b.test").contains("has ` `"));
        assert!(error("a\u{1b}[2J.test").contains("\\u{1b}"));
        assert!(error("-a.test").contains("hyphen"));
        assert!(error(&"a".repeat(64)).contains("longer than 63"));
        assert!(error(&["abcdefg"; 40].join(".")).contains("at most 253"));
    }

    #[test]
    fn names_of_the_network_are_written_as_printable_ascii() {
        let wire = Name::from_labels(vec![&b"a.b\\"[..], b"\x1b[2J\xff", b"$(x)"]).unwrap();
        assert_eq!(DomainName::from(wire).to_string(), r"a\.b\\.\027[2J\255.\$\(x\)");
    }

    #[test]
    fn only_letters_digits_hyphen_and_underscore_are_plain() {
        assert!(DomainName::parse("_vlmcs._tcp.corp-1.test").unwrap().is_plain());
        let wire = Name::from_labels(vec![&b"kms`x`"[..], b"test"]).unwrap();
        assert!(!DomainName::from(wire).is_plain());
    }

    #[test]
    fn international_names_become_a_labels() {
        assert_eq!(DomainName::parse("bücher.test").unwrap().to_string(), "xn--bcher-kva.test");
    }

    #[test]
    fn the_service_name_must_still_fit() {
        let service = DomainName::parse("corp.test").unwrap().kms_service().unwrap();
        assert_eq!(service.to_string(), "_vlmcs._tcp.corp.test");
        let longest = DomainName::parse(&format!("{}.abcd", ["abcdefg"; 29].join("."))).unwrap();
        assert!(longest.kms_service().is_ok());
        let longer = DomainName::parse(&["abcdefg"; 31].join(".")).unwrap();
        assert!(longer.kms_service().unwrap_err().to_string().contains("at most 241"));
    }

    #[test]
    fn a_forgotten_final_dot_is_recognised() {
        let doubled = |text: &str| DomainName::parse(text).unwrap().doubled_suffix();
        assert_eq!(doubled("kms1.corp.test.corp.test"), DomainName::parse("corp.test").ok());
        assert_eq!(doubled("kms1.corp.test"), None);
        assert_eq!(doubled("kms1.a.b.c.A.b.c"), DomainName::parse("a.b.c").ok());
    }

    #[test]
    fn an_address_as_target_is_recognised() {
        assert!(DomainName::parse("192.0.2.7").unwrap().looks_like_address());
        assert!(!DomainName::parse("7.kms.test").unwrap().looks_like_address());
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(escape_text("abcdef", 3), "abc...");
        assert_eq!(escape_text("é\n", 9), "\\u{e9}\\n");
    }
}
