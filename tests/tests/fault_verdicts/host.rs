//! Faults of the host itself.

use kms_protocol::kms::product;
use kms_tests::harness::server::LabServer;

use super::cases::{Case, HOST};
use super::{check, codes, rules, run_all};

#[test]
fn every_fault_of_a_host_gets_its_verdict() {
    run_all(HOST, run);
}

fn run(case: &Case) -> Vec<&'static str> {
    let server = LabServer::with(|config| {
        config.initial_counts = vec![(product::WINDOWS_APP_ID, 50)];
        config.faults = rules(case.rules);
    });
    codes(&check(&server.address().to_string(), case, Vec::new()))
}
