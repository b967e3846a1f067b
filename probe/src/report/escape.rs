//! Text from the network, made harmless for a terminal.

use std::borrow::Cow;

/// `text` with everything escaped that a terminal could take for a command or that could hide
/// other text: control characters, direction marks, separators and invisible characters.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_dangerous(character) {
            escaped.extend(character.escape_unicode());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character must not reach a terminal as it is.
pub(super) fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_commands_and_direction_marks_are_escaped() {
        assert_eq!(escape("kms\u{1b}[2J\r\n"), "kms\\u{1b}[2J\\u{d}\\u{a}");
        assert_eq!(escape("a\u{202e}b\u{9b}c\u{7f}"), "a\\u{202e}b\\u{9b}c\\u{7f}");
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        assert!(matches!(escape("kms1.bücher.test: 4 SYNs"), Cow::Borrowed(_)));
    }
}
