//! Every kind of fault against kms-probe: what the probe says of it. The two tables, faults and
//! verdicts, cover each other.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod cases;
mod coverage;
mod dns;
mod documented;
mod host;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use kms_probe::check::{self, Options, Report, Timeouts};
use kms_probe::stage::Stage;
use kms_probe::target::Asked;
use kms_simulator::fault::{FaultSet, RuleId, Source, parse_compact};

use cases::Case;

/// The rules of one `--fault` each.
fn rules(texts: &[&str]) -> Arc<FaultSet> {
    let set = FaultSet::new(1);
    for (number, text) in (1..).zip(texts) {
        let rule = parse_compact(text, &RuleId::made_up("case", number)).unwrap();
        set.add(rule, Source::Flag, kms_simulator::serve::machine_time()).unwrap();
    }
    Arc::new(set)
}

/// Checks `target` as the case asks for. A stage that is expected to time out gets a second; the
/// others get a minute, so that a machine under load changes no verdict.
fn check(target: &str, case: &Case, resolvers: Vec<SocketAddr>) -> Report {
    let time = |stage: Stage| match case.expected.iter().any(|code| times_out(code, stage)) {
        true => Duration::from_secs(1),
        false => Duration::from_secs(60),
    };
    let mut options = Options {
        depth: case.depth,
        timeouts: Timeouts {
            dns: time(Stage::Dns),
            tcp: time(Stage::Tcp),
            bind: time(Stage::Bind),
            rpc: time(Stage::Rpc),
            kms: time(Stage::Kms),
            ..Timeouts::all(Duration::from_secs(60))
        },
        resolvers,
        ask_system: false,
        ..Options::default()
    };
    options.kms.version = case.version;
    check::run(&[Asked::parse(target, false).unwrap()], &options).unwrap()
}

fn times_out(code: &str, stage: Stage) -> bool {
    code == format!("{}.timeout", stage.name())
}

/// The verdict of the first entry, and the findings of all.
fn codes(report: &Report) -> Vec<&'static str> {
    let verdict = report.entries.first().map(|entry| entry.verdict.row.code);
    let findings = report.entries.iter().flat_map(|entry| &entry.findings);
    verdict.into_iter().chain(findings.map(|finding| finding.verdict.row.code)).collect()
}

/// Runs all cases at once and fails with everything that went otherwise than expected.
fn run_all(cases: &[Case], run: impl Fn(&Case) -> Vec<&'static str> + Sync) {
    let mut surprises = Vec::new();
    for batch in cases.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let running: Vec<_> =
                batch.iter().map(|case| (case, scope.spawn(|| run(case)))).collect();
            for (case, running) in running {
                let seen = running.join().unwrap();
                if !seen.iter().any(|code| case.expected.contains(code)) {
                    surprises.push(format!(
                        "{}: {seen:?}, expected {:?}",
                        case.rules.join("; "),
                        case.expected
                    ));
                }
            }
        });
    }
    assert!(surprises.is_empty(), "{surprises:#?}");
}

const AT_ONCE: usize = 8;
