//! A check for Nagios, Icinga and their like, by the Monitoring Plugins Development Guidelines:
//! one line with the state, then `|` and performance data, then one line per entry.

use super::escape;
use super::words::{by_severity, place, target};
use crate::check::{Entry, Report, StageFacts};
use crate::verdict::Severity;

/// The exit code for a state: 0 OK, 1 WARNING, 2 CRITICAL.
#[must_use]
pub const fn exit_code(severity: Severity) -> u8 {
    match severity {
        Severity::Ok | Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Critical => 2,
    }
}

/// The exit code for usage errors and this program's own failures.
pub const EXIT_UNKNOWN: u8 = 3;

/// The report as a plugin's output.
#[must_use]
pub fn report(report: &Report) -> String {
    let state = state(report.severity());
    let perfdata = perfdata(&report.entries);
    let mut output = format!("KMS {state} - {}|{}\n", summary(report), perfdata.join(" "));
    let mut left_out = 0;
    for line in report.entries.iter().flat_map(long_lines) {
        if output.len() + line.len() > OUTPUT_BYTES_MAX - LEFT_OUT_BYTES_MAX {
            left_out += 1;
        } else {
            output.push_str(&line);
            output.push('\n');
        }
    }
    if left_out > 0 {
        output.push_str(&format!("{left_out} more lines not shown\n"));
    }
    output
}

/// What is said when nothing could be checked.
#[must_use]
pub fn unknown(message: &str) -> String {
    let message = message.strip_prefix("error: ").unwrap_or(message).trim();
    let first = message.lines().next().unwrap_or_default();
    format!("KMS UNKNOWN - {}\n", cut(&harmless(first), SUMMARY_BYTES_MAX))
}

fn state(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok | Severity::Info => "OK",
        Severity::Warning => "WARNING",
        Severity::Critical => "CRITICAL",
    }
}

/// The worst verdict with its place and cause, and how many entries there are beside it.
fn summary(report: &Report) -> String {
    let Some(worst) = report.worst() else { return "nothing was checked".to_owned() };
    let has_worst = |entry: &&Entry| {
        let findings = entry.findings.iter().map(|finding| &finding.verdict);
        let mut verdicts = std::iter::once(&entry.verdict).chain(findings);
        verdicts.any(|verdict| std::ptr::eq(verdict, worst))
    };
    let subject = report.entries.iter().find(has_worst).map_or_else(String::new, subject);
    let others = if report.entries.len() > 1 {
        let counts = by_severity(&report.entries);
        let counts = counts.iter().map(|(severity, n)| format!("{n} {}", severity.name()));
        format!(" ({} checked: {})", report.entries.len(), counts.collect::<Vec<_>>().join(", "))
    } else {
        String::new()
    };
    let text = format!("{} {subject}: {}", worst.row.code, worst.cause);
    format!("{}{others}", cut(&harmless(&text), SUMMARY_BYTES_MAX))
}

fn long_lines(entry: &Entry) -> Vec<String> {
    let verdict = &entry.verdict;
    let line = |severity: Severity, code: &str, text: &str| {
        harmless(&format!("{} {code}  {}: {text}", state(severity), subject(entry)))
    };
    let mut lines = vec![line(verdict.severity, verdict.row.code, &verdict.cause)];
    lines.extend(verdict.remedy.as_ref().map(|remedy| harmless(&format!("  remedy: {remedy}"))));
    for finding in &entry.findings {
        let verdict = &finding.verdict;
        lines.push(line(verdict.severity, verdict.row.code, &verdict.cause));
    }
    lines
}

/// Times in seconds, the count of a KMS answer, and the share of the clients.
fn perfdata(entries: &[Entry]) -> Vec<String> {
    let mut data = Vec::new();
    for entry in entries.iter().take(ENTRIES_WITH_PERFDATA_MAX) {
        let prefix =
            if entries.len() == 1 { String::new() } else { format!("{} ", subject(entry)) };
        for stage in &entry.stages {
            let label = label(&format!("{prefix}{}_time", stage.stage.name()));
            data.push(format!("{label}={:.6}s;;;0;", stage.elapsed.as_secs_f64()));
            if let StageFacts::Kms(facts) = &stage.facts
                && let Some(answer) = &facts.answer
            {
                let label = self::label(&format!("{prefix}kms_count"));
                data.push(format!("{label}={};;{}:;0;", answer.count, facts.threshold));
            }
        }
        let endpoint = entry.dns().and_then(|dns| dns.endpoint.as_ref());
        if let Some(share) = endpoint.and_then(|endpoint| endpoint.share) {
            let label = label(&format!("{prefix}srv_share"));
            data.push(format!("{label}={:.1}%;;;0;100", share * 100.0));
        }
    }
    data
}

/// A label by the guidelines: quoted where it has a space; no `=`, and quotes doubled.
fn label(text: &str) -> String {
    let text = harmless(text).replace('=', "_").replace('\'', "''");
    if text.contains([' ', '\'']) { format!("'{text}'") } else { text }
}

fn subject(entry: &Entry) -> String {
    place(entry).unwrap_or_else(|| target(entry).to_owned())
}

/// Text without line breaks, escape sequences, or the `|` that would begin performance data.
fn harmless(text: &str) -> String {
    escape(text).replace('|', "/")
}

/// At most `bytes` of `text`, whole characters.
fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes.saturating_sub(3));
    format!("{}...", text.get(..end).unwrap_or_default())
}

/// Nagios reads no more of a plugin's output.
const OUTPUT_BYTES_MAX: usize = 8_192;
const LEFT_OUT_BYTES_MAX: usize = 64;
/// The first line must leave room for performance data.
const SUMMARY_BYTES_MAX: usize = 480;
/// The places of the first entries stand for their target; more would crowd out everything else.
const ENTRIES_WITH_PERFDATA_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_can_begin_performance_data_or_another_line() {
        assert_eq!(harmless("a|b\nc\u{1b}[2J"), "a/b\\u{a}c\\u{1b}[2J");
        assert_eq!(label("kms1:1688 dns_time"), "'kms1:1688 dns_time'");
        assert_eq!(label("a=b'c"), "'a_b''c'");
        assert_eq!(unknown("error: no such\nfile | x"), "KMS UNKNOWN - no such\n");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(cut("bücher", 20), "bücher");
        assert_eq!(cut("büüücher", 7), "bü...");
    }
}
