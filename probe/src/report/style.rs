//! Colour and width: both only on a terminal, colour only without NO_COLOR.

use std::io::IsTerminal as _;

use crate::verdict::Severity;

/// How text may look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether colour may be used.
    pub colour: bool,
    /// Columns to wrap at; `None` leaves lines as long as they are.
    pub columns: Option<usize>,
}

impl Style {
    /// No colour, no wrapping: for files and pipes.
    pub const PLAIN: Self = Self { colour: false, columns: None };

    /// What standard output allows.
    #[must_use]
    pub fn of_stdout() -> Self {
        let stdout = std::io::stdout();
        if !stdout.is_terminal() {
            return Self::PLAIN;
        }
        let wished = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let columns = terminal_size::terminal_size_of(&stdout)
            .map_or(COLUMNS_DEFAULT, |(width, _)| usize::from(width.0));
        Self { colour: wished && able, columns: Some(columns.clamp(COLUMNS_MIN, COLUMNS_MAX)) }
    }

    /// `text` in the colour of a severity.
    #[must_use]
    pub fn severity(&self, severity: Severity, text: &str) -> String {
        let code = match severity {
            Severity::Ok => "1;32",
            Severity::Info => "1;36",
            Severity::Warning => "1;33",
            Severity::Critical => "1;31",
        };
        self.paint(code, text)
    }

    /// `text` as a heading.
    #[must_use]
    pub fn strong(&self, text: &str) -> String {
        self.paint("1", text)
    }

    /// `text` in the background.
    #[must_use]
    pub fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// `text` with a label in front; further lines are indented to the text.
    #[must_use]
    pub fn labelled(&self, label: &str, label_columns: usize, text: &str) -> String {
        let label_width = label.chars().count();
        let padding = " ".repeat(label_columns.saturating_sub(label_width));
        let indent = label_columns.max(label_width);
        let room = self.columns.map(|columns| columns.saturating_sub(indent).max(COLUMNS_MIN / 2));
        let lines = wrap(text, room);
        let joint = format!("\n{}", " ".repeat(indent));
        format!("{}{padding}{}", self.dim(label), lines.join(&joint))
    }
}

/// Breaks at spaces so that no line is longer than `columns`, long words apart.
fn wrap(text: &str, columns: Option<usize>) -> Vec<String> {
    let Some(columns) = columns else { return vec![text.to_owned()] };
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let width = word.chars().count();
        let Some(line) = lines.last_mut() else { break };
        if used > 0 && used + 1 + width > columns {
            lines.push(word.to_owned());
            used = width;
            continue;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += width;
    }
    lines
}

const COLUMNS_DEFAULT: usize = 100;
const COLUMNS_MIN: usize = 40;
const COLUMNS_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_has_no_colour_and_no_breaks() {
        let long = "word ".repeat(100);
        assert_eq!(Style::PLAIN.labelled("  x ", 4, &long), format!("  x {long}"));
        assert_eq!(Style::PLAIN.severity(Severity::Critical, "x"), "x");
    }

    #[test]
    fn wrapped_lines_are_indented_under_the_text_and_lose_nothing() {
        let style = Style { colour: false, columns: Some(40) };
        let text = "a firewall between here and the host drops the packets silently";
        let wrapped = style.labelled("  cause ", 9, text);
        assert!(wrapped.lines().all(|line| line.chars().count() <= 40), "{wrapped}");
        assert!(wrapped.lines().skip(1).all(|line| line.starts_with("         ")), "{wrapped}");
        let words: Vec<_> = wrapped.split_whitespace().skip(1).collect();
        assert_eq!(words.join(" "), text);
    }
}
