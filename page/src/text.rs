//! Text from elsewhere, made harmless for a terminal, for HTML and for a spreadsheet.

use std::borrow::Cow;

/// `text` with everything escaped that a terminal could take for a command or that could hide
/// other text: control characters, direction marks, separators and invisible characters.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_unless(text, |_| false)
}

/// Whether a character must not reach a terminal, a page or a spreadsheet as it is.
#[must_use]
pub fn is_dangerous(character: char) -> bool {
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

/// `text` for HTML: [`escape`]d, and without a character that could begin or end an element, an
/// attribute or a reference. For HTML that is not written with `maud`, which does it itself.
#[must_use]
pub fn html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for character in escape(text).chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// `text` as the content of a CSV cell that no spreadsheet takes for a formula: [`escape`]d, and
/// with `'` in front where it begins with `=`, `+`, `-` or `@` (spaces before them and their
/// full-width forms included) or began with a tab or line break. Plain numbers stay numbers.
///
/// The rule is the one of OWASP's page "CSV Injection".
#[must_use]
pub fn formula_free(text: &str) -> Cow<'_, str> {
    let begins_with_control = text.starts_with(['\t', '\r', '\n']);
    let begins_formula = text
        .trim_start()
        .starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    if begins_with_control || (begins_formula && !is_plain_number(text)) {
        Cow::Owned(format!("'{}", escape(text)))
    } else {
        escape(text)
    }
}

/// Digits with a sign, a fraction and an exponent at most: `-12.5e-3`.
fn is_plain_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let shaped = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    shaped && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// A whole page, once more: what is dangerous and got into markup by a way of its own is escaped
/// too. Line breaks are the markup's own.
#[must_use]
pub fn escape_page(html: &str) -> Cow<'_, str> {
    escape_unless(html, |character| character == '\n')
}

fn escape_unless(text: &str, allowed: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_escaped = |character: char| is_dangerous(character) && !allowed(character);
    if !text.chars().any(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_escaped(character) {
            escaped.extend(character.escape_unicode());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
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
        assert!(matches!(formula_free("kms1.bücher.test"), Cow::Borrowed(_)));
    }

    #[test]
    fn html_has_no_character_left_that_could_end_its_place() {
        let hostile = html("<script>\"'&\u{202e}\0");
        assert_eq!(hostile, "&lt;script&gt;&quot;&#39;&amp;\\u{202e}\\u{0}");
    }

    #[test]
    fn formulas_become_text() {
        for (cell, safe) in [
            ("=1+1", "'=1+1"),
            ("+SUM(A1)", "'+SUM(A1)"),
            ("-2+3", "'-2+3"),
            ("@cmd", "'@cmd"),
            ("  =1", "'  =1"),
            ("\t=1", "'\\u{9}=1"),
            ("\rx", "'\\u{d}x"),
            ("＝1", "'＝1"),
            ("-inf", "'-inf"),
            ("-", "'-"),
            ("-1e999", "'-1e999"),
        ] {
            assert_eq!(formula_free(cell), safe);
        }
    }

    #[test]
    fn plain_numbers_stay_numbers() {
        for number in ["-1", "+2", "0", "-12.5", "-.5", "-1.5e-3", "12"] {
            assert_eq!(formula_free(number), number);
        }
    }
}
