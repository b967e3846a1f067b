//! UTF-16 text from a peer: decoded without loss of position, and printed without trust.

use core::fmt::{self, Write as _};

/// The characters before the first NUL; a lone surrogate becomes U+FFFD.
pub(super) fn chars(units: &[u16]) -> impl Iterator<Item = char> {
    let text = units.split(|&unit| unit == 0).next().unwrap_or_default();
    char::decode_utf16(text.iter().copied()).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
}

/// Writes text so that it can do nothing to a terminal or a log line: control and format characters
/// come out as `\u{..}`, a backslash as `\\`.
pub(super) fn write_escaped(
    f: &mut fmt::Formatter<'_>,
    text: impl Iterator<Item = char>,
) -> fmt::Result {
    for c in text {
        match c {
            '"' | '\'' => f.write_char(c)?,
            _ => write!(f, "{}", c.escape_debug())?,
        }
    }
    Ok(())
}
