//! Words that several formats share.

use crate::check::{Entry, StageReport};
use crate::verdict::{Severity, Verdict, table};

/// `corp.test -> kms1.corp.test:1688 (192.0.2.10)`, as far as it is known. It may hold text from
/// the network: escape it.
pub(crate) fn route(entry: &Entry) -> String {
    let Some(place) = place(entry) else { return target(entry).to_owned() };
    let host = entry.host.as_deref().unwrap_or_default();
    let shown_host = bracketed(host);
    let port = entry.port.unwrap_or_default();
    let repeats = [host, &shown_host, &format!("{shown_host}:{port}")];
    if repeats.contains(&entry.target.as_str()) {
        place
    } else {
        format!("{} -> {place}", entry.target)
    }
}

/// `kms1.corp.test:1688 (192.0.2.10)`; `None` where no host was found.
pub(crate) fn place(entry: &Entry) -> Option<String> {
    let (host, port) = (entry.host.as_ref()?, entry.port?);
    let shown_host = bracketed(host);
    Some(match entry.address.map(|address| address.to_string()) {
        Some(address) if address != *host => format!("{shown_host}:{port} ({address})"),
        _ => format!("{shown_host}:{port}"),
    })
}

/// The target as it was given; a search without a suffix has none.
pub(crate) fn target(entry: &Entry) -> &str {
    if entry.target.is_empty() { "this machine" } else { &entry.target }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// `2026-11-24 10:47:49 UTC` of a time in RFC 3339, UTC.
pub(crate) fn utc(time: &str) -> String {
    let whole = time.split('.').next().unwrap_or(time).trim_end_matches('Z');
    format!("{} UTC", whole.replace('T', " "))
}

/// What a Windows client would show of a failure; `None` where nothing failed.
pub(crate) fn client_view(verdict: &Verdict) -> Option<String> {
    if verdict.severity == Severity::Ok {
        return None;
    }
    let note = verdict.row.client_note;
    if verdict.client_sees.is_empty() {
        return Some(note.unwrap_or("not documented").to_owned());
    }
    let seen = verdict.client_sees.iter().map(|seen| format!("{seen} ({})", seen.place));
    let seen = seen.collect::<Vec<_>>().join(", ");
    Some(note.map_or(seen.clone(), |note| format!("{seen}; {note}")))
}

/// How much the verdict of one stage matters; options may have changed that of the entry's.
pub(crate) fn severity_of(stage: &StageReport, entry: &Entry) -> Severity {
    match judged(stage, entry) {
        Some(verdict) => verdict.severity,
        None => table::find(stage.verdict).map_or(Severity::Ok, |row| row.severity),
    }
}

/// The verdict, or finding, that a stage ended with; none for a healthy stage before the last.
pub(crate) fn judged<'a>(stage: &StageReport, entry: &'a Entry) -> Option<&'a Verdict> {
    let findings = entry.findings.iter().map(|finding| &finding.verdict);
    std::iter::once(&entry.verdict).chain(findings).find(|v| v.row.code == stage.verdict)
}

/// `3 critical, 1 ok`: how many entries have each severity, the worst first.
pub(crate) fn by_severity(entries: &[Entry]) -> Vec<(Severity, usize)> {
    let severities = [Severity::Critical, Severity::Warning, Severity::Info, Severity::Ok];
    let count = |wanted| entries.iter().filter(|e| e.verdict.severity == wanted).count();
    let counted = severities.into_iter().map(|severity| (severity, count(severity)));
    counted.filter(|(_, count)| *count > 0).collect()
}
