//! A sweep for people: what was found by verdict and by site, then what each verdict means, once.

use std::fmt::Write as _;

use super::summary::{Example, OfSite, OfVerdict, Summary};
use super::{Ended, Swept};
use crate::report::{Style, escape};
use crate::verdict::{Row, Severity, judge};

/// The summary as text.
#[must_use]
pub fn summary(swept: &Swept, summary: &Summary, style: Style) -> String {
    let mut text = String::new();
    opening(&mut text, swept, summary, style);
    if !summary.by_verdict.is_empty() {
        push(&mut text, "");
        verdicts(&mut text, &summary.by_verdict, style);
    }
    if !summary.by_site.is_empty() {
        push(&mut text, "");
        sites(&mut text, &summary.by_site, style);
    }
    for of_verdict in summary.by_verdict.iter().filter(|of| of.severity > Severity::Ok) {
        push(&mut text, "");
        meaning(&mut text, of_verdict, style);
    }
    text
}

fn opening(text: &mut String, swept: &Swept, summary: &Summary, style: Style) {
    let done = summary.finished.saturating_sub(swept.resumed);
    let rate = done as f64 / swept.elapsed.as_secs_f64().max(1e-6);
    let elapsed = judge::duration(swept.elapsed);
    let how = match done {
        0 => format!("in {elapsed}"),
        _ => {
            format!("in {elapsed} ({rate:.0} rows per second, at most {} at a time)", swept.at_once)
        }
    };
    let rows = count(summary.rows, "row");
    let line = match summary.missing {
        0 => format!("{rows}, all finished {how}"),
        _ => format!("{} of {rows} finished {how}", summary.finished),
    };
    push(text, &style.strong(&line));
    if swept.resumed > 0 {
        push(text, &format!("{} of them by an earlier run", swept.resumed));
    }
    if summary.tried_again > 0 {
        let answered = match summary.answered_again {
            0 => "none".to_owned(),
            some => some.to_string(),
        };
        let were = were(summary.tried_again);
        push(text, &format!("{were} silent at the first try; {answered} answered at the second"));
    }
    if summary.repeats > 0 {
        push(text, &format!("{} what an earlier row asks", repeat(summary.repeats)));
    }
    if swept.ended != Ended::Complete {
        let why = match swept.ended {
            Ended::TotalTimeout => "the total timeout was over",
            _ => "it was interrupted",
        };
        let missing = count(summary.missing, "row");
        let silent = match swept.silent_once {
            0 => String::new(),
            silent => format!(", {silent} of them silent once and not tried again"),
        };
        let line = format!("INCOMPLETE: {why}, and {missing} had no result yet{silent}");
        push(text, &style.severity(Severity::Critical, &line));
    }
}

fn verdicts(text: &mut String, verdicts: &[OfVerdict], style: Style) {
    let width = verdicts.iter().map(|of| of.verdict.len()).max().unwrap_or(0).max("verdict".len());
    push(text, &style.dim(&format!("severity  {:<width$}  {:>7}  for example", "verdict", "rows")));
    for of in verdicts {
        let severity = style.severity(of.severity, &format!("{:<8}", of.severity.name()));
        let examples = of.examples.iter().map(example).collect::<Vec<_>>().join(", ");
        let code = &of.verdict;
        push(text, &format!("{severity}  {code:<width$}  {:>7}  {examples}", of.rows));
    }
}

fn sites(text: &mut String, sites: &[OfSite], style: Style) {
    let shown = sites.get(..SITES_MAX).unwrap_or(sites);
    let name = |site: &OfSite| match site.site.as_str() {
        "" => "(none)".to_owned(),
        name => escape(name).chars().take(SITE_COLUMNS_MAX).collect(),
    };
    let width = shown.iter().map(|site| name(site).chars().count()).max().unwrap_or(0).max(4);
    let heading = format!(
        "{:<width$}  {:>7}  {:>7}  {:>7}  {:>7}  {:>8}  {:>7}",
        "site", "rows", "ok", "info", "warning", "critical", "missing"
    );
    push(text, &style.dim(&heading));
    for site in shown {
        let severity = site.severity().unwrap_or(Severity::Warning);
        let line = format!(
            "  {:>7}  {:>7}  {:>7}  {:>7}  {:>8}  {:>7}",
            site.rows, site.ok, site.info, site.warning, site.critical, site.missing
        );
        let name = style.severity(severity, &format!("{:<width$}", name(site)));
        push(text, &format!("{name}{line}"));
    }
    if let more @ 1.. = sites.len() - shown.len() {
        push(text, &format!("and {more} more: --format csv, json and html have all"));
    }
}

/// What a verdict means, in the words of the first row that has it.
fn meaning(text: &mut String, of: &OfVerdict, style: Style) {
    let word = format!("{} {}", of.severity.name().to_uppercase(), of.verdict);
    let first = of.examples.first().map(example).unwrap_or_default();
    let rows = match of.rows {
        1 => first,
        more => format!("{first} and {} more", more - 1),
    };
    push(text, &format!("{}  {rows}", style.severity(of.severity, &word)));
    let mut labelled = |label: &str, sentence: &str| {
        push(text, &style.labelled(&format!("  {label}"), LABEL_COLUMNS, sentence));
    };
    labelled("cause", &escape(&of.cause));
    if let Some(remedy) = &of.remedy {
        labelled("remedy", &escape(remedy));
    }
    if let Some(row) = of.row() {
        labelled("Windows", &client_view(row));
    }
}

/// What a Windows client would show.
pub(super) fn client_view(row: &Row) -> String {
    let seen = row.client_sees.iter().map(|seen| format!("{seen} ({})", seen.place));
    let seen = seen.collect::<Vec<_>>().join(", ");
    match (seen.is_empty(), row.client_note) {
        (true, note) => note.unwrap_or("not documented").to_owned(),
        (false, Some(note)) => format!("{seen}; {note}"),
        (false, None) => seen,
    }
}

/// `Oslo kms1.test:1688`.
fn example(example: &Example) -> String {
    let target = escape(&example.target);
    match example.site.as_str() {
        "" => target.into_owned(),
        site => format!("{} {target}", escape(site)),
    }
}

pub(super) fn count(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

fn were(rows: usize) -> String {
    format!("{} {}", count(rows, "row"), if rows == 1 { "was" } else { "were" })
}

fn repeat(rows: usize) -> String {
    format!("{} {}", count(rows, "row"), if rows == 1 { "asks" } else { "ask" })
}

fn push(text: &mut String, line: &str) {
    let _infallible = writeln!(text, "{}", line.trim_end());
}

/// Sites in a text; the other formats have them all.
const SITES_MAX: usize = 40;
const SITE_COLUMNS_MAX: usize = 32;
const LABEL_COLUMNS: usize = 11;
