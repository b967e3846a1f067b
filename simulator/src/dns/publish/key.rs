//! A TSIG key (RFC 8945), read from a file in the form that `tsig-keygen` writes.

use std::fmt;

use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_proto::rr::{Name, TSigner};
use thiserror::Error;

/// A shared secret that signs updates. It is never printed.
#[derive(Clone)]
pub struct TsigKey {
    name: Name,
    signer: TSigner,
}

impl TsigKey {
    /// Reads `key "NAME" { algorithm hmac-sha256; secret "BASE64"; };`.
    ///
    /// # Errors
    ///
    /// [`KeyError`], which never holds the secret.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.len() > FILE_BYTES_MAX {
            return Err(KeyError::TooLarge);
        }
        let words = words(text);
        let mut words = words.iter().map(String::as_str);
        if words.next() != Some("key") {
            return Err(KeyError::NoKeyStatement);
        }
        let name = words.next().ok_or(KeyError::NoKeyStatement)?;
        let name = super::super::name::parse(name).map_err(|_| KeyError::Name)?;
        let (mut algorithm, mut secret) = (None, None);
        while let Some(word) = words.next() {
            match word {
                "algorithm" => algorithm = words.next(),
                "secret" => secret = words.next(),
                "{" | "}" | ";" => {}
                "key" => return Err(KeyError::SecondKey),
                _ => return Err(KeyError::UnknownWord),
            }
        }
        let algorithm = supported(algorithm.ok_or(KeyError::Missing("algorithm"))?)?;
        let secret = secret.ok_or(KeyError::Missing("secret"))?;
        let secret = data_encoding::BASE64.decode(secret.as_bytes());
        let secret = secret.map_err(|_| KeyError::SecretNotBase64)?;
        if secret.is_empty() {
            return Err(KeyError::SecretEmpty);
        }
        let signer = TSigner::new(secret, algorithm, name.clone(), FUDGE_S)
            .map_err(|_| KeyError::Missing("algorithm"))?;
        Ok(Self { name, signer })
    }

    /// The key's name, which is no secret.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn signer(&self) -> &TSigner {
        &self.signer
    }
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TsigKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a key file was not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// Above 64 KiB.
    #[error("larger than {FILE_BYTES_MAX} bytes, which no key file is")]
    TooLarge,
    /// Something else.
    #[error("no `key \"NAME\" {{ algorithm ...; secret \"...\"; }};` as `tsig-keygen` writes it")]
    NoKeyStatement,
    /// The key's name.
    #[error("the name of the key is not a domain name")]
    Name,
    /// Two keys.
    #[error("more than one key; leave the one to sign with")]
    SecondKey,
    /// A statement that a key does not have.
    #[error("a statement other than `algorithm` and `secret` in the key")]
    UnknownWord,
    /// A statement is not there.
    #[error("the key has no `{0}`")]
    Missing(&'static str),
    /// Not base64.
    #[error("the secret is not base64")]
    SecretNotBase64,
    /// Nothing in it.
    #[error("the secret is empty")]
    SecretEmpty,
    /// What an Active Directory zone with secure updates only asks for.
    #[error(
        "GSS-TSIG (Kerberos) is not supported: use a key of hmac-sha256, or let the zone take \
         updates from this address, or add the records on the server"
    )]
    Gss,
    /// An algorithm that is too old or unknown.
    #[error("algorithm `{0}` is not supported: use hmac-sha256, hmac-sha384 or hmac-sha512")]
    Algorithm(String),
}

fn supported(algorithm: &str) -> Result<TsigAlgorithm, KeyError> {
    match algorithm.trim_end_matches('.').to_ascii_lowercase().as_str() {
        "hmac-sha256" => Ok(TsigAlgorithm::HmacSha256),
        "hmac-sha384" => Ok(TsigAlgorithm::HmacSha384),
        "hmac-sha512" => Ok(TsigAlgorithm::HmacSha512),
        "gss-tsig" | "gss.microsoft.com" => Err(KeyError::Gss),
        other => Err(KeyError::Algorithm(other.escape_debug().take(ALGORITHM_SHOWN).collect())),
    }
}

/// Words, quoted or not, and the marks between them; `#`, `//` and `/* */` begin comments.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return words };
        if rest.starts_with('#') || rest.starts_with("//") {
            rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or("");
        } else if rest.starts_with("/*") {
            rest = rest.split_once("*/").map_or("", |(_, after)| after);
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (word, after) = quoted.split_once('"').unwrap_or((quoted, ""));
            words.push(word.to_owned());
            rest = after;
        } else if matches!(first, '{' | '}' | ';') {
            words.push(first.to_string());
            rest = rest.get(1..).unwrap_or("");
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';' | '"'));
            let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
            words.push(word.to_owned());
            rest = after;
        }
    }
}

/// How far the clocks of both ends may be apart, in seconds (RFC 8945 section 10).
const FUDGE_S: u16 = 300;
/// Largest key file, in bytes.
pub const FILE_BYTES_MAX: usize = 64 * 1024;
const ALGORITHM_SHOWN: usize = 40;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn key(algorithm: &str, secret: &str) -> Result<TsigKey, KeyError> {
        TsigKey::parse(&format!(
            "# a comment\nkey \"lab-key\" {{\n\talgorithm {algorithm};\n\tsecret \"{secret}\";\n}};\n"
        ))
    }

    #[test]
    fn the_form_of_tsig_keygen_is_read_and_the_secret_is_not_shown() {
        let key = key("hmac-sha256", "c2VjcmV0IHNlY3JldA==").unwrap();
        assert_eq!(key.name().to_ascii(), "lab-key.");
        assert_eq!(key.signer().key(), b"secret secret");
        assert!(!format!("{key:?}").contains("115"), "{key:?}");
    }

    #[test]
    fn gss_tsig_is_refused_with_what_to_do_instead() {
        let error = key("gss-tsig", "c2VjcmV0").unwrap_err().to_string();
        assert!(error.contains("GSS-TSIG (Kerberos) is not supported"), "{error}");
    }

    #[test]
    fn anything_else_is_refused_without_its_secret() {
        for (text, wanted) in [
            ("", KeyError::NoKeyStatement),
            ("options { };", KeyError::NoKeyStatement),
            ("key \"k\" { secret \"c2VjcmV0\"; };", KeyError::Missing("algorithm")),
            ("key k { algorithm hmac-sha256; };", KeyError::Missing("secret")),
            ("key k { algorithm hmac-sha256; secret \"!\"; };", KeyError::SecretNotBase64),
            ("key k { algorithm hmac-sha256; secret \"\"; };", KeyError::SecretEmpty),
            (
                "key k { algorithm hmac-md5; secret \"c2VjcmV0\"; };",
                KeyError::Algorithm("hmac-md5".to_owned()),
            ),
            ("key k { algorithm hmac-sha256; secret a; }; key l { };", KeyError::SecondKey),
            ("key k { colour red; };", KeyError::UnknownWord),
            ("key -k- { };", KeyError::Name),
        ] {
            assert_eq!(TsigKey::parse(text).unwrap_err(), wanted, "{text}");
        }
        assert_eq!(
            TsigKey::parse(&"#".repeat(FILE_BYTES_MAX + 1)).unwrap_err(),
            KeyError::TooLarge
        );
    }
}
