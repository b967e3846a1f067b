//! What a certificate says, for people: X.509 by the `x509-parser` crate.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use crate::dns::name::escape_text;

/// What one certificate says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CertificateFacts {
    /// Whom it is for.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// The issuer in short: its common name, or else its organisation.
    pub issuer_name: String,
    /// The names and addresses it holds for, at most [`NAMES_MAX`].
    pub names: Vec<String>,
    /// Names beyond those.
    pub names_not_shown: usize,
    /// First moment of its validity, UTC.
    pub not_before: String,
    /// Last moment of its validity, UTC.
    pub not_after: String,
    /// Whole days left, negative once it has expired.
    pub days_left: i64,
    /// Whole days of its validity.
    pub days_valid: i64,
    /// Whether it names itself as its issuer.
    pub is_self_issued: bool,
    /// What is wrong with its encoding; all else is then empty.
    pub malformed: Option<String>,
}

/// First and last moment of a certificate's validity, in seconds since 1970.
pub(super) fn validity(der: &[u8]) -> Option<(i64, i64)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let validity = certificate.validity();
    Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

impl CertificateFacts {
    /// Reads a certificate; days are counted from `now`.
    #[must_use]
    pub fn of(der: &[u8], now: SystemTime) -> Self {
        match X509Certificate::from_der(der) {
            Ok((_, certificate)) => Self::of_parsed(&certificate, seconds(now)),
            Err(error) => Self { malformed: Some(shown(&error.to_string())), ..Self::default() },
        }
    }

    fn of_parsed(certificate: &X509Certificate<'_>, now: i64) -> Self {
        let validity = certificate.validity();
        let (begin, end) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        let all: Vec<String> = match certificate.subject_alternative_name() {
            Ok(Some(names)) => names.value.general_names.iter().filter_map(name).collect(),
            _ => Vec::new(),
        };
        Self {
            subject: shown(&certificate.subject().to_string()),
            issuer: shown(&certificate.issuer().to_string()),
            issuer_name: short(certificate.issuer()),
            names_not_shown: all.len().saturating_sub(NAMES_MAX),
            names: all.into_iter().take(NAMES_MAX).collect(),
            not_before: moment(begin),
            not_after: moment(end),
            days_left: end.saturating_sub(now).div_euclid(SECONDS_PER_DAY),
            days_valid: end.saturating_sub(begin).div_euclid(SECONDS_PER_DAY),
            is_self_issued: certificate.subject().as_raw() == certificate.issuer().as_raw(),
            malformed: None,
        }
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(shown(name)),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(std::net::IpAddr::from);
            let v6 = <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from);
            v4.or(v6).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn short(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().find_map(|attribute| attribute.as_str().ok());
    let organisation = || name.iter_organization().find_map(|attribute| attribute.as_str().ok());
    match common.or_else(organisation) {
        Some(text) => shown(text),
        None => shown(&name.to_string()),
    }
}

fn shown(text: &str) -> String {
    escape_text(text, NAME_CHARS_MAX)
}

fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |s| -s),
    }
}

fn moment(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |time| time.to_string())
}

/// Names of one certificate that are kept; those of content networks hold for hundreds.
pub const NAMES_MAX: usize = 32;

const NAME_CHARS_MAX: usize = 256;
const SECONDS_PER_DAY: i64 = 86_400;
