//! An explanation for people.

use std::fmt::Write as _;

use super::{Style, escape};
use crate::explain::{Explanation, Match};

/// An explanation as text.
#[must_use]
pub fn text(explanation: &Explanation, style: Style) -> String {
    if explanation.matches.is_empty() {
        return unknown(explanation);
    }
    let blocks = explanation.matches.iter().map(|found| block(found, style));
    blocks.collect::<Vec<_>>().join("\n")
}

fn unknown(explanation: &Explanation) -> String {
    let query = escape(&explanation.query);
    match (&explanation.number, &explanation.decoded) {
        (Some(number), Some(decoded)) => {
            format!("{number} is in no table here: {}\n", decoded.summary)
        }
        _ => {
            format!("`{query}` is in no table here: neither a symbol nor a verdict has this name\n")
        }
    }
}

fn block(found: &Match, style: Style) -> String {
    let mut text = String::new();
    let name = found.name.as_ref().map_or_else(String::new, |name| format!("  {name}"));
    let heading = format!("{}{name}", found.code);
    let _infallible = writeln!(text, "{}  ({})", style.strong(&heading), found.kind);
    let mut line = |label: &str, value: &str| {
        let line = style.labelled(&format!("  {label}"), LABEL_COLUMNS, value);
        let _infallible = writeln!(text, "{line}");
    };
    line("meaning", &found.meaning);
    if let Some(cause) = &found.cause {
        line("cause", cause);
    }
    if let Some(remedy) = &found.remedy {
        line("remedy", remedy);
    }
    if !found.seen_by.is_empty() {
        line("seen by", &found.seen_by.join(", "));
    }
    for seen in &found.client_sees {
        line("Windows", &format!("{} in {} ({})", seen.code, seen.place, seen.source));
    }
    if let Some(source) = &found.source {
        line("source", source);
    }
    text
}

const LABEL_COLUMNS: usize = 11;
