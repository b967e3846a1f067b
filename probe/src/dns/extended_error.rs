//! Extended DNS Errors (RFC 8914): the server's own words about what went wrong.

use serde::Serialize;

use super::name::escape_text;

/// One Extended DNS Error option of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExtendedError {
    /// INFO-CODE.
    pub code: u16,
    /// The code's registered purpose, where it has one.
    pub name: Option<&'static str>,
    /// EXTRA-TEXT, escaped to printable ASCII; often empty.
    pub text: String,
}

impl ExtendedError {
    /// Reads the option's data: a 16-bit code and UTF-8 text. `None` if the code is cut.
    #[must_use]
    pub fn decode(data: &[u8]) -> Option<Self> {
        let (code, text) = data.split_first_chunk::<2>()?;
        let code = u16::from_be_bytes(*code);
        // Some servers end the text with a NUL, which RFC 8914 allows receivers to meet.
        let text = String::from_utf8_lossy(text);
        let text = escape_text(text.trim_end_matches('\0'), MAX_TEXT_CHARS);
        Some(Self { code, name: NAMES.get(usize::from(code)).copied(), text })
    }
}

/// EDNS option code of an Extended DNS Error.
pub const OPTION_CODE: u16 = 15;

const MAX_TEXT_CHARS: usize = 512;

/// Purposes by INFO-CODE: RFC 8914 section 4, and the IANA registry from 25 on.
const NAMES: [&str; 31] = [
    "Other Error",
    "Unsupported DNSKEY Algorithm",
    "Unsupported DS Digest Type",
    "Stale Answer",
    "Forged Answer",
    "DNSSEC Indeterminate",
    "DNSSEC Bogus",
    "Signature Expired",
    "Signature Not Yet Valid",
    "DNSKEY Missing",
    "RRSIGs Missing",
    "No Zone Key Bit Set",
    "NSEC Missing",
    "Cached Error",
    "Not Ready",
    "Blocked",
    "Censored",
    "Filtered",
    "Prohibited",
    "Stale NXDOMAIN Answer",
    "Not Authoritative",
    "Not Supported",
    "No Reachable Authority",
    "Network Error",
    "Invalid Data",
    "Signature Expired before Valid",
    "Too Early",
    "Unsupported NSEC3 Iterations Value",
    "Unable to conform to policy",
    "Synthesized",
    "Invalid Query Type",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn code_name_and_text_are_read() {
        let error = ExtendedError::decode(b"\x00\x16no route\x1b[1m\0").unwrap();
        assert_eq!(error.name, Some("No Reachable Authority"));
        assert_eq!(error.text, "no route\\u{1b}[1m");
    }

    #[test]
    fn an_unregistered_code_keeps_its_number_and_a_cut_one_is_none() {
        let error = ExtendedError::decode(&[0xff, 0xff]).unwrap();
        assert_eq!((error.code, error.name, error.text.as_str()), (65535, None, ""));
        assert_eq!(ExtendedError::decode(&[0]), None);
    }
}
