//! An alert to a program of this machine: JSON on its standard input, the gist in its environment.

use std::time::Duration;

use crate::watch::alert::Alert;
use crate::watch::process;

pub(super) fn run(
    command: &[String],
    alert: &Alert,
    body: &str,
    timeout: Duration,
) -> Result<(), String> {
    let ran = process::run(command, body.as_bytes(), &environment(alert), timeout);
    if ran.is_success {
        return Ok(());
    }
    let program = command.first().map_or("", String::as_str);
    let last = ran.output.lines().last().map_or_else(String::new, |line| format!(": {line}"));
    Err(format!("command `{program}`: {}{last}", ran.outcome))
}

/// What a program finds in its environment.
#[must_use]
pub fn environment(alert: &Alert) -> Vec<(&'static str, String)> {
    let source = alert.source.map_or_else(String::new, |source| source.to_string());
    vec![
        ("KMS_PROBE_ID", alert.id.clone()),
        ("KMS_PROBE_OCCASION", alert.occasion.name().to_owned()),
        ("KMS_PROBE_SUMMARY", alert.summary.clone()),
        ("KMS_PROBE_NAME", alert.name.clone()),
        ("KMS_PROBE_TARGET", alert.target.clone()),
        ("KMS_PROBE_SOURCE", source),
        ("KMS_PROBE_LEVEL", alert.finding.level.name().to_owned()),
        ("KMS_PROBE_VERDICT", alert.finding.verdict.clone()),
        ("KMS_PROBE_SEVERITY", alert.finding.severity.name().to_owned()),
        ("KMS_PROBE_CAUSE", alert.finding.cause.clone()),
        ("KMS_PROBE_REMEDY", alert.finding.remedy.clone().unwrap_or_default()),
    ]
}
