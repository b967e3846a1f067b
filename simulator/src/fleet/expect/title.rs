//! An expectation in words.

use crate::fleet::scenario::{Application, Expectation, Metric, When};

/// The scenario's own sentence, or one made of the parts.
pub(super) fn title(expectation: &Expectation) -> String {
    if let Some(title) = &expectation.title {
        return title.clone();
    }
    let (what, when) = (what(expectation), when(expectation));
    let bounds = bounds(expectation.at_least, expectation.at_most);
    format!("{what}{}{when}: {bounds}", whose(expectation))
}

/// `at least 25, at most 50`, as a range is spoken of.
pub(crate) fn bounds(at_least: Option<f64>, at_most: Option<f64>) -> String {
    match (at_least, at_most) {
        (Some(least), Some(most)) if least.total_cmp(&most).is_eq() => format!("exactly {least}"),
        (Some(least), Some(most)) => format!("at least {least}, at most {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => "no bound".to_owned(),
    }
}

fn what(expectation: &Expectation) -> String {
    let states = || {
        let names: Vec<String> = expectation.states.iter().map(name_of).collect();
        names.join(" or ")
    };
    match expectation.metric {
        Metric::Clients => format!("clients that are {}", states()),
        Metric::Share => format!("share of clients that are {}", states()),
        Metric::Count => match expectation.application {
            Application::Windows => "count for Windows".to_owned(),
            Application::Office => "count for Office".to_owned(),
        },
        Metric::Requests => "requests".to_owned(),
        Metric::RequestsPerMinute => "requests in one minute".to_owned(),
        Metric::Events => {
            let event = expectation.event.as_ref().map_or_else(|| "?".to_owned(), name_of);
            format!("events `{event}`")
        }
        Metric::TimeToFirstActivation => {
            let percentile = expectation.percentile.unwrap_or_default();
            format!("minutes to first activation, percentile {percentile}")
        }
    }
}

fn whose(expectation: &Expectation) -> String {
    let mut whose = String::new();
    if let Some(host) = &expectation.host {
        whose.push_str(&format!(" at {host}"));
    }
    if !expectation.groups.is_empty() {
        whose.push_str(&format!(" of {}", expectation.groups.join(", ")));
    }
    if !expectation.sites.is_empty() {
        whose.push_str(&format!(" in {}", expectation.sites.join(", ")));
    }
    whose
}

fn when(expectation: &Expectation) -> String {
    match (expectation.metric, expectation.when) {
        // It belongs to the whole run.
        (Metric::TimeToFirstActivation, _) => String::new(),
        (Metric::Requests | Metric::RequestsPerMinute | Metric::Events, When::At { at }) => {
            format!(" until {at}")
        }
        (_, When::At { at }) => format!(" after {at}"),
        (_, When::Window { from, until }) => format!(" from {from} to {until}"),
    }
}

/// The name that a scenario file has for it.
pub(crate) fn name_of(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}
