//! What is wrong with a scenario, and where.

use std::fmt;

use kms_page::nearest;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The key, from the top: `group[2].presence.from`; tables of one name are numbered from 1. Empty
    /// where the file as a whole is meant.
    pub key: String,
    /// Line and column in the file, from 1; `None` for a scenario that was not read from one.
    pub place: Option<(usize, usize)>,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Mistake {
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), place: None, message: message.into() }
    }

    /// The same at `offset` of `text`, in bytes.
    pub(super) fn at(mut self, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or("").chars().count() + 1;
        self.place = Some((before.matches('\n').count() + 1, column));
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "key `{}`: ", self.key.escape_debug())?;
        }
        f.write_str(&self.message)
    }
}

/// `no such site: `x`; did you mean `y`?`, with what is near enough of `known`.
pub(super) fn unknown<'a>(
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> String {
    let name_shown = name.escape_debug();
    match nearest(name, known) {
        Some(near) => format!("{what} `{name_shown}`; did you mean `{near}`?"),
        None => format!("{what} `{name_shown}`"),
    }
}
