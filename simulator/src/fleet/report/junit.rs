//! Expectations as JUnit XML, for pipelines: a suite per scenario, a case per expectation.

use kms_page::text::escape;
use quick_junit::{NonSuccessKind, Report as Junit, TestCase, TestCaseStatus, TestSuite};

use super::run::Run;
use super::words::{offenders, outcome_of};
use crate::fleet::expect::{Judgement, name_of};

/// The file. A case fails where its expectation is broken, so that pipeline and exit code agree.
///
/// # Errors
/// None in practice: writing to memory.
pub(super) fn report(run: &Run) -> anyhow::Result<String> {
    let mut suite = TestSuite::new(escape(&run.scenario).into_owned());
    suite.add_property(("seed", run.seed.to_string().as_str()));
    suite.add_property(("trace_hash", run.trace_hash.as_str()));
    for judgement in &run.expectations {
        suite.add_test_case(case(run, judgement));
    }
    let mut junit = Junit::new("kms-sim fleet");
    junit.add_test_suite(suite);
    Ok(junit.to_string()?)
}

fn case(run: &Run, judgement: &Judgement) -> TestCase {
    let seen = escape(&outcome_of(judgement)).into_owned();
    let status = if judgement.held {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let mut description = seen.clone();
        if judgement.offenders.total > 0 {
            description.push_str(&format!("\nclients: {}", escape(&offenders(judgement))));
        }
        status.set_type(name_of(&judgement.metric)).set_message(seen.clone());
        status.set_description(description);
        status
    };
    let mut case = TestCase::new(escape(&judgement.title).into_owned(), status);
    case.set_classname(escape(&run.scenario).into_owned()).set_system_out(seen);
    case
}
