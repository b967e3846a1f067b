//! What a scraper has to show.

use std::fmt;

use subtle::ConstantTimeEq as _;

/// A secret that requests show as `Authorization: Bearer`. It is never printed.
#[derive(Clone)]
pub struct Token(Vec<u8>);

/// Why a text is no token. It never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Too short to be a secret, or too long.
    Length,
    /// Something that cannot stand in a header.
    Characters,
}

impl Token {
    /// Takes a token as a file holds it: surrounding white space is not part of it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let token = text.trim();
        if !(TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()) {
            return Err(TokenError::Length);
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Characters);
        }
        Ok(Self(token.as_bytes().to_vec()))
    }

    /// Whether an `Authorization` header shows it, in a time that says nothing of where it differs.
    pub(super) fn is_shown_by(&self, header: Option<&[u8]>) -> bool {
        let Some((scheme, shown)) = header.and_then(|header| header.split_at_checked(7)) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(self.0.ct_eq(shown))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => {
                write!(f, "a token has {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} characters")
            }
            Self::Characters => f.write_str("a token has visible ASCII characters only"),
        }
    }
}

impl std::error::Error for TokenError {}

const TOKEN_BYTES_MIN: usize = 16;
/// Bound of a token.
pub const TOKEN_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn only_the_whole_token_is_accepted_and_it_is_never_printed() {
        let token = Token::parse(" 0123456789abcdef\n").unwrap();
        assert!(token.is_shown_by(Some(b"Bearer 0123456789abcdef")));
        assert!(token.is_shown_by(Some(b"bearer 0123456789abcdef")));
        for wrong in [&b"Bearer 0123456789abcdeg"[..], b"Bearer 0123456789abcde", b"0123", b""] {
            assert!(!token.is_shown_by(Some(wrong)));
        }
        assert!(!token.is_shown_by(None));
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn what_cannot_be_a_token_is_refused() {
        let long = "x".repeat(TOKEN_BYTES_MAX + 1);
        for (text, error) in [
            ("short", TokenError::Length),
            (long.as_str(), TokenError::Length),
            ("0123456789 abcdef", TokenError::Characters),
        ] {
            assert_eq!(Token::parse(text).unwrap_err(), error);
        }
    }
}
