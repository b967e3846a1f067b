//! A check as JUnit XML, for pipelines: a suite per target, a case per stage.
//!
//! A case fails when its stage's verdict, or a finding's own case when the finding, is at least as
//! severe as what makes the exit code 1, so that pipeline and exit code agree. A stage that did not
//! run is no case.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Junit, TestCase, TestCaseStatus, TestSuite};

use super::words::{client_view, judged, place, target};
use super::{escape, facts_text};
use crate::check::{Entry, Report};
use crate::verdict::{Finding, Severity, Verdict};

/// The report as a JUnit file; what is at least `fail_on` fails.
///
/// # Errors
/// None in practice: writing to memory.
pub fn report(report: &Report, fail_on: Severity) -> anyhow::Result<String> {
    let mut junit = Junit::new("kms-probe check");
    for entry in &report.entries {
        let name = escape(target(entry)).into_owned();
        let known = junit.test_suites.iter().position(|suite| suite.name.as_str() == name);
        let index = known.unwrap_or_else(|| {
            let mut suite = TestSuite::new(name);
            suite.timestamp = report.started.parse().ok();
            junit.test_suites.push(suite);
            junit.test_suites.len() - 1
        });
        if let Some(suite) = junit.test_suites.get_mut(index) {
            add_entry(suite, entry, fail_on);
        }
    }
    count(&mut junit);
    Ok(junit.to_string()?)
}

fn add_entry(suite: &mut TestSuite, entry: &Entry, fail_on: Severity) {
    let class = class(entry);
    for (index, stage) in entry.stages.iter().enumerate() {
        let failed = judged(stage, entry).filter(|verdict| verdict.severity >= fail_on);
        let status = failed.map_or_else(TestCaseStatus::success, failure);
        let mut case = TestCase::new(stage.stage.name(), status);
        case.set_classname(class.clone()).set_time(stage.elapsed);
        let mut seen = escape(&facts_text::line(&stage.facts)).into_owned();
        if index + 1 == entry.stages.len() {
            for line in facts_text::beside(&entry.beside) {
                seen.push_str(&format!("\n{} {}: {}", line.label, line.word, escape(&line.facts)));
            }
            for finding in &entry.findings {
                seen.push_str(&format!("\n{}", sentence(finding)));
            }
        }
        case.set_system_out(seen);
        suite.add_test_case(case);
    }
    let has_stage = |code: &str| entry.stages.iter().any(|stage| stage.verdict == code);
    for Finding { verdict, .. } in &entry.findings {
        if verdict.severity >= fail_on && !has_stage(verdict.row.code) {
            let name = format!("finding {}", verdict.row.code);
            let mut case = TestCase::new(name, failure(verdict));
            case.set_classname(class.clone()).set_time(Duration::ZERO);
            suite.add_test_case(case);
        }
    }
    let elapsed = entry.stages.iter().map(|stage| stage.elapsed).sum();
    suite.time = Some(suite.time.unwrap_or_default().saturating_add(elapsed));
}

fn failure(verdict: &Verdict) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    let mut description = format!("cause: {}", escape(&verdict.cause));
    if let Some(remedy) = &verdict.remedy {
        description.push_str(&format!("\nremedy: {}", escape(remedy)));
    }
    if let Some(seen) = client_view(verdict) {
        description.push_str(&format!("\nWindows: {}", escape(&seen)));
    }
    status
        .set_type(verdict.row.code)
        .set_message(format!("{}: {}", verdict.row.code, escape(&verdict.cause)))
        .set_description(description);
    status
}

fn sentence(finding: &Finding) -> String {
    let verdict = &finding.verdict;
    let remedy = verdict.remedy.as_ref().map_or_else(String::new, |remedy| format!(" {remedy}"));
    let sentence = format!("{}{remedy}", verdict.cause);
    format!("{} {}: {}", verdict.severity.name(), verdict.row.code, escape(&sentence))
}

/// Whom the stages talked to.
fn class(entry: &Entry) -> String {
    let place = place(entry).unwrap_or_else(|| target(entry).to_owned());
    escape(&place).into_owned()
}

/// The totals at the top, which `add_test_suite` would have kept.
fn count(junit: &mut Junit) {
    let suites = &junit.test_suites;
    junit.tests = suites.iter().map(|suite| suite.tests).sum();
    junit.failures = suites.iter().map(|suite| suite.failures).sum();
    junit.errors = suites.iter().map(|suite| suite.errors).sum();
    junit.time = Some(suites.iter().filter_map(|suite| suite.time).sum());
}
