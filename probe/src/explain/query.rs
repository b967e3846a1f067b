//! The forms in which a code is met: hexadecimal with and without prefix, decimal, negative as
//! scripts print it, or by name.

use std::fmt;

use crate::dns::name::escape_text;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// A code.
    Number(u32),
    /// A symbol, a verdict or another name.
    Name(String),
}

/// Text that is neither a code nor a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    text: String,
    reason: &'static str,
}

/// Reads a query.
///
/// # Errors
/// [`QueryError`] when it cannot be a code or a name.
pub fn parse(text: &str) -> Result<Query, QueryError> {
    let trimmed = text.trim();
    let error = |reason| QueryError { text: escape_text(trimmed, SHOWN_CHARS_MAX), reason };
    let too_large = error("a code of more than 32 bits");
    if let Some(digits) = trimmed.strip_prefix("0x").or_else(|| trimmed.strip_prefix("0X")) {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error("not a hexadecimal number"));
        }
        return u64::from_str_radix(digits, 16)
            .ok()
            .and_then(narrow)
            .map(Query::Number)
            .ok_or(too_large);
    }
    if let Some(digits) = trimmed.strip_prefix('-').filter(|digits| is_decimal(digits)) {
        let value = digits.parse::<i64>().ok().and_then(|value| i32::try_from(-value).ok());
        return value.map(|value| Query::Number(value.cast_unsigned())).ok_or(too_large);
    }
    if is_decimal(trimmed) && !looks_like_bare_hresult(trimmed) {
        return trimmed.parse().map(Query::Number).map_err(|_| too_large);
    }
    if is_bare_hexadecimal(trimmed)
        && let Ok(number) = u32::from_str_radix(trimmed, 16)
    {
        return Ok(Query::Number(number));
    }
    if is_name(trimmed) {
        return Ok(Query::Name(trimmed.to_owned()));
    }
    Err(error("neither a code nor a name"))
}

/// A 64-bit value that is a sign-extended 32-bit one, or fits.
fn narrow(value: u64) -> Option<u32> {
    let low = u32::try_from(value & 0xFFFF_FFFF).ok()?;
    match value >> 32 {
        0 => Some(low),
        0xFFFF_FFFF if low >> 31 == 1 => Some(low),
        _ => None,
    }
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `80070005`: eight digits of a failure, copied without their prefix.
fn looks_like_bare_hresult(text: &str) -> bool {
    text.len() == 8 && (text.starts_with("800") || text.starts_with("400"))
}

fn is_bare_hexadecimal(text: &str) -> bool {
    (2..=8).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && text.bytes().any(|byte| byte.is_ascii_digit())
}

fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    text.len() <= NAME_CHARS_MAX
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(allowed)
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: `{}` (write 0xC004F074, -1073418124, 1722, SL_E_VL_NOT_ENOUGH_COUNT or tcp.timeout)",
            self.reason, self.text
        )
    }
}

impl std::error::Error for QueryError {}

const NAME_CHARS_MAX: usize = 80;
const SHOWN_CHARS_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_every_form() {
        for (text, number) in [
            ("0x1C010002", 0x1C01_0002),
            ("1C010002", 0x1C01_0002),
            ("80070005", 0x8007_0005),
            ("4004F040", 0x4004_F040),
            ("6BA", 0x6BA),
            ("1722", 1722),
            ("2147942405", 0x8007_0005),
            ("-2147024891", 0x8007_0005),
            (" 5 ", 5),
        ] {
            assert_eq!(parse(text), Ok(Query::Number(number)), "{text}");
        }
    }

    #[test]
    fn names_are_names() {
        for text in ["tcp.timeout", "nca_s_op_rng_error", "temporary congestion", "nxdomain"] {
            assert_eq!(parse(text), Ok(Query::Name(text.to_owned())));
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in
            ["", "0x", "0xZZ", "0x1C004F0740", "99999999999", "-99999999999", "--1", "a\u{1b}[2J"]
        {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
