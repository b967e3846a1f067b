//! The differences of two runs for people.

use std::fmt::{self, Write as _};

use kms_page::text::escape;

use super::{Comparison, ExpectationPair, Figure, HostPair, Side};
use crate::fleet::expect::Judgement;
use crate::fleet::report::{minutes, number, outcome_of};
use crate::fleet::scenario::Seconds;

pub(super) fn report(comparison: &Comparison) -> Result<String, fmt::Error> {
    let mut text = String::new();
    side(&mut text, 'A', &comparison.a)?;
    side(&mut text, 'B', &comparison.b)?;
    if comparison.same_trace {
        writeln!(text, "  every client does the same in both at the same time")?;
    }
    writeln!(text, "\n{:<42}{:>13}{:>13}{:>13}", "", "A", "B", "difference")?;
    for figure in comparison.figures.iter().filter(|figure| is_worth_a_row(figure)) {
        let (a, b, difference) = cells(figure);
        writeln!(text, "  {:<40}{a:>13}{b:>13}{difference:>13}", figure.name)?;
    }
    for host in &comparison.hosts {
        writeln!(text, "  {}", escape(&host.name))?;
        for figure in of_host(host) {
            let (a, b, difference) = cells(&figure);
            writeln!(text, "    {:<38}{a:>13}{b:>13}{difference:>13}", figure.name)?;
        }
    }
    expectations(&mut text, &comparison.expectations_changed)?;
    Ok(text)
}

fn side(text: &mut String, letter: char, side: &Side) -> fmt::Result {
    let (file, scenario) = (escape(&side.file), escape(&side.scenario));
    let passed = if side.passed { "all expectations hold" } else { "an expectation is broken" };
    let length = Seconds(side.duration_s);
    writeln!(text, "{letter}  {file}: {scenario}, {length}, seed {}, {passed}", side.seed)
}

/// Whether one of the runs has any of it.
pub(super) fn is_worth_a_row(figure: &Figure) -> bool {
    let is_none = |value: Option<f64>| value.is_some_and(|value| value.abs() < f64::EPSILON);
    !(is_none(figure.a) && is_none(figure.b))
}

/// A host's figures; a run without the host has no value.
pub(super) fn of_host(host: &HostPair) -> Vec<Figure> {
    let (a, b) = (host.a.as_ref(), host.b.as_ref());
    HOST.iter()
        .map(|(name, of)| Figure { name: (*name).to_owned(), a: a.map(of), b: b.map(of) })
        .filter(is_worth_a_row)
        .collect()
}

/// A figure and its difference in words.
pub(super) fn cells(figure: &Figure) -> (String, String, String) {
    let is_time = figure.name.starts_with("minutes") && !figure.name.ends_with(".never");
    let value = |value: Option<f64>| match value {
        _ if is_time => minutes(value),
        None => "-".to_owned(),
        Some(value) => number(value as u64),
    };
    let difference = match (figure.a, figure.b) {
        (Some(a), Some(b)) if (a - b).abs() < f64::EPSILON => "same".to_owned(),
        (None, None) => "same".to_owned(),
        (Some(a), Some(b)) => {
            let sign = if b > a { '+' } else { '-' };
            let distance = (b - a).abs();
            let distance = if is_time { minutes(Some(distance)) } else { number(distance as u64) };
            format!("{sign}{distance}")
        }
        _ => "-".to_owned(),
    };
    (value(figure.a), value(figure.b), difference)
}

fn expectations(text: &mut String, changed: &[ExpectationPair]) -> fmt::Result {
    if changed.is_empty() {
        return writeln!(text, "\nno expectation has another result");
    }
    writeln!(text, "\nexpectations with another result")?;
    for pair in changed {
        writeln!(text, "  {}", escape(&pair.title))?;
        writeln!(text, "    A  {}", escape(&result(pair.a.as_ref())))?;
        writeln!(text, "    B  {}", escape(&result(pair.b.as_ref())))?;
    }
    Ok(())
}

/// `PASS  25 clients (right is at least 25)`.
pub(super) fn result(judgement: Option<&Judgement>) -> String {
    match judgement {
        None => "not expected".to_owned(),
        Some(judgement) => {
            let word = if judgement.held { "PASS" } else { "FAIL" };
            format!("{word}  {}", outcome_of(judgement))
        }
    }
}

type OfHost = fn(&crate::fleet::report::HostFigures) -> f64;

const HOST: [(&str, OfHost); 4] = [
    ("requests", |host| host.requests as f64),
    ("peak_requests_per_minute", |host| host.peak_requests_per_minute as f64),
    ("final_count", |host| f64::from(host.final_count)),
    ("final_count_office", |host| f64::from(host.final_count_office)),
];
