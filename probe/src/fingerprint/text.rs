//! A fingerprint as people read it.

use std::net::SocketAddr;

use super::entry::{Entry, Report};
use super::observation::{Observation, Question};
use super::score::{self, Fit};
use super::script::Conversation;
use super::traits::Candidate;
use crate::report::{Style, escape};

/// The whole report.
#[must_use]
pub fn text(report: &Report, style: Style) -> String {
    let entries: Vec<String> = report.entries.iter().map(|it| entry(it, style)).collect();
    entries.join("\n")
}

fn entry(entry: &Entry, style: Style) -> String {
    let mut text = format!("{}\n", style.strong(&heading(entry)));
    if let Some(failure) = &entry.failure {
        let failure = style.labelled("  nothing to tell  ", 19, &escape(failure));
        return format!("{text}{failure}\n");
    }
    text.push('\n');
    let mut sent = "";
    for seen in &entry.observations {
        if seen.question.sent() != sent {
            sent = seen.question.sent();
            text.push_str(&exchange(seen, style));
        }
        text.push_str(&observation(seen, style));
    }
    text.push('\n');
    for fit in &entry.fits {
        text.push_str(&candidate(fit, style));
    }
    text.push('\n');
    for caveat in caveats(entry) {
        text.push_str(&style.labelled("  note  ", 8, caveat));
        text.push('\n');
    }
    text
}

fn heading(entry: &Entry) -> String {
    let place = match (entry.address, entry.port) {
        (Some(address), Some(port)) => SocketAddr::new(address, port).to_string(),
        _ => entry.host.clone().unwrap_or_default(),
    };
    let mut target = escape(&entry.target).into_owned();
    // An address that was given without its port is not two places.
    let is_address = entry.address.is_some_and(|address| address.to_string() == entry.target);
    if is_address {
        target = place;
    } else if !place.is_empty() && place != target {
        target = format!("{target} -> {place}");
    }
    if entry.failure.is_some() {
        return target;
    }
    let names: Vec<&str> = entry.consistent_with().map(|fit| fit.candidate.name()).collect();
    match names.as_slice() {
        [] => format!("{target}  unknown: consistent with no server in the table"),
        names => format!("{target}  consistent with {}", names.join(", or with ")),
    }
}

fn exchange(seen: &Observation, style: Style) -> String {
    let sent = style.labelled("  sent  ", 8, seen.question.sent());
    let back = style.labelled("  back  ", 8, &escape(&seen.received));
    format!("{sent}\n{back}\n")
}

fn observation(seen: &Observation, style: Style) -> String {
    let bearings = score::bearings(seen);
    let like: Vec<String> = bearings
        .iter()
        .filter(|bearing| bearing.fits)
        .map(|bearing| format!("{} ({})", bearing.candidate.name(), bearing.weight.name()))
        .collect();
    let like = match (bearings.is_empty(), like.as_slice()) {
        (true, _) => "tells nothing".to_owned(),
        (false, []) => "like no server in the table".to_owned(),
        (false, like) => format!("like {}", like.join(", ")),
    };
    let label = format!("        {:<LABEL_COLUMNS$}", seen.question.name());
    let line = format!("{}: {like}", escape(&seen.value));
    format!("{}\n", style.labelled(&label, LABEL_COLUMNS + 8, &line))
}

fn candidate(fit: &Fit, style: Style) -> String {
    let state = match (fit.consistent, fit.contradicted) {
        (true, _) => "consistent",
        (false, true) => "contradicted",
        (false, false) => "too little speaks for it",
    };
    let against = match fit.contradicts.as_slice() {
        [] => String::new(),
        questions => {
            let shown = questions.iter().take(AGAINST_MAX).map(|question| question.name());
            let shown: Vec<&str> = shown.collect();
            let more = match questions.len().saturating_sub(AGAINST_MAX) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("; against it: {}{more}", shown.join(", "))
        }
    };
    let label = format!("  {:<LABEL_COLUMNS$}", fit.candidate.name());
    let line = format!("{state}, {} of {} points{against}", fit.score, fit.attainable);
    format!("{}\n", style.labelled(&label, LABEL_COLUMNS + 2, &line))
}

/// What must be known to read the result rightly.
#[must_use]
pub fn caveats(entry: &Entry) -> Vec<&'static str> {
    let consistent = |candidate| entry.consistent_with().any(|fit| fit.candidate == candidate);
    let mut caveats = vec![NO_PROOF];
    if consistent(Candidate::Windows) {
        caveats.push(WINDOWS);
    }
    if consistent(Candidate::KmsSim) {
        caveats.push(KMS_SIM);
    }
    let refused =
        |it: &Observation| it.question == Question::Contexts && !it.value.contains("(0,0)");
    if entry.observations.iter().any(refused) {
        caveats.push(NOT_KMS);
    }
    if entry.connections < Conversation::ALL.len() {
        caveats.push(INCOMPLETE);
    }
    caveats
}

const NO_PROOF: &str = "Consistent with is not the same as is: another program can behave alike, and \
                        a firewall or proxy between can change what is seen.";
const WINDOWS: &str = "An emulator that runs on the RPC runtime of Windows cannot be told from a \
                       genuine KMS host by this. The rows for Windows come from published tests and \
                       reports; none was measured here.";
const KMS_SIM: &str = "Every connection carries the kms-sim mark, which cannot be switched off: a \
                       lab, which activates nothing.";
const NOT_KMS: &str = "The KMS interface was not accepted: this is not a KMS host, whatever the \
                       runtime below it.";

const INCOMPLETE: &str = "Not every connection could be opened, so that some questions were not \
                          asked.";

const AGAINST_MAX: usize = 4;
const LABEL_COLUMNS: usize = 24;
