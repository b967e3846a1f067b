//! `kms-probe analyze` reads what tshark captured of our own programs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::net::SocketAddr;

use kms_probe::analyze::record::Reached;
use kms_probe::analyze::{self, Analysis};
use kms_probe::check::{self, KmsOptions, Options};
use kms_probe::stage::Stage;
use kms_probe::target::Asked;
use kms_protocol::kms::Version;
use kms_protocol::kms::crypto::LabKey;
use kms_tests::harness::capture::Capture;
use kms_tests::harness::server::LabServer;
use kms_tests::skip::{self, Need};

const NEEDS: &[Need] = &[Need::Tool("tshark"), Need::Root];

/// A check at depth kms, captured and analyzed.
fn analyzed(version: Version, redact: bool) -> (Analysis, SocketAddr) {
    let server = LabServer::start();
    let capture = Capture::of(server.address());
    let asked = Asked::parse(&server.address().to_string(), false).unwrap();
    let kms = KmsOptions { version, ..KmsOptions::new(&LabKey::DEFAULT) };
    let options = Options { depth: Stage::Kms, kms, ..Options::default() };
    check::run(&[asked], &options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture");
    fs::write(&path, capture.bytes(8)).unwrap();
    let reading = analyze::readers::Options {
        ports: vec![server.address().port()],
        ..analyze::readers::Options::default()
    };
    (analyze::run(&[path], &analyze::Options { reading, redact }).unwrap(), server.address())
}

#[test]
fn a_captured_check_is_followed_to_its_answers_and_stays_closed_in_version_6() {
    if !skip::require("a_captured_check_is_followed", NEEDS) {
        return;
    }
    let (analysis, server) = analyzed(Version::V6, false);
    let records = &analysis.records;
    let talks: Vec<_> = records.conversations.iter().filter(|one| one.requests > 0).collect();
    let versions: Vec<&str> =
        talks.iter().flat_map(|one| &one.versions).map(String::as_str).collect();
    assert!(versions.contains(&"6.0"), "{talks:#?}");
    assert!(talks.iter().all(|one| one.reached == Reached::Answered && one.server == server));
    assert!(records.events.is_empty(), "nothing is known of what is encrypted");
}

#[test]
fn a_request_of_version_4_is_read_in_the_clear_and_its_name_can_be_hidden() {
    if !skip::require("a_request_of_version_4_is_read", NEEDS) {
        return;
    }
    let (analysis, _) = analyzed(Version::V4, true);
    let [event] = analysis.records.events.as_slice() else { panic!("{:?}", analysis.records) };
    assert_eq!(analysis.records.names.text(event.name), "KMS-PROBE");
    assert_eq!((event.hresult, event.count, event.n_policy), (Some(0), Some(1), Some(25)));
    let text = analyze::report::text::text(&analysis, kms_probe::report::Style::PLAIN);
    assert!(!text.contains("KMS-PROBE") && text.contains(", 4.0  2 requests"), "{text}");
    // The call that every KMS host refuses is the proof of the check, not a failure.
    assert!(!text.contains("network.call_failed"), "{text}");
    assert!(text.contains("client.count_low"), "{text}");
}
