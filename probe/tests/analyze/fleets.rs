//! Runs of the scenarios that come with the simulator: their faults are known, so that every finding
//! is right or wrong.

use std::fmt::Write as _;

use kms_probe::analyze::findings::{Case, Subject};
use kms_probe::analyze::{self, Analysis};
use kms_probe::verdict::Severity;
use kms_simulator::fleet::builtin::{BUILTINS, Builtin};
use kms_simulator::fleet::engine::{self, Options};
use kms_simulator::fleet::report::Report;
use kms_simulator::fleet::scenario::Scenario;

use crate::harness::Folder;

/// Groups with a fault, or with clients that stay away; everybody else is healthy in the end.
fn faulty(scenario: &str) -> &'static [&'static str] {
    match scenario {
        "duplicate-cmid" => &["clones", "pairs"],
        "firewall-closed" => &["refused-desks", "silent-desks", "new-desks"],
        "random-cmid" => &["kiosks"],
        "windows7-grace" => &["seven", "seven-rearmed", "ten", "seven-lost"],
        "kms-vs-mak" => &["kms-monthly", "kms-expedition"],
        "wrong-key" => &["wrong", "keyless"],
        "clock-skew" => &["five-hours-ahead"],
        _ => &[],
    }
}

struct Run {
    scenario: &'static str,
    analysis: Analysis,
}

impl Run {
    fn of(builtin: &Builtin, seed: Option<u64>, with_clients: bool) -> Self {
        let scenario = Scenario::from_toml(builtin.toml).unwrap();
        let options = Options { seed, trace: vec!["*".to_owned()], ..Options::default() };
        let outcome = engine::run(&scenario, &options).unwrap();
        let report = Report::of(&scenario, &outcome);
        let folder = Folder::new();
        let mut files = vec![folder.file("host", report.host_events())];
        if with_clients {
            files.push(folder.file("clients", report.client_events()));
        }
        let analysis = analyze::run(&files, &analyze::Options::default()).unwrap();
        Self { scenario: builtin.name, analysis }
    }

    /// Whether a case concerns a client that has no fault.
    fn is_false(&self, case: &Case) -> bool {
        let Subject::Client(_, name) = case.subject else { return false };
        let name = self.analysis.records.names.text(name);
        let group = name.rsplit_once('-').map_or(name, |(group, _)| group);
        !faulty(self.scenario).contains(&group)
    }

    fn false_cases(&self, codes: fn(&str, Severity) -> bool) -> Vec<String> {
        let findings = self.analysis.findings.iter();
        let wrong = findings.filter(|finding| codes(finding.row.code, finding.row.severity));
        let wrong = wrong.flat_map(|finding| finding.cases.iter().map(move |case| (finding, case)));
        wrong
            .filter(|(_, case)| !case.is_over && self.is_false(case))
            .map(|(finding, case)| {
                format!("{} {} {}", self.scenario, finding.row.code, case.detail)
            })
            .collect()
    }
}

#[test]
fn findings_are_the_known_faults_of_each_scenario_as_documented() {
    let documented = include_str!("../../../docs/analyze.md");
    let (mut rows, mut wrong) = (String::new(), Vec::new());
    for builtin in BUILTINS {
        let run = Run::of(builtin, None, true);
        assert!(
            run.analysis.records.files.iter().all(|file| file.skipped == 0),
            "{}",
            run.scenario
        );
        let shown: Vec<String> = run.analysis.findings.iter().map(shown).collect();
        let shown = if shown.is_empty() { "none".to_owned() } else { shown.join(", ") };
        writeln!(rows, "| {} | {shown} |", builtin.name).unwrap();
        wrong.extend(run.false_cases(|_, severity| severity >= Severity::Warning));
    }
    assert!(documented.contains(&rows), "docs/analyze.md does not have:\n{rows}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn shown(finding: &analyze::findings::Finding) -> String {
    let open = finding.cases.iter().filter(|case| !case.is_over).count();
    let code = finding.row.code;
    match open {
        0 => format!("`{code}` {} (over)", finding.total),
        open if open as u64 == finding.total => format!("`{code}` {open}"),
        open => format!("`{code}` {open} (and {} over)", finding.total - open as u64),
    }
}

#[test]
fn at_most_one_healthy_client_in_a_thousand_is_called_unusual() {
    let (mut healthy, mut wrong) = (0, Vec::new());
    for builtin in BUILTINS {
        for seed in [None, Some(1), Some(2)] {
            let run = Run::of(builtin, seed, false);
            let clients = run.analysis.timeline.clients.iter();
            healthy += clients
                .filter(|client| {
                    let name = run.analysis.records.names.text(client.last_name);
                    !faulty(run.scenario).iter().any(|group| name.starts_with(group))
                })
                .count();
            wrong.extend(run.false_cases(|code, _| code.starts_with("anomaly.")));
        }
    }
    assert!(healthy > 5_000, "{healthy}");
    assert!(wrong.len() * 1_000 <= healthy, "{} of {healthy}: {wrong:#?}", wrong.len());
}
