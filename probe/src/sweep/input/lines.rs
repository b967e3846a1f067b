//! One target per line.

use super::{Column, Defaults, InputError, Row, target};

/// A `#` begins a comment, at the start of a line or after a space.
pub(super) fn rows(text: &str, file: &str, defaults: &Defaults) -> Result<Vec<Row>, InputError> {
    let mut rows = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let content = without_comment(line);
        let asked = content.trim();
        if asked.is_empty() {
            continue;
        }
        let number = index + 1;
        let before = content.len() - content.trim_start().len();
        let asked = target(asked, defaults.depth, defaults)
            .map_err(|problem| InputError::at(file, number, Column::At(before + 1), problem))?;
        rows.push(Row {
            line: number,
            site: String::new(),
            asked,
            resolvers: Vec::new(),
            depth: defaults.depth,
            repeats_line: None,
        });
    }
    Ok(rows)
}

fn without_comment(line: &str) -> &str {
    let starts = |(at, _): &(usize, &str)| {
        *at == 0 || line.get(..*at).is_some_and(|before| before.ends_with([' ', '\t']))
    };
    match line.match_indices('#').find(starts) {
        Some((at, _)) => line.get(..at).unwrap_or(line),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::tests::DEFAULTS;
    use super::*;

    #[test]
    fn comments_and_empty_lines_are_passed_over() {
        let text = "# sites\n\n  kms1.test:1688   # Oslo\n\tcorp.test\t#Bergen\n[2001:db8::1]\n";
        let rows = rows(text, "list", &DEFAULTS).unwrap();
        let found: Vec<_> = rows.iter().map(|row| (row.line, row.asked.text.as_str())).collect();
        assert_eq!(found, [(3, "kms1.test:1688"), (4, "corp.test"), (5, "[2001:db8::1]")]);
    }

    #[test]
    fn a_bad_target_is_named_with_its_place() {
        let error = rows("192.0.2.1\n  kms1:0\n", "list", &DEFAULTS).unwrap_err();
        assert_eq!(error.to_string(), "`list` line 2, column 3: port outside 1..65535: `0`");
    }
}
